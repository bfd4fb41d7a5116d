"""Tables of a Stack Exchange dump: XML files of one ``<row .../>`` a line, read as a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.parsers import expat

import polars as pl

from recommender.errors import DataError

CHUNK_ROWS = 200_000
CHUNK_BYTES = 1 << 20


def read_rows(path: Path, attributes: Sequence[str]) -> pl.DataFrame:
    """The named attributes of every row as text, null where a row lacks one.

    No tree is built, so memory holds what is returned and one chunk. A document type, which dumps never have, is
    refused: it alone can define the entities of an "XML bomb" or of a file elsewhere. Raises DataError where the file
    cannot be read, is no XML, has a document type, or has no rows with the first attribute.
    """
    schema = dict.fromkeys(attributes, pl.String())
    try:
        frames = [pl.DataFrame(rows, schema=schema, orient="row") for rows in _chunks(path, attributes)]
    except (expat.ExpatError, OSError) as error:
        raise DataError(f"{path}: cannot be read as a table of a dump ({error}). Fetch the original again.") from None
    table = pl.concat([pl.DataFrame(schema=schema), *frames])
    if table[attributes[0]].null_count() == len(table):
        raise DataError(f"{path}: no <row> with {attributes[0]}. Fetch the original again.")
    return table


def _chunks(path: Path, attributes: Sequence[str]) -> Iterator[list[tuple[str | None, ...]]]:
    rows: list[tuple[str | None, ...]] = []

    def element(name: str, given: dict[str, str]) -> None:
        if name == "row":
            rows.append(tuple(map(given.get, attributes)))

    def doctype(*_: object) -> None:
        raise DataError(f"{path}: it has a document type, which no dump has: not read. Fetch the original again.")

    parser = expat.ParserCreate()
    parser.StartElementHandler = element
    parser.StartDoctypeDeclHandler = doctype
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            parser.Parse(chunk, False)
            if len(rows) >= CHUNK_ROWS:
                yield rows.copy()
                rows.clear()
        parser.Parse(b"", True)
    yield rows
