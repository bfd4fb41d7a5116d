"""Fixtures of tuning and search."""

from __future__ import annotations

import os

import pytest

from recommender.experiment import looks
from tests.helpers.formula import Formula


@pytest.fixture
def formula(monkeypatch: pytest.MonkeyPatch) -> type[Formula]:
    """Settings are measured by a formula."""
    Formula.calls, Formula.stop_after = [], None
    monkeypatch.setattr(looks, "FoldRunner", Formula)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # the journal waits for the disk at every step
    return Formula
