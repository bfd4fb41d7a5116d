"""Content popularity: a new item is expected to be taken as often as items like it are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recommender.models.content_popularity import ContentPopularity
from tests.helpers.small import Row, ask, dataset, table

GENRES = {"hit1": "drama", "hit2": "drama", "flop1": "western", "flop2": "western", "new": "drama", "bare": None}
ROWS: list[Row] = [(f"u{n}", item, n) for item, times in (("hit1", 9), ("hit2", 7), ("flop1", 1)) for n in range(times)]


def items(**more: str) -> Any:
    genres = GENRES | more
    return table("item_id", list(genres), {"genre": "category"}, genre=list(genres.values()))


def scores(rows: list[Row] = ROWS, **params: Any) -> dict[str, float]:
    candidates = items(other="western")
    model = ContentPopularity(**params).fit(dataset(rows, items()))
    values = model.score(ask([[], ["hit1"]], candidates), candidates)
    assert (np.isnan(values[0]) | (values[0] == values[1])).all()  # one order for everyone
    return dict(zip(candidates.ids.to_list(), values[0].tolist(), strict=True))


def test_new_items_are_ranked_by_what_items_like_them_get() -> None:
    values = scores()
    assert values["new"] == values["hit1"] > values["other"] == values["flop1"]
    assert np.isnan(values["bare"])


def test_without_penalty_it_is_the_mean_log_popularity_of_the_category() -> None:
    values = scores(half_life_share=None, regularization=1e-6)
    assert values["new"] == pytest.approx((np.log(10) + np.log(8)) / 2, rel=1e-3)
    assert values["other"] == pytest.approx(np.log(2), rel=1e-3)


def test_what_was_taken_of_late_says_more() -> None:
    """Old dramas and one young western."""
    rows: list[Row] = [(f"u{n}", "hit1", n) for n in range(5)] + [(f"v{n}", "flop1", 100 + n) for n in range(4)]
    assert scores(rows)["other"] > scores(rows)["new"]
    assert scores(rows, half_life_share=None)["other"] < scores(rows, half_life_share=None)["new"]
