"""What every program does around its main(): one message and an exit code instead of a traceback.

0 done; 2 the user can mend it, nothing was written; 3 tracking failed, results are kept;
130 interrupted; 1 a bug (with its traceback).
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable
from typing import Self

# Before NumPy is imported: BLAS threads inside and library threads outside fight for the cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing calls home

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from recommender.errors import TrackingError, UserError

console = Console(stderr=True, highlight=False)
_KEY = re.compile(r"[A-Za-z_][\w.-]*=")


def run(main: Callable[[list[str]], None]) -> None:
    """Runs ``main(argv)`` and exits."""
    try:
        main(sys.argv[1:])
    except UserError as error:
        sys.exit(_fail("Error", error, 2))
    except TrackingError as error:
        sys.exit(_fail("Tracking failed, results are kept", error, 3))
    except KeyboardInterrupt:
        sys.exit(_fail("Interrupted", "", 130))


def show_log(quiet: bool) -> None:
    """The library's log on stderr: roles guessed, rows repaired, lists that are short. ``quiet``: only errors."""
    handler = RichHandler(logging.ERROR if quiet else logging.INFO, console, show_time=False, show_path=False)
    log = logging.getLogger("recommender")
    log.handlers = [handler]
    log.setLevel(logging.INFO)


def overrides(values: list[str]) -> list[str]:
    """The KEY=YAML pairs of ``--set``; one value may hold several, as make's SET does: ``a.b=1 c.d={e: 2}``.

    A pair ends at white space before the next KEY=, outside brackets and YAML quotes, so that values may hold spaces.
    """
    return [pair for value in values for pair in _pairs(value)]


def _pairs(value: str) -> list[str]:
    starts, depth, quote = [0], 0, ""
    for position, character in enumerate(value):
        before = value[position - 1] if position else " "
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"" and before in "=[{,: ":  # elsewhere it is an apostrophe
            quote = character
        elif character in "[{":
            depth += 1
        elif character in "]}":
            depth -= 1
        elif depth == 0 and before.isspace() and _KEY.match(value, position):
            starts.append(position)
    parts = [value[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)]
    return [part for part in parts if part]


class Steps:
    """A progress bar on stderr: called with a description as each of ``total`` steps begins."""

    def __init__(self, total: int, quiet: bool = False) -> None:
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        shown = console.is_terminal and not quiet  # a log gets no bar, nor the blank line that one leaves there
        self.bar = Progress(*columns, console=console, disable=not shown, transient=True)
        self.task = self.bar.add_task("", total=total)
        self.begun = 0

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __call__(self, description: str) -> None:
        self.bar.update(self.task, completed=self.begun, description=description)
        self.begun += 1

    def __exit__(self, *_: object) -> None:
        self.bar.stop()


def _fail(head: str, error: object, code: int) -> int:
    console.print(f"[bold red]{head}[/]{':' if str(error) else ''}", end=" ")
    console.print(str(error), markup=False, soft_wrap=True)
    return code
