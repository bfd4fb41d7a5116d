"""Tables from a database: SQLite always, a real PostgreSQL where its programs are installed."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from recommender.data.folder import read_folder
from recommender.data.gate import build
from recommender.errors import DataError
from tests.helpers.messy import notes, read, refusal

BIG = 2**60 + 1
ROWS = [(BIG, "a", "2024-01-01"), (BIG + 2, "b", "2024-01-02")]
SPEC = "interactions: {{sql: 'select user_id, item_id, timestamp from events order by 1', connection: {connection}}}"


@pytest.fixture
def sqlite(tmp_path: Path) -> Path:
    file = tmp_path / "shop.db"
    with sqlite3.connect(file) as database:
        database.execute("create table events (user_id integer, item_id text, timestamp text)")
        database.executemany("insert into events values (?, ?, ?)", ROWS)
    database.close()
    return file


def test_a_query_of_sqlite_is_read_exactly(tmp_path: Path, sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP", f"sqlite://{sqlite}")
    data = read(tmp_path / "set", {"dataset.yaml": SPEC.format(connection="$SHOP"), "interactions.txt": b""})
    assert data.users.ids.to_list() == [BIG, BIG + 2]
    assert "2 rows read from a sqlite database" in notes(data)


WRONG = {
    "no variable": ("select 1", "$NOWHERE", "environment variable NOWHERE is not set"),
    "no connection": ("select 1", None, "sql needs 'connection'"),
    "a change": ("delete from events", "$SHOP", "begins with SELECT or WITH"),
    "two statements": ("select 1; drop table events", "$SHOP", "one statement"),
    "no table": ("select * from absent", "$SHOP", "no such table"),
    "a change in a with": ("with x as (select 1) delete from events", "$SHOP", "readonly database"),
    "another kind": ("select 1", "oracle://x", "expected an address"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_query_that_cannot_be_run_is_refused_and_nothing_changes(
    tmp_path: Path, sqlite: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    sql, connection, reason = WRONG[name]
    monkeypatch.setenv("SHOP", f"sqlite://{sqlite}")
    stated = "" if connection is None else f", connection: '{connection}'"
    message = refusal(tmp_path / "set", {"dataset.yaml": f"interactions: {{sql: '{sql}'{stated}}}"})
    assert reason in message
    with sqlite3.connect(sqlite) as database:
        assert database.execute("select count(*) from events").fetchone() == (2,)
    database.close()


@pytest.mark.parametrize("kind", ["mysql", "postgresql"])
def test_an_address_that_does_not_answer_is_refused_without_its_password(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("connectorx", reason="the extra 'database' is not installed")
    spec = f"interactions: {{sql: select 1, connection: '{kind}://shop:secret@127.0.0.1:1/shop'}}"
    message = refusal(tmp_path, {"dataset.yaml": spec})
    assert "interactions: the database did not answer the query" in message
    assert "secret" not in message


def test_no_piece_of_a_password_that_splits_the_address_is_shown(tmp_path: Path) -> None:
    pytest.importorskip("connectorx", reason="the extra 'database' is not installed")
    spec = "interactions: {sql: select 1, connection: 'postgresql://shop:sec#ret@127.0.0.1/shop'}"
    message = refusal(tmp_path, {"dataset.yaml": spec})
    assert "%23" in message
    assert "sec" not in message.replace("seconds", "")


def test_a_query_of_mysql_is_read_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("connectorx", reason="the extra 'database' is not installed")
    if "TEST_MYSQL" not in os.environ:
        pytest.skip("TEST_MYSQL holds no address of a MySQL to read from")
    monkeypatch.setenv("SHOP", os.environ["TEST_MYSQL"])
    rows = " union all ".join(f"select {u} as user_id, '{i}' as item_id, '{t}' as timestamp" for u, i, t in ROWS)
    spec = f'interactions: {{sql: "{rows}", connection: $SHOP}}'
    assert read(tmp_path / "set", {"dataset.yaml": spec}).users.ids.to_list() == [BIG, BIG + 2]


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL that runs for this module only."""
    pytest.importorskip("connectorx", reason="the extra 'database' is not installed")
    initdb = shutil.which("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL is not installed (no initdb)")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # beside pytest's folders, which only their owner may enter
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
    if user:  # PostgreSQL refuses to run as root
        shutil.chown(folder, 65534, 65534)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data, control = folder / "data", Path(initdb).with_name("pg_ctl")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    try:
        subprocess.run([*user, initdb, "-D", data, "-U", "shop", "-A", "trust"], check=True, capture_output=True)
        start = [*user, control, "-D", data, "-w", "-o", options, "-l", folder / "log", "start"]
        subprocess.run(start, check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"PostgreSQL does not start here ({error})")
    try:
        yield f"postgresql://shop@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*user, control, "-D", data, "-m", "immediate", "stop"], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def _psql(address: str, sql: str) -> str:
    psql = shutil.which("psql")
    assert psql is not None
    return subprocess.run([psql, address, "-At", "-c", sql], check=True, capture_output=True, text=True).stdout.strip()


def test_a_query_of_postgresql_is_read_exactly_and_cannot_write(
    tmp_path: Path, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP", postgres)
    rows = ", ".join(f"({user}, '{item}', '{time}')" for user, item, time in ROWS)
    _psql(
        postgres,
        f"create table events (user_id bigint, item_id text, timestamp timestamptz); insert into events values {rows}",
    )
    data = read(tmp_path / "set", {"dataset.yaml": SPEC.format(connection="$SHOP"), "interactions.txt": b""})
    assert data.users.ids.to_list() == [BIG, BIG + 2]
    change = "with x as (delete from events returning *) select user_id, item_id, timestamp from x"
    (tmp_path / "set" / "dataset.yaml").write_text(f"interactions: {{sql: '{change}', connection: $SHOP}}")
    with pytest.raises(DataError, match="did not answer the query"):
        build(read_folder(tmp_path / "set"))
    assert _psql(postgres, "select count(*) from events") == "2"
