"""The OUT folder of one tiny real train, for tests of what reads one (report, tracking, forget).

All files but ``report.html``. A train of the shop takes a second; each process makes it once, and every test gets a
copy that it may change.
"""

from __future__ import annotations

import functools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import yaml

from pipelines import train
from tests.helpers.folders import NoTracker, run, shop

RUNGS = ("random", "popularity", "content", "lightfm", "als", "router")
BUCKETS = ("0", "1_2", "3_9", "10_plus")
LADDER = (
    "ladder=[{name: random, recommender: random}, {name: popularity, recommender: popularity}, "
    "{name: content, recommender: content}, "
    "{name: lightfm, recommender: lightfm, params: {epochs: 2}, candidates: [{no_components: 4}]}, "
    "{name: als, recommender: als, params: {factors: 4, iterations: 2}}]"
)
RERANKED = "rerank=[{name: far, reranker: mmr, params: {weight: 0.5}}]"
SETTINGS = ("bootstrap=100", "decision.thin=10", "tune.search=0", "person_days={als: [3, 8]}", "slices=[city]")


def write_out(
    path: Path, seed: int = 0, data: str = "simulated", ladder: str = LADDER, changes: tuple[str, ...] = ()
) -> Path:
    """Writes the folder and returns it. data: its name; changes: configuration keys, as --set gives them."""
    shutil.copytree(_trained(seed, (ladder, *changes)), path)
    data_facts = json.loads((path / "data.json").read_text())
    (path / "data.json").write_text(json.dumps({**data_facts, "name": data, "source": data}))
    config = yaml.safe_load((path / "config.yaml").read_text())
    config["data"]["source"] = data
    (path / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def decided(out: Path) -> Path:
    """The folder with a stated decision: a kind of reason for each group, and rungs that differ.

    New users get popularity, the rung of all the others is als: it won, and the thin last group inherits that.
    """
    won = {"rung": "als", "over": "popularity", "gain": 0.031, "ci_low": 0.012, "ci_high": 0.05, "p_holm": 0.004}
    buckets: dict[str, Any] = {
        "0": {"rung": "popularity", **dict.fromkeys([*won][1:]), "n_queries": 120, "inherited_from": None},
        **{b: {**won, "n_queries": 80, "inherited_from": None} for b in ("with_history", "1_2", "3_9")},
        "10_plus": {**won, "n_queries": 4, "inherited_from": "with_history"},
    }
    sentences = [
        "Users without history: ship popularity; nothing above it was shown to be better.",
        "Users with history: ship als; it gains 0.031 ndcg_at_10 over popularity (95% interval 0.012 to 0.050).",
    ]
    path = out / "decision.json"
    changed = {"buckets": buckets, "returning": {}, "sentences": sentences}
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    return out


@functools.cache
def _holder() -> tempfile.TemporaryDirectory[str]:
    """Removed when the process ends."""
    return tempfile.TemporaryDirectory()


@functools.cache
def _trained(seed: int, changes: tuple[str, ...]) -> Path:
    place = Path(tempfile.mkdtemp(dir=_holder().name))
    folder = shop(seed)
    new = pl.col("item_id").is_in(["i37", "i38", "i39"]) & (
        pl.col("timestamp") < pl.datetime(2024, 4, 2, time_zone="UTC")
    )
    folder.interactions = folder.interactions.filter(~new)  # items that the test origin has not seen
    twice = folder.interactions.head(12)  # a repair, which the report gives with its reason
    folder.interactions = pl.concat([folder.interactions, twice]).sort("timestamp")
    folder.spec["repairs"] = {"duplicates": "keep_first"}
    folder.write(place / "shop")
    with mock.patch.object(train, "Tracker", NoTracker):
        done = run(
            train.main, "--scenario", "jobs", "--data", place / "shop", "--out", place / "out", "--quiet",
            *(word for change in (*SETTINGS, *changes) for word in ("--set", change)),
        )  # fmt: skip
    assert done.code == 0, done.err
    (place / "out/report.html").unlink()
    return place / "out"
