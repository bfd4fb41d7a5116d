"""The five questions, answered in sentences that are made of numbers and name what they rest on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from recommender import config
from recommender.compare import page_model
from recommender.compare.cost import cost
from recommender.compare.day_one import day_one
from recommender.compare.moves import Move, ahead, collected
from recommender.compare.page_model import Sentence
from recommender.compare.plan import PARTS, VALUE, VOLUME
from recommender.compare.site import Site
from recommender.compare.wording import capital, cited, users
from recommender.names import ALL, ROUTER
from recommender.studies import ablation, data_volume
from recommender.studies.data_volume import SURE
from recommender.studies.engine.contrast import significant
from recommender.studies.engine.curves import Curves, crossings
from recommender.studies.engine.finding import NOT_ENOUGH, interval
from recommender.studies.engine.plan import pairs_of

LIKELY = 0.5  # share of the resamples from which on an open lead is reported


def answers(site: Site, widen: float) -> dict[str, list[Sentence]]:
    """Question -> sentences. widen: the factor of ``data_volume.widening`` over all sites."""
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
    curve = site.curves
    if curve is None:
        return cited([f"{NOT_ENOUGH}: {site.curves_or_error}"], site, VOLUME)
    by_path: dict[str, list[str]] = {}
    likely: dict[str, list[str]] = {}
    moving = False
    for group in curve.groups():
        path, unsure = site.moves(group)
        moving |= len(path) > 1
        by_path.setdefault(_path(path, curve), []).append(group)
        for c in (c for c in unsure if c.share >= LIKELY and c.rung not in site.doubted):
            who = f"{_who([group], curve, site)} (ahead in {c.share:.0%} of the resamples)"
            likely.setdefault(c.rung, []).append(who)
    rate = f", {curve.per_week:,.0f} new ones a week" if curve.per_week else ""
    sentences = [
        f"There are {curve.size[-1]:,.0f} interactions to learn from today ({collected(curve, curve.size[-1])}{rate}). "
        f"Measured on samples of them, {_range(curve)}{'; moves within this range are due now' * moving}."
    ]
    sentences += [f"{capital(_who(groups, curve, site))}: {path}." for path, groups in by_path.items()]
    sentences += [*_doubted(curve, site), *_early(curve, site), *_below(curve, site)]
    sentences += [
        f"{NOT_ENOUGH} that {rung} overtakes the simpler rungs within {_range(curve)} for {', '.join(who)}."
        for rung, who in likely.items()
    ]
    return cited(sentences, site, VOLUME)


def _doubted(curve: Curves, site: Site) -> Iterator[str]:
    """Rungs that overtake in the test period, but did not win before."""
    for c in (c for c in crossings(curve, ALL) if c.rung in site.doubted and c.share >= SURE):
        yield (
            f"{NOT_ENOUGH} to move to {c.rung}: in the test period it is ahead from about "
            f"{max(c.at, curve.size[0]):,.0f} interactions on, but over the periods before it was not shown to win "
            "(see day one)."
        )


def _early(curve: Curves, site: Site) -> Iterator[str]:
    """Rungs of more effort that are ahead at smaller sizes only, all users together."""
    path, order = site.moves()[0], curve.rungs.index
    early: dict[str, list[int]] = {}
    for n, size in enumerate(curve.size):
        serves, now = next(m.rung for m in reversed(path) if m.at <= size), ahead(curve, ALL, n)
        if order(now) > order(serves) and now not in site.doubted:
            early.setdefault(now, []).append(n)
    for rung, sizes in early.items():
        if sizes[-1] < len(curve.size) - 1:
            first, last = (f"{curve.size[n]:,.0f}" for n in (sizes[0], sizes[-1]))
            then = "a simpler rung is as good" if order(path[-1].rung) < order(rung) else "that is not shown"
            yield (
                f"{capital(rung)}, of more effort, is ahead of these for all users together with {first}"
                f"{f' to {last}' * (len(sizes) > 1)} interactions; with more, {then}."
            )


def _below(curve: Curves, site: Site) -> Iterator[str]:
    """Rungs that overtake the simpler ones, but serve nobody because one above them is ahead all the same."""
    path = site.moves()[0]
    skipped = {m.rung for m in path} | site.doubted
    for c in crossings(curve, ALL):
        if c.share >= SURE and np.isfinite(c.at) and c.rung not in skipped:
            move = _move(Move(c.rung, c.at, c.low, c.high), curve)
            yield f"As long as {path[-1].rung} is not built: {move}, all users together, over {c.over}."


def _path(path: Sequence[Move], curve: Curves) -> str:
    first, *later = path  # the first of them serves from the smallest size on
    if not later and first.rung == curve.rungs[0]:
        return f"stay with {first.rung}, the simplest; nothing is shown to overtake it within {_range(curve)}"
    if not later:
        return f"{first.rung} at every size that was measured, {_range(curve)}"
    head = f"{first.rung} with the least data measured ({curve.size[0]:,.0f} interactions)"
    return ", then ".join([head, *(_move(m, curve) for m in later)])


def _move(move: Move, curve: Curves) -> str:
    low = f"{move.low:,.0f}" if np.isfinite(move.low) else "less than was measured"
    high = f"{move.high:,.0f}" if np.isfinite(move.high) else "more than was measured"
    if move.at <= curve.size[0]:
        return f"{move.rung} at once, or by {high} interactions (95%)"
    span = f"95%: {low} to {high}; {collected(curve, move.at)}"
    return f"{move.rung} from about {move.at:,.0f} interactions on ({span})"


def _range(curve: Curves) -> str:
    return f"{curve.size[0]:,.0f} to {curve.size[-1]:,.0f} interactions"


def _who(groups: Sequence[str], curve: Curves, site: Site) -> str:
    if list(groups) == curve.groups():
        return "all users, those without and those with history (finer groups: see the table)"
    rest = users([g for g in groups if g != ALL], site)
    return "all users together, one list each" + f", and {rest}" * bool(rest) if ALL in groups else rest


# --- more and better data


def more_data(site: Site, widen: float) -> list[Sentence]:
    """Forecasts of twice the data, for the rung that serves and those that change, and what the goal takes."""
    curve = site.curves
    if curve is None:
        return cited([f"{NOT_ENOUGH}: {site.curves_or_error}"], site, VOLUME)
    forecasts = data_volume.forecasts(curve, site.metric, widen)
    target, serves = site.scenario.problem.target, site.serves_today
    goal = data_volume.goal(curve, site.metric, target, widen, list(site.reaching_goal()), site.doubted)
    by_rung = list(zip(curve.rungs, forecasts, strict=False))
    texts = [s for rung, s in by_rung if rung == serves or NOT_ENOUGH not in s]
    if flat := [rung for rung, s in by_rung if NOT_ENOUGH in s and rung != serves]:
        texts.append(f"{NOT_ENOUGH} that twice the data would change {', '.join(flat)}.")
    return cited([*texts, goal], site, VOLUME)


def better_data(site: Site) -> list[Sentence]:
    """What each data asset is worth: the best rung with it against the best without."""
    rows = headline(site.data_value, site.metric)
    if not rows:
        return cited([f"{NOT_ENOUGH} on data assets: none could be taken away."], site, VALUE)
    pairs = pairs_of(site.studies[VALUE], site.scenario.name)
    texts: list[str] = []
    unsure, unused, noise = [], [], []  # names of assets
    for row in sorted(rows, key=lambda r: -abs(r["difference"])):
        name = row["pair"]
        what = f" ({pairs[name].what})" if name in pairs and pairs[name].what else ""
        if row["ci_low"] == row["ci_high"] == 0:
            unused.append(name + what)
        elif not significant(row):
            unsure.append(name)
        elif not site.beyond_noise(row):
            noise.append(name)
        else:
            verb = "worth" if row["difference"] > 0 else "does harm,"
            gain = interval(row["difference"], row["ci_low"], row["ci_high"], sign=True)
            texts.append(
                f"{capital(name)}{what}: {verb} {gain} of {site.label} (best without it: {row['base_rung']}, "
                f"with it: {row['other_rung']}; n={row['n_queries']:,})."
            )
    best = rows[0]["other_rung"]  # with everything: the same cell for every asset that has no variant of its own
    if noise:
        seeds = f"no more than another seed changes {best} ({site.seed_noise(best):.4f})"
        texts.append(f"{NOT_ENOUGH} of a benefit, {seeds}: {', '.join(noise)}.")
    if unsure:
        texts.append(f"{NOT_ENOUGH} that these change the best rung, {best}: {', '.join(unsure)}.")
    if unused:
        texts.append(f"No difference at all to the best rung, {best}: {', '.join(unused)}.")
    return cited(texts, site, VALUE)


def headline(table: pl.DataFrame, metric: str) -> list[Mapping[str, Any]]:
    """Rows of ``ablation.effects`` for all users and the lists that are shown: of the router or the best rung."""
    if table.is_empty():
        return []
    shown = pl.col("shown").is_in([ablation.BEST, ROUTER])
    return list(table.filter(shown, user_bucket=ALL, metric=metric).iter_rows(named=True))


# --- parts


def parts(site: Site) -> list[Sentence]:
    """From the cells of the study ``parts``, where they are kept; else how to make them."""
    pairs = pairs_of(site.studies[PARTS], site.scenario.name)
    measured = ablation.partners(site.runs.get(PARTS, []), pairs)
    finding = site.part_finding
    sentences = cited(map(capital, finding.sentences if finding else []), site, PARTS)
    if lacking := [name for name in pairs if name not in measured]:
        data = [] if site.data == config.load(site.scenario.name).data.source else [f"DATA={site.data}"]
        variables = ["STUDY=parts", f"SCENARIO={site.scenario.name}", *data, *site.variables]
        sentences += cited([
            f"{NOT_ENOUGH}: these are not measured yet with this code and data: {', '.join(lacking)}. To measure "
            f"them: make study {' '.join(variables)} (minutes); then the same make compare again."
        ], site)  # fmt: skip
    return sentences
