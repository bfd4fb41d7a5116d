"""feedback_loop: what do lists do to the data that the next model learns from: accuracy, concentration, newcomers,
sameness?

Cells: mode loop, axis ``seed``, the unit of every interval; the rungs of a cell are the policies. Tables: mean of the
late rounds, difference to the policy ``against``, change from the first to the last round (a row per measure, a
column per policy). Options: see ``closed_loop.options.Loop``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from scipy.special import stdtr, stdtrit

from recommender.evaluation.rounding import with_interval
from recommender.evaluation.statistics import holm
from recommender.studies.charts import lines
from recommender.studies.closed_loop.measures import FIRST, MEASURES, ROUND
from recommender.studies.closed_loop.options import Loop, read
from recommender.studies.engine.contrast import ALPHA
from recommender.studies.engine.finding import NOT_ENOUGH, Chart, Finding, Grid, grid, not_enough
from recommender.studies.engine.measured import Measured, by_site
from recommender.studies.engine.plan import Study

DECIMALS = {"utility": 2, "regret": 2}  # 3 for the others
# Measures that sentences report; the tables hold all.
_ORDER = ("utility", "ndcg_at_10", "gini_shown", "new_items_shown", "new_items_taken", "small_creators_grown",
          "overlap_at_10")  # fmt: skip
_MOVING = ("utility", "ndcg_at_10", "gini_shown")  # measures whose sentence also reports the change over the rounds
Values = Mapping[tuple[str, str], np.ndarray]  # policy, measure -> float64 (n_seeds, ...)


@dataclass(frozen=True)
class Mean:
    """Mean over seeds, with a 95% interval by Student's t (None with one seed) and the two-sided p of it being 0."""

    value: float
    low: float | None
    high: float | None
    p: float

    @property
    def sure(self) -> bool:
        """Whether the interval and the (adjusted) p both exclude 0."""
        return self.low is not None and self.high is not None and bool(self.p < ALPHA and self.low * self.high > 0)

    def text(self, measure: str, sign: bool = False, star: bool = False) -> str:
        """The mean with its interval, in the decimals of the measure; star: `` *`` where it is ``sure``."""
        return with_interval(self.value, self.low, self.high, DECIMALS.get(measure, 3), sign) + " *" * (
            star and self.sure
        )


Means = Mapping[str, Mapping[str, Mean]]  # measure -> policy


def over_seeds(values: np.ndarray) -> Mean:
    """values: float64 (n_seeds,), finite. Seeds are few and alike, so t and no bootstrap."""
    mean, n = float(values.mean()), len(values)
    if n < 2:
        return Mean(mean, None, None, 1.0)
    error = float(values.std(ddof=1)) / np.sqrt(n)
    half = float(stdtrit(n - 1, 1 - ALPHA / 2)) * error
    p = 0.0 if error == 0 and mean else 1.0 if error == 0 else float(2 * stdtr(n - 1, -abs(mean) / error))
    return Mean(mean, mean - half, mean + half, p)


def analyse(study: Study, runs: Sequence[Measured]) -> list[Finding]:
    """A finding per scenario."""
    loop = read(study.options, study.name)
    return [_finding(site, cells, loop) for site, cells in by_site(runs).items()]


def by_round(runs: Sequence[Measured], policies: Sequence[str], rounds: int) -> Values:
    """Every measure by seed and round, float64 (n_seeds, rounds); NaN where it is not defined."""
    tables: dict[tuple[str, str], np.ndarray] = {}
    for policy in policies:
        for measure in MEASURES:
            table = tables[policy, measure] = np.full((len(runs), rounds), np.nan)
            wanted = (pl.col("rung") == policy, pl.col("metric") == measure, pl.col("slice") == ROUND)
            for seed, run in enumerate(runs):
                rows = run.metrics.filter(*wanted)
                table[seed, rows["slice_value"].cast(pl.Int64).to_numpy() - 1] = rows["value"].to_numpy()
    return tables


def _finding(site: str, runs: Sequence[Measured], loop: Loop) -> Finding:
    out = Finding(site)
    # Policies that a seed lacks are left out of all, so that seeds stay paired.
    policies = [p for p in loop.policies if all(p in r.rungs for r in runs)]
    if missing := [p for p in loop.policies if p not in policies]:
        out.notes.append(f"Left out: {'; '.join(f'{p} ({_reason(runs, p)})' for p in missing)}.")
    if loop.against not in policies or len(policies) < 2:
        out.sentences.append(f"{NOT_ENOUGH}: {loop.against} and another policy must be measured with every seed.")
        return out
    values = by_round(runs, policies, loop.rounds)
    late = {key: _late(table, loop) for key, table in values.items()}
    measures = [m for m in MEASURES if all(np.isfinite(late[p, m]).all() for p in policies)]
    others = [p for p in policies if p != loop.against]
    levels = {m: {p: over_seeds(late[p, m]) for p in policies} for m in measures}
    gains = {m: _adjusted({p: over_seeds(late[p, m] - late[loop.against, m]) for p in others}) for m in measures}
    trends = {m: {p: _trend(values[p, m]) for p in policies} for m in measures}
    if len(runs) < 2:
        out.sentences.append(f"{NOT_ENOUGH} of any difference: one seed, so no intervals.")
    for m in (m for m in _ORDER if m in measures):
        out.sentences.append(_sentence(m, levels[m][loop.against], gains[m], trends[m], loop.against))
    out.sentences += _exploration(late, measures, loop)
    level = "Mean of the later half of the rounds, with 95% intervals over seeds."
    out.grids = [
        grid(
            level, ["measure", *policies], [[MEASURES[m], *(x.text(m) for x in levels[m].values())] for m in measures]
        ),
        _differences(f"Difference to {loop.against}, paired by seed; * significant.", gains, others),
        _differences("Change from the first round that has it to the last; * significant.", trends, policies),
    ]
    out.charts = [_chart(site, m, values, policies) for m in measures]
    out.notes.append(_note(runs, loop))
    return out


