"""The log of a service: exact ids, whole files, nothing lost by a kill, waiting instead of losing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import polars as pl
import pytest

from recommender.errors import DataError, UserError
from recommender.hashing import key_of, pseudonym
from recommender.serving.journal import MOST_SEALED, Journal, segments
from recommender.serving.log import TABLES, log_files, read_log, write_log
from recommender.serving.log_writer import LogWriter

WHEN = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp() * 1_000_000)
DAY_US = 86_400_000_000
LIST = dict(request_id="r", as_of=WHEN, model_version="3", variant="a", surface="home", propensity=None)


def served(writer: LogWriter, list_id: str, items: list[Any], user: Any = "anna", **more: Any) -> None:
    ranks = list(range(1, len(items) + 1))
    writer.served(list_id=list_id, user_id=writer.user(user), rank=ranks, item_id=items, source="als", **LIST | more)


def test_rows_come_back_as_they_were_written_before_and_after_they_are_parquet(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, pseudonymous=False)
    served(writer, "l1", [2**62 + 1, -5], 2**53 + 1)
    writer.feedback(list_id=["l1"], item_id=[2**62 + 1], event=["apply"], timestamp=[WHEN + 7])
    writer.interactions(user_id=[9], item_id=[4], event=["view"], timestamp=[WHEN])
    live = read_log(tmp_path)
    assert not log_files(tmp_path, "served")
    writer.close()
    assert len(log_files(tmp_path, "served")) == 1
    log = read_log(tmp_path)
    for table in TABLES:
        assert getattr(log, table).equals(getattr(live, table), null_equal=True)
    assert log.served["item_id"].to_list() == [2**62 + 1, -5]
    assert log.served["rank"].to_list() == [1, 2]
    assert log.served["user_id"].to_list() == [2**53 + 1] * 2
    assert log.served["propensity"].null_count() == 2
    assert log.feedback["timestamp"].dt.epoch("us").to_list() == [WHEN + 7]
    assert log.served.columns == list(TABLES["served"].columns)


def test_text_ids_stay_text_and_users_are_pseudonyms_by_the_key_of_the_folder(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path)
    served(writer, "l1", ["007", "ü\n\"x'"], "änna")
    writer.close()
    rows = read_log(tmp_path).served
    assert rows["item_id"].to_list() == ["007", "ü\n\"x'"]
    assert rows["user_id"].unique().to_list() == [pseudonym("änna", key_of(tmp_path))]
    assert "änna".encode() not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert (tmp_path / "pseudonyms.key").stat().st_mode & 0o077 == 0


def test_a_row_lies_in_the_folder_of_its_day_and_only_asked_days_are_read(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path)
    for day in range(3):
        served(writer, f"l{day}", ["a"], as_of=WHEN + day * DAY_US)
    assert read_log(tmp_path, date(2026, 3, 2), date(2026, 3, 2)).served["list_id"].to_list() == ["l1"]
    writer.close()
    assert [file.parent.name for file in log_files(tmp_path, "served")] == [f"day=2026-03-0{d}" for d in (1, 2, 3)]
    assert read_log(tmp_path, date(2026, 3, 2)).served["list_id"].to_list() == ["l1", "l2"]


def test_a_teams_own_frames_are_written_as_the_servers(tmp_path: Path) -> None:
    when = pl.Series([datetime(2026, 3, 1)] * 2, dtype=pl.Datetime("ns"))
    texts = dict.fromkeys(["list_id", "request_id", "model_version", "variant", "surface", "source"], "x")
    shown = pl.DataFrame({**texts, "user_id": [1, 2], "as_of": when, "rank": [1, 2], "item_id": ["a", "b"]})
    write_log(tmp_path, served=shown)
    back = read_log(tmp_path).served
    assert back["user_id"].to_list() == [pseudonym(user, key_of(tmp_path)) for user in (1, 2)]
    assert dict(back.schema) == {c: pl.String() if k == pl.Null() else k for c, k in TABLES["served"].columns.items()}
    with pytest.raises(DataError, match=r"served: no column rank \(found"):
        write_log(tmp_path, served=shown.drop("rank"))
    with pytest.raises(DataError, match="item_id is null in 1 rows"):
        write_log(tmp_path, served=shown.with_columns(pl.Series("item_id", ["a", None])))
    with pytest.raises(DataError, match="item_id holds Float64; the table served has integers or text there"):
        write_log(tmp_path, served=shown.with_columns(pl.Series("item_id", [1.0, 2.0])))
    assert read_log(tmp_path).served.equals(back)


def test_a_damaged_file_is_one_message_that_names_it(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path)
    served(writer, "l1", ["a"])
    writer.close()
    (file,) = log_files(tmp_path, "served")
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(DataError, match="is damaged") as damage:
        read_log(tmp_path)
    assert str(file) in str(damage.value)
    assert "\n" not in str(damage.value)
    with pytest.raises(UserError, match="no such folder"):
        read_log(tmp_path / "absent")


def test_ids_of_two_types_in_one_log_are_refused(tmp_path: Path) -> None:
    for items in (["a"], [1]):
        writer = LogWriter(tmp_path)
        served(writer, "l1", items)
        writer.close()
    with pytest.raises(DataError, match=r"served\.item_id is text in some files and integers in others"):
        read_log(tmp_path)


def test_one_server_writes_to_a_log(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path)
    with pytest.raises(UserError, match="another server writes its log there"):
        LogWriter(tmp_path)
    writer.close()
    LogWriter(tmp_path).close()


KILLED = """
import sys
from pathlib import Path
from recommender.serving.log_writer import LogWriter
writer = LogWriter(Path(sys.argv[1]))
for n in range(10**9):
    writer.feedback(list_id=["l"], item_id=[n], event=["view"], timestamp=[n])
    print(n, flush=True)
