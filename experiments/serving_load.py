"""How many requests make serve answers beside MLflow's own server, in one run.

python -m experiments.serving_load MODEL [REQUESTS]      MODEL: models:/<name>/<version> of MLFLOW_TRACKING_URI

Both servers run with the same model. Eight clients on one machine ask for 10 items for one known user at a time, each
as soon as it has its answer: three rounds of five seconds, in turn: lists that make serve has to make, lists that it
made before, and MLflow's server. Then the clients ask at half the rate at which make serve made lists, for seconds per
answer, in turn with a request that does nothing; then for REQUESTS more lists that have to be made (default 20,000),
for memory; then events are sent until the server is killed, and those that were acknowledged are looked for in the log.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from itertools import cycle
from pathlib import Path

import numpy as np
import psutil

from recommender.serving import persistence
from recommender.serving.bundle import Bundle
from recommender.serving.in_use import MOST_PLACES
from recommender.serving.log import read_log
from recommender.tracking.registry import model_folder

CLIENTS, ROUNDS, ROUND_S, LOOKS, PATIENCE_S = 8, 3, 5.0, 5, 120
NEW, AGAIN, MLFLOW = "make serve, lists that are made", "make serve, lists asked for again", "MLflow"
MOST_EVENTS, KILLED_AFTER_S = 100_000, 2.0


def main(argv: list[str]) -> None:
    model, n_requests = argv[0], int(argv[1]) if len(argv) > 1 else 20_000
    bundle: Bundle = persistence.load(model_folder(model))
    users = bundle.data.users.ids.sample(min(len(bundle.data.users), 5_000), seed=0).to_list()
    with tempfile.TemporaryDirectory() as scratch:
        ours, theirs, log = free_port(), free_port(), Path(scratch) / "log"
        serve = [sys.executable, "-m", "pipelines", "serve", "--model", model, "--port", str(ours), "--log", str(log)]
        mlflow = [sys.executable, "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local"]
        started = [start(serve, ours, "/health"), start([*mlflow, "--port", str(theirs)], theirs, "/ping")]
        try:
            lengths = range(10, 11 + 3 * MOST_PLACES // (10 * len(users)))  # until the first ones are kept no longer
            new = [post("/recommend", {"user": user, "k": k}) for k in lengths for user in users]
            again = [post("/recommend", {"user": user}) for user in users[:100]]
            records = [post("/invocations", {"dataframe_records": [{"user_id": user}]}) for user in users]
            ask = {NEW: (ours, cycle(new)), AGAIN: (ours, cycle(again)), MLFLOW: (theirs, cycle(records))}
            report(ask, n_requests, started[0])
            killed(started[0], ours, log, users[0])
        finally:
            for process in started:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGTERM)
                process.wait(60)


def report(ask: Mapping[str, tuple[int, Iterator[bytes]]], n_requests: int, process: subprocess.Popen[bytes]) -> None:
    rates: dict[str, list[float]] = {name: [] for name in ask}
    for port, requests in ask.values():  # kernels, caches
        run(port, requests, until(1.0))
    for _ in range(ROUNDS):
        for name, (port, requests) in ask.items():
            rates[name].append(len(run(port, requests, until(ROUND_S))) / ROUND_S)
    for name, several in rates.items():
        rounds = ", ".join(f"{r:,.0f}" for r in several)
        say(f"{name}: {np.median(several):,.0f} requests per second (rounds: {rounds})")
    for name in (NEW, AGAIN):
        ratio = [a / b for a, b in zip(rates[name], rates[MLFLOW], strict=True)]
        say(f"{name}: {np.median(ratio):.1f} times MLflow's ({min(ratio):.1f} to {max(ratio):.1f})")
    port, requests = ask[NEW]
    half = float(np.median(rates[NEW])) / 2
    health = cycle([b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"])
    seconds: dict[str, list[float]] = {"a list": [], "GET /health": []}
    for _ in range(ROUNDS):  # in turn: what GET /health takes is the machine and the server, not the model
        for name, stream in zip(seconds, (requests, health), strict=True):
            seconds[name] += run(port, stream, until(ROUND_S), per_second=half)
    for name, each in seconds.items():
        p50, p99 = 1e3 * np.quantile(each, [0.5, 0.99])
        say(f"make serve at half its load ({half:,.0f} a second), {name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    megabytes, begun = [resident_mb(process)], time.perf_counter()
    for _ in range(LOOKS):
        run(port, requests, count(n_requests // LOOKS))
        megabytes.append(resident_mb(process))
    rate = n_requests / (time.perf_counter() - begun)
    say(f"memory over {n_requests:,} more requests, {rate:,.0f} a second:", *(f"{mb:.0f}" for mb in megabytes), "MB")


def killed(process: subprocess.Popen[bytes], port: int, log: Path, user: object) -> None:
    bodies = ({"events": [{"user_id": user, "item_id": n, "event": f"e{n}"}]} for n in range(MOST_EVENTS))
    text = not isinstance(user, int)
    acknowledged = 0

    async def send() -> None:
        nonlocal acknowledged
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        stop = time.perf_counter() + KILLED_AFTER_S
        for body in bodies:
            event = body["events"][0]
            event["item_id"] = str(event["item_id"]) if text else event["item_id"]
            writer.write(post("/events", body))
            try:
                await answer(reader)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            acknowledged += 1
            if time.perf_counter() > stop and process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)

    asyncio.run(send())
    process.wait()
    events = set(read_log(log).interactions["event"])
    lost = sum(f"e{n}" not in events for n in range(acknowledged))
    say(f"kill -9 after {acknowledged:,} acknowledged events: {lost} lost")


def run(
    port: int, requests: Iterator[bytes], more: Callable[[], bool], per_second: float | None = None
) -> list[float]:  # fmt: skip
    """Seconds of each answer, from the time at which it was due. per_second: of all clients; None: without a pause."""
    seconds: list[float] = []
    begun = time.perf_counter()

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sent = 0
        while more():
            due = time.perf_counter()
            if per_second:
                due = begun + (sent * CLIENTS + number) / per_second
                await asyncio.sleep(max(due - time.perf_counter(), 0))
            writer.write(next(requests))
            await answer(reader)
            seconds.append(time.perf_counter() - due)
            sent += 1
        writer.close()

    async def all_clients() -> None:
        await asyncio.gather(*map(client, range(CLIENTS)))

    asyncio.run(all_clients())
    return seconds


async def answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return await reader.readexactly(int(length.split(b":")[1]))


def post(path: str, body: object) -> bytes:
    text = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    return head.encode() + text


def until(seconds: float) -> Callable[[], bool]:
    stop = time.perf_counter() + seconds
    return lambda: time.perf_counter() < stop


def count(n: int) -> Callable[[], bool]:
    left: Iterator[int] = iter(range(n))
    return lambda: next(left, None) is not None


def start(command: list[str], port: int, path: str) -> subprocess.Popen[bytes]:
    # With uvicorn, which MLflow calls by its name.
    programs = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    quiet = {**os.environ, "PYTHONWARNINGS": "ignore", "OPENBLAS_NUM_THREADS": "1", "PATH": programs}
    process = subprocess.Popen(
        command, env=quiet, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).read()
            return process
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"{' '.join(command)} does not answer")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def resident_mb(process: subprocess.Popen[bytes]) -> float:
    """Without mapped files: the model's arrays come and go with the page cache."""
    full = psutil.Process(process.pid).memory_full_info()
    return float(full.uss) / 2**20


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
