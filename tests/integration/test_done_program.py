"""`make done` as a user sees it: what was stated, what it took, and how far the team's estimates go."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from pipelines import done
from recommender.planning.estimates import NEEDED
from tests.helpers.folders import run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_stated_and_actual_days_are_kept_and_the_teams_bias_is_shown(here: Path) -> None:
    (here / "estimates").mkdir()
    (here / "estimates/ana.csv").write_text(f"{','.join(NEEDED)}\nAna,label 500 items,2,4,6\n")
    first = run(done.main, "--option", "ranker", "--days", "30")  # nobody estimated it: its stated person-days
    assert first.code == 0, first.err
    assert "15 person-days stated, 30 taken (2.0 times)" in first.out
    second = run(done.main, "--option", "label 500 items", "--days", "4", "--scenario", "jobs")
    assert "4 person-days stated, 4 taken (1.0 times)" in second.out
    third = run(done.main, "--option", "als", "--days", "9")
    assert "3 finished: 2.0 times what was stated, the middle half 1.5 to 2.0" in third.out
    table = pl.read_csv(here / "estimates/done.csv")
    assert table["option"].to_list() == ["ranker", "label 500 items", "als"]
    assert table["stated_days"].to_list() == [15.0, 4.0, 4.5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--option", "rankr", "--days", "3"), "nobody stated days for it; did you mean 'ranker'?"),
        (("--option", "ranker", "--days", "-3"), "above 0"),
        (("--option", "ranker", "--days", "nan"), "above 0"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_nothing_is_written(
    here: Path, arguments: tuple[str, ...], message: str
) -> None:
    refused = run(done.main, *arguments)
    assert refused.code == 2
    assert message in refused.err
    assert not (here / "estimates").exists()
