"""Independent steps of a train on two processes, this one and a helper. Results are those of one process.

The helper is a plain Python process that reads pickled tasks from a pipe, and nobody else's. ``multiprocessing`` would
import the caller's own program again, which neither a notebook nor a script without a guard allows, and a fork of a
process in which polars or OpenMP have threads waits for ever.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, Any, Self, TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")
Task = Callable[[Any, Argument], Result]  # of what all tasks share, and its own argument; a module's function
Begin = Callable[[Argument], None]

log = logging.getLogger(__name__)


class Workers:
    """This process, and where ``helped`` another one: each takes the next task as soon as it is free.

    Tasks must depend on nothing but what they are given. An exception of one is raised here once the tasks that have
    begun are done; of several, the first by the order of the arguments.
    """

    def __init__(self, helped: bool = False) -> None:
        self._helper = _Helper() if helped else None

    @property
    def helped(self) -> bool:
        return self._helper is not None

    def map(
        self, task: Task[Argument, Result], shared: Any, arguments: Sequence[Argument],
        begin: Begin[Argument] = lambda _: None,
    ) -> list[Result]:  # fmt: skip
        """``task(shared, argument)`` of each argument, in their order; the first of them are begun first.

        begin: called with the argument of each task as it begins, in this process.
        """
        results: dict[int, Any] = {}
        failed: dict[int, Exception] = {}
        waiting = deque(enumerate(arguments))

        def work(do: Callable[[Argument], Result]) -> None:
            while waiting and not failed:
                try:
                    n, argument = waiting.popleft()
                except IndexError:  # the other one was faster
                    return
                begin(argument)
                try:
                    results[n] = do(argument)
                except _HelperLost as lost:
                    waiting.appendleft((n, argument))
                    if self.helped:  # else it was ended here
                        log.warning("The helper process ended (%s); the rest is done in this one.", lost)
                    self._helper = None
                    return
                except Exception as error:  # raised below, by whichever thread it came
                    failed[n] = error

        helper = self._helper if len(arguments) > 1 else None
        if helper is not None:
            helper.share(task, shared)  # before anything here changes what is remembered in it
            there = threading.Thread(target=work, args=(helper.do,), daemon=True)
            there.start()
        work(lambda argument: task(shared, argument))
        if helper is not None:
            there.join()
            work(lambda argument: task(shared, argument))  # what a lost helper left
        if failed:
            raise failed[min(failed)]
        return [results[n] for n in range(len(arguments))]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        helper, self._helper = self._helper, None
        if helper is not None:
            helper.end()


ALONE = Workers()


class _HelperLost(Exception):
    """It was killed, for lack of memory say, or could not start."""


class _Helper:
    def __init__(self) -> None:
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths},
        )  # fmt: skip
        self._shared: bytes | None = None

    def share(self, task: Task[Any, Any], shared: Any) -> None:
        self._shared = pickle.dumps((task, shared), pickle.HIGHEST_PROTOCOL)

    def do(self, argument: Any) -> Any:
        """The task's result; raises what it raised, or _HelperLost."""
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: PT018  both are pipes
        try:
            pickle.dump((self._shared, argument), self._process.stdin, pickle.HIGHEST_PROTOCOL)
            self._process.stdin.flush()
            self._shared = None  # it remembers
            result, error, records = pickle.load(self._process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError) as lost:
            self.end()  # its pipe may break before it has ended
            raise _HelperLost(f"exit code {self._process.returncode}") from lost
        for name, level, message in records:
            logging.getLogger(name).log(level, "%s", message)
        if error is not None:
            raise error
        return result

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # what waits in the pipe of a process that ended is nobody's
                    pipe.close()


class _Records(logging.Handler):
    """Keeps messages for the process that shows them."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.messages: list[tuple[str, int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append((record.name, record.levelno, record.getMessage()))


def _serve(tasks: IO[bytes], results: IO[bytes]) -> None:
    """Does tasks until the pipe ends."""
    records = _Records()
    package = logging.getLogger("recommender")
    package.addHandler(records)
    package.setLevel(logging.INFO)
    task, shared = None, None
    while True:
        try:
            pickled, argument = pickle.load(tasks)
        except EOFError:
            return
        if pickled is not None:
            task, shared = pickle.loads(pickled)
        assert task is not None  # the first message brings one
        result, failure = None, None
        try:
            result = task(shared, argument)
        except Exception as error:  # whatever it is, the other process raises it
            failure = error
        answer = pickle.dumps((result, failure, records.messages), pickle.HIGHEST_PROTOCOL)
        records.messages = []
        results.write(answer)
        results.flush()


def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both processes; the other one ends this
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not stand among the results
    try:
        _serve(sys.stdin.buffer, out)
    except BrokenPipeError:  # the other process is gone
        os._exit(1)


if __name__ == "__main__":
    _main()
