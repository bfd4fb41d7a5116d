"""Runnable programs; each reads downward from main()."""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
import threading
from types import FrameType, TracebackType

LEAST_ADDRESSES_MB = 3600  # of a small train on two cores; below, libraries abort or wait for ever
ENDINGS = (signal.SIGTERM, signal.SIGHUP)  # a container stops, a terminal closes


def _end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What ``cli.run`` says of Ctrl-C, while the imports before it still run: they take seconds."""
    if not issubclass(kind, KeyboardInterrupt):
        return sys.__excepthook__(kind, error, trace)
    print("Interrupted", file=sys.stderr, flush=True)
    os._exit(130)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Does what Ctrl-C does. A second signal does not disturb the cleaning up."""
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_IGN)
    for stream in (1, 2):
        try:
            os.write(stream, b"")
        except OSError:  # its terminal is gone, and nothing can be said there
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    raise KeyboardInterrupt


def catch_endings() -> None:
    """SIGTERM and SIGHUP end a program as Ctrl-C does, unless it was started to ignore them (nohup)."""
    for ending in ENDINGS:
        if signal.getsignal(ending) == signal.SIG_DFL and threading.current_thread() is threading.main_thread():
            signal.signal(ending, _interrupt)


def check_addresses() -> None:
    """Ends the program with one message where ``ulimit -v`` leaves less than the libraries alone reserve."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit >> 20 < LEAST_ADDRESSES_MB:
        print(
            f"Error: the memory that this process may address is limited to {limit >> 20:,} MB (ulimit -v). The "
            f"libraries need {LEAST_ADDRESSES_MB:,} MB, most of it never filled: raise the limit, or lift it with "
            "ulimit -v unlimited. To bound what is filled, limit the memory of a container or cgroup.",
            file=sys.stderr,
        )
        sys.exit(2)


check_addresses()
catch_endings()
sys.excepthook = _end
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # no search of every installed package for some
gc.set_threshold(50_000, 20, 20)  # the default's collections take a fifth of the time of the imports alone
