"""The five questions, answered in sentences that are made of numbers and name what they rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from recommender.compare import page_model
from recommender.compare.cost import cost
from recommender.compare.day_one import day_one
from recommender.compare.moves import SURE, Move, ahead, collected, groups
from recommender.compare.page_model import Sentence
from recommender.compare.plan import PARTS, VALUE, VOLUME
from recommender.compare.site import Site
from recommender.compare.wording import capital, curves_of, evidence, users
from recommender.names import ALL, ROUTER
from recommender.studies import ablation, data_volume
from recommender.studies.engine.contrast import significant
from recommender.studies.engine.curves import Curves, crossings
from recommender.studies.engine.finding import NOT_ENOUGH, interval
from recommender.studies.engine.plan import pairs_of

LIKELY = 0.5  # share of the resamples from which on an open lead is told


def answers(site: Site, widen: float) -> dict[str, list[Sentence]]:
    """Question -> sentences. widen: of the back-test over all places (``data_volume``)."""
    return {
        page_model.DAY_ONE: day_one(site),
        page_model.WHEN: when(site),
        page_model.MORE: [*more_data(site, widen), *better_data(site)],
        page_model.PARTS: parts(site),
        page_model.COST: cost(site),
    }


# --- when to move


def when(site: Site) -> list[Sentence]:
    """For the groups that a decision is made for; the finer ones stand in a table."""
    made, told = curves_of(site)
    if made is None:
        return told
    paths: dict[str, list[str]] = {}
    open_: dict[str, list[str]] = {}
    for group in groups(made):
        found, unsure = site.moves(group)
        paths.setdefault(_path(found, made), []).append(group)
        for c in (c for c in unsure if c.share >= LIKELY and c.rung not in site.doubted):
            open_.setdefault(c.rung, []).append(
                f"{_who([group], made, site)} (ahead in {c.share:.0%} of the resamples)"
            )
    moves = any(len(site.moves(group)[0]) > 1 for group in groups(made))
    sentences = [_today(made, moves)]
    sentences += [f"{capital(_who(who, made, site))}: {path}." for path, who in paths.items()]
    sentences += [*_doubted(made, site), *_early(made, site), *_below(made, site)]
    sentences += [
        f"{NOT_ENOUGH} that {rung} overtakes the simpler rungs within {_range(made)} for {', '.join(who)}."
        for rung, who in open_.items()
    ]
    return [Sentence(sentence, evidence(site, VOLUME)) for sentence in sentences]


def _today(made: Curves, moves: bool) -> str:
    rate = f", {made.per_week:,.0f} new ones a week" if made.per_week else ""
    due = "; what moves within them is due by now" * moves
    return (
        f"There are {made.size[-1]:,.0f} interactions to learn from today ({collected(made, made.size[-1])}{rate}). "
        f"Measured on samples of them, {_range(made)}{due}."
    )


def _doubted(made: Curves, site: Site) -> list[str]:
    """Rungs that overtake in the test period, but did not win before."""
    return [
        f"{NOT_ENOUGH} to move to {c.rung}: in the test period it is ahead from about {max(c.at, made.size[0]):,.0f} "
        "interactions on, but over the periods before it was not shown to win (see day one)."
        for c in crossings(made, ALL)
        if c.rung in site.doubted and c.share >= SURE
    ]


def _early(made: Curves, site: Site) -> list[str]:
    """Rungs of more effort that are ahead at smaller sizes only, all users together."""
    path, order = site.moves()[0], made.rungs.index
    found: dict[str, list[int]] = {}
    for n, size in enumerate(made.size):
        serves, now = next(s.rung for s in reversed(path) if s.at <= size), ahead(made, ALL, n)
        if order(now) > order(serves) and now not in site.doubted:
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


def _below(made: Curves, site: Site) -> list[str]:
    """Rungs that overtake the simpler ones, but serve nobody because one above them is ahead all the same."""
    path, _ = site.moves()
    serving = {s.rung for s in path}
    return [
        f"As long as {path[-1].rung} is not built: {_step(Move(c.rung, c.at, c.low, c.high), made)}, "
        f"all users together, over {c.over}."
        for c in crossings(made, ALL)
        if c.share >= SURE and np.isfinite(c.at) and c.rung not in serving | site.doubted
    ]


def _path(found: Sequence[Move], made: Curves) -> str:
    first, *later = found  # the first of them serves from the smallest size on
    if not later and first.rung == made.rungs[0]:
        return f"stay with {first.rung}, the simplest; nothing is shown to overtake it within {_range(made)}"
    if not later:
        return f"{first.rung} at every size that was measured, {_range(made)}"
    head = f"{first.rung} with the least data measured ({made.size[0]:,.0f} interactions)"
    return ", then ".join([head, *(_step(s, made) for s in later)])


def _step(step: Move, made: Curves) -> str:
    low = f"{step.low:,.0f}" if np.isfinite(step.low) else "less than was measured"
    high = f"{step.high:,.0f}" if np.isfinite(step.high) else "more than was measured"
    if step.at <= made.size[0]:
        return f"{step.rung} at once, or by {high} interactions (95%)"
    return f"{step.rung} from about {step.at:,.0f} interactions on (95%: {low} to {high}; {collected(made, step.at)})"


def _range(made: Curves) -> str:
    return f"{made.size[0]:,.0f} to {made.size[-1]:,.0f} interactions"


def _who(groups_: Sequence[str], made: Curves, site: Site) -> str:
    if list(groups_) == groups(made):
        return "all users, those without and those with history (finer groups: see the table)"
    rest = users([g for g in groups_ if g != ALL], site)
    return "all users together, each asked once" + f", and {rest}" * bool(rest) if ALL in groups_ else rest


# --- more and better data


def more_data(site: Site, widen: float) -> list[Sentence]:
    made, told = curves_of(site)
    if made is None:
        return told
    each, target = data_volume.forecasts(made, site.metric, widen), site.scenario.problem.target
    goal = data_volume.goal(made, site.metric, target, widen, list(site.reaching()), site.doubted)
    serves = site.moves()[0][-1].rung
    shown = [s for rung, s in zip(made.rungs, each, strict=False) if rung == serves or NOT_ENOUGH not in s]
    flat = [r for r, s in zip(made.rungs, each, strict=False) if NOT_ENOUGH in s and r != serves]
    if flat:
        shown.append(f"{NOT_ENOUGH} that twice the data would change {', '.join(flat)}.")
    return [Sentence(s, evidence(site, VOLUME)) for s in (*shown, goal)]


def better_data(site: Site) -> list[Sentence]:
    """What each data asset is worth: the best rung with it against the best without."""
    rows = _of_all(site.worth, site.metric)
    if not rows:
        return [Sentence(f"{NOT_ENOUGH} on data assets: none could be taken away.", evidence(site, VALUE))]
    what = {name: pair.what for name, pair in pairs_of(site.studies[VALUE], site.scenario.name).items()}
    told: list[str] = []
    unsure, unused, noise = [], [], []  # names of assets
    for row in sorted(rows, key=lambda r: -abs(r["difference"])):
        name, with_, without = row["pair"], row["other_rung"], row["base_rung"]
        if row["ci_low"] == row["ci_high"] == 0:
            unused.append(f"{name} ({what[name]})" if what.get(name) else name)
        elif not significant(row):
            unsure.append(name)
        elif not site.noticed(row):
            noise.append(name)
        else:
            verb = "worth" if row["difference"] > 0 else "does harm,"
            change = interval(row["difference"], row["ci_low"], row["ci_high"], sign=True)
            more = f" ({what[name]})" if what.get(name) else ""
            told.append(
                f"{capital(name)}{more}: {verb} {change} of {site.label} (best without it: {without}, "
                f"with it: {with_}; n={row['n_queries']:,})."
            )
    best = rows[0]["other_rung"]  # with everything: the same cell for every asset that has no variant of its own
    if noise:
        seeds = f"no more than another seed changes {best} ({site.seed_noise(best):.4f})"
        told.append(f"{NOT_ENOUGH} of what these bring, {seeds}: {', '.join(noise)}.")
    if unsure:
        told.append(f"{NOT_ENOUGH} that these change the best rung, {best}: {', '.join(unsure)}.")
    if unused:
        told.append(f"No difference at all to the best rung, {best}: {', '.join(unused)}.")
    return [Sentence(sentence, evidence(site, VALUE)) for sentence in told]


def _of_all(table: pl.DataFrame, metric: str) -> list[Mapping[str, Any]]:
    if table.is_empty():
        return []
    return list(
        table.filter(
            pl.col("user_bucket") == ALL, pl.col("metric") == metric, pl.col("shown").is_in(["best", ROUTER])
        ).iter_rows(named=True)
    )


# --- parts


def parts(site: Site) -> list[Sentence]:
    """From the cells of the study ``parts``, where they are kept; else how to make them."""
    runs = site.runs.get(PARTS, [])
    pairs = pairs_of(site.studies[PARTS], site.scenario.name)
    lacking = [name for name in pairs if name not in ablation.partners(runs, pairs)]
    found = site.part_finding
    told = [Sentence(capital(sentence), evidence(site, PARTS)) for sentence in (found.sentences if found else [])]
    if lacking:
        data = [] if site.data == site.scenario.data.source else [f"DATA={site.data}"]
        variables = ["STUDY=parts", f"SCENARIO={site.scenario.given}", *data, *site.variables]
        text = (
            f"{NOT_ENOUGH}, for these are not measured yet with this code and data: {', '.join(lacking)}. To measure "
            f"them: make study {' '.join(variables)} (minutes); then the same make compare again."
        )
        told.append(Sentence(text, ()))
    return told
