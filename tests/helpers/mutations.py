"""Mutations of dataset folders, of their bytes, types and YAML, and of configuration; by a seed."""

# ruff: noqa: E501 (tables of values)

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

SOUND = {
    "interactions.csv": "user_id,item_id,timestamp,event,weight\n"
    + "".join(
        f"u{n % 5},i{n % 7},2024-01-{n % 28 + 1:02d} 10:{n:02d},{'buy' if n % 3 else 'skip'},{n % 4 + 1}\n"
        for n in range(40)
    ),
    "items.csv": "item_id,title,tags,price,available_from\n"
    + "".join(f'i{n},"A good, long title {n}",x|y{n % 3},{n}.5,2023-01-0{n + 1}\n' for n in range(7)),
    "users.csv": "user_id,city,gender\n" + "".join(f"u{n},{'Nice' if n % 2 else 'Lyon'},f\n" for n in range(5)),
    "dataset.yaml": "features:\n  items: {title: text, tags: multi}\npositive: [buy]\nmatch: [{user: city, item: tags}]\n"
    "repairs: {duplicates: keep_first, unknown_items: drop, bad_weights: drop, null_ids: drop}\n",
}
NASTY = [
    *(
        "",
        "nan",
        "NULL",
        "1e39",
        "-1",
        "1e999",
        "17.0",
        "1.23E+12",
        "[",
        "[]",
        "['a', 'b']",
        '[{"a": 1}]',
        "[[1]]",
        '"',
    ),
    *("a\tb", "12/1/2010", "20240230", "99999999999999999999", "0", "\u0000", "é" * 300, "1,234", "$3", "*", "^.*$"),
    *("__row__", "true", "2024-01-01T00:00:00+25:00", "9" * 400, "0x1F", "\ufeff", "\r", "=cmd()", "<b>", "-0", "1_0"),
]
YAML = [
    *(
        "columns: {item_id: id}",
        "columns: {items: {item_id: title}}",
        "match: [{user: gender, item: title}]",
        "a: &a [*a]",
    ),
    *(
        "positive: []",
        "positive: [1, true]",
        'positive: {weight: ">= 2"}',
        "read: {separator: ';'}",
        "read: {decimal: ','}",
    ),
    *("times: {timestamp: '%d/%m/%Y'}", "times: {timestamp: excel}", "features: {items: {price: category}}", "[" * 99),
    *(
        "features: {users: {city: embedding}}",
        "features: {items: {title: location}}",
        "locations: {items: {p: [price, tags]}}",
    ),
    *(
        "repairs: {duplicates: sum}",
        "repairs: {null_ids: 3}",
        "read: {null_values: [buy]}",
        "interactions: {file: items.csv}",
    ),
    *(
        "interactions: {sql: select 1}",
        "made: 2026-13-45",
        "? [a]\n: b",
        "!!python/none x",
        "match: [{user: city, item: price}]",
    ),
]
VALUES: list[Any] = [
    *(None, "", "x", 0, -1, 1.5, 1e308, float("nan"), float("inf"), True, [], {}, [None], ["x", "x"], {"x": 1}, [[]]),
    *("a" * 3000, 2**70, "2024-01-01", "$HOME", "[1]", b"\xff", {"": ""}, "popularity", "gender", ["gender"], "é\x00"),
]  # of configuration
ODD = [
    lambda n: pl.Series([b"\xff\x00"] * n),
    lambda n: pl.Series([timedelta(days=1)] * n),
    lambda n: pl.Series([[[1]]] * n),
    lambda n: pl.Series([{"lat": "x", "lon": 1}] * n),
    lambda n: pl.Series([[1.0, None]] * n),
    lambda n: pl.Series([[1, 2]] * n, dtype=pl.Array(pl.Int64, 2)),
    lambda n: pl.Series([2**64 - 1] * n, dtype=pl.UInt64),
    lambda n: pl.Series([2**100 + i for i in range(n)], dtype=pl.Int128),
    lambda n: pl.Series([float("inf")] * n),
    lambda n: pl.Series([None] * n),
    lambda n: pl.Series(["a"] * n, dtype=pl.Categorical),
    lambda n: pl.Series([2**62] * n, dtype=pl.Duration("us")),
    lambda n: pl.Series([2**62] * n).cast(pl.Datetime("ms")),
    lambda n: pl.Series([1] * n).cast(pl.Time),
]


