"""`make experiment` as a team runs it: a plan from traffic, the read-out of a log, one page with the verdict first."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest

from pipelines import experiment
from recommender.api.model import Model
from recommender.online.realized import read_gains
from recommender.serving.log import write_log
from recommender.tracking import promotion
from tests.helpers.folders import Done, run
from tests.helpers.service_log import log_of, model_of


def run_experiment(*args: object) -> Done:
    return run(experiment.main, "--scenario", "jobs", "--out", "o", *args)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def logged(here: Path) -> Path:
    """A log of pseudonyms: a test of two variants."""
    served, feedback = log_of({"champion": 0.10, "candidate": 0.16})
    write_log(here / "log", served=served, feedback=feedback)
    return here


def test_a_plan_needs_no_log(here: Path) -> None:
    done = run_experiment("--users", 5000, "--rate", 0.1, "--lists", 2)
    assert done.code == 0, done.err
    tree = json.loads((here / "o/experiment.json").read_text())
    assert (tree["kind"], tree["weeks"]) == ("plan", 12)
    assert done.out.startswith("12 weeks. A change of 5% in takes per list needs")
    assert "without a log" not in done.err
    nothing = run(experiment.main, "--scenario", "jobs", "--out", "p")
    assert (nothing.code, (here / "p").exists()) == (2, False)
    assert "RATE=" in nothing.err


def test_a_test_is_read_out_verdict_first(logged: Path) -> None:
    done = run_experiment("--served", "log", "--set", "online.min_effect=0.2")
    assert done.code == 0, done.err
    assert done.out.startswith("Ship. Takes per list +")
    page = (logged / "o/experiment.html").read_text()
    order = [
        page.index(part)
        for part in ("Ship the candidate?", 'id="effect"', "<li>Guardrail holds", "Difference with its")
    ]
    assert order == sorted(order)
    tree = json.loads((logged / "o/experiment.json").read_text())
    assert (tree["kind"], tree["control"], tree["treated"], tree["verdict"]) == (
        "a/b test", "champion", "candidate", "ship",
    )  # fmt: skip
    assert tree["effect"]["low"] > 0


def test_history_of_pseudonymous_users_sharpens_it(logged: Path) -> None:
    served, feedback = log_of({"champion": 0.10, "candidate": 0.16})
    earlier = feedback.join(served.select("list_id", "user_id").unique("list_id"), on="list_id")
    earlier = earlier.select("user_id", "item_id", timestamp=pl.col("timestamp").dt.offset_by("-60d"))
    earlier.write_parquet(logged / "before.parquet")
    done = run_experiment("--served", "log", "--before", "before.parquet", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["effect"]["explained"] > 0.3


def test_a_log_without_a_test_is_planned_from(here: Path) -> None:
    served, feedback = log_of({"": 0.05})
    write_log(here / "log", served=served, feedback=feedback)
    done = run_experiment("--served", "log", "--set", "online.min_effect=0.4")
    assert done.code == 0, done.err
    assert re.match(r"1 week\. A change of 40% in takes per list needs", done.out)
    assert "400 users of the log" in done.err


def test_what_cannot_be_read_is_said_in_one_message(logged: Path) -> None:
    Path("odd.csv").write_text("user_id,timestamp\nu1,soon\n")
    Path("none.csv").write_text("who,timestamp\nu1,2020-01-01\n")
    Path("others.csv").write_text("user_id,timestamp\n7,2020-01-01\n")
    for args, words in (
        (("--served", "nowhere"), "no such folder"),
        (("--served", "log", "--before", "odd.csv"), "1 values are no times"),
        (("--served", "log", "--before", "none.csv"), "no column user_id"),
        (("--served", "log", "--before", "others.csv"), "none of its 1 interactions"),
        (("--served", "log", "--before", "nowhere.csv"), "nowhere.csv"),
        (("--served", "log", "--treated", "c"), "no variant 'c'"),
        (("--served", "log", "--set", "online.guardrails={joy: 1}"), "joy is no metric"),
        (("--users", 100, "--rate", 2), "between 0 and 1"),
    ):
        done = run_experiment(*args)
        assert (done.code, (logged / "o").exists()) == (2, False), done.err
        assert words in done.err
        assert "Traceback" not in done.err


def test_interleaved_lists_are_read_out_as_such(here: Path) -> None:
    served, feedback = log_of({"x": 0.2})
    turn = (pl.col("rank") + pl.col("list_id").hash(0) % 2) % 2 == 0
    served = served.with_columns(variant=pl.when(turn).then(pl.lit("champion")).otherwise(pl.lit("candidate")))
    teams = feedback.join(served.select("list_id", "item_id", "variant"), on=["list_id", "item_id"])
    worse = teams.filter((pl.col("variant") == "champion") | (pl.int_range(pl.len()) % 2 == 0)).drop("variant")
    write_log(here / "log", served=served, feedback=worse)
    done = run_experiment("--served", "log")
    assert done.code == 0, done.err
    assert done.out.startswith("The control is preferred. 3")
    tree = json.loads((here / "o/experiment.json").read_text())
    assert (tree["kind"], tree["treated"]) == ("interleaving", "candidate")
    assert tree["high"] < 0.5


def test_a_finished_test_stands_beside_the_offline_gain_of_its_versions(
    logged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = {"name": "ndcg_at_10", "champion": 0.2, "difference": 0.02, "low": 0.01, "high": 0.03}
    rows = [{"from": "champion", "to": "candidate", "checks": [check]}]  # versions of the log are named so
    monkeypatch.setattr(promotion, "find", lambda _: promotion.Registered("coldstart-jobs-x", "2", ""))
    monkeypatch.setattr(promotion, "audit", lambda _: rows)
    model = model_of(log_of({"champion": 0.1, "candidate": 0.1})[0]["user_id"].unique().sort().to_list())
    monkeypatch.setattr(experiment, "load_model", lambda _: Model(model))
    done = run_experiment(
        "--served", "log", "--model", "models:/coldstart-jobs-x@champion", "--set", "online.min_effect=0.2"
    )
    assert done.code == 0, done.err
    (gain,) = read_gains(logged / "experiments/online.csv")
    assert (gain.offline, gain.offline_low, gain.offline_high) == pytest.approx((0.1, 0.05, 0.15))
    assert gain.online == json.loads((logged / "o/experiment.json").read_text())["relative"][0]
    assert "Offline +10.0% [+5.0%, +15.0%] of ndcg_at_10 became +" in done.err
    assert "from 3 tests on" in done.err
    assert "Guardrail holds: Places with an item that is gone" in done.err
    rows.clear()
    more = ("--served", "log", "--set", "online.min_effect=0.2", "--model", "models:/x/1")
    done = run(experiment.main, "--scenario", "jobs", "--out", "p", *more)
    assert "has not compared versions champion and candidate" in done.err
    assert len(read_gains(logged / "experiments/online.csv")) == 1
