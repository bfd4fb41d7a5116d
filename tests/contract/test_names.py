"""Names: a class has one meaning in the whole library, and a variable says what it holds."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "recommender"
FILES = [path for room in ("recommender", "pipelines", "experiments", "tests") for path in (ROOT / room).rglob("*.py")]
# What was done to a thing, not what it is; one word each for a dozen things.
SAY_NOTHING = {"aside", "asked", "found", "kept", "lawful", "made", "own", "said", "told", "why"}


def test_no_two_classes_have_one_name() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(str(path.relative_to(PACKAGE)))
    assert len(homes) > 100
    assert {name: paths for name, paths in homes.items() if len(paths) > 1} == {}


def test_no_variable_argument_or_function_is_named_for_what_was_done_to_it() -> None:
    files = [
        path for room in ("recommender", "pipelines", "experiments", "tests") for path in (ROOT / room).rglob("*.py")
    ]
    assert len(files) > 500
    bound = {(str(path.relative_to(ROOT)), name) for path in files for name in bound_names(path)}
    assert sorted(where for where in bound if where[1].strip("_") in SAY_NOTHING) == []


def bound_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.arg):
            yield node.arg
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def test_no_docstring_needs_what_stands_before_it() -> None:
    """A reader meets it alone, in an editor or the API reference."""
    leaning = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
                text = ast.get_docstring(node) or ""
                leaning += [f"{path.relative_to(ROOT)}: {text[:60]}"] * text.startswith(("Of ", "As ", "The same "))
    assert leaning == []


def test_every_public_function_and_class_says_what_it_is() -> None:
    silent = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert silent == []