"""


def test_a_kill_loses_no_acknowledged_row_and_doubles_none(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(50):
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    acknowledged = 50 + len(process.stdout.read().split())
    process.wait()
    (segment,) = (tmp_path / "journal").glob("feedback-*.jsonl")
    segment.write_bytes(segment.read_bytes() + b'{"list_id":["l"],"item_')  # as if the kill came in the middle
    LogWriter(tmp_path).close()
    rows = read_log(tmp_path).feedback["item_id"].to_list()
    assert rows == list(range(len(rows)))
    assert len(rows) >= acknowledged
    assert not list((tmp_path / "journal").glob("*.jsonl"))


def test_a_segment_that_is_parquet_already_counts_once(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path)
    served(writer, "l1", ["a"])
    (segment,) = (tmp_path / "journal").glob("served-*.jsonl")
    content = segment.read_bytes()
    writer.close()
    segment.write_bytes(content)  # killed between the two
    assert read_log(tmp_path).served.height == 1
    LogWriter(tmp_path).close()
    assert read_log(tmp_path).served.height == 1


def test_a_damaged_journal_stops_the_start_with_one_message(tmp_path: Path) -> None:
    LogWriter(tmp_path).close()
    (tmp_path / "journal/served-5.jsonl").write_text("{]\n{}\n")
    with pytest.raises(DataError, match=r"served-5\.jsonl is damaged in line 1"):
        LogWriter(tmp_path)


def test_who_appends_waits_while_segments_wait_and_nothing_is_lost(tmp_path: Path) -> None:
    go, converted = threading.Event(), []

    def convert(segment: Path) -> None:
        go.wait()
        converted.append(segment.read_bytes())
        segment.unlink()

    journal = Journal(tmp_path, "served", convert, segment_bytes=1)
    for n in range(MOST_SEALED):
        journal.append(b"%d" % n, sync=True)
    late = threading.Thread(target=journal.append, args=(b"late",), kwargs={"sync": True})
    late.start()
    late.join(0.1)
    assert late.is_alive()
    go.set()
    late.join()
    journal.close()
    assert b"".join(converted) == b"0\n1\n2\n3\nlate\n"


def test_a_disk_that_takes_no_more_is_an_error_of_the_append_and_heals(tmp_path: Path) -> None:
    full, converted = [True], []

    def convert(segment: Path) -> None:
        if full[0]:
            raise OSError("No space left on device")
        converted.append(segment.read_bytes())
        segment.unlink()

    journal = Journal(tmp_path, "served", convert, segment_bytes=1)
    for n in range(MOST_SEALED):
        journal.append(b"%d" % n, sync=False)
    with pytest.raises(OSError, match="No space left"):
        journal.append(b"refused", sync=False)
    full[0] = False
    journal.close()
    assert b"".join(converted) == b"0\n1\n2\n3\n"


def test_after_a_sync_that_failed_nothing_is_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path, "served", lambda segment: segment.unlink())
    with monkeypatch.context() as broken:
        broken.setattr("recommender.serving.journal.os.fsync", Mock(side_effect=OSError("Input/output error")))
        with pytest.raises(OSError, match="Input/output"):
            journal.append(b"1", sync=True)
    for sync in (True, False):  # the disk would say now that all is well
        with pytest.raises(OSError, match="did not keep the log"):
            journal.append(b"2", sync=sync)
    journal.close()


def test_a_segment_grows_where_no_new_one_can_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    converted = []

    def convert(segment: Path) -> None:
        converted.append(segment.read_bytes())
        segment.unlink()

    journal = Journal(tmp_path, "served", convert, segment_bytes=1)
    with monkeypatch.context() as broken:
        broken.setattr("recommender.serving.journal.os.open", Mock(side_effect=OSError("Too many open files")))
        journal.append(b"1", sync=False)
        journal.append(b"2", sync=False)
    journal.append(b"3", sync=True)
    journal.close()
    assert converted == [b"1\n2\n3\n"]
    assert not segments(tmp_path, "served")


def test_a_closed_journal_takes_no_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "served", lambda segment: segment.unlink())
    journal.close()
    with pytest.raises(OSError, match="closed"):
        journal.append(b"late", sync=True)
