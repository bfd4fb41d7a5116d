"""Files are whole or absent; what is damaged is put aside and nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from recommender import files

NO_PROCESS = 2**22 + 1  # above the largest number of a process


def fails(path: Path) -> None:
    path.write_text("half")
    raise RuntimeError


def test_a_file_is_replaced_when_all_is_written_and_stays_where_writing_fails(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a.txt", "one")
    with pytest.raises(RuntimeError):
        files.write_atomically(tmp_path / "a.txt", fails)
    assert (tmp_path / "a.txt").read_text() == "one"
    files.write_table(tmp_path / "a.txt", pl.DataFrame({"x": [1]}))
    assert pl.read_parquet(tmp_path / "a.txt").height == 1
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.txt", {"x": float("nan")})
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_program_killed_while_it_writes_leaves_the_old_file(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from recommender import files\n"
        "path = Path(sys.argv[1])\n"
        "files.write_text(path, 'old')\n"
        "files.write_atomically(path, lambda scratch: (scratch.write_text('new'), os.kill(os.getpid(), 9)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.txt")], check=False)
    assert done.returncode == -9
    assert (tmp_path / "a.txt").read_text() == "old"
    files.clear_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_appears_whole_in_place_of_the_old_one_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    with files.whole_folder(folder) as scratch:
        (scratch / "a").write_text("")
        assert not folder.exists()
    with pytest.raises(RuntimeError), files.whole_folder(folder) as scratch:
        fails(scratch / "b")
    assert [path.name for path in tmp_path.rglob("*")] == ["f", "a"]
    with files.whole_folder(folder) as scratch:
        (scratch / "c").write_text("")
    assert [path.name for path in tmp_path.rglob("*")] == ["f", "c"]


def test_only_what_programs_that_ended_had_begun_is_removed(tmp_path: Path) -> None:
    ended, running = tmp_path / f".a.parquet-{NO_PROCESS}", tmp_path / f".b-{os.getpid()}"
    for path in (ended, running, tmp_path / "c-7", tmp_path / ".d-x"):
        path.write_text("")
    (tmp_path / f".e-{NO_PROCESS}").mkdir()
    (tmp_path / f".e-{NO_PROCESS}" / "f").write_text("")
    files.clear_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {running.name, "c-7", ".d-x"}


def test_what_is_put_aside_is_named_and_never_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for content in ("one", "two"):
        (tmp_path / "a").write_text(content)
        files.put_aside(tmp_path / "a", "it is short")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.damaged": "one", "a.damaged-1": "two"}
    assert f"{tmp_path / 'a'} is damaged (it is short). It is put aside as a.damaged" in caplog.text
