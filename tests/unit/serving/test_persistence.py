"""Saved objects come back equal, without pickle, and nothing foreign is built while loading."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.config import CONFIGS
from recommender.data.dataset import Table
from recommender.data.stated import Match
from recommender.errors import UserError
from recommender.models.bpr import BPR
from recommender.models.item_knn import ItemKNN
from recommender.serving import persistence


def round_trip(value: Any) -> Any:
    """``value`` after a save and a load, carried by an object of the package."""
    holder = ItemKNN()
    holder.value = value  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as folder:
        persistence.save(holder, Path(folder) / "model")
        return persistence.load(Path(folder) / "model").value


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text("ab$k"), inner),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(plain)
def test_plain_values_come_back_equal_and_of_their_type(value: Any) -> None:
    restored = round_trip(value)
    assert restored == value
    assert repr(restored) == repr(value)  # tells 1 from True and 1.0, tuple from list, 0.0 from -0.0


def test_a_dict_that_looks_like_our_own_marks_comes_back_as_a_dict() -> None:
    value = {"$kind": "object", "class": "os:system", "state": {}}
    assert round_trip(value) == value


def test_not_a_number_and_infinity_come_back() -> None:
    nan, inf = round_trip([math.nan, math.inf])
    assert math.isnan(nan)
    assert inf == math.inf


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int8).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.zeros((0, 4), np.float32),
        np.array(["Bern", "Genève"]),
        np.array(["2026-01-01", "NaT"], dtype="datetime64[us]"),
        np.array(3.5),
    ],
)
def test_arrays_come_back_with_shape_and_type(array: np.ndarray) -> None:
    restored = round_trip(array)
    assert restored.dtype == array.dtype
    assert restored.shape == array.shape
    np.testing.assert_array_equal(restored, array)


def test_numpy_scalars_come_back_as_numpy_scalars() -> None:
    restored = round_trip(np.float32(0.1))
    assert type(restored) is np.float32
    assert restored == np.float32(0.1)


def test_sparse_matrices_come_back() -> None:
    matrix = sp.random(5, 7, 0.4, format="csr", random_state=0, dtype=np.float32)
    restored = round_trip(matrix)
    assert isinstance(restored, sp.csr_matrix)
    assert restored.shape == matrix.shape
    assert restored.dtype == matrix.dtype
    assert (restored != matrix).nnz == 0


def test_frames_and_series_come_back_with_their_types() -> None:
    frame = pl.DataFrame(
        {"item_id": [1, 2], "genres": [["a", "b"], None], "at": pl.Series([0, None]).cast(pl.Datetime("us", "UTC"))}
    )
    restored, series = round_trip([frame, frame["item_id"]])
    assert restored.equals(frame)
    assert restored.schema == frame.schema
    assert series.equals(frame["item_id"], check_names=True)


def test_objects_of_the_package_come_back_nested_without_their_caches() -> None:
    table = Table(pl.DataFrame({"item_id": ["a", "b"]}), {}, "item_id")
    assert table.lookup(pl.Series(["b"]))[0] == 1  # fills a cached property
    restored, match = round_trip((table, Match("city", "place")))
    assert match == Match("city", "place")
    assert restored.frame.equals(table.frame)
    assert "_index" not in vars(restored)
    assert restored.lookup(pl.Series(["b", "z"])).tolist() == [1, -1]


def test_private_attributes_are_not_stored() -> None:
    model = BPR()
    model._cache = np.arange(3)  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as folder:
        persistence.save(model, Path(folder) / "model")
        assert persistence.load(Path(folder) / "model")._cache is None


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ({1: "a"}, "keys must be strings"),
        (np.array([object()]), "Python objects"),
        ({"a", "b"}, "builtins.set"),
        ([len], r"value\[0\]"),
        (sp.coo_matrix((2, 2)), "coo_matrix"),
    ],
)
def test_what_cannot_be_saved_is_named_and_nothing_is_left(value: Any, what: str, tmp_path: Path) -> None:
    model = BPR()
    model.value = value  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=what):
        persistence.save(model, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_no_file_holds_a_pickle(tmp_path: Path) -> None:
    persistence.save(BPR(), tmp_path / "model")
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == ["state.json"]


def test_a_folder_in_use_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="exists already"):
        persistence.save(BPR(), tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    persistence.save(BPR(factors=3), tmp_path)
    assert persistence.load(tmp_path).factors == 3


@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "subprocess:Popen",
        "recommender.serving.persistence:json.JSONDecoder",  # reached through our package, defined elsewhere
        "recommender.models.bpr:BayesianPersonalizedRanking",
        "recommender.serving.persistence:load",  # a function
        "recommender.models.bpr:Absent",
        "recommender_evil:Thing",
    ],
)
def test_classes_outside_the_package_are_refused(name: str, tmp_path: Path) -> None:
    persistence.save(BPR(), tmp_path / "model")
    rename_class(tmp_path / "model", name)
    with pytest.raises(UserError, match="Refused to load"):
        persistence.load(tmp_path / "model")


def test_a_class_that_moved_within_the_package_is_found_by_its_old_name(tmp_path: Path) -> None:
    persistence.save(BPR(factors=3), tmp_path / "model")
    rename_class(tmp_path / "model", "recommender.models:BPR")
    assert persistence.load(tmp_path / "model").factors == 3


def test_a_class_that_is_gone_says_train_again(tmp_path: Path) -> None:
    persistence.save(BPR(), tmp_path / "model")
    rename_class(tmp_path / "model", "recommender.models.gone:Gone")
    with pytest.raises(UserError, match="Train again"):
        persistence.load(tmp_path / "model")


def test_an_array_file_with_a_pickle_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_small(tmp_path / "model")
    np.save(tmp_path / "model" / "array_0.npy", np.array([{}], dtype=object))
    monkeypatch.setattr(persistence, "_checksum", lambda path: json.loads(state.read_text())["files"][path.name])
    state = tmp_path / "model" / "state.json"
    with pytest.raises(UserError, match="allow_pickle=False"):
        persistence.load(tmp_path / "model")


@pytest.mark.parametrize("file", ["state.json", "array_0.npy", "frame_0.parquet"])
def test_a_truncated_changed_or_missing_file_is_one_clear_error(file: str, tmp_path: Path) -> None:
    save_small(tmp_path / "model")
    path = tmp_path / "model" / file
    whole = path.read_bytes()
    at = len(whole) // 2
    for damaged in (whole[:20], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="damaged"):
            persistence.load(tmp_path / "model")
    path.unlink()
    with pytest.raises(UserError, match=r"damaged|no saved model"):
        persistence.load(tmp_path / "model")


def test_a_large_array_is_mapped_and_what_changes_it_leaves_the_file_alone(tmp_path: Path) -> None:
    model = BPR()
    model.item_factors_ = np.arange(2**15, dtype=np.float64)
    persistence.save(model, tmp_path / "model")
    first, second = (persistence.load(tmp_path / "model").item_factors_ for _ in range(2))
    assert isinstance(first.base, np.memmap)
    first[:] = 0
    np.testing.assert_array_equal(second, model.item_factors_)


def save_small(folder: Path) -> None:
    """A model with an array and a frame."""
    model = BPR()
    model.item_factors_ = np.zeros(300)
    model.items_ = Table(pl.DataFrame({"item_id": ["a", "b"]}), {}, "item_id")
    persistence.save(model, folder)


def test_a_folder_that_is_no_model_says_so() -> None:
    with pytest.raises(UserError, match="holds no saved model"):
        persistence.load(CONFIGS)


def test_another_format_says_train_again(tmp_path: Path) -> None:
    persistence.save(BPR(), tmp_path / "model")
    state = tmp_path / "model" / "state.json"
    state.write_text(json.dumps({"format": 99, "root": None}))
    with pytest.raises(UserError, match="format 99"):
        persistence.load(tmp_path / "model")


def rename_class(folder: Path, name: str) -> None:
    tree = json.loads((folder / "state.json").read_text())
    tree["root"]["class"] = name
    del tree["crc"]
    (folder / "state.json").write_text(json.dumps({**tree, "crc": persistence._crc(tree)}))