def _reason(runs: Sequence[Measured], policy: str) -> str:
    return next((str(r.done["skipped"][policy]) for r in runs if policy in r.done["skipped"]), "failed")


def _late(values: np.ndarray, loop: Loop) -> np.ndarray:
    """Mean of the late rounds of each seed, float64 (n_seeds,); NaN where none is defined."""
    chosen = values[:, np.array(loop.late) - 1]
    some = np.isfinite(chosen).any(axis=1)
    return np.where(some, np.nansum(chosen, axis=1) / np.maximum(np.isfinite(chosen).sum(axis=1), 1), np.nan)


def _adjusted(means: Mapping[str, Mean]) -> dict[str, Mean]:
    """The means with p Holm-adjusted over all of them."""
    p = holm(np.array([m.p for m in means.values()]))
    return {key: replace(mean, p=float(q)) for (key, mean), q in zip(means.items(), p, strict=True)}


def _trend(values: np.ndarray) -> Mean:
    """Last round minus the first one, of those that every seed has."""
    whole = np.flatnonzero(np.isfinite(values).all(axis=0))
    return over_seeds(values[:, whole[-1]] - values[:, whole[0]])


def _sentence(measure: str, base: Mean, gains: Mapping[str, Mean], trends: Mapping[str, Mean], against: str) -> str:
    parts = [f"{_capital(measure)}: {against} {base.text(measure)}."]
    if sure := _sure(gains, measure):
        parts.append(f"Against it: {sure}.")
    if unsure := [policy for policy, gain in gains.items() if not gain.sure]:
        parts.append(f"{NOT_ENOUGH} of a difference: {', '.join(unsure)}.")
    if measure in _MOVING and (sure := _sure(trends, measure)):
        parts.append(f"From the first to the last round: {sure}.")
    return " ".join(parts)


def _exploration(late: Values, measures: Sequence[str], loop: Loop) -> list[str]:
    """What slots change for the same rung: a sentence for each policy that has a twin without."""
    sentences = []
    for name, policy in loop.policies.items():
        twin = next((n for n, p in loop.policies.items() if p.rung == policy.rung and not p.slots.n), None)
        if not policy.slots.n or twin is None or not {(name, "utility"), (twin, "utility")} <= late.keys():
            continue
        paid = _adjusted({m: over_seeds(late[name, m] - late[twin, m]) for m in _ORDER if m in measures})
        changes = [f"{MEASURES[m]} {change.text(m, sign=True)}" for m, change in paid.items() if change.sure]
        unsure = [MEASURES[m] for m, change in paid.items() if not change.sure]
        rest = f"; {not_enough} of a change in {', '.join(unsure)}" if unsure else ""
        shown = "; ".join(changes) or "nothing measurable"
        sentences.append(f"What exploring changes for {policy.rung}: {shown}{rest}.")
    return sentences


def _sure(means: Mapping[str, Mean], measure: str) -> str:
    return ", ".join(f"{policy} {mean.text(measure, sign=True)}" for policy, mean in means.items() if mean.sure)


def _capital(measure: str) -> str:
    return MEASURES[measure][0].upper() + MEASURES[measure][1:]


def _differences(caption: str, means: Means, policies: Sequence[str]) -> Grid:
    rows = [[MEASURES[m], *(row[p].text(m, sign=True, star=True) for p in policies)] for m, row in means.items()]
    return grid(caption, ["measure", *policies], rows)


def _chart(site: str, measure: str, values: Values, policies: Sequence[str]) -> Chart:
    rows = []
    for policy in policies:
        for number, seeds in enumerate(values[policy, measure].T, 1):
            if np.isfinite(seeds).all():
                mean = over_seeds(seeds)
                low, high = (mean.value if bound is None else bound for bound in (mean.low, mean.high))
                rows.append({"rung": policy, "round": number, "value": mean.value, "low": low, "high": high})
    last = {r["rung"]: r["value"] for r in rows}
    ends = ", ".join(f"{p} {v:.{DECIMALS.get(measure, 3)}f}" for p, v in last.items())
    what = MEASURES[measure]
    alt = f"Line chart of {what} by round, {site}. In the last round: {ends}."
    title = f"{_capital(measure)}, by round"
    return lines(f"loop-{measure}-{site}", title, alt, pl.DataFrame(rows), x="round", label=what, whole=True)


def _note(runs: Sequence[Measured], loop: Loop) -> str:
    small = runs[0].scenario.exposure.small_creator
    return (
        f"{len(runs)} seeds, {loop.rounds} rounds after the service's own lists in the first {loop.begin:.0%} of the "
        "time. Each policy then fills every list alone, so what it does not show nobody can take. Values are of the "
        "later half of the rounds; p Holm-adjusted over the policies. "
        f"{_capital('utility')}: by the simulator's truth, places weighed by how often they are looked at; best "
        "possible list: of what may be shown then. NDCG@10: lists drawn at random that no policy shaped and no model "
        "saw. Gini: over the items that could be shown throughout the round. New items: those that break no rule, of "
        f"the round before; their chance: in {loop.least_shown} lists by the end of this one; living: taken "
        f"{loop.least_taken} times. Small creators: fewer than {small} takes before the loop, growing: {small} since. "
        f"Overlap: mean Jaccard index of the first {FIRST}; different taste: no main topic in common."
    )
