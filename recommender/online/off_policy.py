"""What a candidate would have got, from lists that another model showed: IPS, SNIPS and DR, or a refusal.

Each row is a place whose item was drawn with a known probability p. It speaks for the candidate where the candidate
would have shown the same item there, and then for 1 / p such places (inverse propensity scoring, Horvitz & Thompson
1952; self-normalised: Swaminathan & Joachims 2015; doubly robust: Dudik, Langford & Li 2011). That is unbiased where
the item of the candidate could have been drawn at every place (support). Where it could not, the weights add up to
less than there are places, which is how a lack of support shows.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from recommender.errors import DataError

LEAST_EFFECTIVE = 50  # places that the weighted rows are worth
UNSUPPORTED = 3.0  # standard errors that the mean weight may be away from 1
FOLDS = 2  # of the users, so that the reward model of a place has not seen it


@dataclass(frozen=True)
class PolicyValue:
    """Takes per place of the candidate, with a 95% interval that has users as the unit."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class OffPolicy:
    """logged: takes per place of what was shown there; effective: how many places the weighted rows are worth;
    mean_weight: 1 with full support, and its standard error; matched: share of the rows with the candidate's item."""

    logged: float
    estimates: tuple[PolicyValue, ...]
    effective: float
    mean_weight: float
    weight_error: float
    matched: float
    rows: int
    users: int

    def tree(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def estimate(
    user: np.ndarray, taken: np.ndarray, propensity: np.ndarray, target: np.ndarray, model_logged: np.ndarray,
    model_target: np.ndarray, check: bool = True,
) -> OffPolicy:  # fmt: skip
    """user: code of each row's user, int64 (n,). taken: rewards, float64 (n,). propensity: of the logged item at its
    place. target: probability that the candidate shows the logged item there, 1 or 0 where it does not draw.
    model_logged, model_target: expected reward of the logged item, and of the candidate's choice, by a model that has
    not seen the row. check: refuse without support.

    Raises DataError where there is nothing to estimate from: no logged draw, no support, or too few effective places.
    """
    if not len(taken):
        raise DataError(
            "No place of the log has a propensity, so nothing can be said of another model. Serve with exploration "
            "(slots.explore, slots.floor), or test with users."
        )
    weight = target / propensity
    effective = float(weight.sum() ** 2 / max((weight**2).sum(), 1e-300))
    mean_weight, weight_error = _mean(user, weight)
    if check:
        _supported(len(weight), effective, mean_weight, weight_error, float((target > 0).mean()))
    direct = model_target + weight * (taken - model_logged)
    total = max(float(weight.mean()), 1e-300)
    snips = float((weight * taken).mean()) / total
    rows = {"IPS": weight * taken, "SNIPS": snips + weight * (taken - snips) / total, "DR": direct}
    estimates = []
    for name, values in rows.items():
        mean, error = _mean(user, values)
        estimates.append(PolicyValue(name, mean, mean - norm.ppf(0.975) * error, mean + norm.ppf(0.975) * error))
    return OffPolicy(float(taken.mean()), tuple(estimates), effective, mean_weight, weight_error,
                     float((target > 0).mean()), len(taken), len(np.unique(user)))  # fmt: skip


def reward_model(
    user: np.ndarray, item: np.ndarray, taken: np.ndarray, other: np.ndarray, prior: float = 20.0
) -> tuple[np.ndarray, np.ndarray]:
    """Takes per place of an item, drawn towards the mean of all by ``prior`` places: of the items ``item`` and
    ``other`` (codes, int64 (n,); -1: unknown) of each row, from the users of the other fold."""
    fold = user % FOLDS
    n_items = int(max(item.max(initial=-1), other.max(initial=-1))) + 1
    of_item, of_other = np.zeros(len(item)), np.zeros(len(item))
    for one in range(FOLDS):
        learn, use = fold != one, fold == one
        mean = float(taken[learn].mean()) if learn.any() else 0.0
        takes = np.bincount(item[learn], taken[learn], n_items) + prior * mean
        rate = np.append(takes / (np.bincount(item[learn], minlength=n_items) + prior), mean)  # -1 reads the end
        of_item[use], of_other[use] = rate[item[use]], rate[other[use]]
    return of_item, of_other


def _supported(rows: int, effective: float, mean_weight: float, error: float, matched: float) -> None:
    """Raises DataError where the weights say that the log cannot speak for the candidate."""
    what_to_do = (
        "Serve with more exploration (slots.explore, slots.floor), or test it with users (make serve CANDIDATE=)."
    )
    if abs(mean_weight - 1) > UNSUPPORTED * error + 1e-9 or not matched:
        raise DataError(
            f"The log cannot speak for this candidate: its items could not have been drawn at about "
            f"{max(1 - mean_weight, 0):.0%} of the {rows:,} places (mean weight {mean_weight:.2f}, not 1). "
            f"{what_to_do}"
        )
    if effective < LEAST_EFFECTIVE:
        raise DataError(
            f"The {rows:,} drawn places are worth {effective:.0f} of the candidate's; {LEAST_EFFECTIVE} are needed. "
            f"{what_to_do}"
        )


def _mean(user: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Mean over rows and its standard error with users as clusters."""
    mean = float(values.mean())
    sums = np.bincount(user, values - mean)
    n_users = len(np.unique(user))
    spread = float((sums**2).sum()) * n_users / max(n_users - 1, 1)
    return mean, float(np.sqrt(spread)) / len(values)
