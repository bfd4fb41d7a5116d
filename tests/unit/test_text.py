"""Sentence vectors of texts: the extra ``text``. Skipped where it is not installed, but for what is told without it."""

from __future__ import annotations

import socket
import sys
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender import text
from recommender.errors import ConfigError

installed = pytest.mark.skipif(
    not all(find_spec(package) for package in text.PACKAGES), reason="the extra 'text' is not installed"
)


def without(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """As if the package were not installed."""

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
