"""YAML that people write: no key twice, no surprises of YAML 1.1, bounded in size and depth."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from recommender.errors import DataError, UserError

MAX_BYTES = 256 * 1024  # more than anybody writes, and parsed within a second
MAX_DEPTH = 20


class _Loader(yaml.CSafeLoader):
    """Dates stay text (an impossible one is no crash); yes, no, on and off are words, as in YAML 1.2."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":bool"))]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), [*"tTfF"])


def read_yaml(path: Path, error: type[UserError] = DataError, aliases: bool = False) -> Any:
    """The content of a YAML file. aliases: whether ``*name`` may repeat a value, which in a stranger's file can fill
    the memory. Raises ``error``, naming the file, the line and what to do."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise error(f"{path}: {size:,} bytes; at most {MAX_BYTES:,} are read. State only what differs.")
        return parse_yaml(path.read_text(encoding="utf-8-sig"), str(path), error, aliases)
    except (OSError, UnicodeDecodeError) as fault:
        raise error(f"{path}: cannot be read as YAML ({_reason(fault)}).") from None


def parse_yaml(text: str, where: str, error: type[UserError] = DataError, aliases: bool = False) -> Any:
    """The content of a YAML text; ``where`` it stands begins the message of an ``error``. See ``read_yaml``."""
    try:
        _check_events(text, where, error, aliases)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _check_keys(node, where, error)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, KeyError, TypeError, OverflowError) as fault:
        raise error(f"{where}: cannot be read as YAML ({_reason(fault)}).") from None


def _reason(fault: Exception) -> str:
    return " ".join(str(fault).split())[:300]


def _check_events(text: str, where: str, error: type[UserError], aliases: bool) -> None:
    """Refuses aliases and depth before anything is built: a few lines of either can fill the memory."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent) and not aliases:
            line = _line(event)
            raise error(f"{where}: line {line}: YAML aliases (*{event.anchor}) are not read. Write the value out.")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            line = _line(event)
            raise error(f"{where}: line {line}: nested more than {MAX_DEPTH} levels deep. Nothing needs that.")


def _line(event: yaml.Event) -> int:
    return 0 if event.start_mark is None else event.start_mark.line + 1


def _check_keys(node: yaml.Node, where: str, error: type[UserError]) -> None:
    if isinstance(node, yaml.MappingNode):
        lines: dict[tuple[str, str], int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode):
                name = key.tag, key.value
                if name in lines:
                    raise error(
                        f"{where}: the key '{key.value[:60]}' is given twice, in line {lines[name]} and line {line}. "
                        "Only one can count: remove the other, or put both values under one key."
                    )
                lines[name] = line
            _check_keys(value, where, error)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _check_keys(value, where, error)