def cell(rng: random.Random, folder: Path) -> None:
    """One value, name or mark of one text file."""
    file = rng.choice(sorted(folder.glob("*.csv")))
    lines = file.read_text().split("\n")
    row = rng.randrange(len(lines) - 1)
    cells = lines[row].split(",")
    cells[rng.randrange(len(cells))] = rng.choice(NASTY)
    lines[row] = ",".join(cells)
    file.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))


def column(rng: random.Random, folder: Path) -> None:
    """All values of one column."""
    file = rng.choice(sorted(folder.glob("*.csv")))
    lines = [line.split(",") for line in file.read_text().split("\n")[:-1]]
    at, value = rng.randrange(len(lines[0])), rng.choice(NASTY)
    for line in lines[rng.randrange(2) :]:
        line[min(at, len(line) - 1)] = value
    file.write_bytes("\n".join(map(",".join, lines)).encode("utf-8", "surrogatepass"))


def flip(rng: random.Random, folder: Path) -> None:
    """Some bytes of one file: changed, cut, doubled."""
    file = rng.choice(sorted(folder.iterdir()))
    content = bytearray(file.read_bytes())
    for _ in range(rng.randrange(1, 5)):
        if content:
            content[rng.randrange(len(content))] = rng.randrange(256)
    start = rng.randrange(len(content) + 1)
    file.write_bytes(rng.choice([content, content[:start], content + content[start:]]))


def types(rng: random.Random, folder: Path) -> None:
    """A column of a strange type, in Parquet."""
    file = rng.choice(sorted(folder.glob("*.csv")))
    frame = pl.read_csv(file)
    name = rng.choice([*frame.columns, "extra"])
    frame.with_columns(rng.choice(ODD)(frame.height).alias(name)).write_parquet(file.with_suffix(".parquet"))
    file.unlink()


def spec(rng: random.Random, folder: Path) -> None:
    """Lines of dataset.yaml in place of, or beside, the others."""
    lines = [rng.choice(YAML) for _ in range(rng.randrange(1, 3))]
    spec_lines = SOUND["dataset.yaml"].split("\n") if rng.random() < 0.4 else []
    (folder / "dataset.yaml").write_text("\n".join([*spec_lines, *lines]))


def files(rng: random.Random, folder: Path) -> None:
    """A file goes, is renamed, or is another one's."""
    file = rng.choice(sorted(folder.iterdir()))
    match rng.randrange(4):
        case 0:
            file.unlink()
        case 1:
            file.rename(
                folder / rng.choice(["items.parquet", "items.json", "Users.TSV", "x.csv", "interactions.csv.gz"])
            )
        case 2:
            shutil.copy(
                file, folder / rng.choice(["items.csv", "interactions.csv", "users.csv"])
            ) if file.exists() else None
        case _:
            file.write_bytes(file.read_bytes().decode("utf-8").encode(rng.choice(["utf-16", "utf-8-sig", "utf-32"])))


Mutation = Callable[[random.Random, Path], None]
OF_FILES: Sequence[Mutation] = (cell, cell, column, flip, types)
OF_FOLDERS: Sequence[Mutation] = (*OF_FILES, spec, files)


def mutated(
    rng: random.Random, folder: Path, sound: Mapping[str, str] = SOUND, mutations: Sequence[Mutation] = OF_FOLDERS
) -> Path:
    """The folder, written anew: the ``sound`` files (name -> text), spoilt by one to three of the mutations."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, text in sound.items():
        (folder / name).write_text(text)
    for _ in range(rng.randrange(1, 4)):
        try:
            rng.choice(mutations)(rng, folder)
        except (OSError, ValueError, IndexError, pl.exceptions.PolarsError):  # one before has spoilt or taken the file
            continue
    return folder


def spoilt(rng: random.Random, tree: Any) -> Any:
    """A tree as YAML gives it, with one of its values or keys replaced, or one removed."""
    if not isinstance(tree, dict | list) or not tree or rng.random() < 0.15:
        return rng.choice(VALUES)
    if isinstance(tree, list):
        at = rng.randrange(len(tree))
        return [spoilt(rng, value) if n == at else value for n, value in enumerate(tree)]
    key = rng.choice(list(tree))
    match rng.randrange(8):
        case 0:
            return {k: v for k, v in tree.items() if k != key}
        case 1:
            return {rng.choice(["", "a.b", 7, None, str(k)[:-1]]) if k == key else k: v for k, v in tree.items()}
        case _:
            return {k: spoilt(rng, v) if k == key else v for k, v in tree.items()}
