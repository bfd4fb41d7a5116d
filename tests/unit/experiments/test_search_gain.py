"""What a search brings: arguments that are refused, and one search."""

from __future__ import annotations

import pytest

from experiments import search_gain
from recommender.errors import ConfigError
from recommender.models import RECOMMENDERS
from tests.helpers.formula import EASE, RANDOM, data, scenario


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is named, a small ladder on small data; what a program sets of recommenders is set back."""
    monkeypatch.setattr(search_gain.config, "load", lambda *_: scenario(RANDOM, EASE, tune={}))
    monkeypatch.setattr(search_gain, "load", lambda *_, **__: data())
    for name in ("random", "ease"):
        monkeypatch.setattr(RECOMMENDERS[name], "draws", 0, raising=False)


@pytest.mark.parametrize("draws", ["0", "2,0", "2,,3", "2,", "", "many", "-1", "²"])
def test_draws_are_whole_numbers_above_zero(draws: str) -> None:
    with pytest.raises(ConfigError, match="numbers of draws"):
        search_gain.main(["skills", "so-survey2019", "ease", draws])


@pytest.mark.usefixtures("small")
def test_a_rung_that_cannot_be_searched_is_refused_and_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="nothing of the rung 'random' can be searched"):
        search_gain.main(["small", "small", "random", "2"])
    assert not capsys.readouterr().out


@pytest.mark.usefixtures("small")
def test_each_number_of_draws_is_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    search_gain.main(["small", "small", "ease", "1,2"])
    head, _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split(" | ")[0] for row in rows] == ["| 1", "| 2"]
    assert {row.count("|") for row in rows} == {head.count("|")}
