"""make ui: the MLflow page over the store that the trains wrote to, with a link to the chart that matters.

coldstart ui [--port 5000]
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from pipelines import arguments, cli
from recommender.errors import TrackingError, UserError
from recommender.tracking import store
from recommender.tracking.views import EFFORT, HISTORY, LATEST, view_url

HOST = "127.0.0.1"
PATIENCE_S = 120  # a fresh machine imports MLflow slowly


def main(argv: list[str]) -> None:
    port = arguments.parse("ui", argv).port
    uri = store.tracking_uri()
    remote = uri.startswith(("http://", "https://"))
    if not remote:
        check_free(port)
    with cli.console.status("Opening the tracking store"):
        experiment = store.prepare(uri)
    if remote:  # someone else's server: nothing to start
        _print_links(uri, experiment)
        return
    server = _start(uri, port)
    try:
        with cli.console.status("Starting MLflow"):
            _wait(server, port)
        _print_links(f"http://{HOST}:{port}", experiment)
        cli.console.print("Ctrl-C stops it.")
        server.wait()
        raise TrackingError(f"The MLflow server stopped by itself (exit code {server.returncode}); see above.")
    except KeyboardInterrupt:  # the way to stop it, so no error
        cli.console.print("Stopped.")
    finally:
        _stop(server)


def check_free(port: int, host: str = HOST) -> None:
    """Raises UserError where the port cannot be had."""
    if not 1 <= port <= 65535:
        raise UserError(f"Port {port}: expected 1 to 65535.")
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: TIME_WAIT is no obstacle
        try:
            listener.bind((host, port))
        except OSError as error:
            raise UserError(f"Port {port} cannot be used ({error.strerror}). Try another: PORT={port + 1}") from None


def _start(uri: str, port: int) -> subprocess.Popen[bytes]:
    """The server in a process group of its own, so that Ctrl-C reaches it through ``_stop`` only."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts it in the background ignores it
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--host", HOST]
    options = [
        "--registry-store-uri",
        uri,
        "--port",
        str(port),
        "--workers",
        "1",
        "--uvicorn-opts",
        "--log-level warning",
    ]
    quiet = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight more processes, for what nothing here uses
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "PYTHONWARNINGS": "ignore",  # deprecations between MLflow and its own libraries
    }
    return subprocess.Popen([*command, *options], env={**os.environ, **quiet}, start_new_session=True)


def _wait(server: subprocess.Popen[bytes], port: int) -> None:
    """Returns when the server answers; raises TrackingError where it ends or never does."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise TrackingError(f"The MLflow server did not start (exit code {server.returncode}); see above.")
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise TrackingError(f"The MLflow server did not answer within {PATIENCE_S} s.")


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Ends the server and its workers; waits until the port is free again."""
    try:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=10)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    except ProcessLookupError:  # the whole group has ended already
        server.wait()


def _print_links(base: str, experiment: str) -> None:
    shown = {"Effort vs accuracy, all trains": EFFORT, "The latest train": LATEST, "By history length": HISTORY}
    for title, view in shown.items():
        cli.console.print(f"[bold]{title}:[/]", end=" ")
        cli.console.print(view_url(base, experiment, view), markup=False, soft_wrap=True)


if __name__ == "__main__":
    cli.run(main)
