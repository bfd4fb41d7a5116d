"""data_volume: learning curves, where a rung overtakes the simpler ones, what more data would bring, and how far
such forecasts held when made from the smaller half."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from recommender.errors import DataError
from recommender.experiment.run_tables import USERS, metric_label
from recommender.names import ALL
from recommender.studies.charts import lines
from recommender.studies.engine import powerlaw
from recommender.studies.engine.cell import Measured, by_place
from recommender.studies.engine.curves import Crossing, Curves, crossings, curves
from recommender.studies.engine.finding import NOT_ENOUGH, Chart, Finding, Grid, grid, interval
from recommender.studies.engine.plan import Study

AXIS = "size"
COVERED = 0.9  # a back-test that covers less than this has its intervals widened
FURTHEST = 10.0  # times today's data beyond which no forecast is told


@dataclass(frozen=True)
class Forecast:
    """Made from the smaller half for one larger size, and what was seen there."""

    place: str
    rung: str
    size: float
    told: float
    low: float
    high: float
    seen: float
    stays: float  # the forecast that nothing changes: the value at the largest size of the smaller half


def analyse(study: Study, runs: Sequence[Measured]) -> list[Finding]:
    """A finding per scenario and data set, then the back-test over all of them."""
    metric = runs[0].scenario.decision.metric
    read: dict[str, tuple[Curves, list[Measured]]] = {}
    failed: list[Finding] = []
    for place, mine in by_place(runs).items():
        try:
            made = curves(mine, AXIS, metric, max(200, mine[0].scenario.bootstrap // 2), mine[0].scenario.seed)
            read[place] = made, mine
        except DataError as error:
            failed.append(Finding(place, [f"{NOT_ENOUGH}: {error}"]))
    tests = [f for place, (made, _) in read.items() for f in back_test(place, made)]
    widen = widening(tests)
    found = [_finding(place, made, mine, metric, widen) for place, (made, mine) in read.items()]
    for finding in found:
        off, naive = errors([f for f in tests if f.place == finding.title])
        if off >= naive:
            finding.sentences.append(
                f"Mind: in the back-test such forecasts erred by {off:.4f} here, no less than saying that nothing "
                f"changes ({naive:.4f}), so the gains above may be too large."
            )
    return [*found, *failed, trust(tests, widen, metric)] if read else failed


def back_test(place: str, made: Curves) -> list[Forecast]:
    """Forecasts of every rung, all users, for the sizes above half of the largest, from those up to it."""
    small = made.size <= made.size[-1] / 2 * 1.02
    if small.sum() < 3:
        return []
    found = []
    for rung in made.rungs:
        mean, drawn = made.mean[rung, ALL], made.replicates[rung, ALL][:, small]
        for n, seen in zip(made.size[~small], mean[~small], strict=True):
            told = powerlaw.forecast(made.size[small], mean[small], drawn, n, 1.0, 0)
            found.append(Forecast(place, rung, float(n), *told, float(seen), float(mean[small][-1])))
    return found


def errors(tests: Sequence[Forecast]) -> tuple[float, float]:
    """Mean absolute error of the forecasts, and of saying that nothing changes; NaN without any."""
    if not tests:
        return float("nan"), float("nan")
    return (
        float(np.mean([abs(f.told - f.seen) for f in tests])),
        float(np.mean([abs(f.stays - f.seen) for f in tests])),
    )


def widening(tests: Sequence[Forecast]) -> float:
    """1 where the intervals cover enough; else the factor at which 95% of those of the back-test would have."""
    if not tests or coverage(tests) >= COVERED:
        return 1.0
    needed = [
        (f.seen - m) / max(f.high - m, 1e-9) if f.seen > m else (m - f.seen) / max(m - f.low, 1e-9)
        for f in tests
        for m in [(f.low + f.high) / 2]
    ]
    return float(max(1.0, np.quantile(needed, 0.95)))


def coverage(tests: Sequence[Forecast]) -> float:
    return float(np.mean([f.low <= f.seen <= f.high for f in tests]))


def _finding(place: str, made: Curves, runs: Sequence[Measured], metric: str, widen: float) -> Finding:
    scenario = runs[0].scenario
    out = Finding(place)
    crossed = [c for bucket in made.buckets() for c in crossings(made, bucket)]
    out.sentences += [_crossing(c, made) for c in crossed if c.bucket == ALL]
    out.sentences += [_crossing(c, made) for c in crossed if c.bucket != ALL and np.isfinite(c.at) and c.share >= 0.975]
    out.sentences += forecasts(made, metric, widen)
    reached = [r for r in made.rungs if made.interval((r, ALL))[0][-1] >= scenario.problem.target]
    out.sentences.append(goal(made, metric, scenario.problem.target, widen, reached))
    out.grids = [curve_grid(made, metric), crossing_grid(crossed, made)]
    out.charts = [chart(place, made, metric)]
    samples = f"{made.n_seeds} samples of each size" if made.n_seeds > 1 else "one sample of each size only"
    out.notes.append(
        f"The same {made.n_queries[ALL]:,} users are asked at every size; only what models learned from is thinned "
        f"({samples}, smaller ones inside larger ones). Intervals resample users and samples. A rung overtakes where "
        "it rises above the best simpler rung and stays there; each has one setting, which validation chose with all "
        "of the data."
    )
    return out


def _crossing(c: Crossing, made: Curves) -> str:
    who = "" if c.bucket == ALL else f" for {USERS[c.bucket]}"
    span = f"{made.size[0]:,.0f} to {made.size[-1]:,.0f} interactions"
    if c.share <= 0.025:
        return f"{c.rung} does not overtake the best simpler rung ({c.over}){who} in the range of {span}."
    if c.at == -np.inf and c.high == -np.inf:
        return f"{c.rung} is ahead of the simpler rungs{who} at every size from {made.size[0]:,.0f} interactions on."
    if c.share < 0.975:
        return (
            f"{NOT_ENOUGH} that {c.rung} overtakes the best simpler rung ({c.over}){who} within {span}: "
            f"it is ahead at the largest size in {c.share:.0%} of the resamples."
        )
    low = "fewer than were measured" if c.low == -np.inf else f"{c.low:,.0f}"
    high = f"{c.high:,.0f}" if np.isfinite(c.high) else f"{made.size[0]:,.0f}" if c.high < 0 else "beyond the range"
    at = c.at if np.isfinite(c.at) else made.size[0]
    each = float(np.interp(np.log(at), np.log(made.size), made.per_user))
    return (
        f"{c.rung} overtakes the best simpler rung ({c.over}){who} at about {at:,.0f} interactions "
        f"(95%: {low} to {high}), {each:.1f} per user in training."
    )


def forecasts(made: Curves, metric: str, widen: float) -> list[str]:
    """A sentence per rung on twice the data. widen: of ``widening``."""
    label, told = metric_label(metric), []
    if len(made.size) < 3:
        return [f"{NOT_ENOUGH} for a forecast: it needs three sizes."]
    today = float(made.size[-1])
    for rung in made.rungs:
        mean, drawn = made.mean[rung, ALL], made.replicates[rung, ALL]
        now = float(mean[-1])
        point, low, high = powerlaw.forecast(made.size, mean, drawn, 2 * today, widen, 0)
        if low <= now <= high:
            told.append(
                f"{NOT_ENOUGH} that twice the data would change {rung}: {label} {now:.4f} today, forecast "
                f"{interval(point, low, high)}."
            )
        else:
            told.append(f"Twice the data would take {rung} from {label} {now:.4f} to {interval(point, low, high)}.")
    return told


def goal(
    made: Curves, metric: str, target: float, widen: float, reached: Sequence[str], doubted: Collection[str] = ()
) -> str:
    """How much data ``target`` takes of the best rung but those ``doubted``. reached: rungs that are shown to be there
    with all of today's. widen: of ``widening``."""
    label = metric_label(metric)
    if reached:
        return (
            f"The goal, {label} {target:g}, is reached with today's data by {', '.join(reached)}, without re-rankers."
        )
    if len(made.size) < 3:
        return f"{NOT_ENOUGH} of what the goal takes: it needs three sizes."
    rung = max((r for r in made.rungs if r not in doubted), key=lambda r: made.mean[r, ALL][-1])
    today = float(made.size[-1])
    needed = np.sort(powerlaw.fit(made.size, made.replicates[rung, ALL]).needs(target)) / today
    low, middle, high = np.quantile(needed, [0.025, 0.5, 0.975], method="nearest")
    low, high = low if low <= 1 else max(1.0, low ** (1 / widen)), high**widen
    head = f"The goal, {label} {target:g}, needs of the best rung today ({rung})"
    if middle > FURTHEST:
        return (
            f"{NOT_ENOUGH} that more data alone reaches the goal, {label} {target:g}: the curve of the best rung "
            f"({rung}) levels out below it, or needs more than {FURTHEST:g}x today's data."
        )
    if low <= 1 and high > FURTHEST:
        return (
            f"{NOT_ENOUGH} of how much data takes {rung} to the goal, {label} {target:g}: between no more than today's "
            f"and over {FURTHEST:g}x."
        )
    if high <= 1:  # the curve is there, over its seeds; what is asked of the rungs is more
        return f"{NOT_ENOUGH} that the goal, {label} {target:g}, is reached or missed with today's data by {rung}."
    upper = f"{high:.1f}x" if high <= FURTHEST else f"more than {FURTHEST:g}x"
    told = f"{head} {max(low, 1):.1f}x to {upper} of today's {today:,.0f} interactions"
    if not made.per_week:
        return f"{told}."
    weeks = [(max(m, 1) - 1) * today / made.per_week for m in (low, high)]
    span = f"about {weeks[0]:,.0f} to {weeks[1]:,.0f} weeks" if high <= FURTHEST else f"{weeks[0]:,.0f} or more weeks"
    return f"{told} ({span} at today's {made.per_week:,.0f} a week)."


