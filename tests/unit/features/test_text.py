"""Sentence vectors of texts: the extra ``text``. Skipped where it is not installed, but for what is told without it."""

from __future__ import annotations

import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender import config
from recommender.data.stated import Match
from recommender.errors import ConfigError
from recommender.experiment import rungs
from recommender.features import text
from recommender.features.encoder import FeatureEncoder
from recommender.models.content import Content
from recommender.models.ranker import Ranker
from recommender.serving import persistence
from tests.helpers.small import Row, ask, dataset, table

installed = pytest.mark.skipif(
    not all(find_spec(package) for package in text.PACKAGES), reason="the extra 'text' is not installed"
)


def without(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Imports fail, like where the package is not installed."""

    def find(name: str) -> Any:
        return None if name == package else find_spec(name)

    monkeypatch.setattr(text, "find_spec", find)


@pytest.mark.parametrize("package", text.PACKAGES)
def test_without_the_extra_the_error_says_what_to_run(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    without(monkeypatch, package)
    with pytest.raises(ConfigError, match=rf"(?s){package}.*make setup-text"):
        text.require("embedding")
    text.require("words")


@installed
@given(st.lists(st.text(max_size=30), max_size=6))
@settings(max_examples=50, deadline=None)
def test_a_vector_has_length_one_or_zero_and_depends_on_its_own_text_only(texts: list[str]) -> None:
    together = text.vectors(texts)
    assert together.shape == (len(texts), text.WIDTH)
    assert together.dtype == np.float32
    lengths = np.linalg.norm(together, axis=1)
    np.testing.assert_allclose(lengths, np.where(lengths > 0, 1, 0), rtol=1e-4)
    for one, row in zip(texts, together, strict=True):
        np.testing.assert_allclose(text.vectors([one])[0], row, rtol=1e-5, atol=1e-6)


@installed
def test_texts_alike_in_meaning_are_nearer_than_others_though_they_share_no_word() -> None:
    doctor, physician, lorry = text.vectors(["family doctor", "hospital physician", "lorry driver at night"])
    assert doctor @ physician > doctor @ lorry + 0.1


@installed
def test_an_empty_text_is_a_zero_vector() -> None:
    assert not text.vectors([""]).any()


@installed
def test_the_model_loads_without_a_network_and_without_importing_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was attempted")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    _, pieces = text._model.__wrapped__()
    assert pieces.shape[1] == text.WIDTH
    assert "wordllama" not in sys.modules


TITLES = {"doctor": "family doctor", "physician": "hospital physician", "lorry": "lorry driver at night", "empty": None}
ITEMS = table("item_id", list(TITLES), {"title": "text"}, title=list(TITLES.values()))


@installed
def test_a_text_column_becomes_unit_vectors_and_a_missing_text_an_empty_row() -> None:
    rows = FeatureEncoder(text="embedding").fit(ITEMS).transform(ITEMS)
    assert rows.shape == (4, text.WIDTH)
    np.testing.assert_allclose(np.square(rows.toarray()).sum(axis=1), [1, 1, 1, 0], rtol=1e-4)


@installed
@pytest.mark.parametrize("reads", ["history", "match"])
def test_content_finds_what_shares_no_word_with_what_the_user_took_or_says(reads: str, tmp_path: Path) -> None:
    users = table("user_id", ["u", "v"], {"was": "text"}, was=["general practitioner", None])
    train = dataset([("v", "doctor", 0.0)], ITEMS, users, (Match("was", "title"),))
    persistence.save(Content(text="embedding").fit(train), tmp_path / "model")
    model = persistence.load(tmp_path / "model")
    query = ask([["doctor"]], ITEMS) if reads == "history" else ask([[]], ITEMS, users.take(np.array([0])))
    scores = dict(zip(ITEMS.ids, model.score(query, ITEMS)[0].tolist(), strict=True))
    assert scores["physician"] > scores["lorry"] + 0.1
    assert np.isnan(scores["empty"])


@installed
def test_the_ranker_weighs_likeness_of_sentence_vectors() -> None:
    rng = np.random.default_rng(0)
    words = {"d": ["doctor", "physician", "surgeon", "nurse"], "l": ["lorry", "truck", "van", "bus"]}
    titles = {f"{taste}{n}": f"{rng.choice(words[taste])} {n}" for taste in words for n in range(20)}
    items = table("item_id", list(titles), {"title": "text"}, title=list(titles.values()))
    rows: list[Row] = [
        (f"{taste}{user}", f"{taste}{item}", float(rng.uniform(0, 100)))
        for taste in words for user in range(20) for item in rng.choice(20, 6, replace=False)
    ]  # fmt: skip
    model = Ranker(text="embedding", windows=2).fit(dataset(rows, items))
    scores = model.score(ask([["d0"], ["l0"]], items), items)
    of_doctors = np.array([i.startswith("d") for i in items.ids])
    assert scores[0, of_doctors].mean() > scores[0, ~of_doctors].mean()
    assert scores[1, of_doctors].mean() < scores[1, ~of_doctors].mean()


@pytest.mark.parametrize("recommender", ["content", "ranker"])
def test_a_rung_that_asks_for_the_missing_extra_is_refused_before_any_data_is_read(
    recommender: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "wordllama")
    rung = {"name": "r", "recommender": recommender, "params": {"text": "embedding"}}
    problem = {"what": "", "for_whom": "", "target": 0.1, "cost_of_error": ""}
    with pytest.raises(ConfigError, match="make setup-text"):
        rungs.check(config.parse({"name": "x", "problem": problem, "ladder": [rung]}))


def test_only_rungs_on_sentence_vectors_need_the_extra_where_they_are_served() -> None:
    plain, other = Content(), Content()
    assert not text.used_by([plain, Ranker()])
    other.text = "embedding"
    assert text.used_by([plain, other])
