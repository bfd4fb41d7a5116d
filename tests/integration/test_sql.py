"""`make sql`: views over what train, study and compare left, answers as tables, errors that a user can mend."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

import polars as pl
import pytest

from pipelines import sql
from recommender.serving.log_writer import LogWriter
from tests.helpers.folders import Trained, run
from tests.helpers.pages import page

QUESTIONS = page("sql")


@pytest.fixture
def place(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two trains of which one is not finished, a comparison and a study."""
    pytest.importorskip("duckdb")
    monkeypatch.chdir(tmp_path)
    for name in ("jobs-one", "jobs-two"):
        shutil.copytree(trained.out, tmp_path / "artifacts" / name, ignore=shutil.ignore_patterns("model"))
    (tmp_path / "artifacts/jobs-two/INCOMPLETE").touch()
    (tmp_path / "artifacts/latest").symlink_to("jobs-one")
    compared = tmp_path / "artifacts/compare-1"
    compared.mkdir()
    pl.DataFrame({"site": ["jobs"], "rung": ["als"], "value": [0.5]}).write_parquet(compared / "ladder.parquet")
    studied = tmp_path / "studies/data_volume"
    studied.mkdir(parents=True)
    pl.DataFrame({"study": ["data_volume"], "value": [0.25]}).write_parquet(studied / "results.parquet")
    return tmp_path


def ask(query: str) -> str:
    done = run(sql.main, "--query", query)
    assert done.code == 0, done.err
    return done.out


def test_a_question_is_answered_over_finished_trains_only(place: Path) -> None:
    answer = ask("select distinct run, rung from metrics where rung = 'als'")
    assert "jobs-one" in answer
    assert "jobs-two" not in answer
    assert "latest" not in answer
    assert "shop" in ask("select scenario, data, goal from runs")
    assert "n_interactions" in ask("select measure, value from data")
    assert "popularity" in ask("select users, rung from decisions")


def test_comparisons_and_studies_have_views_that_name_their_folder(place: Path) -> None:
    assert re.search(r"compare-1 +jobs +als +0\.5", ask("select * from ladder"))
    assert re.search(r"data_volume +data_volume +0\.25", ask("select * from cells"))


def test_the_log_of_a_service_is_asked_while_the_service_writes_it(place: Path) -> None:
    writer = LogWriter(Path("service-log"))
    took = dict(item_id=["007"], event=["apply"])
    writer.feedback(list_id=["first"], timestamp=[1_700_000_000_000_000], **took)
    writer.close()
    writer = LogWriter(Path("service-log"))
    writer.feedback(list_id=["second"], timestamp=[1_800_000_000_000_000], **took)
    question = "select string_agg(list_id, '+' order by timestamp) as lists, min(item_id) as item from feedback"
    assert re.search(r"first\+second +007", ask(question))
    writer.close()


def test_several_questions_in_one_are_all_answered(place: Path) -> None:
    answer = ask("select 'one' as a; select 'two' as b")
    assert "one" in answer
    assert "two" in answer


def test_what_is_not_understood_is_told_with_exit_code_2(place: Path) -> None:
    done = run(sql.main, "--query", "select * from metricks")
    assert done.code == 2
    assert "metrics" in done.err  # DuckDB offers the nearest


@pytest.mark.parametrize("name", ["a[1]", "a*", "a?1", "[a-z]1", "it's", "a1]"])
def test_a_folders_name_is_no_pattern(place: Path, name: str) -> None:
    shutil.copytree(place / "artifacts/jobs-one", place / "artifacts" / name)
    shutil.copytree(place / "artifacts/jobs-one", place / "artifacts/a1")
    answer = ask("select run, count(*) as n from metrics group by all")
    (rows,) = {
        row.split()[-1] for row in answer.splitlines() if row.strip().startswith(("jobs-one", "a1 ", name + " "))
    }
    assert int(rows) == pl.read_parquet(place / "artifacts/a1/metrics.parquet").height
    assert len([row for row in answer.splitlines() if row.rstrip().endswith(f" {rows}")]) == 3


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("studies/data_volume/results.parquet", b""),
        ("artifacts/jobs-one/metrics.parquet", b"PAR1"),
        ("artifacts/jobs-one/effort.parquet", b"no table"),
        ("artifacts/jobs-one/data.json", b"{"),
        ("artifacts/jobs-one/decision.json", b"[]"),
        ("artifacts/jobs-one/config.yaml", b"a: ["),
    ],
)
def test_a_damaged_file_is_named_and_the_rest_is_answered(place: Path, file: str, content: bytes) -> None:
    (place / file).write_bytes(content)
    done = run(sql.main, "--query", "select 1 + 1 as sum")
    assert (done.code, "2" in done.out) == (0, True)
    message = done.err.replace("\n", " ")
    assert "damaged" in message
    assert Path(file).name in message
    assert str(Path(file).parent) in message


def test_without_a_question_duckdbs_own_shell_opens_over_the_views(
    place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shell = tmp_path / "bin/duckdb"
    shell.parent.mkdir()
    shell.write_text('#!/bin/sh\ncp "$2" opened.sql\n')
    monkeypatch.setenv("PATH", str(shell.parent), prepend=":")
    assert run(sql.main).code == 2  # no shell that can be run
    shell.chmod(0o755)
    assert run(sql.main).code == 0
    assert "CREATE VIEW metrics" in Path("opened.sql").read_text()
    assert "CREATE VIEW runs" in Path("opened.sql").read_text()


def test_without_results_the_command_that_makes_some_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(sql.main, "--query", "select 1")
    assert (done.code, "make train" in done.err) == (2, True)


def test_without_duckdb_the_command_that_installs_it_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    done = run(sql.main, "--query", "select 1")
    assert (done.code, "make setup-sql" in done.err) == (2, True)


def test_the_questions_of_the_page_are_answered(place: Path) -> None:
    queries = re.findall(r"^make sql (QUERY=(?:\"[^\"]*\"))", QUESTIONS, re.MULTILINE)
    assert len(queries) >= 5
    for one in queries:
        (given,) = shlex.split(one)
        views = {"ladder", "moves", "build", "data_value"}
        if not views & set(re.findall(r"from (\w+)", given)):
            ask(given.removeprefix("QUERY="))
