"""Metrics of suggested people, by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

from recommender.data.gate import from_frames
from recommender.data.split import time_fold
from recommender.evaluation.metric_table import METRICS
from recommender.evaluation.shown import Shown
from recommender.ranking.lists import Lists
from tests.helpers.small import at, scenario

LINKS = [("a", "b", 1), ("c", "d", 2), ("a", "e", 11), ("c", "b", 12)]  # e is new after hour 10


def shown(lists: dict[str, str], symmetric: bool = True) -> Shown:
    """The members shown to each who asks after hour 10, at the first query."""
    frame = pl.DataFrame(LINKS, schema=["user_id", "item_id", "hour"], orient="row")
    frame = frame.select("user_id", "item_id", timestamp=pl.Series([at(hour) for hour in frame["hour"]]))
    members = pl.DataFrame({"user_id": list("abcde")})
    data = from_frames(frame, members.rename({"user_id": "item_id"}), members, {"relation": {"symmetric": symmetric}})
    fold = time_fold(data, "test", at(10), None, 1)
    assert fold.queries.ids.to_list() == ["a", "b", "c", "e"]
    rows = [[fold.items.ids.to_list().index(i) for i in lists.get(u, "")] for u in fold.queries.ids]
    item = np.array([row + [-1] * (3 - len(row)) for row in rows])
    result_lists = Lists(item, np.zeros(item.shape, np.float32), np.zeros(item.shape, np.int8))
    return Shown(result_lists, fold.truth, fold, scenario(), sp.csr_matrix((len(fold.items), 1)))


def value(name: str, lists: dict[str, str]) -> list[float]:
    metric = METRICS[name]
    given = shown(lists)
    assert metric.needs is not None
    assert metric.needs(given)
    if metric.over_lists is not None:
        return [metric.over_lists(given)]
    assert metric.values is not None
    return [float(v) for v in metric.values(given)]


def test_a_hit_with_a_newcomer_on_either_side_is_a_first_link() -> None:
    assert value("first_links_at_10", {"a": "ed", "b": "cd", "c": "ab", "e": "ab"}) == [1, 0, 0, 1]


def test_mutual_counts_only_those_who_ask() -> None:
    # a sees e, who sees a; b sees d, who does not ask; c sees b, who does not see c
    assert value("mutual_at_10", {"a": "e", "b": "d", "c": "b", "e": "ab"}) == pytest.approx(
        [1, np.nan, 0, 0.5], nan_ok=True
    )


def test_load_is_told_by_its_top_and_its_gini() -> None:
    everyone_b = {"a": "d", "b": "d", "c": "ab", "e": "d"}
    assert value("top_load_at_10", everyone_b) == [3 / 5]
    assert value("load_gini_at_10", {"a": "b", "b": "a", "c": "e", "e": "cd"}) == pytest.approx([0.0])
    assert value("load_gini_at_10", {"a": "d", "b": "d", "c": "d"}) == pytest.approx([0.8])
