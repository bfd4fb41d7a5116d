"""feedback_loop: what policies do to accuracy, concentration, newcomers and sameness, with seeds as the unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import stats

from recommender.evaluation.statistics import holm
from recommender.studies.charts import lines
from recommender.studies.closed_loop.measures import FIRST, MEASURES, ROUND
from recommender.studies.closed_loop.options import Loop, read
from recommender.studies.engine.cell import Measured, by_place
from recommender.studies.engine.finding import NOT_ENOUGH, Chart, Finding, Grid, grid, interval, not_enough
from recommender.studies.engine.plan import Study

AXIS = "seed"
ALPHA = 0.05
PLACES = {"utility": 2, "regret": 2}  # decimals; 3 of the others
# What sentences tell; the tables hold all.
_ORDER = ("utility", "ndcg_at_10", "gini_shown", "new_items_shown", "new_items_taken", "small_creators_grown",
          "overlap_at_10")  # fmt: skip

_MOVING = ("utility", "ndcg_at_10", "gini_shown")  # and those that tell how it changes over the rounds


@dataclass(frozen=True)
class Mean:
    """Over seeds, with a 95% interval by Student's t (None with one seed) and the two-sided p of it being 0."""

    value: float
    low: float | None
    high: float | None
    p: float


def over_seeds(values: np.ndarray) -> Mean:
    """values: float64 (n_seeds,), finite. Seeds are few and alike, so t and no bootstrap."""
    mean, n = float(values.mean()), len(values)
    if n < 2:
        return Mean(mean, None, None, 1.0)
    error = float(values.std(ddof=1)) / np.sqrt(n)
    half = float(stats.t.ppf(1 - ALPHA / 2, n - 1)) * error
    p = 0.0 if error == 0 and mean else 1.0 if error == 0 else float(2 * stats.t.sf(abs(mean) / error, n - 1))
    return Mean(mean, mean - half, mean + half, p)


def analyse(study: Study, runs: Sequence[Measured]) -> list[Finding]:
    """A finding per scenario."""
    loop = read(study.options, study.name)
    return [_finding(place, mine, loop) for place, mine in by_place(runs).items()]


Cube = Mapping[tuple[str, str], np.ndarray]  # policy, measure -> float64 (n_seeds, rounds); NaN: not defined


def cube(runs: Sequence[Measured], policies: Sequence[str], rounds: int) -> Cube:
    """Policies that a seed lacks are left out of all, so that seeds stay paired."""
    found: dict[tuple[str, str], np.ndarray] = {}
    for name in policies:
        for measure in MEASURES:
            table = np.full((len(runs), rounds), np.nan)
            for row, run in enumerate(runs):
                mine = run.metrics.filter(pl.col("rung") == name, pl.col("metric") == measure, pl.col("slice") == ROUND)
                table[row, mine["slice_value"].cast(pl.Int64).to_numpy() - 1] = mine["value"].to_numpy()
            found[name, measure] = table
    return found


def _finding(place: str, runs: Sequence[Measured], loop: Loop) -> Finding:
    out = Finding(place)
    policies = [p for p in loop.policies if all(p in r.rungs for r in runs)]
    if missing := [p for p in loop.policies if p not in policies]:
        out.notes.append(f"Stepped aside: {'; '.join(f'{p} ({_why(runs, p)})' for p in missing)}.")
    if loop.against not in policies or len(policies) < 2:
        out.sentences.append(f"{NOT_ENOUGH}: {loop.against} and another policy must be measured with every seed.")
        return out
    found = cube(runs, policies, loop.rounds)
    late = {key: _late(values, loop) for key, values in found.items()}
    there = [m for m in MEASURES if all(np.isfinite(late[p, m]).all() for p in policies)]
    gains = {m: _gains(late, policies, m, loop.against) for m in there}
    trends = {(p, m): _trend(found[p, m]) for p in policies for m in there}
    others = [p for p in policies if p != loop.against]
    if len(runs) < 2:
        out.sentences.append(f"{NOT_ENOUGH} of any difference: one seed, so no intervals.")
    for measure in (m for m in _ORDER if m in there):
        out.sentences.append(_sentence(measure, late, gains[measure], trends, loop.against))
    out.sentences += _exploration(late, there, loop)
    out.grids.append(_levels(late, policies, there))
    out.grids.append(_table(f"Difference to {loop.against}, paired by seed; * significant.", gains, others, there))
    by_measure = {m: {p: trends[p, m] for p in policies} for m in there}
    out.grids.append(_table("Change from the first round that has it to the last; * significant.", by_measure,
                            policies, there))  # fmt: skip
    out.charts += [_chart(place, m, found, policies) for m in there]
    out.notes.append(_note(runs, loop))
    return out


def _why(runs: Sequence[Measured], policy: str) -> str:
    return next((str(r.done["stepped_aside"][policy]) for r in runs if policy in r.done["stepped_aside"]), "failed")


def _late(values: np.ndarray, loop: Loop) -> np.ndarray:
    """Mean of the late rounds of each seed, float64 (n_seeds,); NaN where none is defined."""
    chosen = values[:, np.array(loop.late) - 1]
    some = np.isfinite(chosen).any(axis=1)
    return np.where(some, np.nansum(chosen, axis=1) / np.maximum(np.isfinite(chosen).sum(axis=1), 1), np.nan)


def _gains(
    late: Mapping[tuple[str, str], np.ndarray], policies: Sequence[str], measure: str, against: str
) -> dict[str, Mean]:
    """Policy -> its difference to ``against``, p Holm-adjusted over the policies."""
    others = [p for p in policies if p != against]
    return _adjusted({p: over_seeds(late[p, measure] - late[against, measure]) for p in others})


