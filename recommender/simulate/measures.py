"""What makes one service unlike another, in numbers: to compare simulated with real data, and to fit knobs to them."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from recommender.data.dataset import FEATURE_ROLES, NO_TIME, Dataset, Table
from recommender.data.profile import coverage
from recommender.data.summary import gini
from recommender.data.times import US_PER_DAY

LATE = 0.8  # the last fifth of the interactions
VISIT_GAP_DAYS = 1 / 24  # a longer pause begins another visit
LEAST = 5  # events from which on an item's life is measured
ENDED = 0.9  # share of an item's events after which its life counts as over


def measures(data: Dataset) -> dict[str, float | None]:
    """Numbers of a data set; None where it lacks what a number needs. Times are days.

    density: interactions per active user and item. gini_items, top_10_percent_share: over all items, unused ones
    included; gini_used: without them. life_days: median of expiry - publication where stated, else of the time
    in which an item (of ``LEAST`` events) gets nine of ten of its events, counted from its publication or, where
    that is not stated, its first event. first_week_share: of events, within 7 days of that begin.
    unused_live_share: of the items live when the last fifth of interactions begins, those without any so far.
    late_new_users, late_new_items: of those of the last fifth, the share never seen before. stay_days: mean time
    from a user's first to the last event. coverage_items: mean share of feature cells with a value.
    back_catalogue: share of items published before the data start, back_days: their median age then. Where items are
    users, of the links of the last fifth: late_cold_links, those with an end that had none before, and closing_links,
    the share of the others whose ends had a common neighbour.
    """
    counts, per_user = np.sort(data.item_counts)[::-1], data.user_counts[data.user_counts > 0]
    used, n = counts[counts > 0], int(counts.sum())
    numbers: dict[str, float | None] = {
        "n_interactions": n,
        "n_users": len(per_user),
        "n_items": len(counts),
        "n_used_items": len(used),
        "density": n / max(1, len(per_user) * len(used)),
        **{f"events_per_user_p{q}": float(np.quantile(per_user, q / 100)) for q in (50, 90, 99)},
        **{f"events_per_item_p{q}": float(np.quantile(used, q / 100)) for q in (50, 90, 99)},
        "user_sigma": float(np.log(per_user).std()),
        "gini_items": gini(counts),
        "gini_used": gini(used),
        "top_10_percent_share": float(counts[: -(-len(counts) // 10)].sum() / max(1, n)),
        "coverage_items": _covered(data.items),
        "coverage_users": _covered(data.users),
    }
    if data.has_times and len(data.users):
        numbers |= _of_times(data) | (_of_links(data) if data.relation is not None else {})
    return numbers


def _of_times(data: Dataset) -> dict[str, float | None]:
    stated = data.timestamps != NO_TIME
    time, item, user = (a[stated] for a in (data.timestamps, data.item_idx, data.user_idx))
    begin, end = _lives(data, item, time)
    from_then = np.quantile(time, LATE)
    late = time >= from_then
    live = (begin <= from_then) & (end > from_then)
    unused = np.bincount(item[~late], minlength=len(begin))[live] == 0
    first, last = _span(user, time, len(data.users))
    active = last >= first
    states = data.states_availability
    older = time.min() - begin[begin < time.min()]
    return {
        "span_days": float(time.max() - time.min()) / US_PER_DAY,
        "life_days": _life(data, begin, end, item, time),
        "first_week_share": float((time - begin[item] < 7 * US_PER_DAY).mean()),
        "unused_live_share": float(unused.mean()) if states and len(unused) else None,
        "late_new_users": _new(user, late),
        "late_new_items": _new(item, late),
        "stay_days": float((last - first)[active].mean() / US_PER_DAY),
        "per_visit": _per_visit(user, time),
        "back_catalogue": float((begin < time.min()).mean()) if states else None,
        "back_days": float(np.median(older) / US_PER_DAY) if states and len(older) else None,
    }


def _of_links(data: Dataset) -> dict[str, float | None]:
    late = data.timestamps >= np.quantile(data.timestamps[data.timestamps != NO_TIME], LATE)
    one, other, n = data.items.lookup(data.users.ids)[data.user_idx], data.item_idx, len(data.items)
    known = sp.csr_matrix((np.ones((~late).sum(), np.float32), (one[~late], other[~late])), shape=(n, n))
    known = known + known.T  # along the links or against them: a friend of a friend
    linked = np.diff(known.indptr) > 0
    warm = linked[one[late]] & linked[other[late]]
    common = known[one[late][warm]].multiply(known[other[late][warm]]).sum(axis=1)
    closing = float((np.asarray(common) > 0).mean()) if warm.any() else None
    return {"late_cold_links": float(1 - warm.mean()), "closing_links": closing}


def _lives(data: Dataset, item: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Begin and end of each item, int64 microseconds: as stated; else its first event, and never."""
    first, _ = _span(item, time, len(data.items))
    published, expires = data.items.times("available_from"), data.items.times("expires_at")
    begin = np.where(published == NO_TIME, first, published)
    return begin, np.where(expires == NO_TIME, np.iinfo(np.int64).max, expires)


def _life(data: Dataset, begin: np.ndarray, end: np.ndarray, item: np.ndarray, time: np.ndarray) -> float | None:
    stated = (data.items.times("available_from") != NO_TIME) & (data.items.times("expires_at") != NO_TIME)
    if stated.any():
        return float(np.median(end[stated] - begin[stated]) / US_PER_DAY)
    order = np.lexsort((time, item))
    count = np.bincount(item, minlength=len(begin))
    enough = np.flatnonzero(count >= LEAST)
    at = np.cumsum(count)[enough] - count[enough] + np.ceil(ENDED * count[enough]).astype(np.int64) - 1
    lives = (time[order][at] - begin[enough]) / US_PER_DAY
    return float(np.median(lives)) if len(lives) else None


def _span(row: np.ndarray, time: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last time of each row number, int64 (n,); first > last where there is none."""
    first, last = np.full(n, np.iinfo(np.int64).max), np.full(n, np.iinfo(np.int64).min)
    np.minimum.at(first, row, time)
    np.maximum.at(last, row, time)
    return first, last


def _new(row: np.ndarray, late: np.ndarray) -> float:
    return float(1 - np.isin(np.unique(row[late]), row[~late]).mean())


def _per_visit(user: np.ndarray, time: np.ndarray) -> float:
    order = np.lexsort((time, user))
    same = np.diff(user[order]) == 0
    soon = np.diff(time[order]) <= VISIT_GAP_DAYS * US_PER_DAY
    return float(len(user) / (1 + (~(same & soon)).sum()))


def _covered(table: Table) -> float | None:
    columns = table.columns(*FEATURE_ROLES)
    return float(np.mean([coverage(table.frame[c]) for c in columns])) if columns else None
