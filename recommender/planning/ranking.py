"""Which options are among the best three, and how sure that is: gain, value and days drawn many times.

One draw: every option's gain within its interval, the value of a point within what is stated, its person-days within
what the team estimates, times a factor by which the team's own options took longer. In each draw three options are
picked, one after the other, each with the most value per person-day given what was picked before: days of what an
option needs count until that is built, and an option brings only what it has beyond others of its group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recommender.config import ProblemStatement
from recommender.planning.done import Bias
from recommender.planning.estimates import drawn_days
from recommender.planning.options import ESTIMATED, Proposal

DRAWS, PICKS = 4000, 3
LIKELY, MAYBE = 0.5, 0.1  # chances to be among the best three from which on an option is called so
_SD = 3.92  # standard deviations in a 95% interval


@dataclass(frozen=True)
class Chance:
    """best: share of the draws in which the option is among the best three; first: in which it is the best. days:
    median and 95% interval of its own person-days, corrected by the team's factor; None where not stated."""

    best: float
    first: float
    days: tuple[float, float, float] | None


def ranked(
    options: Sequence[Proposal], problem: ProblemStatement, team: Bias, seed: int = 0, draws: int = DRAWS
) -> list[tuple[Proposal, Chance]]:
    """Options by their chance to be among the best three; those that are not ranked last. Deterministic by ``seed``."""
    rng = np.random.default_rng(seed)
    low, high = problem.value_per_point or (1.0, 1.0)
    value = rng.uniform(low, high, draws)
    gains = np.stack([_gain(p, rng, draws) for p in options]) if options else np.zeros((0, draws))
    days = {p.what: _days(p, rng, draws) for p in options}
    corrected = {what: d * team.drawn(rng, draws) for what, d in days.items() if d is not None}
    picks = _picks(options, gains * value, corrected)
    chances = []
    for n, p in enumerate(options):
        drawn = corrected.get(p.what)
        middle, first, last = np.percentile(drawn, [50, 2.5, 97.5]) if drawn is not None else (0.0, 0.0, 0.0)
        spread = (float(middle), float(first), float(last)) if drawn is not None else None
        chances.append((p, Chance(float((picks == n).any(axis=0).mean()), float((picks[0] == n).mean()), spread)))
    return sorted(chances, key=lambda c: (bool(c[0].reason), -c[1].best, -c[1].first, c[0].what))


def _gain(p: Proposal, rng: np.random.Generator, n: int) -> np.ndarray:
    """Normal by its interval; anywhere in it where people guessed it; around 0 where it was seen in the test period
    only."""
    normal, share = rng.standard_normal(n), rng.random(n)  # both, so that one option's state changes no other's draws
    if p.gain is None:
        return np.zeros(n)
    value, low, high = p.gain
    if p.source == ESTIMATED:
        return np.asarray(low + share * (high - low))
    return np.asarray((value if p.confirmed or p.kind == "action" else min(value, 0.0)) + normal * (high - low) / _SD)


def _days(p: Proposal, rng: np.random.Generator, n: int) -> np.ndarray | None:
    if p.estimates:
        return drawn_days(p.estimates, rng, n)
    share = rng.random(n)
    if p.stated is None or sum(p.stated) <= 0:
        return None
    return np.asarray(p.stated[0] + share * (p.stated[1] - p.stated[0]))


def _picks(options: Sequence[Proposal], worth: np.ndarray, days: dict[str, np.ndarray]) -> np.ndarray:
    """Which option is picked first, second, third in each draw, int64 (PICKS, draws); -1: none that gains."""
    draws = worth.shape[1]
    picks = np.full((PICKS, draws), -1)
    allowed = np.array([not p.reason for p in options], dtype=bool)
    if not allowed.any():
        return picks
    groups = sorted({p.group for p in options})
    group = np.array([groups.index(p.group) for p in options])
    taken = np.zeros((len(groups), draws))  # what the group gives already
    built = {name: np.zeros(draws, dtype=bool) for p in options for name in (p.what, *p.needs)}
    rows = np.arange(draws)
    for turn in range(PICKS):
        left = np.maximum(worth - taken[group], 0.0)
        left[~allowed] = 0.0
        effort = np.stack([_effort(p, days, built, draws) for p in options])
        left[np.stack([built[p.what] for p in options])] = 0.0
        score = left / np.maximum(effort, 1e-9)
        best = score.argmax(axis=0)
        gains = score[best, rows] > 0
        picks[turn] = np.where(gains, best, -1)
        for n, p in enumerate(options):
            here = picks[turn] == n
            for name in (p.what, *p.needs):
                built[name] |= here
            taken[group[n], here] = np.maximum(taken[group[n], here], worth[n, here])
    return picks


def _effort(p: Proposal, days: dict[str, np.ndarray], built: dict[str, np.ndarray], draws: int) -> np.ndarray:
    """Person-days of the option and of what it needs and nobody has built; of unknown days nothing is counted."""
    total = days.get(p.what, np.zeros(draws)).copy()
    for name in p.needs:
        total += np.where(built[name], 0.0, days.get(name, 0.0))
    return np.asarray(total)
