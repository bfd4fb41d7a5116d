"""dataset.yaml from a stranger: no bomb, no depth, no doubled key, no crash; messages stay short."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommender.config.yaml_text import MAX_BYTES, read_yaml
from recommender.errors import DataError
from tests.helpers.messy import read, refusal


def bomb(levels: int) -> str:
    lines = ["  - &a0 [lol, lol, lol]"]
    lines += [f"  - &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "positive:\n" + "\n".join(lines)


REFUSED = {
    "lists that multiply": (bomb(12), ["line 3", "aliases", "*a0"]),
    "merges that multiply": ("x0: &x0 {a: 1}\nx1: {<<: [*x0, *x0]}\n", ["line 2", "aliases"]),
    "depth in a line": ("positive: " + "[" * 500, ["nested more than"]),
    "depth over lines": ("\n".join("  " * n + "a:" for n in range(300)), ["nested more than"]),
    "a key twice": ("positive: [buy]\npositive: [buy, skip]\n", ["'positive'", "line 1 and line 2"]),
    "a key twice inside": ("columns: {item_id: movie_id, item_id: id}\n", ["'item_id'", "given twice"]),
    "an impossible date": ("made: 2026-13-45\n", ["unknown key 'made'"]),
    "a wrong tag": ("columns: !!int abc\n", ["dataset.yaml"]),
    "a wrong boolean": ("columns: !!bool maybe\n", ["dataset.yaml"]),
    "a Python object": ("columns: !!python/object/apply:os.system [ls]\n", ["dataset.yaml: cannot be read as YAML"]),
    "too long": ("# " + "x" * MAX_BYTES, ["at most"]),
    "no event": ("positive: []\n", ["'positive'", "names no event"]),
    "a wrong bound": ('positive: {weight: "at least 4"}\n', ["'>= 4'"]),
    "a long value": ("columns: " + "x" * 5000, ["columns"]),
    "a wrong role": ("features: {items: {title: words}}\n", ["unknown role 'words'"]),
    "an unknown encoding": ("read: {encoding: utf-99}\n", ["unknown encoding"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_yaml_that_cannot_be_meant_is_refused_in_short_and_soon(tmp_path: Path, name: str) -> None:
    content, reason = REFUSED[name]
    message = refusal(tmp_path, {"dataset.yaml": content})
    for text in reason:
        assert text in message
    assert len(message) < 2000


def test_numbers_and_booleans_are_taken_as_the_text_of_events(tmp_path: Path) -> None:
    rows = "user_id,item_id,timestamp,event\nu1,a,2024-01-01,{}\nu1,b,2024-01-02,{}\nu2,a,2024-01-03,{}\n"
    for spec, kinds in (("[1]", "101"), ("[true]", ["true", "false", "true"]), ("[yes]", ["yes", "no", "yes"])):
        data = read(tmp_path, {"interactions.csv": rows.format(*kinds), "dataset.yaml": f"positive: {spec}"})
        assert (data.interactions.height, data.signals.height) == (2, 1)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: str | bytes) -> None:
    file = tmp_path / "dataset.yaml"
    file.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    with suppress(DataError):  # anything else is a fault
        assert read_yaml(file) is None or content  # "\u00a0" is a value


def test_what_is_dumped_is_read(tmp_path: Path) -> None:
    tree = {"columns": {"user_id": "2024-01-01", "item_id": "yes"}, "positive": ["1", "true", "null"]}
    (tmp_path / "dataset.yaml").write_text(yaml.safe_dump(tree))
    assert read_yaml(tmp_path / "dataset.yaml") == tree
