"""Tables from a database: one SELECT over a connection that cannot write."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
from pathlib import Path
from urllib.parse import quote, urlsplit

import polars as pl

from recommender.data.read.table_file import TableFile
from recommender.errors import DataError

_KINDS = ("postgresql", "postgres", "mysql", "sqlite")
_PORTS = {"postgresql": 5432, "postgres": 5432, "mysql": 3306}
CONNECT_S = 10.0  # seconds within which a server has to take the connection
_INSTALL = "Reading PostgreSQL and MySQL needs the extra 'database': pip install '.[database]'."


def read_query(table: str, sql: str, connection: str | None) -> TableFile:
    """What a SELECT gives. connection: an address, or $NAME of the environment variable that holds it.

    SQLite is opened read-only; PostgreSQL gets a read-only transaction; MySQL relies on the SELECT and on the rights
    of the user. Messages never hold the address, which may hold a password.
    """
    address = _address(table, connection)
    statement = sql.strip().rstrip(";").strip()
    if not re.match(r"(?i)^(select|with)\b", statement) or ";" in statement:
        raise DataError(f"{table}: sql: expected one statement that begins with SELECT or WITH; nothing else is run.")
    kind = address.split(":", 1)[0].split("+", 1)[0].lower()
    try:
        frame = _sqlite(address, statement) if kind == "sqlite" else _connectorx(kind, address, statement)
    except ImportError:
        raise DataError(f"{table}: {_INSTALL}") from None
    except (RuntimeError, sqlite3.Error, OSError, ValueError, pl.exceptions.PolarsError) as error:
        reason = str(error).replace(address, "<connection>").strip().split("\n", 1)[0][:300]
        reason = re.sub(r"://[^@\s]*@", "://...@", reason)
        raise DataError(
            f"{table}: the database did not answer the query ({reason}). Check sql and connection."
        ) from None
    return TableFile(frame, [f"{frame.height:,} rows read from a {kind} database"])


def _address(table: str, connection: str | None) -> str:
    if connection is None:
        raise DataError(f"{table}: sql needs 'connection': $NAME of an environment variable that holds the address.")
    if connection.startswith("$"):
        name = connection[1:].strip("{}")
        if name not in os.environ:
            raise DataError(f"{table}: connection: the environment variable {name} is not set.")
        connection = os.environ[name]
    if connection.split(":", 1)[0].split("+", 1)[0].lower() not in _KINDS or "://" not in connection:
        raise DataError(
            f"{table}: connection: expected an address such as postgresql://user@host/name or sqlite:///file."
        )
    return connection


def _sqlite(address: str, statement: str) -> pl.DataFrame:
    """SQLite gives a value its own type: columns of more than one become text, integers exactly as they are."""
    name = address.split("://", 1)[1]
    file = Path(name if Path(name).exists() else name.removeprefix("/"))  # sqlite:///tmp/x.db or sqlite:///beside.db
    with sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True) as database:
        cursor = database.execute(statement)
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
    database.close()
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pl.DataFrame([_column(name, list(values)) for name, values in zip(names, columns, strict=True)])


def _column(name: str, values: list[object]) -> pl.Series:
    kinds = {type(v) for v in values if v is not None}
    if len(kinds) <= 1 or kinds == {int, float}:
        return pl.Series(name, values, strict=kinds != {int, float})
    return pl.Series(name, [None if v is None else str(v) for v in values], pl.String)


def _connectorx(kind: str, address: str, statement: str) -> pl.DataFrame:
    import connectorx

    server = urlsplit(address)
    try:
        host, port = server.hostname or "", server.port or _PORTS[kind]
    except ValueError:  # its text holds a piece of the password
        raise ValueError("the address cannot be read; write #, / and ? of a password as %23, %2F and %3F") from None
    if re.fullmatch(r"[\w.-]+", host):  # else sockets or several hosts
        with socket.create_connection((host, port), CONNECT_S):
            pass  # connectorx itself tries a server that is not there for 30 seconds
    if kind.startswith("postgres"):
        mark = "&" if "?" in address else "?"
        address = f"{address}{mark}options=-c%20default_transaction_read_only%3Don"
    return pl.DataFrame(connectorx.read_sql(address, statement, return_type="arrow"))
