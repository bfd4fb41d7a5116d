"""What suggestions of people do to the people: the load, first links, whether it is mutual."""

from __future__ import annotations

import numpy as np
import polars as pl

from recommender.data.summary import gini
from recommender.evaluation.shown import Shown, first, share

MOST_SUGGESTED = 0.01


def members(shown: Shown) -> bool:
    """Whether the items are the users."""
    return shown.fold.train.relation is not None


def top_load(shown: Shown) -> float:
    """Share of the places in the first ten of all lists that go to the most suggested 1% of the candidates."""
    load = np.sort(np.bincount(shown.item, minlength=len(shown.fold.items)))[::-1]
    heavy = max(1, round(MOST_SUGGESTED * len(load)))
    return float(load[:heavy].sum() / load.sum()) if load.any() else np.nan


def load_gini(shown: Shown) -> float:
    """Gini coefficient of the places that candidates get in the first ten of all lists."""
    coefficient = gini(np.bincount(shown.item, minlength=len(shown.fold.items)))
    return np.nan if coefficient is None else coefficient


def first_links(shown: Shown) -> np.ndarray:
    """Hits in the first ten where the user had no link before, or the other one none in training."""
    newcomer = np.append(shown.item_counts == 0, False)[shown.top]  # -1, no item, reads the last
    asks_first = (shown.fold.queries.history.lengths == 0)[:, None]
    return np.asarray((first(shown.hit, 10) & (newcomer | asks_first)).sum(axis=1), np.float64)


def mutual(shown: Shown) -> np.ndarray:
    """Share of the shown members who ask too that are shown this user at any query; NaN: none of them asks."""
    asking, candidate = shown.fold.queries.ids, shown.fold.items.ids
    pairs = pl.DataFrame({"query": shown.row, "user": asking.gather(shown.row), "item": candidate.gather(shown.item)})
    back = pairs.select(user="item", item="user").unique().with_columns(mutual=True)
    asks = asking.unique().alias("item").to_frame().with_columns(asks=True)
    joined = pairs.join(asks, on="item", how="left").join(back, on=["user", "item"], how="left", maintain_order="left")
    counted = joined.filter("asks")
    n = np.bincount(counted["query"], minlength=len(shown.top))
    met = counted["mutual"].fill_null(False).to_numpy().astype(float)
    return share(np.bincount(counted["query"], weights=met, minlength=len(shown.top)), n)
