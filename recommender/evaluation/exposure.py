"""What lists show beside what users like: against which rules, from whom, at whose cost.

Only what a scenario configures is measured; ``metrics.beyond`` holds what every scenario has.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import scipy.sparse as sp

from recommender.config import Scenario
from recommender.data.dataset import NO_TIME, US_PER_DAY, Table
from recommender.data.queries import Queries
from recommender.data.split import Fold
from recommender.features.columns import numbers
from recommender.features.shares import _rows_of_sum_1, history_shares, shares
from recommender.names import SUSPICION
from recommender.ranking.eligibility import violations
from recommender.ranking.favourable import favourable, threshold
from recommender.ranking.lists import Lists

FIRST = 10  # places looked at
SELECTED = "selected_at_10"
TAKEN = "taken_favourable_share"
FAVOURABLE = "favourable_share_at_10"


def exposure(lists: Lists, fold: Fold, scenario: Scenario) -> dict[str, np.ndarray]:
    """What the first ten are like, float64 (n_queries,) per metric that is configured; NaN for an empty list.

    out_of_reach_at_10, level_misfit_at_10: share of the shown that lies beyond ``reach`` and ``seniority``, be they
    hard or not. blocked_at_10: share that is blocked, moderated by then or held back; must be 0.
    violating_at_10: share that moderators confirm to break the rules, then or later: hindsight, to measure by only.
    flagged_at_10: share that the detector calls spam at the origin. spam_at_10: share that breaks the rules, found or
    not, where the data are simulated.
    small_creator_share_at_10: share by creators with few interactions in training. lists_per_vacancy_at_10: mean
    over the shown of the lists whose first ten hold the item, per vacancy. back_catalogue_share_at_10: share published
    more than ``back_catalogue_days`` before the query, where items state that. miscalibration_at_10: how far the shares
    of a column's values are from those in the user's history. favourable_share_at_10: share that is
    favourable by ``audit``; selected_at_10: 1 where at least ``audit.at_least`` are; taken_favourable_share: share of
    what the user then took that is, whatever was shown here: the log's own.
    """
    top = lists.item_idx[:, :FIRST]
    row, place = np.nonzero(top >= 0)
    item = top[row, place]
    n_shown = np.bincount(row, minlength=len(top))

    def mean(values: np.ndarray) -> np.ndarray:
        total = np.bincount(row, weights=values, minlength=len(top))
        return np.where(n_shown > 0, total / np.maximum(n_shown, 1), np.nan)

    against = violations(fold.queries, fold.items, scenario.eligibility, (row, item))
    out = {metric: mean(found) for metric, found in against.items()}
    if scenario.exposure.creator_column is not None:
        small = small_creators(fold, scenario.exposure.creator_column, scenario.exposure.small_creator)
        out["small_creator_share_at_10"] = mean(small[item])
    if scenario.spam.label_column is not None:
        confirmed = fold.items.times(scenario.spam.label_column) != NO_TIME
        out["violating_at_10"] = mean(confirmed[item])
        if SUSPICION in fold.items.frame.columns:
            suspicion = numbers(fold.items, SUSPICION, "spam")
            out["flagged_at_10"] = mean((suspicion >= scenario.spam.threshold)[item])
    if fold.spam is not None:
        out["spam_at_10"] = mean(fold.spam[item])
    if scenario.exposure.vacancies_column is not None:
        out["lists_per_vacancy_at_10"] = mean(_crowd(item, fold.items, scenario.exposure.vacancies_column)[item])
    published = fold.items.times("available_from")
    if scenario.exposure.back_catalogue_days is not None and (published != NO_TIME).any():
        since = fold.queries.as_of[row] - round(scenario.exposure.back_catalogue_days * US_PER_DAY)
        out["back_catalogue_share_at_10"] = mean((published[item] != NO_TIME) & (published[item] < since))
    if scenario.exposure.calibration_column is not None:
        values = fold.items.frame[scenario.exposure.calibration_column]
        out["miscalibration_at_10"] = miscalibration(row, item, fold.queries, values)
    if scenario.audit is not None:
        rule = scenario.audit.favourable
        every = favourable(fold.items, rule.column, threshold(fold.train.items, rule))
        good = every[item]
        out[FAVOURABLE] = mean(good)
        n_taken = np.diff(fold.truth.indptr)
        out[TAKEN] = np.where(n_taken > 0, fold.truth @ every.astype(float) / np.maximum(n_taken, 1), np.nan)
        enough = np.bincount(row[good], minlength=len(top)) >= scenario.audit.at_least
        out[SELECTED] = np.where(n_shown > 0, enough, np.nan)
    return out


def small_creators(fold: Fold, column: str, fewer_than: int) -> np.ndarray:
    """Items whose creator (``column``) has fewer interactions in training, bool (n_items,); null = no."""
    creator = fold.items.frame[column].cast(pl.String)
    counted = pl.DataFrame({"creator": creator, "n": fold.item_counts})
    total = counted.select(pl.col("n").sum().over("creator"))["n"].to_numpy()
    return np.asarray((total < fewer_than) & creator.is_not_null().to_numpy())


def miscalibration(
    row: np.ndarray, item: np.ndarray, queries: Queries, column: pl.Series, alpha: float = 0.01
) -> np.ndarray:
    """KL(p || q) of Steck (2018): p the shares of ``column`` in the user's history, q those of the shown items,
    smoothed with ``alpha`` of p; float64 (n_queries,), 0 = as in the history, NaN where either states no value.

    row, item: int64 (n,), query and item row of each shown item.
    """
    of_item = shares(column)
    shown = sp.csr_matrix((np.ones(len(row)), (row, item)), shape=(len(queries), len(column)))
    p, q = history_shares(queries, of_item), _rows_of_sum_1(shown @ of_item)
    at, value = p.nonzero()
    wanted, given = np.asarray(p[at, value]).ravel(), np.asarray(q[at, value]).ravel()
    terms = wanted * np.log(wanted / ((1 - alpha) * given + alpha * wanted))
    stated = (np.diff(p.indptr) > 0) & (np.diff(q.indptr) > 0)
    return np.where(stated, np.bincount(at, weights=terms, minlength=len(queries)), np.nan)


def _crowd(item: np.ndarray, items: Table, column: str) -> np.ndarray:
    """Lists that show each item per vacancy, float64 (n_items,); an item that states none, or 0, counts one."""
    vacancies = numbers(items, column, "exposure.vacancies_column")
    return np.bincount(item, minlength=len(items)) / np.where(vacancies >= 1, vacancies, 1)
