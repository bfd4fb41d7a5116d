"""What a request to the served model may hold: as on the command line, and bounded in size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from recommender.errors import DataError, nearest

MOST_K = 1_000
MOST_USERS = 1_000  # of one request
MOST_ROWS = 100_000  # users times k of one request: about 10 MB of JSON
MOST_ID_BYTES = 1_000  # of one id
MOST_BODY_BYTES = 2**20
DEFAULT_K = 10
COLUMNS = ("user_id", "as_of")
FORMATS = ("dataframe_records", "dataframe_split")
EXAMPLE = '{"dataframe_records": [{"user_id": ...}], "params": {"k": 10}}'


def check_body(body: Any) -> None:
    """Raises DataError with one sentence where the parsed JSON is no request, or too large a one.

    It is called before anything is built from the body: a megabyte of records with a key of its own each would become
    a table of billions of cells.
    """
    if not isinstance(body, dict):
        raise DataError(f"The body is no JSON object; send {EXAMPLE}.")
    _known("the body", body, (*FORMATS, "params"))
    if len(given := [name for name in FORMATS if name in body]) != 1:
        raise DataError(f"The body holds {' and '.join(given) or 'no queries'}; send {EXAMPLE}.")
    params = body.get("params") or {}
    if not isinstance(params, dict):
        raise DataError('params is no JSON object; send {"k": 10}.')
    _known("params", params, ("k",))
    rows = _rows(given[0], body[given[0]])
    check_size(rows, check_k(params.get("k", DEFAULT_K)))


def check_k(k: Any) -> int:
    """``k`` as an integer from 1 to ``MOST_K``. Raises DataError where it is none."""
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= MOST_K:
        raise DataError(f"params.k is {_shown(k)}; it is an integer from 1 to {MOST_K:,}.")
    return int(k)


def check_size(n_users: int, k: int) -> None:
    """Raises DataError where there are no users, too many, or too many rows in the answer."""
    if not n_users:
        raise DataError("There are no queries; give a user_id for each user who is to get a list.")
    if n_users > MOST_USERS:
        raise DataError(f"There are {n_users:,} queries; one request holds at most {MOST_USERS:,}.")
    if n_users * k > MOST_ROWS:
        raise DataError(
            f"{n_users:,} queries with k={k:,} ask for {n_users * k:,} rows; one answer holds at most {MOST_ROWS:,}."
        )


def query_frame(columns: Mapping[str, Sequence[Any]], ids: pl.DataType) -> pl.DataFrame:
    """The checked queries, user_id and as_of, of values as JSON or pandas has them.

    ids: type of the model's ids. Raises DataError, in one sentence, for an id of another type, a missing or a long one,
    and for an as_of that is neither text, a number nor a time; ``serve`` reads it as in a file.
    """
    if "user_id" not in columns:
        raise DataError(f"The queries have no user_id; send {EXAMPLE}.")
    wanted, kind = (int, "integers of 64 bits") if ids.is_integer() else (str, "strings")
    users = list(columns["user_id"])
    wrong = [u for u in users if isinstance(u, bool) or not isinstance(u, wanted)]
    wrong += [u for u in users if isinstance(u, int) and not -(2**63) <= u < 2**63]
    if wrong:
        raise DataError(f"user_id: {len(wrong):,} of {len(users):,} are no {kind}, as this model's ids are (e.g. "
                        f"{', '.join(map(_shown, wrong[:3]))}).")  # fmt: skip
    if long := [u for u in users if isinstance(u, str) and len(u.encode(errors="replace")) > MOST_ID_BYTES]:
        raise DataError(
            f"user_id: {len(long):,} are longer than {MOST_ID_BYTES:,} bytes (e.g. {_shown(long[0])}); no id is."
        )
    try:
        series = {"user_id": pl.Series(users, dtype=ids)}
        if "as_of" in columns:
            series["as_of"] = pl.Series(list(columns["as_of"]))
        return pl.DataFrame(series)
    except (TypeError, OverflowError, UnicodeError, pl.exceptions.PolarsError):
        raise DataError("The values of user_id or as_of are of mixed types; write each column in one form.") from None


def _rows(name: str, queries: Any) -> int:
    if name == "dataframe_records":
        if not isinstance(queries, list) or not all(isinstance(record, dict) for record in queries):
            raise DataError(f"dataframe_records is no list of JSON objects; send {EXAMPLE}.")
        for record in queries[: MOST_USERS + 1]:
            _known("a query", record, COLUMNS)
        return len(queries)
    if not isinstance(queries, dict) or not isinstance(queries.get("columns"), list):
        raise DataError('dataframe_split is no JSON object with columns and data; send {"columns": ["user_id"], ...}.')
    _known("dataframe_split", queries, ("columns", "data", "index"))
    columns, data = queries["columns"], queries.get("data")
    _known("dataframe_split.columns", columns, COLUMNS)
    if len(set(columns)) < len(columns):
        raise DataError("dataframe_split.columns names a column twice.")
    if not isinstance(data, list) or not all(isinstance(row, list) and len(row) == len(columns) for row in data):
        raise DataError("dataframe_split.data is no list of rows with one value for each of the columns.")
    return len(data)


def _known(where: str, names: Any, valid: Sequence[str]) -> None:
    for name in names:
        if name not in valid:
            hint = nearest(str(name)[:60], valid).rstrip(".").replace(". Valid", "; valid")
            raise DataError(f"Unknown {_shown(name)} in {where}{hint}.")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
