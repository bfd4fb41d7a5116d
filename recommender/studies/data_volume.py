"""data_volume: what does each rung give with how much data, when does it overtake the simpler ones, what would more
data bring?

Cells: mode test, axis ``size`` (shares of the training data), any other axis a sample of it. Tables: NDCG by size
(rung, a column per size, CPU seconds), crossings (rung, users, best simpler rung, interactions with interval), and the
back-test of forecasts (data, rung, interactions, forecast, observed, error, within).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from recommender.errors import DataError
from recommender.evaluation.metric_table import metric_label, metric_labels
from recommender.evaluation.rounding import with_interval
from recommender.experiment.run_tables import USERS
from recommender.names import ALL
from recommender.studies.charts import lines
from recommender.studies.engine import powerlaw
from recommender.studies.engine.curves import Crossing, Curves, crossings, curves
from recommender.studies.engine.finding import NOT_ENOUGH, Chart, Finding, Grid, grid
from recommender.studies.engine.measured import Measured, by_site
from recommender.studies.engine.plan import Study

COVERED = 0.9  # a back-test that covers less than this has its intervals widened
FURTHEST = 10.0  # times today's data beyond which no forecast is made
LEAST_SIZES = 3  # that a forecast is made from
SURE = 0.975  # share of the replicates in which a rung must be ahead at the largest size


@dataclass(frozen=True)
class Forecast:
    """A forecast from the smaller half for one larger size, and what was observed there."""

    site: str
    rung: str
    size: float
    forecast: float
    low: float
    high: float
    observed: float
    unchanged: float  # the forecast that nothing changes: the value at the largest size of the smaller half

    @property
    def within(self) -> bool:
        """Whether the interval holds what was observed."""
        return self.low <= self.observed <= self.high


def analyse(study: Study, runs: Sequence[Measured]) -> list[Finding]:
    """A finding per scenario and data set, then the back-test over all of them."""
    by_data: dict[str, tuple[Curves, list[Measured]]] = {}
    failed: list[Finding] = []
    for site, cells in by_site(runs).items():
        try:
            by_data[site] = curves(cells), cells
        except DataError as error:
            failed.append(Finding(site, [f"{NOT_ENOUGH}: {error}"]))
    tests = [f for site, (curve, _) in by_data.items() for f in back_test(site, curve)]
    widen = widening(tests)
    metrics = [cells[0].scenario.decision.metric for _, cells in by_data.values()]
    findings = [
        _finding(site, curve, cells, metric, widen)
        for metric, (site, (curve, cells)) in zip(metrics, by_data.items(), strict=True)
    ]
    for finding in findings:
        off, unchanged = errors([f for f in tests if f.site == finding.title])
        if off >= unchanged:
            finding.sentences.append(
                f"Mind: in the back-test these forecasts were off by {off:.4f} here, no less than the forecast that "
                f"nothing changes ({unchanged:.4f}), so the gains above may be too large."
            )
    return [*findings, *failed, trust(tests, widen, metrics)] if by_data else failed


def back_test(site: str, curve: Curves) -> list[Forecast]:
    """Forecasts of every rung, all users, for the sizes above half of the largest, from those up to half."""
    small = curve.size <= curve.size[-1] / 2 * 1.02
    if small.sum() < 3:
        return []
    forecasts = []
    for rung in curve.rungs:
        mean, drawn = curve.mean[rung, ALL], curve.replicates[rung, ALL][:, small]
        for n, observed in zip(curve.size[~small], mean[~small], strict=True):
            forecast = powerlaw.forecast(curve.size[small], mean[small], drawn, n, 1.0, 0)
            forecasts.append(Forecast(site, rung, float(n), *forecast, float(observed), float(mean[small][-1])))
    return forecasts


def errors(tests: Sequence[Forecast]) -> tuple[float, float]:
    """Mean absolute error of the forecasts, and of the forecast that nothing changes; NaN without any."""
    if not tests:
        return float("nan"), float("nan")
    off = [(abs(f.forecast - f.observed), abs(f.unchanged - f.observed)) for f in tests]
    error, unchanged = np.mean(off, axis=0)
    return float(error), float(unchanged)


def widening(tests: Sequence[Forecast]) -> float:
    """1 where the intervals cover enough; else the factor at which 95% of those of the back-test would have."""
    if not tests or coverage(tests) >= COVERED:
        return 1.0
    needed = [
        (f.observed - m) / max(f.high - m, 1e-9) if f.observed > m else (m - f.observed) / max(m - f.low, 1e-9)
        for f in tests
        for m in [(f.low + f.high) / 2]
    ]
    return float(max(1.0, np.quantile(needed, 0.95)))


def coverage(tests: Sequence[Forecast]) -> float:
    """Share of the forecasts whose interval holds what was observed."""
    return float(np.mean([f.within for f in tests]))


def _finding(site: str, curve: Curves, runs: Sequence[Measured], metric: str, widen: float) -> Finding:
    target = runs[0].scenario.problem.target
    crossed = [c for bucket in curve.buckets() for c in crossings(curve, bucket)]
    sentences = [_crossing(c, curve) for c in crossed if c.bucket == ALL]
    sentences += [_crossing(c, curve) for c in crossed if c.bucket != ALL and np.isfinite(c.at) and c.share >= SURE]
    sentences += forecasts(curve, metric, widen)
    reached = [r for r in curve.rungs if curve.value(r)[1] >= target]
    sentences.append(goal(curve, metric, target, widen, reached))
    samples = f"{curve.n_seeds} samples of each size" if curve.n_seeds > 1 else "one sample of each size only"
    note = (
        f"The same {curve.n_queries[ALL]:,} users get lists at every size; only what models learn from is thinned "
        f"({samples}, smaller ones inside larger ones). Intervals resample users and samples. A rung overtakes where "
        "it rises above the best simpler rung and stays there; each has one setting, which validation chose with all "
        "of the data."
    )
    grids = [curve_grid(curve, metric), crossing_grid(crossed, curve)]
    return Finding(site, sentences, grids, [chart(site, curve, metric)], [note])


def _crossing(c: Crossing, curve: Curves) -> str:
    who = "" if c.bucket == ALL else f" for {USERS[c.bucket]}"
    span = f"{curve.size[0]:,.0f} to {curve.size[-1]:,.0f} interactions"
    if c.share <= 1 - SURE:
        return f"{c.rung} does not overtake the best simpler rung ({c.over}){who} in the range of {span}."
    if c.at == -np.inf and c.high == -np.inf:
        return f"{c.rung} is ahead of the simpler rungs{who} at every size from {curve.size[0]:,.0f} interactions on."
    if c.share < SURE:
        return (
            f"{NOT_ENOUGH} that {c.rung} overtakes the best simpler rung ({c.over}){who} within {span}: "
            f"it is ahead at the largest size in {c.share:.0%} of the resamples."
        )
    low = "fewer than were measured" if c.low == -np.inf else f"{c.low:,.0f}"
    high = f"{c.high:,.0f}" if np.isfinite(c.high) else f"{curve.size[0]:,.0f}" if c.high < 0 else "beyond the range"
    at = c.at if np.isfinite(c.at) else curve.size[0]
    each = float(np.interp(np.log(at), np.log(curve.size), curve.per_user))
    return (
        f"{c.rung} overtakes the best simpler rung ({c.over}){who} at about {at:,.0f} interactions "
        f"(95%: {low} to {high}), {each:.1f} per user in training."
    )


def forecasts(curve: Curves, metric: str, widen: float) -> list[str]:
    """A sentence per rung on twice the data. widen: the factor of ``widening``."""
    label = metric_label(metric)
    if len(curve.size) < LEAST_SIZES:
        return [f"{NOT_ENOUGH} for a forecast: it needs three sizes."]
    sentences = []
    for rung in curve.rungs:
        mean, drawn = curve.mean[rung, ALL], curve.replicates[rung, ALL]
        now, forecast = float(mean[-1]), powerlaw.forecast(curve.size, mean, drawn, 2 * float(curve.size[-1]), widen, 0)
        if forecast[1] <= now <= forecast[2]:
            change = f"{label} {now:.4f} today, forecast {with_interval(*forecast)}"
            sentences.append(f"{NOT_ENOUGH} that twice the data would change {rung}: {change}.")
        else:
            sentences.append(f"Twice the data would take {rung} from {label} {now:.4f} to {with_interval(*forecast)}.")
    return sentences


def goal(
    curve: Curves, metric: str, target: float, widen: float, reached: Sequence[str], doubted: Collection[str] = ()
) -> str:
    """How much data the best rung needs to reach ``target``. reached: rungs that are shown to reach it with all of
    today's data; doubted: rungs that cannot be the best; widen: the factor of ``widening``."""
    the_goal = f"goal, {metric_label(metric)} {target:g}"
    if reached:
        return f"The {the_goal}, is reached with today's data by {', '.join(reached)}, without re-rankers."
    if len(curve.size) < LEAST_SIZES:
        return f"{NOT_ENOUGH} of what the goal takes: it needs three sizes."
    rung = max((r for r in curve.rungs if r not in doubted), key=lambda r: curve.mean[r, ALL][-1])
    today = float(curve.size[-1])
    needed = np.sort(powerlaw.fit(curve.size, curve.replicates[rung, ALL]).needs(target)) / today
    low, middle, high = np.quantile(needed, [0.025, 0.5, 0.975], method="nearest")
    low, high = low if low <= 1 else max(1.0, low ** (1 / widen)), high**widen
    if middle > FURTHEST:
        return (
            f"{NOT_ENOUGH} that more data alone reaches the {the_goal}: the curve of the best rung "
            f"({rung}) levels out below it, or needs more than {FURTHEST:g}x today's data."
        )
    if low <= 1 and high > FURTHEST:
        return (
            f"{NOT_ENOUGH} of how much data takes {rung} to the {the_goal}: between no more than today's and over "
            f"{FURTHEST:g}x."
        )
    if high <= 1:  # the curve is there, over its seeds; what is asked of the rungs is more
        return f"{NOT_ENOUGH} that the {the_goal}, is reached or missed with today's data by {rung}."
    upper = f"{high:.1f}x" if high <= FURTHEST else f"more than {FURTHEST:g}x"
    need = f"needs {max(low, 1):.1f}x to {upper} of today's {today:,.0f} interactions"
    span = ""
    if curve.per_week:
        first, last = ((max(m, 1) - 1) * today / curve.per_week for m in (low, high))
        weeks = f"about {first:,.0f} to {last:,.0f} weeks" if high <= FURTHEST else f"{first:,.0f} or more weeks"
        span = f" ({weeks} at today's {curve.per_week:,.0f} a week)"
    return f"To reach the {the_goal}, the best rung today ({rung}) {need}{span}."


