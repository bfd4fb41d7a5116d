"""What lists show beside what users like: how new, how popular, from whom, at whose cost, against which rules.

Each function returns one value per query, float64 (n_queries,), NaN where it is not defined (an empty list);
``survival`` and ``coverage`` return one number of all lists together. ``metric_table`` says which is measured when.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import scipy.sparse as sp

from recommender.data.dataset import NO_TIME
from recommender.data.queries import Queries
from recommender.data.split import Fold, available
from recommender.data.times import US_PER_DAY
from recommender.evaluation.shown import Shown, first, share
from recommender.features.columns import labels, numbers
from recommender.features.shares import history_shares, rows_of_sum_1, shares
from recommender.features.sparse import similarity_within
from recommender.names import SUSPICION
from recommender.ranking.favourable import favourable, threshold

CHANCE = 10  # lists that an item or creator must be in, to count as one that got its chance

# What the lists are like.


def popularity_percentile(shown: Shown) -> np.ndarray:
    """Mean rank of the shown items by train count, scaled to 0 (least popular) .. 1; ties share their mean rank."""
    counts, is_item = shown.item_counts, shown.top >= 0
    ordered = np.sort(counts)
    rank = (np.searchsorted(ordered, counts, side="left") + np.searchsorted(ordered, counts, side="right") - 1) / 2
    percentile = rank / max(len(counts) - 1, 1)
    return share((percentile[shown.top.clip(min=0)] * is_item).sum(axis=1), shown.n_shown)


def new_item_share(shown: Shown) -> np.ndarray:
    """Share of each list's first ten that nobody took before the origin, float64 (n_queries,)."""
    return shown.mean((shown.item_counts == 0)[shown.item])


def diversity(shown: Shown) -> np.ndarray:
    """1 - mean cosine between the shown items' feature rows (Ziegler et al. 2005); NaN for fewer than two items."""
    pairs = shown.n_shown * (shown.n_shown - 1)
    return 1 - share(similarity_within(shown.item_rows, shown.top), pairs)


def small_creator_share(shown: Shown) -> np.ndarray:
    """Share of each list's first ten by creators of few interactions, float64 (n_queries,)."""
    exposure = shown.scenario.exposure
    return shown.mean(small_creators(shown.fold, str(exposure.creator_column), exposure.small_creator)[shown.item])


def small_creators(fold: Fold, column: str, fewer_than: int) -> np.ndarray:
    """Items whose creator (``column``) has fewer interactions in training, bool (n_items,); null = no."""
    creator = labels(fold.items, column, "exposure.creator_column")
    counted = pl.DataFrame({"creator": creator, "n": fold.item_counts})
    total = counted.select(pl.col("n").sum().over("creator"))["n"].to_numpy()
    return np.asarray((total < fewer_than) & creator.is_not_null().to_numpy())


def lists_per_vacancy(shown: Shown) -> np.ndarray:
    """Mean over the shown items of the lists that show it per vacancy; an item that states none, or 0, counts one."""
    items = shown.fold.items
    vacancies = numbers(items, str(shown.scenario.exposure.vacancies_column), "exposure.vacancies_column")
    crowd = np.bincount(shown.item, minlength=len(items)) / np.where(vacancies >= 1, vacancies, 1)
    return shown.mean(crowd[shown.item])


def dated_back_catalogue(shown: Shown) -> bool:
    """Whether the scenario states when the back catalogue begins, and any item when it was published."""
    days = shown.scenario.exposure.back_catalogue_days
    return days is not None and bool((shown.fold.items.times("available_from") != NO_TIME).any())


def back_catalogue_share(shown: Shown) -> np.ndarray:
    """Share of each list's first ten that was published long before the query, float64 (n_queries,)."""
    days = shown.scenario.exposure.back_catalogue_days or 0
    published = shown.fold.items.times("available_from")[shown.item]
    since = shown.fold.queries.as_of[shown.row] - round(days * US_PER_DAY)
    return shown.mean((published != NO_TIME) & (published < since))


def list_miscalibration(shown: Shown) -> np.ndarray:
    """``miscalibration`` of each list's first ten in the scenario's column, float64 (n_queries,)."""
    column = shown.fold.items.frame[str(shown.scenario.exposure.calibration_column)]
    return miscalibration(shown.row, shown.item, shown.fold.queries, column)


