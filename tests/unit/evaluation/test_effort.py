"""Effort: what a stage costs is measured, whatever happens inside it."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recommender.evaluation import effort
from recommender.evaluation.effort import EffortLog


def spend_memory(megabytes: int) -> None:
    np.ones(megabytes * 125_000)  # float64; freed on return


def peaks(log: EffortLog) -> dict[str, float]:
    return dict(log.frame().select("stage", "peak_mb").iter_rows())


@pytest.fixture
def exact_log() -> EffortLog:
    log = EffortLog()
    if not log.exact:
        pytest.skip("this system does not tell the peak memory of a process")
    return log


@pytest.fixture
def inexact_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> EffortLog:
    monkeypatch.setattr(effort, "_CLEAR_REFS", tmp_path / "absent" / "clear_refs")
    return EffortLog()


def test_frame_has_the_columns_that_other_tools_read() -> None:
    log = EffortLog()
    with log.stage("als", "fit", "validation", "2020-01-01", threads=2):
        pass
    frame = log.frame()
    assert frame.columns == ["rung", "stage", "split", "origin", "wall_s", "cpu_s", "peak_mb", "threads"]
    assert frame.row(0)[:4] == ("als", "fit", "validation", "2020-01-01")
    assert frame.row(0)[-1] == 2


def test_frame_without_stages_keeps_its_types() -> None:
    assert EffortLog().frame().schema == effort.SCHEMA


def test_rows_come_in_the_order_in_which_stages_end() -> None:
    log = EffortLog()
    with log.stage("als", "tune", "test", "t"):
        with log.stage("als", "prepare", "test", "t"):
            pass
        with log.stage("als", "fit", "test", "t"):
            pass
    assert log.frame()["stage"].to_list() == ["prepare", "fit", "tune"]


def test_waiting_costs_wall_but_no_cpu_seconds() -> None:
    log = EffortLog()
    with log.stage("random", "fit", "test", "t"):
        time.sleep(0.2)
    row = log.frame().row(0, named=True)
    assert row["wall_s"] >= 0.2
    assert row["cpu_s"] < row["wall_s"] / 2


def test_work_costs_cpu_seconds() -> None:
    log = EffortLog()
    with log.stage("random", "fit", "test", "t"):
        until = time.process_time() + 0.1
        while time.process_time() < until:
            pass
    assert log.frame()["cpu_s"].item() >= 0.09


def test_outer_stage_contains_time_and_peak_of_the_inner() -> None:
    log = EffortLog()
    with log.stage("als", "tune", "test", "t"), log.stage("als", "fit", "test", "t"):
        spend_memory(50)
    inner, outer = log.frame().iter_rows(named=True)
    assert all(outer[measure] >= inner[measure] for measure in ("wall_s", "cpu_s", "peak_mb"))


def test_stage_that_raises_is_recorded_and_raises_on() -> None:
    log = EffortLog()
    with pytest.raises(ZeroDivisionError), log.stage("als", "fit", "test", "t"):
        _ = 1 / 0
    assert log.frame().select("rung", "stage").rows() == [("als", "fit")]


def test_memory_freed_before_the_end_is_in_the_peak(exact_log: EffortLog) -> None:
    with exact_log.stage("als", "prepare", "test", "t"):
        pass
    with exact_log.stage("als", "fit", "test", "t"):
        spend_memory(200)
    assert peaks(exact_log)["fit"] - peaks(exact_log)["prepare"] == pytest.approx(200, abs=20)


def test_peak_of_one_stage_is_not_carried_to_the_next(exact_log: EffortLog) -> None:
    with exact_log.stage("als", "fit", "test", "t"):
        spend_memory(200)
    with exact_log.stage("als", "recommend", "test", "t"):
        pass
    assert peaks(exact_log)["fit"] - peaks(exact_log)["recommend"] > 150


def test_outer_peak_before_an_inner_stage_survives_the_reset(exact_log: EffortLog) -> None:
    with exact_log.stage("als", "tune", "test", "t"):
        spend_memory(200)
        with exact_log.stage("als", "fit", "test", "t"):
            pass
    assert peaks(exact_log)["tune"] - peaks(exact_log)["fit"] > 150


def test_without_proc_the_log_says_that_peaks_are_not_exact(inexact_log: EffortLog) -> None:
    assert not inexact_log.exact
    with inexact_log.stage("als", "fit", "test", "t"):
        block = np.ones(100 * 125_000)
    with inexact_log.stage("als", "recommend", "test", "t"):
        del block
    assert inexact_log.frame().select((pl.col("peak_mb") > 10).all()).item()
