"""How far the mix of a day is from that of the days before it, beyond what luck does."""

from __future__ import annotations

import numpy as np
import polars as pl

from recommender.data.dataset import Table

VALUES = 50  # of a column that count for themselves; rarer ones count together
BINS = 10  # of a number, by its quantiles before shipping
LEAST_SHOWN, PRIOR = 100, 50  # places in which an item was shown, for a rate of its own; what the mean of all counts
_WORD = r"(?u)\b\w+\b"


def moved(counts: np.ndarray, window: int, least: int, shipped: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Cube root of Pearson's chi-squared of each day's shares against those of the ``window`` days before, per degree
    of freedom: about 1 where nothing moved, near normal (Wilson & Hilferty 1931). float64 (n_days,), NaN for fewer than
    ``least`` rows; and the rows of each day. counts: (n_days, n_values), without a gap. shipped: the day from which on
    all are compared with the window before it, so that a change cannot become the custom.
    """
    day = np.arange(len(counts))
    past = _before(counts, day if shipped is None else np.minimum(day, shipped), window)
    n, n_past = counts.sum(axis=1), past.sum(axis=1)
    enough = (n >= least) & (n_past >= 5 * least) & (day >= window)
    with np.errstate(divide="ignore", invalid="ignore"):
        p, q = (past + 0.5) / (n_past + counts.shape[1] / 2)[:, None], counts / n[:, None]
        freedom = np.maximum((past > 0).sum(axis=1) - 1, 1)
        ratio = ((q - p) ** 2 / p).sum(axis=1) / (1 / n + 1 / n_past) / freedom
    return np.cbrt(np.where(enough, ratio, np.nan)), n


def rates_moved(shown: np.ndarray, taken: np.ndarray, window: int) -> np.ndarray:
    """Likewise for takes of each item in lists, given how often it is shown: against its own rate of the ``window``
    days before, all scaled to the takes of the day. float64 (n_days,). shown, taken: counts (n_days, n_items)."""
    day = np.arange(len(shown))
    past_shown, past_taken = (_before(counts, day, window) for counts in (shown, taken))
    known = (past_shown >= LEAST_SHOWN) & (shown > 0)
    shown, taken = np.where(known, shown, 0), np.where(known, taken, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        usual = (past_taken * known).sum(axis=1) / (past_shown * known).sum(axis=1)
        rate = (past_taken + PRIOR * usual[:, None]) / (past_shown + PRIOR)
        expected = shown * rate
        expected *= (taken.sum(axis=1) / expected.sum(axis=1))[:, None]
        spread = expected * (1 - rate) + shown**2 * rate * (1 - rate) / (past_shown + PRIOR)
        far = np.where(known, (taken - expected) ** 2 / np.maximum(spread, 0.05), 0).sum(axis=1)
        ratio = far / np.maximum(known.sum(axis=1) - 1, 1)
    enough = (known.sum(axis=1) >= 3) & (taken.sum(axis=1) >= 10) & (day >= window)
    return np.asarray(np.cbrt(np.where(enough, ratio, np.nan)))


def _before(counts: np.ndarray, until: np.ndarray, window: int) -> np.ndarray:
    """Sums of the ``window`` days before each day of ``until``."""
    total = np.concatenate([np.zeros((1, counts.shape[1])), np.cumsum(counts, axis=0)])
    return np.asarray(total[until] - total[np.maximum(until - window, 0)])


def shared(item: np.ndarray, day: np.ndarray, n_days: int) -> np.ndarray:
    """Counts (n_days, values) of what was taken: the most taken items, the others together. item, day: int64 (n,)."""
    code = np.unique(item, return_inverse=True)[1]
    common = np.argsort(-np.bincount(code), kind="stable")[: 10 * VALUES]
    place = np.full(code.max(initial=-1) + 1, len(common))
    place[common] = np.arange(len(common))
    return counted(place[code], day, n_days, len(common) + 1)


def counted(code: np.ndarray, day: np.ndarray, n_days: int, n_codes: int) -> np.ndarray:
    """Rows of each day and code, float64 (n_days, n_codes); days outside 0 .. n_days - 1 are left out."""
    within = (day >= 0) & (day < n_days)
    flat = np.bincount(day[within] * n_codes + code[within], minlength=n_days * n_codes)
    return flat.reshape(n_days, n_codes).astype(np.float64)


def coded(table: Table, column: str, old: np.ndarray) -> tuple[np.ndarray, np.ndarray, int] | None:
    """Row and code of each value of a column, and the number of codes; a row without a value has a code too.

    old: bool (n_rows,), those before shipping, by which numbers are binned and common values chosen. None: a column
    whose mix is not watched (embeddings, places), or one value only.
    """
    series, role = table.frame[column], table.roles.get(column)
    if role == "numeric":
        numbers = series.cast(pl.Float64).to_numpy()
        known = numbers[old & np.isfinite(numbers)]
        if not len(known):
            return None
        edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]))
        code = np.where(np.isfinite(numbers), np.searchsorted(edges, numbers, side="right"), len(edges) + 1)
        return np.arange(len(code)), code, len(edges) + 2
    if role not in ("category", "multi", "text"):
        return None
    if role == "text":
        texts = series.list.join(" ") if isinstance(series.dtype, pl.List) else series
        series = texts.fill_null("").str.to_lowercase().str.extract_all(_WORD).list.unique(maintain_order=True)
    values = pl.DataFrame({"row": np.arange(len(series)), "value": series})
    if isinstance(series.dtype, pl.List):
        values = values.explode("value", empty_as_null=True)
    values = values.with_columns(pl.col("value").cast(pl.String).fill_null(""))
    ranked = values.filter(pl.col("row").is_in(np.flatnonzero(old)))["value"].value_counts()
    common = ranked.sort(["count", "value"], descending=[True, False]).head(VALUES)["value"]
    places = dict(zip(common.to_list(), range(len(common)), strict=True))
    code = values["value"].replace_strict(places, default=len(places), return_dtype=pl.Int64).to_numpy()
    return values["row"].to_numpy(), code, len(places) + 1
