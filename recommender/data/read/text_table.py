"""Text files of separated values: encoding and separator detected and noted, or stated; faults with their line."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from functools import reduce
from itertools import islice
from operator import and_
from pathlib import Path

import polars as pl

from recommender.data.read.table_file import TableFile, row_place, typed
from recommender.data.spec import Read
from recommender.errors import DataError

_SEPARATORS = {",": "commas", ";": "';'", "\t": "tabs", "|": "'|'"}
_BLOCK = 1 << 20


def read_text_table(path: Path, content: bytes, read: Read, exact: frozenset[str]) -> TableFile:
    """The table of a CSV or TSV file; ``exact`` columns are integers only where that loses nothing, else text.

    Raises DataError with the line of what cannot be read.
    """
    notes: list[str] = []
    content = _as_utf8(path, content, read.encoding, notes)
    if not content.strip():
        raise DataError(f"{path}: the file is empty. It needs a header line with the names of the columns.")
    if b"\n" not in content and b"\r" in content:
        content = content.replace(b"\r", b"\n")
    separator = read.separator or _separator(content)
    if separator != ("\t" if ".tsv" in path.name.lower() else ","):
        notes.append(f"separated by {_SEPARATORS.get(separator, repr(separator))}")
    header = _header(path, content, separator)
    frame = _parsed(path, content, separator, header, read)
    frame = _without_empty(frame, notes)
    places = _places(content, separator, read, frame.height)
    _check_repeated_header(path, frame, header, places)
    columns = [
        typed(column, read, exact=name in exact).alias(name)
        for name, column in zip(header, frame.get_columns(), strict=True)
    ]
    return TableFile(pl.DataFrame(columns), notes, places)


def _as_utf8(path: Path, content: bytes, stated: str | None, notes: list[str]) -> bytes:
    encoding = stated or _encoding(content)
    if encoding in ("utf-8", "utf-8-sig"):
        return content.removeprefix(codecs.BOM_UTF8)
    try:
        text = content.decode(encoding)
    except (UnicodeDecodeError, UnicodeError) as error:
        advice = "State another: 'read: {encoding: latin-1}' in dataset.yaml, or save the file as UTF-8."
        raise DataError(f"{path}: is no text in {encoding} ({str(error)[:120]}). {advice}") from None
    notes.append(f"text in {encoding}" + ("" if stated else " (detected; 'read: {encoding: ...}' states another)"))
    return text.removeprefix("\ufeff").encode()


def _encoding(content: bytes) -> str:
    """The encoding of the bytes, by their order mark, zero bytes or validity; else cp1252 (Latin-1 and more)."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(mark):
            return name
    start = content[:4096]
    if start.count(0) > len(start) / 4:
        return "utf-16-le" if start[1:2] == b"\0" else "utf-16-be"
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for begin in range(0, len(content), _BLOCK):
            decoder.decode(content[begin : begin + _BLOCK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "latin-1" if any(byte in content for byte in b"\x81\x8d\x8f\x90\x9d") else "cp1252"
    return "utf-8"


def _rows(content: bytes, separator: str) -> Iterator[tuple[int, list[str]]]:
    """(line on which the row begins, its values), as Python's csv reads them; blank lines left out."""
    csv.field_size_limit(1 << 30)
    reader = csv.reader(io.TextIOWrapper(io.BytesIO(content), "utf-8", "replace", newline=""), delimiter=separator)
    line = 1
    for row in reader:
        if row:
            yield line, row
        line = reader.line_num + 1


def _separator(content: bytes) -> str:
    """The mark that splits the header and the first rows into one number of fields, more than one."""
    first = content.split(b"\n", 1)[0].decode("utf-8", "replace")
    candidates = [mark for mark in _SEPARATORS if mark in first]
    if len(candidates) < 2:
        return candidates[0] if candidates else ","
    start = content[: 1 << 16]

    def consistent(mark: str) -> float:
        lengths = [len(row) for _, row in islice(_rows(start, mark), 50)]
        return sum(n == lengths[0] for n in lengths[1:]) / max(1, len(lengths) - 1)

    return max(candidates, key=lambda mark: (consistent(mark), first.count(mark)))


def _header(path: Path, content: bytes, separator: str) -> list[str]:
    """Names of the columns. Raises DataError for a name given twice, and for a line that is no header."""
    rows = list(islice(_rows(content[:_BLOCK], separator), 20))
    if not rows:
        raise DataError(f"{path}: the file is empty. It needs a header line with the names of the columns.")
    line, header = rows[0]
    usual = Counter(len(row) for _, row in rows[1:]).most_common(1)
    if len(header) == 1 and usual and usual[0][0] > 1 and len(rows) > 2:
        raise DataError(
            f"{path}: line {line} ({header[0][:60]!r}) has 1 field and the next lines have {usual[0][0]}: it is no "
            "header. Remove what stands before the line with the names of the columns."
        )
    more = ".1" * any(name.startswith("Unnamed: ") for name in header)  # written and read by pandas twice
    header = [name if name.strip() else f"Unnamed: {n}{more}" for n, name in enumerate(header)]  # as pandas has it
    if twice := [name for name, n in Counter(header).items() if n > 1]:
        named = ", ".join(f"'{name[:60]}'" for name in twice)
        raise DataError(
            f"{path}: line {line}: columns of one name: {named}. Nothing tells which is meant; rename or remove one."
        )
    return header


def _parsed(path: Path, content: bytes, separator: str, header: list[str], read: Read) -> pl.DataFrame:
    """All values as text; the columns are named by number, for polars takes names such as ^a$ as patterns."""
    schema = {str(number): pl.String for number in range(len(header))}
    try:
        # The header is read as a row: polars would refuse a column without a name.
        rows = content.lstrip(b"\r\n")
        null = read.null_values or None
        frame = pl.read_csv(rows, separator=separator, schema=schema, null_values=null, has_header=False)[1:]
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError) as error:
        reason = str(error).strip().split("\n", 1)[0][:200]
        raise DataError(f"{path}: cannot be read as CSV: {_fault(content, separator, header) or reason}") from None
    if b'"' in content:
        n = sum(1 for _ in _rows(content, separator)) - 1
        if n != frame.filter(~_empty(frame)).height and (fault := _fault(content, separator, header)):
            raise DataError(f"{path}: cannot be read as CSV: {fault}")
    if frame.width > 1 and bool(frame.get_columns()[-1].null_count()):
        _check_short(path, content, separator, len(header))
    return frame


def _fault(content: bytes, separator: str, header: list[str]) -> str | None:
    """The first line that breaks the rules of CSV, its text, and what to do."""
    lines = content.split(b"\n")
    for line, row in _rows(content, separator):
        text = lines[line - 1].decode("utf-8", "replace").strip()[:80] if line <= len(lines) else ""
        if any('"' in value for value in row) and not _quoted_well(lines[line - 1 : line + 1], separator):
            advice = 'a quote inside a value: write "" for it and quote the whole value ("5"" disk")'
            return f"line {line}: {text!r}: {advice}."
        if len(row) > len(header):
            advice = "quote values that hold the separator, or remove what is too much"
            return f"line {line} has {len(row)} fields, the header {len(header)}: {text!r}. Mend it: {advice}."
    return None


def _quoted_well(lines: list[bytes], separator: str) -> bool:
    """Whether every quote of the first line opens, closes or is doubled within a quoted value."""
    inside, start = False, True
    text = lines[0].decode("utf-8", "replace").rstrip("\r\n")
    position = 0
    while position < len(text):
        mark = text[position]
        if inside and mark == '"':
            if text[position + 1 : position + 2] == '"':
                position += 1
            else:
                inside = False
                if text[position + 1 : position + 2] not in ("", separator):
                    return False
        elif mark == '"':
            if not start:
                return False
            inside = True
        start = mark == separator and not inside
        position += 1
    return True


def _check_short(path: Path, content: bytes, separator: str, width: int) -> None:
    """A line with fewer fields than the header, whose missing values would silently be empty, is an error."""
    if b'"' in content:
        short = [(line, separator.join(row), len(row)) for line, row in _rows(content, separator) if len(row) < width]
    else:
        mark, lines = separator.encode(), enumerate(content.split(b"\n"), 1)
        counted = ((n, line.decode("utf-8", "replace"), line.count(mark) + 1) for n, line in lines if line.strip())
        short = [entry for entry in counted if entry[2] < width]
    if short:
        line, text, n = short[0]
        rest = f" (and {len(short) - 1:,} more)" if len(short) > 1 else ""
        advice = "Is it cut short, or a note below the table? Complete or remove it."
        raise DataError(f"{path}: line {line} has {n} of {width} fields{rest}: {text.strip()[:80]!r}. {advice}")


def _empty(frame: pl.DataFrame) -> pl.Series:
    """Rows without any value."""
    return frame.select(pl.all_horizontal(pl.all().is_null() | (pl.all() == ""))).to_series()


def _without_empty(frame: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    empty = _empty(frame)
    if n := int(empty.sum()):
        notes.append(f"{n:,} line{'s' * (n != 1)} without any value skipped")
        return frame.filter(~empty)
    return frame


def _places(content: bytes, separator: str, read: Read, height: int) -> Callable[[int], str]:
    """Row -> its line; the file is read once more for that, where a message needs it."""
    lines: list[int] = []
    null = {"", *read.null_values}

    def place(row: int) -> str:
        if not lines:
            rows = islice(_rows(content, separator), 1, None)
            lines.extend(line for line, values in rows if any(value not in null for value in values))
        return f"line {lines[row - 1]}" if len(lines) == height else row_place(row)

    return place


def _check_repeated_header(path: Path, frame: pl.DataFrame, header: list[str], place: Callable[[int], str]) -> None:
    same = (column == name for name, column in zip(header, frame.get_columns(), strict=True))
    repeated = reduce(and_, (mask.fill_null(False) for mask in same)).arg_true()
    if len(repeated):
        first = place(repeated[0] + 1)
        rest = f" and {len(repeated) - 1:,} more" if len(repeated) > 1 else ""
        raise DataError(f"{path}: the header stands again in {first}{rest}: files were joined. Remove these lines.")
