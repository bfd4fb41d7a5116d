"""``python -m pipelines.simulate`` as a user runs it: knobs in, a dataset folder out."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from pipelines import simulate, train
from recommender.sources.load import load
from tests.helpers.folders import SMALL as LADDER
from tests.helpers.folders import Done, run

SMALL = "n_users=80 n_items=60 n_interactions=500"


@pytest.fixture(autouse=True)
def _in_a_place_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def simulated(*args: str) -> Done:
    return run(simulate.main, "--scenario", "jobs", "--to", "made", *args)


def test_knobs_of_one_set_as_make_passes_it_shape_a_folder_that_loads(tmp_path: Path) -> None:
    done = simulated("--set", SMALL)
    assert (done.code, done.out) == (0, "made\n"), done.err
    data = load("made", raw_dir=None)
    assert (len(data.users), len(data.items)) == (80, 60)
    assert data.match


def test_truth_lies_beside_the_tables_unless_it_is_not_wanted(tmp_path: Path) -> None:
    assert simulated("--set", SMALL).code == 0
    shown = pl.read_parquet("made/truth/exposures.parquet")
    assert set(shown.columns) >= {"user_id", "item_id", "timestamp", "position", "propensity"}
    bare = run(simulate.main, "--scenario", "jobs", "--to", "bare", "--set", SMALL, "--no-truth")
    assert bare.code == 0
    assert not Path("bare/truth").exists()
    assert load("bare", raw_dir=None).interactions.equals(load("made", raw_dir=None).interactions)


def test_a_twin_has_the_size_of_its_set_and_is_shown_beside_it(tmp_path: Path) -> None:
    assert simulated("--set", "n_users=150 n_items=100 n_interactions=1500").code == 0
    done = run(simulate.main, "--scenario", "jobs", "--to", "twin", "--like", "made", "--no-truth")
    assert done.code == 0, done.err
    assert "gini_items" in done.err
    real, twin = (load(name, raw_dir=None) for name in ("made", "twin"))
    assert abs(twin.interactions.height / real.interactions.height - 1) < 0.2
    assert twin.items.roles == real.items.roles


def test_the_oracle_bounds_the_table_of_a_train_on_the_folder_and_is_never_served(untracked: Path) -> None:
    sizes = "n_users=400 n_items=150 n_interactions=3000"
    assert run(simulate.main, "--scenario", "jobs", "--to", "made", "--set", sizes).code == 0
    done = run(train.main, "--scenario", "jobs", "--data", "made", "--out", "out", *LADDER)
    assert done.code == 0, done.err
    everyone = {"split": "test", "metric": "ndcg_at_10", "slice": "all", "item_bucket": "all", "user_bucket": "all"}
    values = dict(pl.read_parquet("out/metrics.parquet").filter(**everyone).select("rung", "value").iter_rows())
    assert values.pop("oracle") > 1.3 * max(values.values())
    assert "oracle" not in Path("out/decision.json").read_text()
    assert "oracle" in Path("out/report.html").read_text()
    assert "Regret of the router: 0." in done.out
    assert [p for p in Path("out/model").rglob("*") if "oracle" in p.name] == []


def test_equal_seeds_write_equal_files_and_other_seeds_others() -> None:
    for to, seed in (("one", "1"), ("again", "1"), ("two", "2")):
        assert run(simulate.main, "--scenario", "jobs", "--to", to, "--seed", seed, "--set", SMALL).code == 0
    tables = {to: load(to, raw_dir=None).interactions for to in ("one", "again", "two")}
    assert tables["one"].equals(tables["again"])
    assert not tables["one"].equals(tables["two"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("n_user=80", "did you mean 'n_users'"),
        ("n_users=[80", "--set n_users=[80: cannot be read as YAML"),
        ("n_users=many", "n_users"),
        ("n_users", "expected knob=value"),
    ],
)
def test_a_wrong_knob_is_one_message_and_leaves_nothing(given: str, message: str) -> None:
    done = simulated("--set", given)
    assert done.code == 2
    assert message in done.err
    assert not list(Path().iterdir())


def test_a_folder_that_exists_is_left_as_it_is() -> None:
    Path("made").mkdir()
    done = simulated("--set", SMALL)
    assert done.code == 2
    assert "made: is there already" in done.err
    assert not list(Path("made").iterdir())
