"""Rows that a model has not seen may be written as in the files that it was trained on."""

from __future__ import annotations

import polars as pl
import pytest

from recommender.data.dataset import Dataset
from recommender.errors import DataError
from recommender.serving.new_rows import extended
from tests.helpers.small import dataset, table

ITEMS = table(
    "item_id",
    ["a", "b"],
    {"topics": "multi", "title": "text", "price": "numeric"},
    topics=[["x", "y"], ["z"]],
    title=["red wine", "blue sky"],
    price=[1.0, 2.0],
)
USERS = table("user_id", ["u"], {"past": "text", "follows": "ignore"}, past=[["nurse", "carer"]], follows=[["v", "w"]])


def known() -> Dataset:
    return dataset([("u", "a", 1.0)], ITEMS, USERS)


def row(data: Dataset, side: str, key: str) -> dict[str, object]:
    side_table = getattr(data, side)
    return dict(side_table.frame.row(by_predicate=pl.col(side_table.key) == key, named=True))


@pytest.mark.parametrize("topics", ["x|q", '["x", "q"]', ["x", "q"]])
def test_a_new_item_may_write_its_lists_with_bars_as_json_or_as_lists(topics: object) -> None:
    new = pl.DataFrame({"item_id": ["n"], "topics": [topics], "title": ["green tea"], "price": ["3"]})
    new_row = row(extended(known(), new, None, None), "items", "n")
    assert (new_row["topics"], new_row["title"], new_row["price"]) == (["x", "q"], "green tea", 3.0)


def test_a_text_that_training_holds_as_a_list_may_be_one_text() -> None:
    new = pl.DataFrame({"user_id": ["s"], "past": ["nurse"], "follows": ["v|u"]})
    new_row = row(extended(known(), None, new, None), "users", "s")
    assert (new_row["past"], new_row["follows"]) == (["nurse"], ["v", "u"])


def test_what_training_holds_as_one_text_may_be_a_list() -> None:
    new = pl.DataFrame({"item_id": ["n"], "title": [["green", "tea"]]})
    assert row(extended(known(), new, None, None), "items", "n")["title"] == "green . tea"


def test_values_that_cannot_be_read_as_known_ones_are_refused_with_examples() -> None:
    new = pl.DataFrame({"item_id": ["n"], "price": ["dear"]})
    with pytest.raises(DataError, match=r"items.price: 1 values of type String \(e.g. 'dear'\) .*role numeric"):
        extended(known(), new, None, None)
