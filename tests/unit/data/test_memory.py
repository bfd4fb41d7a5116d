"""Memory: estimated from the data, compared with what may be had, said in one message."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipelines import LEAST_ADDRESSES_MB, cli
from recommender.data import memory
from recommender.data.folder import read_folder
from recommender.errors import UserError
from recommender.experiment.out_folder import disk_faults
from tests.helpers.small import dataset

ROOT = Path(__file__).parents[3]
SMALL = dataset([("u", "i", 1.0)])


def test_more_interactions_need_more_and_a_train_that_fits_is_let_through() -> None:
    many = dataset([(f"u{n}", f"i{n % 7}", float(n)) for n in range(10_000)])
    assert memory.needed_mb(many) > memory.needed_mb(SMALL) > 0
    memory.check(SMALL)


def test_a_train_that_cannot_fit_is_refused_with_what_it_needs_and_what_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "free_mb", lambda: 123)
    with pytest.raises(UserError, match=r"about \d+ MB of memory, and 123 MB"):
        memory.check(SMALL)


def test_a_file_that_cannot_be_read_whole_is_refused_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    numbers = pl.DataFrame({"user_id": np.arange(100_000), "item_id": 1, "timestamp": 2})
    texts = numbers.with_columns(pl.col("user_id").cast(pl.String))
    numbers.write_parquet(tmp_path / "numbers.parquet")
    texts.write_parquet(tmp_path / "texts.parquet")
    numbers.write_csv(tmp_path / "numbers.csv")
    needed = {f.name: memory.reading_mb(f) for f in tmp_path.iterdir()}
    assert 0 < needed["numbers.csv"] < needed["numbers.parquet"] < needed["texts.parquet"] < 50
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1")
    assert memory.reading_mb(tmp_path / "damaged.parquet") == memory.reading_mb(tmp_path / "none.csv") == 0
    monkeypatch.setattr(memory, "free_mb", lambda: 1)
    (tmp_path / "numbers.parquet").rename(tmp_path / "interactions.parquet")
    with pytest.raises(UserError, match=r"interactions.parquet: to read and check it takes about 8 MB"):
        read_folder(tmp_path)


@pytest.mark.parametrize("megabytes", [0, 500])
def test_the_limits_of_the_shell_and_of_a_container_are_what_is_free(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, megabytes: int
) -> None:
    limit = (memory.RESERVED_MB + megabytes) << 20
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert memory.free_mb() == megabytes
    monkeypatch.undo()
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    before = memory.free_mb()
    for name, content in {"max": str(300 << 20), "current": str(290 << 20), "stat": f"anon 1\nfile {5 << 20}"}.items():
        (tmp_path / f"memory.{name}").write_text(content)
    assert memory.free_mb() < before
    (tmp_path / "memory.max").write_text("max")
    assert memory.free_mb() > 1000


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")])
def test_memory_that_runs_out_ends_with_one_message(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, error: Exception
) -> None:
    def main(argv: list[str]) -> None:
        raise error

    with pytest.raises(SystemExit) as end:
        cli.run(main, [])
    assert end.value.code == 2
    assert "not enough memory" in capsys.readouterr().err
    with pytest.raises(UserError, match="not enough memory"), disk_faults(tmp_path):
        main([])


def test_another_bug_stays_a_bug() -> None:
    def main(argv: list[str]) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        cli.run(main, [])


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [1200, 1600, 2000, 2600])
def test_a_limit_of_addresses_below_what_libraries_reserve_is_one_message(tmp_path: Path, megabytes: int) -> None:
    assert megabytes < LEAST_ADDRESSES_MB
    command = (
        f"ulimit -v {megabytes << 10}; exec {sys.executable} -m pipelines.train --scenario jobs --out {tmp_path}/out"
    )
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"{megabytes:,} MB (ulimit -v)" in done.stderr
    assert not (tmp_path / "out").exists()
