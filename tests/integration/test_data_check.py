"""``python -m pipelines.data_check`` as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from recommender.data.folder import read_folder
from recommender.data.schema import build
from recommender.data.summary import save_reference

ROOT = Path(__file__).parents[2]


def check(*args: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipelines.data_check", *map(str, args)]
    variables = {**os.environ, "COLUMNS": "200", **environment}
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=120)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "shop"
    made.mkdir()
    (made / "interactions.csv").write_text(
        "user_id,item_id,timestamp\n1,a,2024-01-02\n1,b,2024-01-12\n2,a,2024-01-13\n"
    )
    (made / "items.csv").write_text("item_id,title\na,a very good book\nb,another good book\n")
    (made / "dataset.yaml").write_text("features: {items: {title: text}}\n")
    return made


def test_summary_is_printed(folder: Path) -> None:
    done = check("--data", folder)
    assert done.returncode == 0, done.stderr
    for text in ("shop", "n_interactions", "gini_items", "2024-01-08", "title", "No problems"):
        assert text in done.stdout


def test_guessed_roles_are_marked(folder: Path) -> None:
    (folder / "users.csv").write_text("user_id,gender\n1,f\n2,m\n")
    columns = json.loads(check("--data", folder, "--json").stdout)["summary"]["columns"]
    assert [(c["column"], c["role"], c["guessed"]) for c in columns] == [
        ("title", "text", False),
        ("gender", "protected", True),
    ]


def test_problems_are_all_told_with_exit_code_2_and_no_traceback(folder: Path) -> None:
    (folder / "interactions.csv").write_text("user_id,item_id,timestamp\n1,a,soon\n1,z,2024-01-12\n2,a,2999-01-13\n")
    done = check("--data", folder, "--json")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    problems = json.loads(done.stdout)["problems"]
    assert {p["rule"] for p in problems} == {"unparsable_times", "unknown_items", "future_times"}
    assert "interactions.item_id: unknown_items, 1 row" in done.stderr


def test_comparison_with_the_data_of_a_train(folder: Path, tmp_path: Path) -> None:
    model = tmp_path / "out" / "model"
    model.mkdir(parents=True)
    save_reference(build(read_folder(folder)), model)
    more = pl.read_csv(folder / "interactions.csv", infer_schema=False)
    extra = pl.DataFrame({"user_id": ["9"], "item_id": ["b"], "timestamp": ["2024-01-20"]})
    pl.concat([more, extra]).write_csv(folder / "interactions.csv")
    done = check("--data", folder, "--against", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "33% of the users" in done.stdout
    assert "popularity_shift" in done.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--data", "job-view"], "did you mean 'job-views'"),
        (["--data", "simulated", "--scenario", "nowhere"], "Unknown scenario 'nowhere'"),
        (["--data", "simulated", "--against", "nowhere"], "OUT folder of a finished train"),
    ],
)
def test_user_errors_are_one_message(args: list[str], said: str) -> None:
    done = check(*args)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["ml-100k", "ml-latest-small", "kuairand-pure", "job-views"])
def test_real_data_has_no_problems(raw_dir: Path, name: str) -> None:
    done = check("--data", name, "--json", RECOMMENDER_RAW_DIR=str(raw_dir))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["summary"]["n_interactions"] > 10_000
