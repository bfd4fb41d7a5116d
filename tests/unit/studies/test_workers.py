"""Cells that are measured once, and by several processes at once: what is kept is the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from recommender.data.dataset import Dataset
from recommender.errors import ConfigError, UserError
from recommender.studies.engine import workers
from recommender.studies.engine.plan import Cell, cells, of_study
from recommender.studies.engine.run import run
from recommender.studies.engine.workers import Crew, Source, measuring
from tests.helpers.folders import shop
from tests.helpers.studies import source, study, world

TIMED = ("effort.parquet", "data_effort.parquet", "done.json")  # what a cell cost; the last holds their hashes


def quiet(_: str) -> None:
    """No progress is shown."""


def test_a_cell_that_another_study_measured_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = cells(study(), ["catalog"], None)
    (first,), _ = run(of_study(given, "one"), tmp_path, source(), quiet)
    (first.folder / "mlflow-1.json").write_text("logged")
    monkeypatch.delattr(workers, "measure")
    (second,), failures = run(of_study(given, "two"), tmp_path, source(), quiet)
    assert not failures
    assert second.folder == tmp_path / "two" / first.folder.name
    assert {p.name for p in second.folder.iterdir()} == {p.name for p in first.folder.iterdir()} - {"mlflow-1.json"}


def test_cells_of_one_content_are_equal_whatever_they_are_called() -> None:
    (one,) = cells(study(), ["catalog"], None)
    assert one.content == replace(one, labels={**one.labels, "size": "1"}, study="other").content
    assert one.content != replace(one, labels={**one.labels, "data": "mine"}).content
    assert one.content != replace(one, scenario=one.scenario.model_copy(update={"seed": 7})).content


def test_a_source_keeps_data_sets_up_to_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []

    def load(name: str, **_: object) -> Dataset:
        loaded.append(name)
        return world()

    monkeypatch.setattr(workers, "load", load)
    scenario = cells(study(), ["catalog"], None)[0].scenario
    source_given = Source(None)
    for name in "aba":
        source_given(name, scenario)
    assert loaded == ["a", "b"]
    monkeypatch.setattr(workers, "MOST_MB", 0)
    for name in "cbc":
        source_given(name, scenario)
    assert loaded == ["a", "b", "c", "b", "c"]


@pytest.fixture
def several(tmp_path: Path) -> Callable[[], list[Cell]]:
    """Three cells of which two measure the same, and one that fails."""
    axes = {
        "seed": {"0": {"seed": 0}, "1": {"seed": 1}},
        "x": {"a": {}, "bad": {"data.differences": [{"metadata": {"drop": ["no such column"]}}]}},
    }
    data = str(shop().write(tmp_path / "shop"))

    def plans() -> list[Cell]:
        one, bad, two, _ = of_study(cells(study(mode="ladder", grid=axes), ["jobs"], data), "one")
        return [one, bad, two, replace(one, study="two")]

    return plans


def test_processes_without_work_end_by_themselves_so_that_they_leave_no_semaphores() -> None:
    with Crew(None, 1) as crew:
        pass
    assert [p.exitcode for p in crew.processes] == [0]


@pytest.mark.slow
def test_two_processes_measure_the_same_bytes_as_one(several: Callable[[], list[Cell]], tmp_path: Path) -> None:
    ended: dict[int, list[str]] = {}
    contents: dict[int, dict[Path, bytes]] = {}
    for n in (1, 2):
        ended[n], folder = [], tmp_path / f"by-{n}"
        with measuring(None, n) as by:
            measured, failures = run(several(), folder, by, ended[n].append)
        assert [m.folder.parent.name for m in measured] == ["one", "one", "two"]
        assert [type(f.error) for f in failures] == [ConfigError]
        assert "no column 'no such column'" in str(failures[0])
        assert measured[0].folder.name == measured[2].folder.name
        files = [p for p in folder.rglob("*") if p.is_file() and p.name not in TIMED]
        contents[n] = {p.relative_to(folder): p.read_bytes() for p in files}
        same = {p.name: p.read_bytes() for p in measured[0].folder.iterdir()}
        assert same == {p.name: p.read_bytes() for p in measured[2].folder.iterdir()}  # measured once, costs included
    assert len(contents[1]) > 10
    assert contents[1] == contents[2]
    assert sorted(ended[1]) == sorted(ended[2])


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_run_with_words(several: Callable[[], list[Cell]], tmp_path: Path) -> None:
    with Crew(None, 2) as crew:
        crew.processes[0].kill()
        with pytest.raises(UserError, match="WORKERS=1"):
            run(several(), tmp_path / "cells", crew, quiet)
