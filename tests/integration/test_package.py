"""The wheel: one console command, with the scenarios and studies in it, from any working directory."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path

import polars as pl
import pytest

from recommender.config import scenarios
from recommender.config.files import names_in, shipped
from tests.helpers.folders import SMALL, shop

ROOT = Path(__file__).parents[2]
ASK = """
import sys
from importlib.metadata import entry_points
import recommender
assert recommender.__file__.startswith(sys.path[0]), recommender.__file__
(command,) = entry_points(group="console_scripts", name="coldstart")
sys.argv[0] = "coldstart"
command.load()()
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the wheel installs, as ``pip install --target`` would leave it."""
    place = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = place.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place / "site")
    return place / "site"


def coldstart(site: Path, place: Path, *given: str | Path) -> subprocess.CompletedProcess[str]:
    """The wheel's console command; this repository is not importable."""
    environment = {**os.environ, "PYTHONPATH": str(site), "MLFLOW_TRACKING_URI": f"sqlite:///{place / 'mlflow.db'}"}
    environment["NUMBA_DISABLE_JIT"] = "1"  # compiling for a new place takes longer than so few rows
    command = [sys.executable, "-P", "-c", ASK, *map(str, given)]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)


def test_the_wheel_holds_one_command_and_all_configuration(installed: Path) -> None:
    (info,) = installed.glob("*.dist-info")
    scripts = ConfigParser()
    scripts.read(info / "entry_points.txt")
    assert dict(scripts["console_scripts"]) == {"coldstart": "pipelines.__main__:main"}
    for folder in ("configs", "configs/simulator", "experiments"):
        assert names_in(installed / "recommender/shipped" / folder) == names_in(shipped(folder))
    assert {p.name for p in installed.iterdir()} == {"recommender", "pipelines", info.name}
    assert not [p for p in installed.rglob("*") if p.suffix in (".pyc", ".md", ".lock")]


def test_a_tiny_train_and_its_model_from_another_working_directory(installed: Path, tmp_path: Path) -> None:
    data = shop().write(tmp_path / "shop")
    done = coldstart(installed, tmp_path, "train", "--scenario", "jobs", "--data", data, "--out", "out", *SMALL)
    assert done.returncode == 0, done.stderr
    effort = pl.read_parquet(tmp_path / "out/data_effort.parquet")
    assert effort.filter(measure="configuration_lines")["value"].item() > 10
    pl.DataFrame({"user_id": ["u1", "new"]}).write_csv(tmp_path / "users.csv")
    options = ("--model", "out", "--queries", "users.csv", "--to", "lists.csv", "--k", "3")
    done = coldstart(installed, tmp_path, "recommend", *options)
    assert done.returncode == 0, done.stderr
    assert pl.read_csv(tmp_path / "lists.csv").height == 6


def test_the_packed_library_says_which_scenarios_there_are(installed: Path, tmp_path: Path) -> None:
    done = coldstart(installed, tmp_path, "train", "--scenario", "nope")
    assert done.returncode == 2
    assert f"Valid: {', '.join(scenarios())}" in done.stderr
    done = coldstart(
        installed, tmp_path, "simulate", "--scenario", "ugc", "--to", "set", "--set", "n_interactions=2000"
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "set/interactions.parquet").is_file()
