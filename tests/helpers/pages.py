"""README and docs/ as the tests read them: their code blocks, their make commands, what a shell block does."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pipelines import data_check, recommend, train
from tests.helpers.folders import Done, run

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS: Mapping[str, Callable[[list[str]], None]] = {
    "train": train.main,
    "recommend": recommend.main,
    "data-check": data_check.main,
}
COMMAND = re.compile(r"(?:^|`)(make [a-z][a-z-]*(?: [A-Z]+=(?:'[^']*'|\"[^\"]*\"|[^\s`]*))*)", re.MULTILINE)


def page(name: str) -> str:
    """The text of ``docs/<name>.md``."""
    return (ROOT / f"docs/{name}.md").read_text()


def section(text: str, heading: str) -> str:
    """What stands under ``## heading``."""
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a language, whatever title they have."""
    return re.findall(rf"^```{language}(?: [^\n]*)?\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[tuple[str, dict[str, str]]]:
    """Every make command, in blocks and in sentences: its target and its variables."""
    command_lines = (shlex.split(command) for command in COMMAND.findall(text))
    return [(target, dict(pair.split("=", 1) for pair in given)) for _, target, *given in command_lines]


def make(line: str) -> Done:
    """A make command, run as the Makefile would."""
    ((target, variables),) = commands(line)
    arguments = [part for name, value in variables.items() for part in (f"--{name.lower()}", value)]
    return run(PROGRAMS[target], *arguments)


def walk(text: str) -> Iterator[tuple[str, Done]]:
    """Does what the shell blocks say, in order; yields every make command and how it ended."""
    for block in blocks(text, "sh"):
        for part in re.split(r"^(make .*)$", block, flags=re.MULTILINE):
            if part.startswith("make "):
                yield part, make(part)
            else:
                subprocess.run(["bash", "-ec", part], check=True, capture_output=True)
