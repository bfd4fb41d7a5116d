"""Small dataset folders written by hand, and the programs run in this process as a user runs them."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import polars as pl
import yaml

from pipelines import cli

N_USERS, N_ITEMS, N_INTERACTIONS = 60, 40, 800
START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 100  # the interactions' times span as many days
LADDER = (
    "ladder=[{name: popularity, recommender: popularity}, {name: content, recommender: content}, "
    "{name: als, recommender: als, params: {factors: 4, iterations: 2}}]"
)
SMALL = ("--set", LADDER, "--set", "bootstrap=100", "--set", "decision.thin=10", "--set", "tune.search=0")
SPEC: Mapping[str, Any] = {
    "features": {
        "items": {"title": "text", "city": "category", "salary": "numeric", "vector": "embedding"},
        "users": {"wants": "text", "city": "category", "gender": "protected"},
    },
    "match": [{"user": "wants", "item": "title"}, {"user": "city", "item": "city"}],
}
_WORDS = ("nurse", "baker", "driver", "tailor", "pilot")
_CITIES = ("north", "south", "west")


@dataclass
class Folder:
    """A dataset folder in the making: frames and spec may be changed before ``write``."""

    interactions: pl.DataFrame
    items: pl.DataFrame
    users: pl.DataFrame
    spec: dict[str, Any]

    def change(self, table: str, **columns: pl.Expr) -> Folder:
        """Replaces columns of one table."""
        setattr(self, table, getattr(self, table).with_columns(**columns))
        return self

    def write(self, path: Path) -> Path:
        path.mkdir(parents=True)
        for name in ("interactions", "items", "users"):
            getattr(self, name).write_parquet(path / f"{name}.parquet")
        (path / "dataset.yaml").write_text(yaml.safe_dump(self.spec))
        return path


def shop(seed: int = 0, ids: type = str) -> Folder:
    """60 users, 40 items, 800 interactions over 100 days.

    Users like the items of their own word; all but the first twenty come late, each later than the one before.
    ids: str ("u7", "i3") or int (7, 3).
    """
    rng = np.random.default_rng(seed)
    taste, kind = np.arange(N_USERS) % len(_WORDS), np.arange(N_ITEMS) % len(_WORDS)
    liking = np.where(taste[:, None] == kind, 8.0, 1.0).ravel()
    pairs = rng.choice(N_USERS * N_ITEMS, N_INTERACTIONS, replace=False, p=liking / liking.sum())
    joined = np.clip((pairs // N_ITEMS - 20) / (N_USERS - 20), 0, 0.97)  # the share of the time gone at their start
    seconds = DAYS * 86_400 * (joined + (1 - joined) * rng.random(N_INTERACTIONS))
    user_ids = [7 + i if ids is int else f"u{i}" for i in range(N_USERS)]
    item_ids = [500 + i if ids is int else f"i{i}" for i in range(N_ITEMS)]
    interactions = pl.DataFrame(
        {
            "user_id": [user_ids[p // N_ITEMS] for p in pairs],
            "item_id": [item_ids[p % N_ITEMS] for p in pairs],
            "timestamp": [START + timedelta(seconds=int(s)) for s in seconds],
        }
    ).sort("timestamp")
    items = pl.DataFrame(
        {
            "item_id": item_ids,
            "title": [f"{_WORDS[k]} wanted for shift {i}" for i, k in enumerate(kind)],
            "city": [_CITIES[i % 3] for i in range(N_ITEMS)],
            "salary": rng.uniform(10, 90, N_ITEMS).round(1),
            "vector": rng.normal(size=(N_ITEMS, 4)).round(3).tolist(),
        }
    )
    users = pl.DataFrame(
        {
            "user_id": user_ids,
            "wants": [f"{_WORDS[t]} by trade" for t in taste],
            "city": [_CITIES[i % 3] for i in range(N_USERS)],
            "gender": [("f", "m")[i % 2] for i in range(N_USERS)],
        }
    )
    return Folder(interactions, items, users, yaml.safe_load(yaml.safe_dump(dict(SPEC))))


@dataclass(frozen=True)
class Done:
    """How a program ended."""

    code: int
    out: str
    err: str


def exit_code(process: subprocess.Popen[str]) -> int:
    """Exit code as a shell gives it: 128 + the number of the signal that ended it. Where Ctrl-C came while
    compiled code ran some Python, the interpreter ends itself by SIGINT after it was caught and told: 130 too."""
    ended = process.wait()
    return ended if ended >= 0 else 128 - ended


def run(main: Callable[[list[str]], None], *args: object) -> Done:
    """``python -m pipelines.<program> args`` in this process. A bug is raised as it is, with its traceback."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with mock.patch.object(sys, "argv", ["program", *map(str, args)]), redirect_stdout(out), redirect_stderr(err):
        try:
            cli.run(main)
        except SystemExit as end:
            code = int(end.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Trained:
    """A finished train of ``shop()``."""

    out: Path
    data: Path
    done: Done
    store: str  # tracking URI
    model: str  # models:/ URI of this very train


class NoTracker:
    """In place of ``Tracker``, whose logging takes longer than a small train."""

    def __init__(self, scenario: str, data: str) -> None:
        self.logged: list[Path] = []
        self.registered: str | None = None

    def __enter__(self) -> NoTracker:
        return self

    def log(self, folder: Path) -> None:
        self.logged.append(folder)

    def __exit__(self, *_: object) -> None:
        return None
