"""Promotion as an operator runs it: a gate on the newest queries, an audit row for every move, a way back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from mlflow import MlflowClient

from pipelines import promote, rollback, train
from recommender.data.gate import from_frames
from recommender.experiment.run_folder import read_run
from recommender.operate.answering import Contender
from recommender.operate.paired import pair
from recommender.serving import persistence
from recommender.tracking import promotion
from tests.helpers.folders import SMALL, Done, run, shop

GATE = ("--set", "promote.least=10", "--set", "promote.max_loss=0.3")
GUESSES = "ladder=[{name: guesses, recommender: random}]"


@pytest.fixture(scope="module")
def place(store: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A data set with a good model, and one that guesses, both tracked and never promoted."""
    folder = tmp_path_factory.mktemp("promoted")
    data = shop().write(folder / "market")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", store)
        common = ("--scenario", "jobs", "--data", data, *SMALL, *GATE, "--quiet")
        for out, extra in (("good", ()), ("bad", ("--set", GUESSES, "--set", "slots.n=0"))):
            done = run(train.main, *common, *extra, "--out", folder / out)
            assert done.code == 0, done.err
        yield folder


def move(out: object, *more: object) -> Done:
    return run(promote.main, "--model", out, *more)


def served(store: str) -> str:
    return str(MlflowClient(store).get_model_version_by_alias("coldstart-jobs-market", "champion").version)


def test_a_train_ends_with_what_to_do_with_its_candidate(store: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    common = ("--scenario", "jobs", "--data", shop().write(tmp_path / "stall"), *SMALL)
    first = run(train.main, *common, "--out", "one").out.splitlines()[-1]
    name = "coldstart-jobs-stall"
    assert first == (
        f"Version 1 of {name} is registered as candidate; make promote MODEL=one makes it the first champion. Until "
        f"then make serve MODEL=models:/{name}@champion finds none; MODEL=one serves it at once."
    )
    assert move("one").code == 0
    second = run(train.main, *common, "--out", "two").out.splitlines()[-1]
    assert second.endswith("make promote MODEL=two ships it where it is no worse than the champion, version 1.")


def test_the_champion_moves_only_through_the_gate_and_back(place: Path, store: str) -> None:
    name = "coldstart-jobs-market"
    assert "champion" not in MlflowClient(store).get_registered_model(name).aliases
    early = run(rollback.main, "--model", name)
    assert early.code == 2
    assert "nothing to go back to" in early.err

    first = move(place / "good", "--reason", "first version")
    assert (first.code, served(store)) == (0, "1"), first.err

    refused = move(f"models:/{name}@candidate", "--json")
    row = json.loads(refused.out)
    assert refused.code == 4
    assert served(store) == "1"
    assert not row["promoted"]
    failed = {check["name"] for check in row["checks"] if not check["holds"]}
    assert "ndcg_at_10" in failed
    assert "NDCG@10" in row["gate"]

    forced = move(place / "bad", "--force", "a drill")
    assert (forced.code, served(store)) == (0, "2")
    back = run(rollback.main, "--model", f"models:/{name}@champion", "--reason", "the drill is over")
    assert (back.code, served(store)) == (0, "1")

    rows = promotion.audit(name)
    assert [(r["action"], r["to"]) for r in rows] == [
        ("promote", "1"), ("refused", "2"), ("promote", "2"), ("rollback", "1"),
    ]  # fmt: skip
    assert [r["reason"] for r in rows] == ["first version", "", "a drill", "the drill is over"]
    assert [r.get("forced") for r in rows] == [False, False, True, None]
    assert all(r["who"] and r["when"] for r in rows)
    again = move(place / "good")
    assert again.code == 0
    assert "already" in again.err


def test_a_champion_that_cannot_be_loaded_is_replaced_by_force_alone(
    place: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert served(store) == "1"
    monkeypatch.setattr(persistence, "FORMAT", persistence.FORMAT + 1)  # as an update of this package does
    refused = move(place / "bad", "--reason", "a new format")
    assert (refused.code, served(store)) == (2, "1")
    assert "Train again" in refused.err
    assert 'FORCE="a reason"' in refused.err
    forced = move(place / "bad", "--force", "a new format")
    assert (forced.code, served(store)) == (0, "2"), forced.err
    assert "The champion cannot be compared" in promotion.audit("coldstart-jobs-market")[-1]["gate"]
    assert run(rollback.main, "--model", "coldstart-jobs-market", "--reason", "the test is over").code == 0


def test_a_folder_that_was_never_registered_is_refused(place: Path, tmp_path: Path) -> None:
    done = move(tmp_path)
    assert done.code == 2
    assert "no finished train" in done.err


def test_queries_that_nobody_has_seen_are_asked_as_shipped(place: Path) -> None:
    good = Contender(persistence.load(place / "good/model"), read_run(place / "good"))
    bad = Contender(persistence.load(place / "bad/model"), read_run(place / "bad"))
    seen, later = shop(), shop(seed=1).interactions.with_columns(pl.col("timestamp").dt.offset_by("100d"))
    tables = (pl.concat([seen.interactions, later]), seen.items, seen.users)
    data, scenario = from_frames(*tables), good.run.scenario
    unseen = pair(data, good, bad, scenario, least=10)
    assert unseen.refitted == ()
    assert unseen.origin[:10] == str(seen.interactions["timestamp"].max())[:10]
    known = pair(from_frames(*(seen.interactions, seen.items, seen.users)), good, bad, scenario, least=10)
    assert known.refitted == ("champion", "candidate")
    assert known.origin == read_run(place / "good").data["origins"][-1]["origin"]