def miscalibration(
    row: np.ndarray, item: np.ndarray, queries: Queries, column: pl.Series, alpha: float = 0.01
) -> np.ndarray:
    """KL(p || q) of Steck (2018): p the shares of ``column`` in the user's history, q those of the shown items,
    smoothed with ``alpha`` of p; float64 (n_queries,), 0 = as in the history, NaN where either states no value.

    row, item: int64 (n,), query and item row of each shown item.
    """
    of_item = shares(column)
    listed = sp.csr_matrix((np.ones(len(row)), (row, item)), shape=(len(queries), len(column)))
    p, q = history_shares(queries, of_item), rows_of_sum_1(listed @ of_item)
    if not p.nnz:
        return np.full(len(queries), np.nan)
    at, value = p.nonzero()
    wanted, given = np.asarray(p[at, value]).ravel(), np.asarray(q[at, value]).ravel()
    terms = wanted * np.log(wanted / ((1 - alpha) * given + alpha * wanted))
    stated = (np.diff(p.indptr) > 0) & (np.diff(q.indptr) > 0)
    return np.where(stated, np.bincount(at, weights=terms, minlength=len(queries)), np.nan)


def coverage(shown: Shown) -> float:
    """Distinct items in the first ten of all lists / candidates."""
    n_items = len(shown.fold.items)
    return np.count_nonzero(np.bincount(shown.item, minlength=n_items)) / max(n_items, 1)


def new_item_survival(shown: Shown) -> float:
    """Share of the items without train interactions in the first 20 of ``CHANCE`` lists or more; NaN: no such item."""
    new = _lists_of_items(shown)[shown.item_counts == 0]
    return float((new >= CHANCE).mean()) if len(new) else np.nan


def small_creator_survival(shown: Shown) -> float:
    """Share of the creators with few interactions whose items are in ``CHANCE`` lists or more; NaN: no such creator."""
    exposure = shown.scenario.exposure
    creator = labels(shown.fold.items, str(exposure.creator_column), "exposure.creator_column")
    totals = pl.DataFrame({"creator": creator, "n": shown.item_counts, "shown": _lists_of_items(shown)})
    totals = totals.drop_nulls("creator").group_by("creator").agg(pl.col("n", "shown").sum())
    lists = totals.filter(pl.col("n") < exposure.small_creator)["shown"].to_numpy()
    return float((lists >= CHANCE).mean()) if len(lists) else np.nan


def _lists_of_items(shown: Shown) -> np.ndarray:
    """In how many lists' first 20 each item is, int64 (n_items,)."""
    top = first(shown.lists.item_idx, 20)
    return np.bincount(top[top >= 0], minlength=len(shown.fold.items))


# Rules, be they hard (then it must be 0) or soft.


def unavailable(shown: Shown) -> np.ndarray:
    """Share of each list's first ten that was not published, or expired, at the query, float64 (n_queries,)."""
    return shown.mean(~available(shown.fold.queries.as_of[shown.row], shown.fold.items, shown.item))


def against_rules(metric: str) -> Callable[[Shown], np.ndarray]:
    """The share of the shown items that are against a rule whose declaration names ``metric``."""
    return lambda shown: shown.mean(shown.violations[metric])


# Spam.


def violating(shown: Shown) -> np.ndarray:
    """Share of each list's first ten that moderators confirm to break the rules, float64 (n_queries,)."""
    confirmed = shown.fold.items.times(str(shown.scenario.spam.label_column)) != NO_TIME
    return shown.mean(confirmed[shown.item])


def flagged(shown: Shown) -> np.ndarray:
    """Share of each list's first ten that the detector suspects, float64 (n_queries,)."""
    suspicion = numbers(shown.fold.items, SUSPICION, "spam")
    return shown.mean((suspicion >= shown.scenario.spam.threshold)[shown.item])


def spam(shown: Shown) -> np.ndarray:
    """Share of each list's first ten that the simulator made as spam, float64 (n_queries,)."""
    assert shown.fold.spam is not None
    return shown.mean(shown.fold.spam[shown.item])


# The audit.


def favourable_items(shown: Shown) -> np.ndarray:
    """bool (n_items,), by the threshold known at the origin."""
    assert shown.scenario.audit is not None
    rule = shown.scenario.audit.favourable
    return favourable(shown.fold.items, rule.column, threshold(shown.fold.train.items, rule))


def favourable_share(shown: Shown) -> np.ndarray:
    """Share of each list's first ten that the audit calls favourable, float64 (n_queries,)."""
    return shown.mean(favourable_items(shown)[shown.item])


def taken_favourable_share(shown: Shown) -> np.ndarray:
    """Share of what each user then took that the audit calls favourable, float64 (n_queries,)."""
    return share(shown.truth @ favourable_items(shown).astype(float), shown.n_truth)


def selected(shown: Shown) -> np.ndarray:
    """Whether the first ten hold enough favourable items for the audit, 0 or 1, float64 (n_queries,); NaN: empty."""
    assert shown.scenario.audit is not None
    good = shown.row[favourable_items(shown)[shown.item]]
    enough = np.bincount(good, minlength=len(shown.top)) >= shown.scenario.audit.at_least
    return np.where(shown.n_shown > 0, enough, np.nan)
