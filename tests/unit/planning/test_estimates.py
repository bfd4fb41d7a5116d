"""Estimates and finished options: files read, faults in one message, days drawn, the team's factor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recommender.errors import DataError
from recommender.planning import done
from recommender.planning.done import Bias
from recommender.planning.estimates import (
    TeamEstimate,
    disagreement,
    drawn_days,
    for_scenario,
    middle,
    read_estimates,
)  # fmt: skip

HEAD = "who,option,days_low,days_likely,days_high,headcount,impact\n"


def write(folder: Path, text: str, name: str = "team.csv") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder


def test_estimates_are_read_and_the_largest_disagreement_is_named(tmp_path: Path) -> None:
    write(tmp_path, HEAD + "Ana,ranker,5,10,20,2,3\nAna,text,1,2,3,,\n", "ana.csv")
    write(tmp_path, HEAD + "Bo,ranker,30,40,60,1,\nBo,text,2,3,4,1,0.5\n", "bo.csv")
    write(tmp_path, "no estimates here", "done.csv")
    options = for_scenario(read_estimates(tmp_path), "jobs")
    assert {o: [e.who for e in es] for o, es in options.items()} == {"ranker": ["Ana", "Bo"], "text": ["Ana", "Bo"]}
    assert middle(options["ranker"]) == 30  # of 10 days for two people and 40 for one
    assert [e.impact for e in options["text"]] == [None, 0.5]
    split = disagreement(options)
    assert split is not None
    assert (split[0], split[1].who, split[2].who) == ("ranker", "Ana", "Bo")
    assert disagreement({"text": options["text"][:1]}) is None


def test_estimates_for_one_scenario_replace_the_same_persons_for_all(tmp_path: Path) -> None:
    lines = (
        "who,option,days_low,days_likely,days_high,scenario\nAna,text,1,2,3,\nAna,text,7,8,9,jobs\nBo,text,1,1,1,ugc\n"
    )
    estimates = read_estimates(write(tmp_path, lines))
    assert [e.likely for e in for_scenario(estimates, "jobs")["text"]] == [8]
    assert [e.likely for e in for_scenario(estimates, "ugc")["text"]] == [2, 1]


def test_without_a_folder_there_are_none(tmp_path: Path) -> None:
    assert read_estimates(tmp_path / "nowhere") == []
    assert done.read_done(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("who,option\nAna,x\n", r"columns are missing \(days_low, days_likely, days_high\)"),
        (HEAD, "no rows"),
        (HEAD + "Ana,x,3,2,4,1,\n", "days_likely: is not between low and high, 1 row .*line 2"),
        (HEAD + "Ana,x,a,2,4,1,\n", "days_low: is no number above 0.*line 2: 'a'"),
        (HEAD + "Ana,x,0,2,4,1,\n", "days_low: is no number above 0"),
        (HEAD + "Ana,x,1,2,4,0,\n", "headcount: is no number above 0"),
        (HEAD + "Ana,x,1,2,4,1,much\n", "impact: is no number"),
        (HEAD + ",x,1,2,4,1,\n", "who: is empty"),
        (HEAD + "Ana,x,1,2,4,1,\nAna,x,1,2,4,1,\n", "estimated twice, 1 row .*Ana: x"),
    ],
)
def test_a_broken_file_is_refused_with_line_and_reason(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_estimates(write(tmp_path, text))


def test_all_problems_of_all_files_come_in_one_message(tmp_path: Path) -> None:
    write(tmp_path, HEAD + "Ana,x,3,2,4,-1,\n", "ana.csv")
    with pytest.raises(DataError) as error:
        read_estimates(write(tmp_path, HEAD + "Bo,,1,2,4,1,\n", "bo.csv"))
    assert [p.table.split("/")[-1] for p in error.value.problems] == ["ana.csv", "ana.csv", "bo.csv"]


def test_days_are_drawn_within_what_people_say_and_show_their_disagreement() -> None:
    one, other = TeamEstimate("a", "x", (1.0, 2.0, 3.0), 2.0), TeamEstimate("b", "x", (20.0, 20.0, 20.0))
    days = drawn_days([one, other], np.random.default_rng(0), 5000)
    assert set(np.round(days[days > 6.001])) == {20.0}
    assert (days >= 2).all()
    assert np.mean(days == 20) == pytest.approx(0.5, abs=0.05)
    alone = drawn_days([one], np.random.default_rng(0), 5000)
    assert alone.mean() == pytest.approx(4, abs=0.05)  # triangular between 2, 4 and 6
    assert np.std(alone) == pytest.approx(np.sqrt(8 / 12), abs=0.03)


def test_what_options_took_is_kept_and_used_from_three_on(tmp_path: Path) -> None:
    for n, (option, actual) in enumerate([("ranker", 30.0), ("text", 10.0), ("als", 20.0)], 1):
        entries = done.add(option, 10.0, actual, "jobs" * (n == 1), tmp_path)
        assert done.bias(entries).used == (n == 3)
    team = done.bias(done.read_done(tmp_path))
    assert (team.middle, team.spread) == (2.0, (1.5, 2.5))
    assert set(team.drawn(np.random.default_rng(0), 200)) == {1.0, 2.0, 3.0}
    assert set(Bias((3.0, 3.0)).drawn(np.random.default_rng(0), 9)) == {1.0}
    assert done.finished(entries, "jobs") == {"ranker", "text", "als"}
    assert done.finished(entries, "ugc") == {"text", "als"}


def test_a_broken_file_of_finished_options_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "option,stated_days,actual_days\nranker,10,\n", "done.csv")
    with pytest.raises(DataError, match=r"done\.csv.*line 2"):
        done.add("ranker", 10.0, 12.0, folder=tmp_path)
    write(tmp_path, "option,actual_days\nranker,10\n", "done.csv")
    with pytest.raises(DataError, match=r"missing \(stated_days\)"):
        done.read_done(tmp_path)
