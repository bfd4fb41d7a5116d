"""Runs that a SIGKILL left RUNNING: the next program that opens the store closes them."""

from __future__ import annotations

import logging
import os
import socket
from functools import cache
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from mlflow import MlflowClient

HOST, PROCESS = "host", "process"  # tags of a run: where the program runs that writes it
LOST = "lost: the program that wrote this run ended without closing it"
log = logging.getLogger(__name__)


@cache
def process_tags() -> dict[str, str]:
    """Tags that tell which process writes a run: the host's name, the process's number and its start."""
    return {HOST: socket.gethostname(), PROCESS: f"{os.getpid()} {psutil.Process().create_time():.0f}"}


def close_lost(client: MlflowClient) -> None:
    """Marks runs KILLED that are RUNNING, though their process on this host has ended."""
    from mlflow.entities import ViewType

    experiments = [e.experiment_id for e in client.search_experiments(view_type=ViewType.ALL)]
    unfinished = f"attributes.status = 'RUNNING' and tags.{HOST} = '{socket.gethostname()}'"
    for run in client.search_runs(experiments, unfinished, max_results=1000):
        if _is_alive(run.data.tags.get(PROCESS, "")):
            continue
        client.set_tag(run.info.run_id, "error", LOST)
        client.set_terminated(run.info.run_id, "KILLED")
        log.info("Run %s in MLflow is closed: its program was killed.", run.info.run_name)


def _is_alive(process: str) -> bool:
    """Whether the process of this tag still runs. Numbers are given again, so its start must fit, to a minute: the
    system's clock may have been set since."""
    number, _, started = process.partition(" ")
    try:
        return bool(abs(psutil.Process(int(number)).create_time() - float(started)) < 60)
    except psutil.NoSuchProcess:
        return False
    except ValueError:  # someone else's tag
        return True