def curve_grid(curve: Curves, metric: str, seconds: Mapping[str, float] | None = None) -> Grid:
    """All users: a row per rung, a column per size. seconds: CPU seconds by rung that the page names elsewhere; else
    those of the largest size."""
    largest = {rung: each[-1] for rung, each in curve.cpu_s.items()} | dict(seconds or {})
    rows = []
    for rung in curve.rungs:
        cells = [with_interval(*curve.value(rung, ALL, n)) for n in range(len(curve.size))]
        rows.append([rung, *cells, f"{largest[rung]:.2f}"])
    caption = f"{metric_label(metric)} of all users by interactions to learn from; CPU seconds with all of the data."
    return grid(caption, ["rung", *(f"{n:,.0f}" for n in curve.size), "CPU s"], rows)


def crossing_grid(crossed: Sequence[Crossing], curve: Curves) -> Grid:
    """A row per rung and bucket."""

    def cell(n: float) -> str:
        return f"{n:,.0f}" if np.isfinite(n) else "ahead at all sizes" if n < 0 else "not in the range"

    rows = [[c.rung, USERS[c.bucket], c.over, *map(cell, (c.at, c.low, c.high)), f"{c.share:.0%}"] for c in crossed]
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


def chart(site: str, curve: Curves, metric: str) -> Chart:
    """The learning curves of all users."""
    label = metric_label(metric)
    rows = [
        {
            "rung": rung,
            "interactions": round(n),
            **dict(zip(("value", "low", "high"), curve.value(rung, ALL, i), strict=True)),
        }
        for rung in curve.rungs
        for i, n in enumerate(curve.size)
    ]
    best_first = sorted(curve.rungs, key=lambda r: -curve.mean[r, ALL][-1])
    values = ", ".join(f"{r} {curve.mean[r, ALL][-1]:.4f}" for r in best_first)
    alt = f"Line chart of {label} by interactions to learn from, {site}. At the largest size: {values}."
    title = f"Learning curves: {label} of all users, with 95% intervals"
    return lines(f"curves-{site}", title, alt, pl.DataFrame(rows), x="interactions", label=label, log=True)


