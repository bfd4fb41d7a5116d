"""What every program does around its main(): one message and an exit code instead of a traceback.

0 done; 2 the user can mend it, nothing was written; 3 tracking failed, results are kept; 4 done, and an alarm;
130 interrupted; 1 a bug (with its traceback).
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Self

# Before NumPy is imported: BLAS threads inside and library threads outside fight for the cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing calls home

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from recommender.errors import TrackingError, UserError
from recommender.files import TOO_LITTLE, ran_out

ALARM = 4  # the exit code of a check that ran and found something that cannot wait
LONGEST_STEP_S = 600.0  # the time left is told by the speed of this long
LEFT = TimeRemainingColumn()
console = Console(stderr=True, highlight=False)


def run(main: Callable[[list[str]], None], argv: list[str] | None = None) -> None:
    """Runs ``main`` with ``argv`` (by default those of this process) and exits where it fails."""
    # MLflow imports PySpark wherever the extra `spark` is installed; what it says of pandas concerns nothing used here.
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    try:
        main(sys.argv[1:] if argv is None else argv)
    except UserError as error:
        sys.exit(_fail("Error", error, 2))
    except TrackingError as error:
        sys.exit(_fail("Tracking failed, results are kept", error, 3))
    except KeyboardInterrupt:
        sys.exit(_fail("Interrupted", "", 130))
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        sys.exit(_fail("Error", TOO_LITTLE, 2))


def starting() -> AbstractContextManager[object]:
    """Says on a terminal that the libraries are being imported, which takes seconds after an update."""
    return console.status("Starting") if console.is_terminal else nullcontext()


def show_log(quiet: bool) -> None:
    """The library's log on stderr: roles guessed, rows repaired, lists that are short. ``quiet``: only errors."""
    handler = RichHandler(logging.ERROR if quiet else logging.INFO, console, show_time=False, show_path=False)
    log = logging.getLogger("recommender")
    log.handlers = [handler]
    log.setLevel(logging.INFO)


class Steps:
    """A progress bar on stderr, with the time left: called with a description as each of ``total`` steps begins, or
    ``done`` as each ends."""

    def __init__(self, total: int, quiet: bool = False) -> None:
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), LEFT, TextColumn("{task.description}"))
        shown = console.is_terminal and not quiet  # a log gets no bar, nor the blank line that one leaves there
        self.bar = Progress(
            *columns, console=console, disable=not shown, transient=True, speed_estimate_period=LONGEST_STEP_S
        )
        self.task = self.bar.add_task("", total=total)
        self.begun = 0

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __call__(self, description: str) -> None:
        self.bar.update(self.task, completed=self.begun, description=description)
        self.begun += 1

    def done(self, description: str) -> None:
        """A step has ended, whichever began first."""
        self.begun += 1
        self.bar.update(self.task, completed=self.begun, description=description)

    def __exit__(self, *_: object) -> None:
        self.bar.stop()


def _fail(head: str, error: object, code: int) -> int:
    console.print(f"[bold red]{head}[/]{':' if str(error) else ''}", end=" ")
    console.print(str(error), markup=False, soft_wrap=True)
    return code
