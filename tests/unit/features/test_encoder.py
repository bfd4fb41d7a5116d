"""Feature rows: every role, missing values, tokens that training never saw, protected columns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.errors import ConfigError
from recommender.features import encoder
from recommender.features.encoder import ROLE_WEIGHTS, ColumnEncoder, FeatureEncoder, unit_rows
from recommender.features.hashed import value_counts
from tests.helpers.small import table

PLACE = pl.Struct({"lat": pl.Float64, "lon": pl.Float64})
COLUMNS: dict[str, pl.Series] = {  # two rows alike, one different, one missing
    "text": pl.Series(["red wine", "red wine", "blue sky", None]),
    "multi": pl.Series([["a", "b"], ["b", "a"], ["c"], None]),
    "category": pl.Series(["x", "X", "y", None]),
    "numeric": pl.Series([1.0, 1.0, 9.0, None]),
    "embedding": pl.Series([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], None], dtype=pl.List(pl.Float32)),
    "location": pl.Series(
        [{"lat": 47.1, "lon": 8.2}, {"lat": 46.9, "lon": 8.0}, {"lat": 10.0, "lon": 3.0}, None], dtype=PLACE
    ),
}


def one_column(values: pl.Series | list[Any]) -> Any:
    """A table of items with one column, ``c``."""
    return table("item_id", [f"i{n}" for n in range(len(values))], {}, c=values)


def fitted(role: str, values: pl.Series) -> ColumnEncoder:
    return ColumnEncoder(role).fit(one_column(values), "c")


def rows(encoder: ColumnEncoder, values: pl.Series) -> sp.csr_matrix:
    return encoder.transform(one_column(values), "c")


def cosines(encoder: ColumnEncoder, values: pl.Series) -> np.ndarray:
    matrix = rows(encoder, values)
    return (matrix @ matrix.T).toarray()


@pytest.mark.parametrize("role", COLUMNS)
def test_equal_values_are_alike_different_ones_are_not_and_missing_ones_are_empty(role: str) -> None:
    similar = cosines(fitted(role, COLUMNS[role]), COLUMNS[role])
    np.testing.assert_allclose(np.diag(similar), [1, 1, 1, 0], atol=1e-6)
    assert similar[0, 1] == pytest.approx(1)
    assert similar[0, 2] == pytest.approx(0, abs=1e-6)
    assert not similar[3].any()


@pytest.mark.parametrize(
    "values", [["Bern", "bern", "Genf", None], [[1.2, 2.2], [0.9, 1.8], [5, 5], None]], ids=["name", "list"]
)
def test_a_location_may_be_a_name_or_a_list(values: list[Any]) -> None:
    column = pl.Series(values, strict=False)
    similar = cosines(fitted("location", column), column)
    assert similar[0, 1:].tolist() == [pytest.approx(1), 0, 0]
    assert similar[3, 3] == 0


def test_half_a_place_is_a_missing_one() -> None:
    column = pl.Series(
        [{"lat": 47.0, "lon": None}, {"lat": float("nan"), "lon": 8.0}, {"lat": 47.0, "lon": 8.0}], dtype=PLACE
    )
    assert fitted("location", column).transform(one_column(column), "c").getnnz(axis=1).tolist() == [0, 0, 1]


def test_a_text_may_be_a_list_of_strings() -> None:
    one, other = pl.Series([["red wine", "cork"], []]), pl.Series(["red wine . cork", ""])
    encoder = fitted("text", one)
    np.testing.assert_array_equal(rows(encoder, one).toarray(), rows(encoder, other).toarray())
    assert rows(encoder, one).getnnz(axis=1)[1] == 0


def test_numbers_fall_into_bins_of_equal_counts_and_nan_is_missing() -> None:
    encoder = fitted("numeric", pl.Series(np.arange(100.0)))
    similar = cosines(encoder, pl.Series([0.0, 8.0, 12.0, -1e9, 1e9, 99.0, float("nan")]))
    assert similar[0].tolist() == [1, 1, 0, 1, 0, 0, 0]
    assert similar[4, 5] == 1
    assert similar[6, 6] == 0


def test_a_token_that_training_never_saw_still_has_a_column() -> None:
    encoder = fitted("text", pl.Series(["nurse", "driver"]))
    similar = cosines(encoder, pl.Series(["astronaut", "astronaut", "nurse"]))
    assert similar[0, 1] == pytest.approx(1)
    assert similar[0, 2] < 0.5


def test_rare_tokens_weigh_more_and_rarity_is_that_of_training() -> None:
    encoder = fitted("multi", pl.Series([["common", "rare"], ["common"], ["common"], ["common"]]))
    both, common, rare = rows(encoder, pl.Series([["common", "rare"], ["common"], ["rare"]]))
    assert (both @ rare.T).toarray()[0, 0] > (both @ common.T).toarray()[0, 0]
    idf = encoder.idf_.copy()
    rows(encoder, pl.Series([["rare"]] * 100))
    np.testing.assert_array_equal(encoder.idf_, idf)


def test_weights_by_hand() -> None:
    """idf = log((1 + rows) / (1 + rows with it)) + 1; a token n times in a value counts 1 + log(n)."""
    encoder = fitted("multi", pl.Series([["a", "b"], ["a"], ["a"]]))
    row = rows(encoder, pl.Series([["a", "b", "b"]])).data
    a, b = 1.0, (np.log(4 / 2) + 1) * (1 + np.log(2))
    np.testing.assert_allclose(np.sort(row), np.array([a, b]) / np.hypot(a, b), rtol=1e-5)


def test_embeddings_of_another_length_are_left_out() -> None:
    encoder = fitted("embedding", COLUMNS["embedding"])
    matrix = rows(encoder, pl.Series([[1.0, 2.0, 3.0], [3.0, 4.0]], dtype=pl.List(pl.Float32)))
    np.testing.assert_allclose(matrix.toarray(), [[0, 0], [0.6, 0.8]], rtol=1e-6)


def everything() -> Any:
    frame = {f"c_{role}": values for role, values in COLUMNS.items()}
    frame |= {"gender": pl.Series(["f", "m", "f", "m"]), "note": pl.Series(["1", "2", "3", "4"])}
    roles = {f"c_{role}": role for role in COLUMNS} | {"gender": "protected", "note": "ignore"}
    return table("item_id", list("abcd"), roles, **frame)


def test_each_column_is_a_block_with_the_weight_of_its_role() -> None:
    encoder = FeatureEncoder().fit(everything())
    assert set(encoder.encoders_) == {f"c_{role}" for role in COLUMNS}  # neither protected nor ignored
    matrix = encoder.transform(everything())
    assert matrix.shape == (4, encoder.width)
    expected = sum(w**2 for w in ROLE_WEIGHTS.values())
    np.testing.assert_allclose(np.asarray(matrix.power(2).sum(axis=1)).ravel(), [expected] * 3 + [0], rtol=1e-5)


def test_protected_values_change_nothing() -> None:
    items = everything()
    other = table(
        "item_id",
        list("abcd"),
        items.roles,
        **{c: items.frame[c] for c in items.frame.columns[1:] if c != "gender"},
        gender=["m"] * 4,
    )
    one, two = FeatureEncoder().fit(items).transform(items), FeatureEncoder().fit(other).transform(other)
    assert (one != two).nnz == 0


@pytest.mark.parametrize(
    ("column", "message"),
    [("gender", "its role is protected"), ("note", "ignore"), ("c_txt", "no such column; did you mean 'c_text'")],
)
def test_asking_for_a_column_that_cannot_be_a_feature_is_an_error(column: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"items.{column} cannot be a model feature: .*{message}"):
        FeatureEncoder([column]).fit(everything())


def test_columns_and_weights_can_be_chosen() -> None:
    encoder = FeatureEncoder(["c_text"], {"c_text": 3}).fit(everything())
    matrix = encoder.transform(everything())
    np.testing.assert_allclose(np.sqrt(matrix.power(2).sum(axis=1)).ravel(), [[3, 3, 3, 0]], rtol=1e-5)


@pytest.mark.parametrize("n", [0, 3])
def test_absent_columns_and_tables_without_rows_give_empty_rows(n: int) -> None:
    encoder = FeatureEncoder().fit(everything())
    matrix = encoder.transform(table("item_id", list("xyz")[:n]))
    assert matrix.shape == (n, encoder.width)
    assert matrix.nnz == 0
    assert encoder.transform(everything().take(np.arange(0))).shape == (0, encoder.width)


def test_another_tables_column_speaks_the_language_of_this_one() -> None:
    encoder = FeatureEncoder(["c_text"]).fit(everything())
    users = encoder.transform_as(table("user_id", "uv", past=[["red", "wine"], ["sky"]]), {"c_text": "past"})
    meets = (users @ encoder.transform(everything()).T).toarray() > 0.2
    assert meets.tolist() == [[True, True, False, False], [False, False, True, False]]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.floats(-10, 10, width=16), min_size=3, max_size=3), max_size=5))
def test_unit_rows_have_length_1_or_stay_empty(values: list[list[float]]) -> None:
    dense = np.array(values, dtype=np.float32).reshape(-1, 3)
    matrix = unit_rows(sp.csr_matrix(dense)).toarray()
    length = np.linalg.norm(dense, axis=1)
    np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), length > 0, atol=1e-5)
    np.testing.assert_allclose(matrix * length[:, None], dense, rtol=1e-4, atol=1e-5)


ROWS = st.lists(st.integers(0, 3), max_size=6).map(lambda chosen: np.array(chosen, dtype=np.int64))


@settings(max_examples=30, deadline=None)
@given(ROWS, st.sampled_from(sorted(COLUMNS)), st.booleans())
def test_rows_taken_from_a_table_are_encoded_as_a_table_of_their_own(
    chosen: np.ndarray, role: str, remembered: bool
) -> None:
    """Also rows taken from rows, with what the whole table remembers and without."""
    column = fitted(role, COLUMNS[role])
    taken = one_column(COLUMNS[role]).take(np.array([3, 2, 1, 0])).take(chosen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder, "REMEMBERED_ROWS", 100 if remembered else 1)
        pair = [column.transform(taken, "c") for _ in range(2)]
    expected = rows(column, taken.frame["c"]).toarray()
    for one in pair:
        np.testing.assert_array_equal(one.toarray(), expected)


def test_a_table_with_other_values_remembers_nothing_of_the_one_it_was_made_from() -> None:
    whole = one_column(pl.Series(["red", "blue"]))
    encoder = fitted("category", whole.frame["c"])
    before = encoder.transform(whole.take(np.array([0])), "c")
    painted = replace(whole.take(np.array([0])), frame=whole.frame[[1]])
    after = encoder.transform(painted, "c")
    assert before.indices.tolist() != after.indices.tolist()
    np.testing.assert_array_equal(after.toarray(), encoder.transform(whole, "c").toarray()[[1]])


def test_distinct_values_are_hashed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    passages: list[list[list[str]]] = []

    def noting(lists: list[list[str]]) -> sp.csr_matrix:
        passages.append(lists)
        return value_counts(lists)

    monkeypatch.setattr(encoder, "value_counts", noting)
    whole = one_column(pl.Series(["b", "a", "b", None]))
    fitted_column = ColumnEncoder("category").fit(whole, "c")
    fitted_column.transform(whole.take(np.array([2, 0])), "c")
    assert passages == [[["b"], ["a"], []]]


def test_no_value_and_an_empty_value_are_not_the_same() -> None:
    values = pl.Series("c", [[], [""], ["", ""], ["a"]], dtype=pl.List(pl.String))
    matrix = rows(fitted("multi", values), values)
    assert np.diff(matrix.indptr).tolist() == [0, 1, 1, 1]
    assert matrix[1].indices.tolist() == matrix[2].indices.tolist() != matrix[3].indices.tolist()