def trust(tests: Sequence[Forecast], widen: float, metrics: Sequence[str]) -> Finding:
    """What the back-test showed. widen: the factor of ``widening``. metrics: those that were forecast."""
    out = Finding("How far such forecasts can be trusted")
    if not tests:
        out.sentences.append(f"{NOT_ENOUGH}: a back-test needs three sizes up to half of the data, and one above.")
        return out
    error, unchanged = errors(tests)
    than = "less" if error < unchanged else "no less"
    verdict = (
        "as they should" if widen == 1 else f"too few for 95% intervals, so those above are widened {widen:.1f} times"
    )
    out.sentences = [
        f"Made from the smaller half of the sizes, {len(tests)} forecasts of {metric_labels(metrics)} for the larger "
        f"ones were off by {error:.4f} on average, {than} than the forecast that nothing changes ({unchanged:.4f}).",
        f"Their 95% intervals held the observed value in {coverage(tests):.0%} of the cases: {verdict}.",
    ]
    rows = [
        [f.site, f.rung, f"{f.size:,.0f}", with_interval(f.forecast, f.low, f.high), f"{f.observed:.4f}",
         f"{f.forecast - f.observed:+.4f}", "yes" if f.within else "no"] for f in tests
    ]  # fmt: skip
    heads = ["data", "rung", "interactions", "forecast", "observed", "error", "within"]
    out.grids.append(grid("Forecasts from the smaller half, against what the larger half showed.", heads, rows))
    out.notes.append("Cases of one rung or data set rise and fall together, so coverage is itself uncertain.")
    return out
