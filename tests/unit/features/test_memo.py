"""What is remembered of a table equals what would be computed anew, and is computed once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recommender.data.dataset import Table
from recommender.features import memo
from recommender.features.memo import of_whole, per_row
from recommender.features.sparse import scaled


def numbered(n: int) -> Table:
    return Table(pl.DataFrame({"user_id": [f"u{i}" for i in range(n)], "x": np.arange(n)}), {"x": "numeric"}, "user_id")


class Rows:
    def __init__(self) -> None:
        self.sizes: list[int] = []

    @per_row
    def values(self, table: Table) -> tuple[np.ndarray, sp.csr_matrix]:
        self.sizes.append(len(table))
        x = table.frame["x"].to_numpy()
        return x, sp.csr_matrix(np.diag(x))[:, :2] if len(x) > 1 else sp.csr_matrix([[0, 0]])

    def xs(self, table: Table) -> list[int]:
        return list(self.values(table)[0].tolist())


def test_rows_asked_for_again_come_from_the_whole_table() -> None:
    table, model = numbered(9), Rows()
    first = table.take(np.array([3, 1]))
    assert model.xs(first) == [3, 1]
    assert model.xs(first) == [3, 1]
    assert model.xs(first.take(np.array([1]))) == [1]
    assert model.xs(table) == list(range(9))
    assert model.sizes == [2, 9]


def test_a_changed_table_is_computed_anew() -> None:
    table, model = numbered(4), Rows()
    rows = table.take(np.array([2]))
    assert [model.xs(rows), model.xs(rows)] == [[2], [2]]
    changed = replace(rows, frame=rows.frame.with_columns(x=pl.lit(7)))
    assert model.xs(changed) == [7]


def test_few_rows_of_a_large_table_are_computed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memo, "MOST_ROWS", 5)
    table, model, computed = numbered(9), Rows(), []

    def read(some: Table) -> Any:
        computed.append(len(some))
        return some.frame["x"].to_numpy()

    for row in (2, 4):
        rows = table.take(np.array([row]))
        assert model.xs(rows) == [row]
        assert of_whole(rows, "x", read).tolist() == [row]
    assert model.sizes == computed == [1, 1]
    assert [of_whole(table, "x", read).tolist(), of_whole(table, "x", read).tolist()] == [list(range(9))] * 2
    assert computed == [1, 1, 9]


def test_a_column_called_as_something_remembered_is_a_column() -> None:
    times = pl.Series([1, 2]).cast(pl.Datetime("us", "UTC"))
    frame = pl.DataFrame({"item_id": ["a", "b"], "source": times, "lookup": times, "taken_from": times})
    table = Table(frame, {}, "item_id").take(np.array([1, 0]))
    assert table.lookup(pl.Series(["a"])).tolist() == [1]
    for column in ("source", "lookup", "taken_from"):
        assert table.times(column).tolist() == [2, 1]


values = st.sampled_from([0, 0, 1.5, -2, 3e-3])
weights_of_rows = arrays(np.float32, 4, elements=st.sampled_from([1, -3, 0.1, 7]))


@given(arrays(np.float32, (4, 5), elements=values), weights_of_rows)
def test_scaled_rows_are_those_of_the_product_with_a_diagonal(dense: np.ndarray, weights: np.ndarray) -> None:
    rows = sp.csr_matrix(dense)
    wanted = sp.csr_matrix(sp.diags_array(weights) @ rows)
    got = scaled(rows, weights)
    for part in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(got, part), getattr(wanted, part))
