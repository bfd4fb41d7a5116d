"""Runnable programs; each reads downward from main()."""

from __future__ import annotations

import gc
import os
import sys
from types import TracebackType


def _end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What ``cli.run`` says of Ctrl-C, while the imports before it still run: they take seconds."""
    if not issubclass(kind, KeyboardInterrupt):
        return sys.__excepthook__(kind, error, trace)
    print("Interrupted", file=sys.stderr, flush=True)
    os._exit(130)


sys.excepthook = _end
gc.set_threshold(50_000, 20, 20)  # the default's collections take a fifth of the time of the imports alone
