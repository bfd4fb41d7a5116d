"""``python -m pipelines.simulate`` as a user runs it: knobs in, a dataset folder out."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines import simulate
from recommender.data.load import load
from tests.integration.folders import Done, run

SMALL = "n_users=80 n_items=60 n_interactions=500"


@pytest.fixture(autouse=True)
def _in_a_place_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def made(*args: str) -> Done:
    return run(simulate.main, "--scenario", "jobs", "--to", "made", *args)


def test_knobs_of_one_set_as_make_passes_it_shape_a_folder_that_loads(tmp_path: Path) -> None:
    done = made("--set", SMALL)
    assert (done.code, done.out) == (0, "made\n"), done.err
    data = load("made", raw_dir=None)
    assert (len(data.users), len(data.items)) == (80, 60)
    assert data.match


def test_equal_seeds_write_equal_files_and_other_seeds_others() -> None:
    for to, seed in (("one", "1"), ("again", "1"), ("two", "2")):
        assert run(simulate.main, "--scenario", "jobs", "--to", to, "--seed", seed, "--set", SMALL).code == 0
    tables = {to: load(to, raw_dir=None).interactions for to in ("one", "again", "two")}
    assert tables["one"].equals(tables["again"])
    assert not tables["one"].equals(tables["two"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("n_user=80", "did you mean 'n_users'"),
        ("n_users=[80", "--set n_users=[80: the value is no YAML"),
        ("n_users=many", "n_users"),
        ("n_users", "expected knob=value"),
    ],
)
def test_a_wrong_knob_is_one_message_and_leaves_nothing(given: str, said: str) -> None:
    done = made("--set", given)
    assert done.code == 2
    assert said in done.err
    assert not list(Path().iterdir())


def test_a_folder_that_exists_is_left_as_it_is() -> None:
    Path("made").mkdir()
    done = made("--set", SMALL)
    assert done.code == 2
    assert "made: is there already" in done.err
    assert not list(Path("made").iterdir())
