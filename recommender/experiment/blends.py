"""Two rungs' lists as one, by reciprocal rank: a second opinion, where validation shows that it pays.

Ranks need no common scale, so nothing has to be calibrated (Cormack et al. 2009, reciprocal rank fusion).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from recommender.config import DecisionRule
from recommender.evaluation import metric_table
from recommender.evaluation.evaluate import QueryInfo, periods_of
from recommender.evaluation.statistics import (
    ClusteredValues,
    estimates,
    holm,
    numbered,
    sign_flip_p,
)
from recommender.experiment.climb import needed
from recommender.experiment.validation_sample import ValidationSample
from recommender.names import RETURNING, USER_BUCKETS, WITH_HISTORY
from recommender.ranking.fusion import DEPTH, blended, routed

SAMPLE = 2500  # queries per origin, evenly spread over all


@dataclass(frozen=True)
class Blend:
    """The rung whose lists are blended into those of a group's own rung, and what that gained on validation."""

    rung: str
    gain: float  # paired, of the decision's metric, over the group's own rungs alone
    ci_low: float
    ci_high: float
    p_holm: float
    n_queries: int


def choose_blends(
    samples: Sequence[ValidationSample],
    served: Sequence[np.ndarray],
    query_info: Sequence[QueryInfo],
    settings: Mapping[str, int],
    rule: DecisionRule,
    resamples: int,
    seed: int,
) -> dict[str, Blend]:
    """Group of users (without history, in a visit, returning) -> the second rung whose lists gain most when blended in.

    Groups where no blend passes the decision's test are left out.

    Every rung of ``settings`` (rung -> its setting) is tried; Holm's correction is over all of them. The gain is of
    a group as a whole, the validation origins pooled, users as clusters. served: the rung of each row of a sample.
    """
    codes, keys = numbered(pl.concat([a.user_ids for a in query_info]))
    starts = np.cumsum([0, *(len(a.first) for a in query_info)])
    users = [codes[start + s.rows] for start, s in zip(starts[:-1], samples, strict=True)]
    known = [a.bucket[s.rows] > 0 for a, s in zip(query_info, samples, strict=True)]
    back = [a.returning[s.rows] for a, s in zip(query_info, samples, strict=True)]
    times = [t[s.rows] for t, s in zip(periods_of(query_info), samples, strict=True)]
    groups = {
        USER_BUCKETS[0]: [~k for k in known],
        WITH_HISTORY: [k & ~b for k, b in zip(known, back, strict=True)],
        WITH_HISTORY + RETURNING: [k & b for k, b in zip(known, back, strict=True)],
    }
    blends: dict[str, Blend] = {}
    for name, masks in groups.items():
        if sum(int(m.sum()) for m in masks) < needed(name, rule):
            continue
        gains = [_gains(*parts, settings, rule.metric) for parts in zip(samples, served, masks, strict=True)]
        cell = ClusteredValues(np.concatenate([u[m] for u, m in zip(users, masks, strict=True)]), np.concatenate(gains))
        when = np.concatenate([t[m] for t, m in zip(times, masks, strict=True)])
        chosen = _best(cell, when, keys, list(settings), rule, resamples, seed)
        blends |= {name: chosen} if chosen else {}
    return blends


def _gains(
    sample: ValidationSample, served: np.ndarray, mask: np.ndarray, settings: Mapping[str, int], metric: str
) -> np.ndarray:
    """Blend minus the serving rung alone, float64 (n_masked, n_rungs); 0 where a rung serves by itself."""
    if not mask.any():
        return np.zeros((0, len(settings)))
    truth = sample.truth[mask]
    alone = routed(sample.lists, served, settings).take(mask)
    before = metric_table.accuracy(metric, alone, truth)
    gains = []
    for setting in settings.items():
        both = blended(alone, sample.lists[setting].take(mask), DEPTH)
        gains.append(np.where(served[mask] == setting[0], 0, metric_table.accuracy(metric, both, truth) - before))
    return np.column_stack(gains)


def _best(
    cell: ClusteredValues,
    periods: np.ndarray,
    keys: np.ndarray,
    rungs: Sequence[str],
    rule: DecisionRule,
    resamples: int,
    seed: int,
) -> Blend | None:
    over = estimates([cell], keys, resamples, seed, [periods])[0]
    tried = np.flatnonzero((cell.values != 0).any(axis=0))  # the rung that serves all of them is not a second one
    p = np.ones(len(rungs))
    p[tried] = holm(sign_flip_p(ClusteredValues(cell.users, cell.values[:, tried]), seed))
    pays = (p < rule.alpha) & (over.low > rule.min_gain)
    if not pays.any():
        return None
    best = int(np.argmax(np.where(pays, over.mean, -np.inf)))
    gain, ci_low, ci_high, adjusted = (float(x[best]) for x in (over.mean, over.low, over.high, p))
    return Blend(rungs[best], gain, ci_low, ci_high, adjusted, len(cell.users))
