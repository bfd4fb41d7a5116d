"""Waiting for a server in a process of its own."""

from __future__ import annotations

import subprocess
import time
import urllib.request

import pytest


def wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None
        try:
            urllib.request.urlopen(address, timeout=5)
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail("the server does not answer")
