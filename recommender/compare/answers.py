"""The five questions, answered in sentences that are made of numbers and name what they rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from recommender import config
from recommender.compare import said
from recommender.compare.costs import cost
from recommender.compare.places import Scene
from recommender.compare.plan import PARTS, VALUE, VOLUME
from recommender.compare.said import Said
from recommender.compare.ship import day_one
from recommender.compare.steps import SURE, Step, ahead, collected, groups
from recommender.compare.words import capital, curves_of, evidence, users
from recommender.names import ALL, ROUTER
from recommender.studies import data_volume, worth
from recommender.studies.engine.curves import Curves, crossings
from recommender.studies.engine.finding import NOT_ENOUGH, interval
from recommender.studies.engine.plan import pairs_of

LIKELY = 0.5  # share of the resamples from which on an open lead is told


def answers(scene: Scene, widen: float) -> dict[str, list[Said]]:
    """Question -> sentences. widen: of the back-test over all places (``volume``)."""
    return {
        said.DAY_ONE: day_one(scene),
        said.WHEN: when(scene),
        said.MORE: [*more_data(scene, widen), *better_data(scene)],
        said.PARTS: parts(scene),
        said.COST: cost(scene),
    }


# --- when to move


def when(scene: Scene) -> list[Said]:
    """For the groups that a decision is made for; the finer ones stand in a table."""
    made, told = curves_of(scene)
    if made is None:
        return told
    paths: dict[str, list[str]] = {}
    open_: dict[str, list[str]] = {}
    for group in groups(made):
        found, unsure = scene.steps(group)
        paths.setdefault(_path(found, made), []).append(group)
        for c in (c for c in unsure if c.share >= LIKELY and c.rung not in scene.doubted):
            open_.setdefault(c.rung, []).append(
                f"{_who([group], made, scene)} (ahead in {c.share:.0%} of the resamples)"
            )
    moves = any(len(scene.steps(group)[0]) > 1 for group in groups(made))
    sentences = [_today(made, moves)]
    sentences += [f"{capital(_who(who, made, scene))}: {path}." for path, who in paths.items()]
    sentences += [*_doubted(made, scene), *_early(made, scene), *_below(made, scene)]
    sentences += [
        f"{NOT_ENOUGH} that {rung} overtakes the simpler rungs within {_range(made)} for {', '.join(who)}."
        for rung, who in open_.items()
    ]
    return [Said(sentence, evidence(scene, VOLUME)) for sentence in sentences]


def _today(made: Curves, moves: bool) -> str:
    rate = f", {made.per_week:,.0f} new ones a week" if made.per_week else ""
    due = "; what moves within them is due by now" * moves
    return (
        f"There are {made.size[-1]:,.0f} interactions to learn from today ({collected(made, made.size[-1])}{rate}). "
        f"Measured on samples of them, {_range(made)}{due}."
    )


def _doubted(made: Curves, scene: Scene) -> list[str]:
    """Rungs that overtake in the test period, but did not win before."""
    return [
        f"{NOT_ENOUGH} to move to {c.rung}: in the test period it is ahead from about {max(c.at, made.size[0]):,.0f} "
        "interactions on, but over the periods before it was not shown to win (see day one)."
        for c in crossings(made, ALL)
        if c.rung in scene.doubted and c.share >= SURE
    ]


def _early(made: Curves, scene: Scene) -> list[str]:
    """Rungs of more effort that are ahead at smaller sizes only, all users together."""
    path, order = scene.steps()[0], made.rungs.index
    found: dict[str, list[int]] = {}
    for n, size in enumerate(made.size):
        serves, now = next(s.rung for s in reversed(path) if s.at <= size), ahead(made, ALL, n)
        if order(now) > order(serves) and now not in scene.doubted:
            found.setdefault(now, []).append(n)
    told = []
    for rung, at in found.items():
        if at[-1] == len(made.size) - 1:
            continue
        first, last = (f"{made.size[n]:,.0f}" for n in (at[0], at[-1]))
        then = "a simpler rung is as good" if order(path[-1].rung) < order(rung) else "that is not shown"
        told.append(
            f"{capital(rung)}, of more effort, is ahead of these for all users together with {first}"
            f"{f' to {last}' * (len(at) > 1)} interactions; with more, {then}."
        )
    return told


def _below(made: Curves, scene: Scene) -> list[str]:
    """Rungs that overtake the simpler ones, but serve nobody because one above them is ahead all the same."""
    path, _ = scene.steps()
    serving = {s.rung for s in path}
    return [
        f"As long as {path[-1].rung} is not built: {_step(Step(c.rung, c.at, c.low, c.high), made)}, "
        f"all users together, over {c.over}."
        for c in crossings(made, ALL)
        if c.share >= SURE and np.isfinite(c.at) and c.rung not in serving | scene.doubted
    ]


def _path(found: Sequence[Step], made: Curves) -> str:
    first, *later = found  # the first of them serves from the smallest size on
    if not later and first.rung == made.rungs[0]:
        return f"stay with {first.rung}, the simplest; nothing is shown to overtake it within {_range(made)}"
    if not later:
        return f"{first.rung} at every size that was measured, {_range(made)}"
    head = f"{first.rung} with the least data measured ({made.size[0]:,.0f} interactions)"
    return ", then ".join([head, *(_step(s, made) for s in later)])


def _step(step: Step, made: Curves) -> str:
    low = f"{step.low:,.0f}" if np.isfinite(step.low) else "less than was measured"
    high = f"{step.high:,.0f}" if np.isfinite(step.high) else "more than was measured"
    if step.at <= made.size[0]:
        return f"{step.rung} at once, or by {high} interactions (95%)"
    return f"{step.rung} from about {step.at:,.0f} interactions on (95%: {low} to {high}; {collected(made, step.at)})"


def _range(made: Curves) -> str:
    return f"{made.size[0]:,.0f} to {made.size[-1]:,.0f} interactions"


def _who(groups_: Sequence[str], made: Curves, scene: Scene) -> str:
    if list(groups_) == groups(made):
        return "all users, those without and those with history (finer groups: see the table)"
    rest = users([g for g in groups_ if g != ALL], scene)
    return "all users together, each asked once" + f", and {rest}" * bool(rest) if ALL in groups_ else rest


# --- more and better data


def more_data(scene: Scene, widen: float) -> list[Said]:
    made, told = curves_of(scene)
    if made is None:
        return told
    each, target = data_volume.forecasts(made, scene.metric, widen), scene.scenario.problem.target
    goal = data_volume.goal(made, scene.metric, target, widen, list(scene.reaching()), scene.doubted)
    serves = scene.steps()[0][-1].rung
    shown = [s for rung, s in zip(made.rungs, each, strict=False) if rung == serves or NOT_ENOUGH not in s]
    flat = [r for r, s in zip(made.rungs, each, strict=False) if NOT_ENOUGH in s and r != serves]
    if flat:
        shown.append(f"{NOT_ENOUGH} that twice the data would change {', '.join(flat)}.")
    return [Said(s, evidence(scene, VOLUME)) for s in (*shown, goal)]


def better_data(scene: Scene) -> list[Said]:
    """What each data asset is worth: the best rung with it against the best without."""
    rows = _of_all(scene.worth, scene.metric)
    if not rows:
        return [Said(f"{NOT_ENOUGH} on data assets: none could be taken away.", evidence(scene, VALUE))]
    what = {name: pair.what for name, pair in pairs_of(scene.studies[VALUE], scene.scenario.name).items()}
    told: list[str] = []
    unsure, unused, noise = [], [], []  # names of assets
    for row in sorted(rows, key=lambda r: -abs(r["difference"])):
        name, with_, without = row["pair"], row["other_rung"], row["base_rung"]
        if row["ci_low"] == row["ci_high"] == 0:
            unused.append(f"{name} ({what[name]})" if what.get(name) else name)
        elif not worth.significant(row):
            unsure.append(name)
        elif not scene.noticed(row):
            noise.append(name)
        else:
            verb = "worth" if row["difference"] > 0 else "does harm,"
            change = interval(row["difference"], row["ci_low"], row["ci_high"], sign=True)
            more = f" ({what[name]})" if what.get(name) else ""
            told.append(
                f"{capital(name)}{more}: {verb} {change} of {scene.label} (best without it: {without}, "
                f"with it: {with_}; n={row['n_queries']:,})."
            )
    best = rows[0]["other_rung"]  # with everything: the same cell for every asset that has no variant of its own
    if noise:
        seeds = f"no more than another seed changes {best} ({scene.seed_noise(best):.4f})"
        told.append(f"{NOT_ENOUGH} of what these bring, {seeds}: {', '.join(noise)}.")
    if unsure:
        told.append(f"{NOT_ENOUGH} that these change the best rung, {best}: {', '.join(unsure)}.")
    if unused:
        told.append(f"No difference at all to the best rung, {best}: {', '.join(unused)}.")
    return [Said(sentence, evidence(scene, VALUE)) for sentence in told]


def _of_all(table: pl.DataFrame, metric: str) -> list[Mapping[str, Any]]:
    if table.is_empty():
        return []
    return list(
        table.filter(
            pl.col("user_bucket") == ALL, pl.col("metric") == metric, pl.col("shown").is_in(["best", ROUTER])
        ).iter_rows(named=True)
    )


# --- parts


def parts(scene: Scene) -> list[Said]:
    """From the cells of the study ``parts``, where they are kept; else how to make them."""
    runs = scene.runs.get(PARTS, [])
    pairs = pairs_of(scene.studies[PARTS], scene.scenario.name)
    lacking = [name for name in pairs if name not in worth.partners(runs, pairs)]
    found = scene.part_finding
    told = [Said(capital(sentence), evidence(scene, PARTS)) for sentence in (found.sentences if found else [])]
    if lacking:
        data = [] if scene.data == config.load(scene.scenario.name).data.source else [f"DATA={scene.data}"]
        variables = ["STUDY=parts", f"SCENARIO={scene.scenario.name}", *data, *scene.variables]
        text = (
            f"{NOT_ENOUGH}, for these are not measured yet with this code and data: {', '.join(lacking)}. To measure "
            f"them: make study {' '.join(variables)} (minutes); then the same make compare again."
        )
        told.append(Said(text, ()))
    return told
