"""What a comparison measured, site by site, as rows of the table of a train's facts (``experiment/facts.py``).

Beside a train's topics, of what the site ships:

curve      accuracy of all users by interactions to learn from (n; over: the same as text)
serves     who serves a group of users, in the order of sizes; value, low, high: from how many interactions on (none:
           from the smallest size, target); verdicts stays (the simplest, throughout), always (one, throughout), moves
open       a rung that may overtake; value: share of the resamples in which it is ahead
rate       interactions a week of late (value), interactions to learn from today (n)
ahead      when a rung is forecast to pass who serves today (over), or the goal; value, low, high: interactions (none:
           not within ten times today's); extra: share of the resamples that pass
twice      what twice the data would give a rung; target: what it gives today; verdicts gain, loss, open
asset      what a data asset is worth, over: the best rung without it; verdicts gain, loss, open, unused
part       what a part of the scenario is worth to what ships; also ``not measured``
build      what does not ship, by the gain that it is shown to have; verdicts next, open, loss
enough     the rung of least person-days that is not shown to give everyone less than what ships
left out   rungs of the scenario's ladder that the comparison does not measure
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from recommender.compare import build_next
from recommender.compare.ahead import ahead, reaches
from recommender.compare.plan import PARTS, VALUE
from recommender.compare.site import Site
from recommender.experiment.facts import GAIN, LOSS, OPEN, SCHEMA, UNKNOWN, Row, train_facts, verdict
from recommender.names import ALL, PLAIN, ROUTER
from recommender.studies import ablation, data_volume
from recommender.studies.data_volume import SURE
from recommender.studies.engine import powerlaw
from recommender.studies.engine.contrast import significant
from recommender.studies.engine.plan import pairs_of

LIKELY = 0.5  # share of the resamples from which on an open lead is reported
CORRECTED = "not shown once all comparisons are allowed for"
BY_SEED = "no more than another seed changes"


def site_facts(site: Site, widen: float, reduced: bool = False) -> pl.DataFrame:
    """All rows of one site. widen: the factor of ``data_volume.widening``; reduced: as for ``train_facts``."""
    makers = (
        _curves(site),
        _serves(site),
        _ahead(site, widen),
        _twice(site, widen),
        _assets(site),
        _parts(site),
        _build(site),
        _enough(site),
        _left(site),
    )
    blank = {**dict.fromkeys(SCHEMA), **dict.fromkeys(("over", "split", "reason", "verdict"), "")}
    blank |= {"site": site.name, "bucket": ALL, "metric": site.metric}
    rows = pl.DataFrame([{**blank, **row} for topic_rows in makers for row in topic_rows], schema=SCHEMA)
    if site.ships is None:
        return rows
    return pl.concat([train_facts(site.ships, site.name, reduced, site.scenario.problem), rows])


def _curves(site: Site) -> Iterator[Row]:
    if site.curves:
        for rung in site.curves.rungs:
            for i, size in enumerate(site.curves.size):
                value, low, high = site.curves.value(rung, size=i)
                at = {"n": round(size), "over": f"{size:.0f}", "split": "test"}
                yield {"topic": "curve", "what": rung, "value": value, "low": low, "high": high, **at}


def _serves(site: Site) -> Iterator[Row]:
    curve = site.curves
    for bucket in curve.buckets() if curve else ():
        assert curve is not None
        path, unsure = site.moves(bucket)
        outcome = "moves" if len(path) > 1 else "stays" if path[0].rung == curve.rungs[0] else "always"
        for move in path:
            at = [n if np.isfinite(n) else None for n in (move.at, move.low, move.high)]
            if at[0] is None:
                at = [None, None, None]
            early = "at once" if at[0] is not None and at[0] <= curve.size[0] else ""
            where = {"bucket": bucket, "n": curve.n_queries[bucket], "verdict": outcome, "reason": early}
            where["target"] = round(curve.size[0])
            yield {"topic": "serves", "what": move.rung, "value": at[0], "low": at[1], "high": at[2], **where}
        for c in (c for c in unsure if c.share >= LIKELY):
            reason = "ahead in the test period only" if c.rung in site.doubted else ""
            at_today = {"value": c.share, "n": curve.n_queries[bucket], "reason": reason, "verdict": OPEN}
            yield {"topic": "open", "bucket": bucket, "what": c.rung, "over": c.over, **at_today}


def _ahead(site: Site, widen: float) -> Iterator[Row]:
    curve = site.curves
    if curve is None:
        return
    yield {
        "topic": "rate",
        "what": "interactions",
        "n": round(curve.size[-1]),
        "value": curve.per_week,
        "split": "train",
    }
    decision = site.ships.decision if site.ships else None
    lists = {*decision.routes.values(), *decision.blended.values()} if decision else set()
    served = [r for r in curve.rungs if r in lists]  # not what only chooses new items
    for bucket in curve.buckets():
        # What ships is evidence too, where the curves leave a lead open.
        leads = [site.moves(bucket)[0][-1].rung, *served]
        leader = max(leads, key=lambda r: curve.mean[r, bucket][-1])
        forecasts = [a for a in ahead(curve, bucket, leader, widen) if a.rung not in site.doubted]
        goal = reaches(curve, leader, site.scenario.problem.target, widen) if bucket == ALL else None
        for a in (*forecasts, *([goal] if goal else [])):
            ends = {e: n if np.isfinite(n) else None for e, n in (("value", a.at), ("low", a.low), ("high", a.high))}
            yield {"topic": "ahead", "bucket": bucket, "what": a.rung, "over": a.over, "extra": a.share, **ends}


def _twice(site: Site, widen: float) -> Iterator[Row]:
    curve = site.curves
    if curve is None or len(curve.size) < data_volume.LEAST_SIZES:
        return
    for rung in curve.rungs:
        mean, drawn = curve.mean[rung, ALL], curve.replicates[rung, ALL]
        now = float(mean[-1])
        value, low, high = powerlaw.forecast(curve.size, mean, drawn, 2 * float(curve.size[-1]), widen, 0)
        outcome = GAIN if low > now else LOSS if high < now else OPEN
        ends = {"value": value, "low": min(low, value), "high": max(high, value), "target": now}
        yield {"topic": "twice", "what": rung, "n": round(2 * curve.size[-1]), "verdict": outcome, **ends}


def _assets(site: Site) -> Iterator[Row]:
    pairs = pairs_of(site.studies[VALUE], site.scenario.name)
    for r in headline(site.data_value, site.metric):
        outcome, reason = _shown(r), ""
        if r["ci_low"] == r["ci_high"] == 0:
            outcome = "unused"
        elif outcome != OPEN and not site.beyond_noise(r):
            outcome, reason = OPEN, BY_SEED
        elif outcome == OPEN and r["ci_low"] * r["ci_high"] > 0:
            reason = CORRECTED
        what = pairs[r["pair"]].what if r["pair"] in pairs else ""
        yield _difference(r, "asset", outcome, reason) | {"split": what}


def _parts(site: Site) -> Iterator[Row]:
    pairs = pairs_of(site.studies[PARTS], site.scenario.name)
    measured = set()
    for r in headline(site.part_effects, site.metric):
        measured.add(r["pair"])
        outcome = _shown(r)
        reason = CORRECTED if outcome == OPEN and r["ci_low"] * r["ci_high"] > 0 else ""
        yield _difference(r, "part", "unused" if r["ci_low"] == r["ci_high"] == 0 else outcome, reason)
    for name in (name for name in pairs if name not in measured):
        yield {"topic": "part", "what": name, "verdict": UNKNOWN}


def _build(site: Site) -> Iterator[Row]:
    for o in build_next.options(site):
        outcome = "next" if o.sure else LOSS if o.high < 0 else OPEN
        reason = "" if outcome != OPEN or o.low <= 0 <= o.high else CORRECTED
        ends = {"value": o.gain, "low": o.low, "high": o.high, "split": o.kind}
        yield {"topic": "build", "what": o.what, "over": o.over, "verdict": outcome, "reason": reason, **ends}


def _enough(site: Site) -> Iterator[Row]:
    if rung := site.enough:
        row = site.against_shipped[rung]
        ends = {"value": row["difference"], "low": row["ci_low"], "high": row["ci_high"], "n": row["n_queries"]}
        outcome = verdict(row["ci_low"], row["ci_high"], site.metric)
        yield {"topic": "enough", "what": rung, "over": "what ships", "verdict": outcome, **ends}


def _left(site: Site) -> Iterator[Row]:
    """Rungs that the whole ladder has; nothing where what ships was decided by a train of all of it."""
    measured = set(site.ships.rungs) if site.ships else set()
    controls = {r.name for r in site.whole_ladder if r.control}
    for rung in (r.name for r in site.whole_ladder if r.name not in (*measured, *controls)):
        yield {"topic": "left out", "what": rung, "verdict": UNKNOWN}


def _difference(r: Mapping[str, Any], topic: str, outcome: str, reason: str) -> Row:
    ends = {"value": r["difference"], "low": r["ci_low"], "high": r["ci_high"], "n": r["n_queries"]}
    return {"topic": topic, "what": r["pair"], "over": r["base_rung"], "verdict": outcome, "reason": reason, **ends}


def _shown(r: Mapping[str, Any]) -> str:
    return OPEN if not significant(r) else GAIN if r["difference"] > 0 else LOSS


def headline(table: pl.DataFrame, metric: str) -> list[Mapping[str, Any]]:
    """Rows of ``ablation.effects`` for all users and the lists that are shown: of the router or the best rung."""
    if table.is_empty():
        return []
    shown = pl.col("shown").is_in([ablation.BEST, ROUTER])
    return list(table.filter(shown, user_bucket=ALL, metric=metric).iter_rows(named=True))


def measured_rungs(site: Site) -> Sequence[str]:
    """Rungs that the site compares at its sizes, the simplest first."""
    return [r for r in (site.today.rungs if site.today else ()) if r not in (ROUTER, PLAIN)]


__all__ = ["SURE", "headline", "measured_rungs", "site_facts"]
