"""What makes kept results stale: every module that can change a number, every library that computes."""

from __future__ import annotations

import ast
import shutil
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender import hashing
from recommender.hashing import LIBRARIES, ONLY_READ, PACKAGE, code_digest, counts, of_content, of_values

MODULES = [path.relative_to(PACKAGE) for path in sorted(PACKAGE.rglob("*.py"))]
MEASURES = ("experiment/ladder.py", "experiment/tuning.py", "studies/engine/cell.py", "studies/engine/run.py")
# What measuring modules import that changes no number: readers (the digest of the data sees what they read), checks,
# downloads, settings files, clocks, threads.
NO_NUMBER = {"connectorx", "optuna", "pooch", "psutil", "pydantic", "requests", "safetensors", "threadpoolctl", "yaml"}
DISTRIBUTION = {"lightfm": "lightfm-next", "sklearn": "scikit-learn"}  # import name -> the library's


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    package = tmp_path_factory.mktemp("code") / "recommender"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    return package


def test_every_module_counts_unless_it_is_listed_as_one_that_only_reads(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: dict[Path, bytes] = {}  # each module once: 300 digests of 300 files are 90,000 reads
    monkeypatch.setattr(Path, "read_bytes", lambda path: read[path])
    monkeypatch.setattr(hashing, "_version", cache(hashing._version))
    monkeypatch.setattr(hashing, "counts", cache(counts))
    monkeypatch.setattr(Path, "rglob", lambda folder, ending: [p for p in read if p.name.endswith(ending[1:])])
    for module in MODULES:
        read[copy / module] = (copy / module).read_text().encode()
    before = code_digest.__wrapped__(copy)
    for module in MODULES:
        text = read[copy / module]
        read[copy / module] = text + b"#"
        assert (code_digest.__wrapped__(copy) != before) == counts(module), module
        read[copy / module] = text
    assert code_digest.__wrapped__(copy) == before


def test_a_copy_elsewhere_has_the_same_digest_and_a_moved_module_another(copy: Path) -> None:
    assert code_digest.__wrapped__(copy) == code_digest()
    (copy / "models/als.py").rename(copy / "models/als_2.py")
    assert code_digest.__wrapped__(copy) != code_digest()
    (copy / "models/als_2.py").rename(copy / "models/als.py")


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_library_that_computes_counts(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_digest.__wrapped__(PACKAGE)
    of = hashing._version
    monkeypatch.setattr(hashing, "_version", lambda name: "0.0.0" if name == library else of(name))
    assert code_digest.__wrapped__(PACKAGE) != before


def test_what_is_listed_exists_and_nothing_that_measures_imports_it() -> None:
    assert [listed for listed in ONLY_READ if not (PACKAGE / listed).exists()] == []
    reached = closure(Path(module) for module in MEASURES)
    assert len(reached) > 80
    assert [str(module) for module in sorted(reached) if not counts(module)] == []


def test_every_library_that_measuring_modules_import_is_listed_as_one_that_computes() -> None:
    known = {*LIBRARIES, *NO_NUMBER}
    for module in closure(Path(module) for module in MEASURES):
        for name in imports(module):
            top = name.partition(".")[0]
            ours = top == "recommender" or top in sys.stdlib_module_names
            assert ours or DISTRIBUTION.get(top, top) in known, (module, top)


def closure(modules: Iterator[Path]) -> set[Path]:
    """The modules, and all that these import, one way or another."""
    reached: set[Path] = set()
    new = set(modules)
    while new:
        reached |= new
        new = {path for module in new for name in imports(module) if (path := module_of(name))} - reached
    return reached


def imports(module: Path) -> Iterator[str]:
    """Dotted names of all that a module imports, inside functions too; what only type checkers see left out."""
    nodes: list[ast.AST] = [ast.parse((PACKAGE / module).read_text())]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            nodes.extend(ast.iter_child_nodes(node))


def module_of(name: str) -> Path | None:
    """The module of the package of this dotted name."""
    top, _, rest = name.partition(".")
    path = Path(*rest.split("."))
    choices = (path.with_suffix(".py"), path / "__init__.py") if top == "recommender" and rest else ()
    return next((choice for choice in choices if (PACKAGE / choice).exists()), None)


def test_content_hashes_alike_in_any_order_of_keys_and_differs_by_value() -> None:
    assert of_content({"a": 1, "b": [2]}) == of_content({"b": [2], "a": 1})
    assert len({of_content(1), of_content("1"), of_content(1, 1), of_content([1, 1])}) == 4
    assert len(of_content("x", digits=12)) == 12


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=9))
def test_hashes_of_texts_are_those_of_pandas(texts: list[str]) -> None:
    np.testing.assert_array_equal(
        of_values(pl.Series(texts, dtype=pl.String)), pd.util.hash_array(np.array([*texts, None], object))[:-1]
    )


@pytest.mark.parametrize(
    "values",
    [
        np.array([-(2**63), -1, 0, 7]),
        np.array([-1, 2], np.int32),
        np.array([-0.5, 0, -0.0, np.nan, -np.nan, 3e300]),
        np.array(["2026-01-01"], "datetime64[us]"),
        np.array([True, False]),
        np.array([], np.int64),
    ],
    ids=str,
)
def test_hashes_of_numbers_are_those_of_pandas(values: np.ndarray) -> None:
    np.testing.assert_array_equal(of_values(values), pd.util.hash_array(values))
    np.testing.assert_array_equal(of_values(pl.Series(values)), pd.util.hash_array(values))


def test_null_text_hashes_as_in_pandas() -> None:
    texts = ["a", None, "b"]
    np.testing.assert_array_equal(of_values(pl.Series(texts)), pd.util.hash_array(np.array(texts, object)))


def test_a_value_hashes_alike_wherever_it_stands() -> None:
    here, there = of_values(pl.Series(["b", "a", "b"])), of_values(pl.Series(["a", "b"]))
    assert here[0] == here[2] == there[1]
    assert here[1] == there[0] != there[1]
    assert here.dtype == np.uint64
