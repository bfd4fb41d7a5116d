"""What is made piece by piece, so that it fits memory, equals what is made of all rows at once."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

from recommender.data import dataset as dataset_module
from recommender.data import digest as digest_module
from recommender.data.dataset import Dataset
from recommender.features.feedback import Decay
from recommender.hashing import of_values, sha256
from tests.helpers.small import at, dataset

ROWS = [(f"u{n % 4}", f"i{n * n % 7}", None if n < 3 else n / 2) for n in range(40)]


@pytest.fixture
def data() -> Dataset:
    return dataset(ROWS)


def test_the_matrix_is_that_of_scipy(data: Dataset) -> None:
    ones = np.ones(len(ROWS), np.float32)
    expected = sp.csr_matrix((ones, (data.user_idx, data.item_idx)), shape=(len(data.users), len(data.items)))
    expected.sum_duplicates()
    expected.data[:] = 1
    for name in ("indptr", "indices", "data"):
        measured, wanted = (getattr(matrix, name) for matrix in (data.matrix(), expected))
        np.testing.assert_array_equal(measured, wanted)
        assert measured.dtype == wanted.dtype


def test_faded_counts_are_one_sum(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    weigher = Decay(0.3)
    weights = weigher.faded(data.age_days, float(data.age_days.max()))
    monkeypatch.setattr(dataset_module, "_AT_ONCE", 7)
    np.testing.assert_array_equal(data.faded(weigher), np.bincount(data.item_idx, weights=weights))


def test_what_lies_before_an_origin_copies_nothing(data: Dataset) -> None:
    past = data.before(at(15))
    assert past.interactions.equals(data.interactions.head(len(past.timestamps)))
    assert np.shares_memory(past.timestamps, data.timestamps)


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([3, 3, 1, None, 5]),
        pl.Series([3, 3, 1, 2**40, -5]),
        pl.Series([date(2024, 1, 1) + timedelta(days=n % 2) for n in range(5)]),
        pl.Series([timedelta(hours=n % 3) for n in range(5)]),
        pl.Series(["a", None, "", "a", "b"]),
        pl.Series([[1, 2], [], None, [3], [1, 2]]),
    ],
    ids=["missing", "whole", "days", "durations", "texts", "lists"],
)
def test_a_digest_is_that_of_every_value_hashed_by_itself(column: pl.Series, monkeypatch: pytest.MonkeyPatch) -> None:
    one_by_one = [of_values(digest_module._text(column.slice(n, 1))).tobytes() for n in range(len(column))]
    monkeypatch.setattr(digest_module, "_AT_ONCE", 2)
    in_pieces = [digest_module._hashes(column.slice(start, 2)).tobytes() for start in (0, 2, 4)]
    assert sha256(in_pieces) == sha256(one_by_one)
