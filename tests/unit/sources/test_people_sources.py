"""Loaders of networks of people, on small files in each publisher's layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from recommender.data.dataset import Dataset
from recommender.data.gate import build
from recommender.errors import DataError
from recommender.sources import SOURCES

MESSAGES = "1 2 1082040961\n2 1 1082040999\n3 4 1082155839\n1 2 1082200000\n"
RATINGS = "6,2,4,1289241912.5\n2,6,1,1289241999\n1,15,-3,1289243140\n"


def loaded(source: str, folder: Path, files: dict[str, str], **options: bool) -> Dataset:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return build(SOURCES[source](folder.parent.parent, **options))


def links(data: Dataset) -> list[tuple[int, int]]:
    return data.interactions.select("user_id", "item_id").rows()


def test_a_message_in_either_direction_is_one_link_of_its_first_time(tmp_path: Path) -> None:
    data = loaded("collegemsg", tmp_path / "people" / "collegemsg", {"CollegeMsg.txt": MESSAGES})
    assert links(data) == [(1, 2), (2, 1), (3, 4), (4, 3)]
    assert data.timestamps.tolist()[:2] == [1082040961_000_000] * 2
    assert {r.rule: r.count for r in data.repairs} == {"link_times": 2}
    assert data.symmetric


def test_who_wrote_to_whom_is_a_link_one_way_where_asked_for(tmp_path: Path) -> None:
    files = {"CollegeMsg.txt": MESSAGES}
    data = loaded("collegemsg", tmp_path / "people" / "collegemsg", files, symmetric=False)
    assert links(data) == [(1, 2), (2, 1), (3, 4), (1, 2)]
    assert not data.symmetric


def test_trust_is_a_link_and_distrust_a_signal(tmp_path: Path) -> None:
    data = loaded("bitcoinotc", tmp_path / "people" / "bitcoinotc", {"soc-sign-bitcoinotc.csv": RATINGS})
    assert links(data) == [(2, 6), (6, 2)]
    assert data.signals.select("user_id", "item_id", "event").rows() == [(1, 15, "distrust"), (15, 1, "distrust")]


def test_friendships_without_times(tmp_path: Path) -> None:
    data = loaded("ego-facebook", tmp_path / "people" / "ego-facebook", {"facebook_combined.txt": "0 1\n0 2\n"})
    assert links(data) == [(0, 1), (1, 0), (0, 2), (2, 0)]
    assert not data.has_times


def test_staff_have_departments_and_a_protected_gender(tmp_path: Path) -> None:
    files = {
        "employees.tsv": "1\t\tLegal\tENA Legal\tLawyer\tMale\tSenior\n2\t\tLegal\tNA\tClerk\tFemale\tJunior\n",
        "messages.tsv": "1\t\t910930020\t\t1\n2\t\t910930090\t\t2\n",
        "recipients.tsv": "1\t1\t2\n2\t1\t1\n",
    }
    data = loaded("enron-staff", tmp_path / "people" / "enron_staff", files)
    assert links(data) == [(1, 2), (2, 1)]
    assert data.items.frame["division"].to_list() == ["ENA Legal", None]
    assert data.items.roles["gender"] == "protected"


def test_a_file_of_another_layout_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"CollegeMsg\.txt: expected 3 numbers a line"):
        loaded("collegemsg", tmp_path / "people" / "collegemsg", {"CollegeMsg.txt": "1 2 3 4\n"})