def _adjusted(found: Mapping[str, Mean]) -> dict[str, Mean]:
    p = holm(np.array([m.p for m in found.values()]))
    return {k: Mean(m.value, m.low, m.high, float(q)) for (k, m), q in zip(found.items(), p, strict=True)}


def _trend(values: np.ndarray) -> Mean:
    """Last round minus the first one that every seed has."""
    whole = np.flatnonzero(np.isfinite(values).all(axis=0))
    return over_seeds(values[:, whole[-1]] - values[:, whole[0]])


def sure(mean: Mean) -> bool:
    """Whether an interval and an adjusted p both exclude 0."""
    return mean.low is not None and mean.high is not None and bool(mean.p < ALPHA and mean.low * mean.high > 0)


def _sentence(
    measure: str,
    late: Mapping[tuple[str, str], np.ndarray],
    gains: Mapping[str, Mean],
    trends: Mapping[tuple[str, str], Mean],
    against: str,
) -> str:
    base, moved = over_seeds(late[against, measure]), {p: t for (p, name), t in trends.items() if name == measure}
    parts = [f"{_what(measure)}: {against} {_told(base, measure)}."]
    if told := _sure(gains, measure):
        parts.append(f"Against it: {told}.")
    if unsure := [policy for policy, gain in gains.items() if not sure(gain)]:
        parts.append(f"{NOT_ENOUGH} of a difference: {', '.join(unsure)}.")
    if measure in _MOVING and (told := _sure(moved, measure)):
        parts.append(f"From the first to the last round: {told}.")
    return " ".join(parts)


def _exploration(late: Mapping[tuple[str, str], np.ndarray], there: Sequence[str], loop: Loop) -> list[str]:
    """What slots change for the same rung: a sentence for each policy that has a twin without."""
    told = []
    for name, policy in loop.policies.items():
        twin = next((n for n, p in loop.policies.items() if p.rung == policy.rung and not p.slots.n), None)
        if not policy.slots.n or twin is None or not {(name, "utility"), (twin, "utility")} <= late.keys():
            continue
        paid = {m: over_seeds(late[name, m] - late[twin, m]) for m in _ORDER if m in there}
        paid = _adjusted(paid)
        changes = [f"{MEASURES[m]} {_told(c, m, sign=True)}" for m, c in paid.items() if sure(c)]
        unsure = [MEASURES[m] for m, c in paid.items() if not sure(c)]
        rest = f"; {not_enough} of a change in {', '.join(unsure)}" if unsure else ""
        told.append(f"What exploring changes for {policy.rung}: {'; '.join(changes) or 'nothing that is shown'}{rest}.")
    return told


def _sure(found: Mapping[str, Mean], measure: str) -> str:
    return ", ".join(f"{policy} {_told(mean, measure, sign=True)}" for policy, mean in found.items() if sure(mean))


def _what(measure: str) -> str:
    what = MEASURES[measure]
    return f"{what[0].upper()}{what[1:]}"


def _told(mean: Mean, measure: str, sign: bool = False) -> str:
    return interval(mean.value, mean.low, mean.high, PLACES.get(measure, 3), sign)


def _levels(late: Mapping[tuple[str, str], np.ndarray], policies: Sequence[str], there: Sequence[str]) -> Grid:
    rows = [[MEASURES[m], *(_told(over_seeds(late[p, m]), m) for p in policies)] for m in there]
    return grid("Mean of the later half of the rounds, with 95% intervals over seeds.", ["measure", *policies], rows)


def _table(caption: str, found: Mapping[str, Mapping[str, Mean]], columns: Sequence[str], there: Sequence[str]) -> Grid:
    rows = [
        [MEASURES[m], *(_told(found[m][c], m, sign=True) + " *" * sure(found[m][c]) for c in columns)] for m in there
    ]
    return grid(caption, ["measure", *columns], rows)


def _chart(place: str, measure: str, found: Cube, policies: Sequence[str]) -> Chart:
    rows = []
    for policy in policies:
        for number, values in enumerate(found[policy, measure].T, 1):
            if np.isfinite(values).all():
                mean = over_seeds(values)
                low, high = (mean.value if bound is None else bound for bound in (mean.low, mean.high))
                rows.append({"rung": policy, "round": number, "value": mean.value, "low": low, "high": high})
    last = {r["rung"]: r["value"] for r in rows}
    told = ", ".join(f"{p} {v:.{PLACES.get(measure, 3)}f}" for p, v in last.items())
    what = MEASURES[measure]
    alt = f"Line chart of {what} by round, {place}. In the last round: {told}."
    title = f"{_what(measure)}, by round"
    return lines(f"loop-{measure}-{place}", title, alt, pl.DataFrame(rows), x="round", label=what, whole=True)


def _note(runs: Sequence[Measured], loop: Loop) -> str:
    small = runs[0].scenario.exposure.small_creator
    return (
        f"{len(runs)} seeds, {loop.rounds} rounds after the service's own lists in the first {loop.begin:.0%} of the "
        "time. Each policy then fills every list alone, so what it does not show nobody can take. Values are of the "
        "later half of the rounds; p Holm-adjusted over the policies. "
        f"{_what('utility')}: by the simulator's truth, places weighed by how often they are looked at; best "
        "possible list: of what may be shown then. NDCG@10: lists drawn at random that no policy shaped and no model "
        "saw. Gini: over the items that could be shown throughout the round. New items: those that break no rule, of "
        f"the round before; their chance: in {loop.least_shown} lists by the end of this one; living: taken "
        f"{loop.least_taken} times. Small creators: fewer than {small} takes before the loop, growing: {small} since. "
        f"Overlap: mean Jaccard index of the first {FIRST}; different taste: no main topic in common."
    )
