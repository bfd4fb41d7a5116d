"""docs/extending.md is true: its recipes are applied to a copy of the project, which then tests, trains and studies."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.helpers.folders import shop
from tests.helpers.pages import ROOT, blocks, page

BLOCK = re.compile(r'^```(\w+) title="([^"]+)"\n(.*?)^```$', re.DOTALL | re.MULTILINE)
COPIED = ("recommender", "pipelines", "configs", "experiments", "tests", "pyproject.toml")
TRAIN = """
import json, sys, recommender
rungs = [{"name": name, "recommender": name} for name in ("popularity", "newest", "content")]
overrides = {"ladder": rungs, "bootstrap": 100, "decision.thin": 10, "eligibility.stock_column": "places"}
run = recommender.train("shop", "courses", overrides=overrides, out="out")
run.model.recommend([f"u{n}" for n in range(60)], k=40).write_parquet("lists.parquet")
"""


def apply(folder: Path, title: str, language: str, text: str) -> None:
    """Writes a new file, or puts the lines with + where the other lines of the diff stand, once, in the file."""
    path = folder / title
    if language != "diff":
        assert not path.exists(), f"{title} is there already"
        path.write_text(text)
        return
    lines = text.splitlines(keepends=True)
    assert {line[0] for line in lines} <= {" ", "+", "\n"}, f"{title}: only lines that stand or are new"
    before = "".join(line[1:] or "\n" for line in lines if line[0] != "+")
    after = "".join(line[1:] or "\n" for line in lines)
    old = path.read_text()
    assert old.count(before) == 1, f"{title} does not have exactly one place for:\n{text}"
    path.write_text(old.replace(before, after))


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with every recipe of the page in it."""
    folder = tmp_path_factory.mktemp("extended")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("*.nbi", "*.nbc"))
        else:
            shutil.copy(source, folder / name)
    text = page("extending")
    for command in blocks(text, "sh"):
        subprocess.run(["bash", "-ec", command], cwd=folder, check=True)
    for language, title, recipe in BLOCK.findall(text):
        apply(folder, title, language, recipe)
    (folder / "experiments/short_lives.yaml").write_text(blocks(page("studies"), "yaml")[-1])
    return folder


def python(folder: Path, *arguments: str, **environment: str) -> str:
    """What a Python of its own prints in the folder."""
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=clean | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_recipe_has_its_place(extended: Path) -> None:
    named = {title for _, title, _ in BLOCK.findall(page("extending"))}
    assert all((extended / title).exists() for title in named)
    headings = re.findall(r"^## A (.*)", page("extending"), re.MULTILINE)
    assert headings[:6] == ["recommender", "scenario", "metric", "rule", "study", "section of the report"]


@pytest.mark.slow
def test_what_is_added_passes_lint_and_the_contract_tests(extended: Path) -> None:
    python(extended, "-m", "ruff", "check", "recommender")
    python(extended, "-m", "ruff", "format", "--check", "recommender")
    done = python(extended, "-m", "pytest", "-k", "newest or stock_column or precision_at_5", "tests/contract")
    assert re.search(r"[1-9]\d* passed", done)


@pytest.mark.slow
def test_a_train_has_what_is_added(extended: Path) -> None:
    items = shop().items
    places = pl.Series("places", [0] * 5 + [9] * (len(items) - 5))
    sold_out = set(items["item_id"].head(5))
    shop().change("items", places=pl.lit(places)).write(extended / "shop")
    python(extended, "-c", TRAIN)
    measured = pl.read_parquet(extended / "out/metrics.parquet")
    assert {"newest", "router"} <= set(measured["rung"])
    assert {"blocked_at_10"} <= set(measured["metric"])
    lists = pl.read_parquet(extended / "lists.parquet")
    assert lists["item_id"].n_unique() == len(items) - 5
    assert not sold_out & set(lists["item_id"])
    report = (extended / "out/report.html").read_text()
    assert "The fastest rung" in report
    assert "precision@5" in report


@pytest.mark.slow
def test_a_study_has_what_is_added(extended: Path, store: str) -> None:
    study = (extended / "experiments/short_lives.yaml").read_text()
    study = study.replace("analysis: ablation", "analysis: leaders").replace("short_lives", "leading")
    (extended / "experiments/leading.yaml").write_text(study)
    few = "data.options.simulated.n_interactions=5000 data.options.simulated.n_users=500 bootstrap=100"
    python(extended, "-m", "pipelines.study", "--study", "leading", "--set", few, MLFLOW_TRACKING_URI=store)
    (finding,) = json.loads((extended / "studies/leading/findings.json").read_text())
    assert "is best" in json.dumps(finding)
