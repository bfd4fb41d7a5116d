"""Tasks for two processes: pickled by name, so they stand in a module that both can import."""

from __future__ import annotations

import logging
import os
import signal
import time

from recommender.errors import DataError

log = logging.getLogger("recommender.tests")


def squared(factor: int, n: int) -> int:
    return factor * n**2


def process_of(shared: None, seconds: float) -> int:
    time.sleep(seconds)
    log.info("done by %s", os.getpid())
    return os.getpid()


def refused(shared: None, n: int) -> int:
    raise DataError(f"number {n} is refused")


def end_the_helper(here: int, n: int) -> int:
    if os.getpid() != here:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)
    return n