def curve_grid(made: Curves, metric: str) -> Grid:
    """All users: a row per rung, a column per size."""
    heads = ["rung", *(f"{n:,.0f}" for n in made.size), "CPU s"]
    rows = []
    for rung in made.rungs:
        low, high = made.interval((rung, ALL))
        cells = [interval(v, a, b) for v, a, b in zip(made.mean[rung, ALL], low, high, strict=True)]
        rows.append([rung, *cells, f"{made.cpu_s[rung][-1]:.2f}"])
    return grid(
        f"{metric_label(metric)} of all users by interactions to learn from; CPU seconds at the largest.", heads, rows
    )


def crossing_grid(found: Sequence[Crossing], made: Curves) -> Grid:
    """A row per rung and bucket."""

    def told(n: float) -> str:
        return f"{n:,.0f}" if np.isfinite(n) else "ahead at all sizes" if n < 0 else "not in the range"

    rows = [[c.rung, USERS[c.bucket], c.over, told(c.at), told(c.low), told(c.high), f"{c.share:.0%}"] for c in found]
    heads = [
        "rung",
        "users",
        "best simpler one today",
        "at interactions",
        "95% from",
        "to",
        "ahead at the largest size",
    ]
    return grid("Where each rung overtakes the best simpler one, by history of the user.", heads, rows)


