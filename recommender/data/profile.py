"""A column in a few numbers, and how far another column of that name is from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

_KEPT = 500  # values of a category whose shares are kept; rarer ones count together
_OTHER = "(other)"
_GRID = np.linspace(0, 1, 41)
_WORD = r"(?u)\b\w+\b"


def coverage(column: pl.Series) -> float:
    """Share of rows with a value; an empty list or text is none."""
    if not len(column):
        return 0.0
    if isinstance(column.dtype, pl.List):
        return float((column.list.len().fill_null(0) > 0).sum() / len(column))
    if column.dtype == pl.String:
        return float((column.fill_null("") != "").sum() / len(column))
    return 1 - column.null_count() / len(column)


def profile(column: pl.Series, role: str) -> dict[str, Any]:
    """Coverage, and by role: ``shares`` of values (category, multi, location, protected), ``mean``,
    ``std`` and the distribution function ``cdf`` at ``points`` (numeric), vocabulary ``tokens`` (text).
    """
    numbers: dict[str, Any] = {"coverage": coverage(column)}
    if not numbers["coverage"] or role in ("embedding", "ignore"):
        return numbers
    if role == "numeric":
        known = np.sort(column.drop_nulls().to_numpy())
        points = np.unique(np.quantile(known, _GRID, method="inverted_cdf"))
        cdf = np.searchsorted(known, points, side="right") / len(known)
        return {
            **numbers,
            "mean": known.mean().item(),
            "std": known.std().item(),
            "points": points.tolist(),
            "cdf": cdf.tolist(),
        }
    if role == "text":
        return {**numbers, "tokens": _tokens(column).unique().sort().to_list()}
    shares = _shares(column)
    top = dict(list(shares.items())[:_KEPT])
    return {**numbers, "shares": {**top, _OTHER: 1 - sum(top.values())} if len(shares) > _KEPT else top}


def shift(name: str, then: dict[str, Any], column: pl.Series, role: str) -> tuple[float, str] | None:
    """How far ``column`` is from the profile ``then``, 0 to 1, with a sentence; None where it cannot be told.

    Shares: total variation distance. Numbers: largest gap between the distribution functions
    (Kolmogorov-Smirnov, at 41 quantiles). Text: share of the words that were never seen.
    """
    if not coverage(column):
        return None
    if "shares" in then and role not in ("numeric", "text", "embedding"):
        moved = _total_variation(then["shares"], _shares(column))
        return moved, f"The mix of {name} {degree(moved)}: {moved:.0%} of it moved to other values."
    if "cdf" in then and role == "numeric":
        known = np.sort(column.drop_nulls().to_numpy())
        points, before = np.array(then["points"]), np.array(then["cdf"])
        gap = float(np.abs(np.searchsorted(known, points, side="right") / len(known) - before).max())
        distance = f", {(known.mean() - then['mean']) / then['std']:+.2f} standard deviations" if then["std"] else ""
        means = f"mean {_plain(then['mean'])} then, {_plain(known.mean())} now{distance}"
        return gap, f"The distribution of {name} {degree(gap)} ({means})."
    if "tokens" in then and role == "text":
        words = _tokens(column)
        unseen = float((~words.is_in(pl.Series(then["tokens"], dtype=pl.String).implode())).sum() / max(1, len(words)))
        return unseen, f"{unseen:.0%} of the words in {name} did not occur in training."
    return None


def degree(moved: float) -> str:
    """A distance between 0 and 1 in words."""
    words = ((0.05, "has hardly changed"), (0.15, "has changed a little"), (0.3, "has changed clearly"))
    return next((word for bound, word in words if moved < bound), "has changed strongly")


def _plain(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _tokens(column: pl.Series) -> pl.Series:
    if isinstance(column.dtype, pl.List):
        column = column.list.join(" ")
    words = column.drop_nulls().str.to_lowercase().str.extract_all(_WORD)
    return words.explode(empty_as_null=False)


def _shares(column: pl.Series) -> dict[str, float]:
    """Share of each value among all values, most frequent first, ties by name."""
    if isinstance(column.dtype, pl.Struct):  # a place: cells of one degree
        cell = [column.struct.field(f).round(0).cast(pl.Int64).cast(pl.String) for f in ("lat", "lon")]
        column = cell[0] + "," + cell[1]
    if isinstance(column.dtype, pl.List):
        column = column.explode(empty_as_null=False)
    values = column.drop_nulls().cast(pl.String).alias("value")
    counts = values.value_counts().sort(["count", "value"], descending=[True, False])
    return {value: count / len(values) for value, count in counts.iter_rows()}


def _total_variation(before: dict[str, float], now: dict[str, float]) -> float:
    folded: dict[str, float] = {}
    for value, share in now.items():
        key = value if value in before or _OTHER not in before else _OTHER
        folded[key] = folded.get(key, 0.0) + share
    moved = sum(abs(before.get(v, 0.0) - folded.get(v, 0.0)) for v in before.keys() | folded.keys()) / 2
    return round(moved, 9)  # sums of shares end in 1e-15, which reads as a change
