"""Serve lists over HTTP, log what was shown, and take in events, which the next lists know.

coldstart serve --model OUT|models:/NAME@champion [--log FOLDER] [--host 127.0.0.1] [--port 8000] [--plain-ids]
    [--candidate OUT|models:/NAME@candidate [--split ab|interleaved] [--share 0.5]]

Keys are the environment variable RECOMMENDER_API_KEYS, separated by commas. Where the model moves (another champion,
another folder behind a link), the server loads it and goes over to it between two requests. With a candidate, both are
served side by side: the log's column ``variant`` says which of the two chose a place.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pipelines import arguments
from pipelines.cli import console, run, show_log
from pipelines.ui import check_free
from recommender.errors import ConfigError, UserError
from recommender.experiment.out_folder import finished
from recommender.hashing import of_file
from recommender.serving import persistence
from recommender.serving.bundle import Bundle

KEYS = "RECOMMENDER_API_KEYS"
LEAST_KEY = 16  # characters
LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERY_S = 2.0  # how often it is asked whether the model has moved
MOST_CONNECTIONS = 1_000
SWITCH_S = 0.0005  # how long a thread that makes lists may keep one that answers waiting; Python's default is ten times

log = logging.getLogger("recommender.serve")


def main(argv: list[str]) -> None:
    args = arguments.parse("serve", argv)
    show_log(quiet=False)
    keys = api_keys(args.host)
    check_free(args.port, args.host)
    try:
        import uvicorn

        from recommender.serving.app import app
        from recommender.serving.service import Service
        from recommender.serving.variants import CANDIDATE, VariantSplit
    except ImportError as error:
        raise UserError(f"{error.name} is not installed here. This command installs it: make setup-serve") from None
    if not 0 < args.share < 1:
        raise ConfigError(f"SHARE={args.share:g}: expected a share of the users, between 0 and 1.")
    version, load = source(args.model)
    tested = None if args.candidate is None else source(args.candidate)
    with console.status("Loading the model"):
        service = Service(load, Path(args.log), pseudonymous=not args.plain_ids, candidate=tested and tested[1],
                          split=VariantSplit(args.split, args.share))  # fmt: skip
    stop = threading.Event()
    watched = [(service.swap, service.used.version, version, load)]
    if tested is not None and service.candidate is not None:
        watched.append((partial(service.swap, variant=CANDIDATE), service.candidate.version, *tested))
    watching = [threading.Thread(target=watch, args=(*one, stop, EVERY_S), daemon=True) for one in watched]
    config = uvicorn.Config(
        app(service, keys), args.host, args.port, log_level="warning", access_log=False,
        limit_concurrency=MOST_CONNECTIONS, timeout_graceful_shutdown=30,
    )  # fmt: skip
    sys.setswitchinterval(SWITCH_S)
    settle()
    for thread in watching:
        thread.start()
    console.print(
        f"Lists: http://{args.host}:{args.port}/recommend, described at /docs. Log: {args.log}/", markup=False
    )
    beside = f" beside version {service.candidate.version} ({args.split})" if service.candidate else ""
    console.print(f"Model version {service.used.version}{beside}. Ctrl-C stops it.", markup=False)
    try:
        uvicorn.Server(config).run()
    except KeyboardInterrupt:  # the way to stop it, so no error
        pass
    finally:
        stop.set()
        service.close()
    console.print("Stopped; the log is complete.")


def settle() -> None:
    """What is there now, most of it a model, stays: no collection walks it again while requests wait."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def api_keys(host: str) -> list[str]:
    """Keys of the environment. Raises ConfigError for a short one, and where others could ask without one."""
    keys = [key.strip() for key in os.environ.get(KEYS, "").split(",") if key.strip()]
    if short := [key for key in keys if len(key) < LEAST_KEY]:
        raise ConfigError(
            f"{KEYS}: {len(short)} of {len(keys)} keys have fewer than {LEAST_KEY} characters. Make one, for example: "
            f"export {KEYS}=$(openssl rand -hex 32)"
        )
    if not keys and host not in LOOPBACK:
        raise ConfigError(f"HOST={host} is open to other machines: set {KEYS}, or serve at 127.0.0.1.")
    return keys


def source(model: str) -> tuple[Callable[[], str], Callable[[], tuple[Bundle, str]]]:
    """What tells the version of the model that is there now, and what loads it with its version."""
    if model.startswith("models:/"):
        from recommender.tracking.registry import model_folder, version_of

        def load() -> tuple[Bundle, str]:
            version = version_of(model)
            return persistence.load(
                model_folder(f"{model.partition('@')[0]}/{version}" if "@" in model else model)
            ), version

        return lambda: version_of(model), load

    def folder() -> Path:
        there = Path(model)
        return there if persistence.holds(there) else finished(there) / "model"

    def version() -> str:
        return of_file(folder() / "state.json")[:8]

    return version, lambda: (persistence.load(folder()), version())


def watch(
    swap: Callable[[Bundle, str], None], served: str, version: Callable[[], str],
    load: Callable[[], tuple[Bundle, str]], stop: threading.Event, every_s: float,
) -> None:  # fmt: skip
    """Goes over to another model where there is one, until ``stop``. served: the version in use.

    The old model serves on where another cannot be loaded, or the registry does not answer: both are warned of once,
    and the registry is asked again.
    """
    refused = warned = ""
    while not stop.wait(every_s):
        try:
            there = version()
            if there in (served, refused):
                continue
            try:
                swap(*load())
            except UserError:
                refused = there
                raise
            settle()
            served, refused, warned = there, "", ""
            log.info("Model version %s serves from now on", served)
        except Exception as error:  # whatever it is: the thread has to look again
            if (reason := f"{type(error).__name__}: {error}") != warned:
                log.warning("The model cannot be loaded, %s serves on: %s", served, error)
            warned = reason


if __name__ == "__main__":
    run(main)
