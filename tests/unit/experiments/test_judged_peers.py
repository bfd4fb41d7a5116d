"""The budget that other libraries get, and what starts them; no library itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments import judged_peers
from experiments.peers.tuned import DRAWS, Family, best, ndcg, popularity, tuned, validation, whole, write
from recommender.errors import ConfigError, UserError

START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Users a, b and c; x is taken early and often, y last; d asks without a history, and c is an item too."""
    rows = [("a", "x", 0), ("b", "x", 1), ("c", "x", 2), ("a", "c", 3), ("b", "y", 90), ("c", "y", 100)]
    pairs = pd.DataFrame(rows, columns=["user_id", "item_id", "day"])
    pairs["timestamp"] = [START + timedelta(days=day) for day in pairs.pop("day")]
    (tmp_path / "public").mkdir()
    pairs.to_parquet(tmp_path / "public/interactions.parquet")
    pd.DataFrame({"user_id": ["a", "b", "c", "d"]}).to_parquet(tmp_path / "public/queries.parquet")
    items = pd.DataFrame({"item_id": ["x", "y", "c"]})
    items.to_parquet(tmp_path / "public/candidates.parquet")
    items.to_parquet(tmp_path / "public/items.parquet")
    return tmp_path


def nothing(*_: Any) -> dict[Any, list[Any]]:
    return {}


def lists(folder: Path) -> dict[str, list[str]]:
    table = pd.read_parquet(folder / "others/them_own.parquet").sort_values(["user_id", "rank"])
    return table.groupby("user_id")["item_id"].agg(list).to_dict()


def test_who_has_no_list_gets_what_is_popular_without_what_they_took(folder: Path) -> None:
    write("them", [Family("own", nothing)], folder)
    completed = lists(folder)
    assert completed["a"] == ["y"]
    assert completed["b"] == ["c"]
    assert set(completed["d"]) == {"x", "y", "c"}


def test_answers_of_a_library_go_first_and_nobody_gets_themselves_in_a_network(folder: Path) -> None:
    family = Family("own", lambda pairs, users, settings: {"b": ["c"], "c": ["c"]})
    write("them", [family], folder)
    assert lists(folder)["c"] == ["c"]
    (folder / "public/dataset.yaml").write_text("relation: {symmetric: true}\n")
    write("them", [family], folder)
    assert "c" not in lists(folder)


def test_the_best_setting_is_taken_and_the_defaults_are_tried_first() -> None:
    tried: list[dict[str, Any]] = []

    def of(pairs: pd.DataFrame, users: list[str], settings: dict[str, Any]) -> dict[str, list[str]]:
        tried.append(settings)
        if settings.get("n") == 1:
            raise RuntimeError("cannot be solved")
        return {user: ["right" if settings.get("n", 0) > 5 else "wrong"] for user in users}

    before = pd.DataFrame({"user_id": ["a", "b"], "item_id": ["x", "x"]})
    settings, n = tuned(Family("f", of, {"n": whole(1, 10)}), before, {"a": {"right"}, "z": {"right"}})
    assert (tried[0], len(tried), n) == ({}, DRAWS, DRAWS)
    assert settings["n"] > 5


def test_a_model_without_settings_is_fitted_once() -> None:
    before = pd.DataFrame({"user_id": ["a"], "item_id": ["x"]})
    assert tuned(Family("f", nothing), before, {"a": {"x"}}) == ({}, 1)


def test_measures_by_hand() -> None:
    assert ndcg({"a": ["no", "yes"]}, {"a": {"yes"}, "b": {"yes"}}) == pytest.approx(1 / np.log2(3) / 2)
    scores = np.array([[0.1, 0.3, -np.inf, 0.2]])
    assert best(scores, ["a"], np.array(["i", "j", "k", "l"], dtype=object)) == {"a": ["j", "l", "i"]}


def test_what_is_taken_lately_leads_with_a_short_half_life(folder: Path) -> None:
    pairs = pd.read_parquet(folder / "public/interactions.parquet")
    assert popularity(pairs, 10.0)[0] == "x"
    assert popularity(pairs, 0.02)[0] == "y"


def test_pairs_without_times_are_split_at_random_and_popular_without_fading(folder: Path) -> None:
    file = folder / "public/interactions.parquet"
    pairs = pd.read_parquet(file).assign(timestamp=pd.Series([pd.NaT] * 6, dtype="datetime64[us, UTC]"))
    pairs.to_parquet(file)
    many = pd.Series([pd.NaT] * 1000, dtype="datetime64[us, UTC]")
    assert 150 < validation(many).sum() < 250
    assert (validation(many) == validation(many)).all()
    assert popularity(pairs, 0.02) == popularity(pairs, 10.0)
    write("them", [Family("own", nothing, {"n": whole(1, 9)})], folder)
    assert lists(folder)["d"] == ["x", "y", "c"]


def test_the_validation_validates_where_times_are_known(folder: Path) -> None:
    pairs = pd.read_parquet(folder / "public/interactions.parquet")
    assert pairs["item_id"][validation(pairs["timestamp"])].tolist() == ["y", "y"]


def test_a_folder_that_lacks_a_table_is_named(folder: Path) -> None:
    (folder / "public/items.parquet").unlink()
    with pytest.raises(ConfigError, match=r"items\.parquet"):
        judged_peers.main([str(folder), "lenskit"])


def test_uv_is_needed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(UserError, match="uv is not installed"):
        judged_peers.main([str(folder)])


def test_a_library_that_fails_is_named_after_the_others_ran(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = folder / "uv"
    uv.write_text('#!/bin/sh\ncase "$*" in *irspack*) exit 1;; esac\necho "$4" >> "$5/ran"\n')
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")
    with pytest.raises(UserError, match=r"No lists from irspack on"):
        judged_peers.main(["irspack", "lenskit", str(folder)])
    assert "lenskit_lists.py" in (folder / "ran").read_text()