def chart(place: str, made: Curves, metric: str) -> Chart:
    """The learning curves of all users."""
    rows: list[dict[str, Any]] = []
    for rung in made.rungs:
        low, high = made.interval((rung, ALL))
        for n, v, a, b in zip(made.size, made.mean[rung, ALL], low, high, strict=True):
            rows.append({"rung": rung, "interactions": round(n), "value": float(v), "low": float(a), "high": float(b)})
    last = sorted(made.rungs, key=lambda r: -made.mean[r, ALL][-1])
    alt = (
        f"Line chart of {metric_label(metric)} by interactions to learn from, {place}. At the largest size: "
        + ", ".join(f"{r} {made.mean[r, ALL][-1]:.4f}" for r in last)
        + "."
    )
    title = f"Learning curves: {metric_label(metric)} of all users, with 95% intervals"
    return lines(
        f"curves-{place}", title, alt, pl.DataFrame(rows), x="interactions", label=metric_label(metric), log=True
    )


def trust(tests: Sequence[Forecast], widen: float, metric: str) -> Finding:
    """What the back-test showed. widen: of ``widening``."""
    out = Finding("How far such forecasts can be trusted")
    if not tests:
        out.sentences.append(f"{NOT_ENOUGH}: a back-test needs three sizes up to half of the data, and one above.")
        return out
    error, naive = errors(tests)
    better = "less" if error < naive else "no less"
    out.sentences.append(
        f"Made from the smaller half of the sizes, {len(tests)} forecasts of {metric_label(metric)} for the larger "
        f"ones erred by {error:.4f} on average, {better} than saying that nothing changes ({naive:.4f})."
    )
    covered = coverage(tests)
    verdict = (
        "as they should" if widen == 1 else f"too few for 95% intervals, so those above are widened {widen:.1f} times"
    )
    out.sentences.append(f"Their 95% intervals held what was seen in {covered:.0%} of the cases: {verdict}.")
    rows = [
        [f.place, f.rung, f"{f.size:,.0f}", interval(f.told, f.low, f.high), f"{f.seen:.4f}", f"{f.told - f.seen:+.4f}",
         "yes" if f.low <= f.seen <= f.high else "no"] for f in tests
    ]  # fmt: skip
    heads = ["data", "rung", "interactions", "forecast", "seen", "error", "within"]
    out.grids.append(grid("Forecasts from the smaller half, against what the larger half showed.", heads, rows))
    out.notes.append("Cases of one rung or data set rise and fall together, so coverage is itself uncertain.")
    return out
