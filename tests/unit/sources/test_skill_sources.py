"""Loaders of skills, on small files in each publisher's layout."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from recommender import config
from recommender.data.dataset import Dataset
from recommender.data.gate import Tables, build
from recommender.data.split import folds
from recommender.errors import ConfigError, DataError
from recommender.sources import SOURCES, dump_xml, stackexchange
from recommender.sources.load import load

POSTS = """<?xml version="1.0" encoding="utf-8"?>
<posts>
  <row Id="1" PostTypeId="1" CreationDate="2018-03-12T17:00:45.567" OwnerUserId="7" Tags="&lt;qubit&gt;&lt;error-correction&gt;" Body="&lt;p&gt;" />
  <row Id="2" PostTypeId="2" ParentId="1" CreationDate="2018-03-13T08:00:00.000" OwnerUserId="8" />
  <row Id="3" PostTypeId="1" CreationDate="2018-03-14T08:00:00.000" OwnerUserId="8" Tags="|qubit|gates|" />
  <row Id="4" PostTypeId="1" CreationDate="2018-03-14T09:00:00.000" Tags="&lt;gates&gt;" />
  <row Id="5" PostTypeId="2" ParentId="99" CreationDate="2018-03-14T10:00:00.000" OwnerUserId="7" />
  <row Id="6" PostTypeId="5" CreationDate="2018-03-14T11:00:00.000" OwnerUserId="7" />
</posts>
"""  # noqa: E501
USERS = """<?xml version="1.0" encoding="utf-8"?>
<users>
  <row Id="7" CreationDate="2018-03-01T00:00:00.000" DisplayName="not read" />
  <row Id="8" CreationDate="2018-03-02T00:00:00.000" />
  <row Id="9" CreationDate="2018-03-03T00:00:00.000" />
</users>
"""
BOMB = '<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><posts><row Id="&b;"/></posts>'
SURVEY = """Respondent,LanguageWorkedWith,LanguageDesireNextYear,DatabaseWorkedWith,DatabaseDesireNextYear,\
PlatformWorkedWith,PlatformDesireNextYear,WebFrameWorkedWith,WebFrameDesireNextYear,DevEnviron,OpSys
,,,,,,,,,,
4,C,C,MySQL,Redis,Linux,Linux,,,Vim,
4,Python,Rust,,,Other(s):,,,,Eclipse,
5,Python,,,,,,,,,
"""


def dump(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True)
    for name, text in {"Posts.xml": POSTS, "Users.xml": USERS, **files}.items():
        (folder / name).write_text(text)
    return folder


def uses(tables: Tables) -> list[tuple[str, str]]:
    return sorted(tables.interactions.select("user_id", "item_id").rows())


def test_a_tag_first_used_in_a_question_or_an_answer_is_a_skill(tmp_path: Path) -> None:
    dump(tmp_path / "skills" / "quantum_se")
    tables = SOURCES["quantum-se"](tmp_path)
    assert uses(tables) == [("7", "error-correction"), ("7", "qubit"), ("8", "error-correction"), ("8", "gates"),
                            ("8", "qubit")]  # fmt: skip
    data = build(tables)
    row = data.interactions.filter(user_id="8", item_id="qubit")
    assert row["timestamp"].item() == datetime(2018, 3, 13, 8, tzinfo=UTC)  # the answer, not the later question
    assert data.items.frame.filter(item_id="error-correction")["words"].item() == "error correction"
    assert data.users.frame["joined"].to_list() == [datetime(2018, 3, 1, tzinfo=UTC), datetime(2018, 3, 2, tzinfo=UTC)]
    assert not data.states_availability
    assert {r.rule: r.count for r in data.repairs} == {"posts_without_owner": 1, "answers_without_question": 1}


def test_an_export_as_csv_reads_as_the_dump_does(tmp_path: Path) -> None:
    dump(tmp_path / "quantum-se")
    folder = tmp_path / "exports" / "cs.stackexchange.com"
    folder.mkdir(parents=True)
    for name, columns in (("Posts", stackexchange.POSTS), ("Users", stackexchange.USERS)):
        table = dump_xml.read_rows(tmp_path / "quantum-se" / f"{name}.xml", columns)
        table.write_csv(folder / f"{name}.csv")
    (exported,) = [load("stackexchange", raw_dir=tmp_path, options={"stackexchange": {"site": "cs.stackexchange.com"}})]
    plain = build(SOURCES["quantum-se"](tmp_path))
    assert exported.interactions.equals(plain.interactions)
    assert exported.name == "cs.stackexchange.com"


def test_rows_are_read_in_chunks_that_lose_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dump_xml, "CHUNK_ROWS", 2)
    monkeypatch.setattr(dump_xml, "CHUNK_BYTES", 64)
    path = dump(tmp_path / "site") / "Posts.xml"
    assert dump_xml.read_rows(path, ("Id", "OwnerUserId")).rows() == [
        ("1", "7"), ("2", "8"), ("3", "8"), ("4", None), ("5", "7"), ("6", "7")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BOMB, "document type"),
        (POSTS[:400], "cannot be read as a table of a dump"),
        ("Id,Tags\n", "cannot be read as a table of a dump"),
        ("<posts></posts>", "no <row> with Id"),
        (POSTS.replace("OwnerUserId", "OwnerDisplayName"), "no post of a known member has a tag"),
    ],
)
def test_a_file_that_is_no_table_of_a_dump_is_refused_with_its_name(tmp_path: Path, text: str, says: str) -> None:
    dump(tmp_path / "quantum-se", **{"Posts.xml": text})
    with pytest.raises(DataError, match=says) as error:
        SOURCES["quantum-se"](tmp_path)
    assert "quantum-se" in str(error.value)


def test_an_unknown_site_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder with Posts.xml \+ Users.xml, or Posts.csv \+ Users.csv"):
        SOURCES["stackexchange"](tmp_path, site="ai.stackexchange.com")
    with pytest.raises(ConfigError, match="did you mean 'site'"):
        load("stackexchange", raw_dir=tmp_path, options={"stackexchange": {"sites": "x"}})


@pytest.fixture
def survey(tmp_path: Path) -> Dataset:
    folder = tmp_path / "so_survey2019"
    folder.mkdir()
    (folder / "m5_survey_data_technologies_normalised.csv").write_text(SURVEY)
    return load("so-survey2019", raw_dir=tmp_path, repairs={"missing_times": "history"})


def test_columns_of_the_survey_are_read_one_by_one(survey: Dataset) -> None:
    assert sorted(survey.interactions.select("user_id", "item_id").rows()) == [
        (4, "C"), (4, "Linux"), (4, "MySQL"), (4, "Python"), (5, "Python")
    ]  # fmt: skip
    assert sorted(survey.signals.select("item_id", "event").rows()) == [("Redis", "wished"), ("Rust", "wished")]
    assert survey.items.frame.filter(item_id="MySQL")["category"].item() == "Database"
    assert survey.users.frame.rows() == [(4, ["Eclipse", "Vim"]), (5, None)]
    assert {r.rule: r.count for r in survey.repairs} == {"unnamed": 1, "missing_times": 7}


def test_a_survey_without_times_is_split_at_random_only(survey: Dataset) -> None:
    scenario = config.load("skills")
    with pytest.raises(ConfigError, match=r"states no times.*split.kind=random"):
        next(folds(survey, scenario.split, scenario.eligibility))
