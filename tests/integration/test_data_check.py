"""``python -m pipelines.data_check`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from pipelines import data_check
from recommender.data.drift import FOLDER, save_reference
from recommender.data.folder import read_folder
from recommender.data.gate import build
from tests.helpers.folders import Done, run


def check(*args: object) -> Done:
    return run(data_check.main, *args)


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


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
    assert done.code == 0, done.err
    for text in ("shop", "n_interactions", "gini_items", "2024-01-08", "title", "No problems"):
        assert text in done.out


def test_guessed_roles_are_marked(folder: Path) -> None:
    (folder / "users.csv").write_text("user_id,gender\n1,f\n2,m\n")
    columns = json.loads(check("--data", folder, "--json").out)["summary"]["columns"]
    assert [(c["column"], c["role"], c["guessed"]) for c in columns] == [
        ("title", "text", False),
        ("gender", "protected", True),
    ]


def test_problems_are_all_told_with_exit_code_2_and_no_traceback(folder: Path) -> None:
    (folder / "interactions.csv").write_text("user_id,item_id,timestamp\n1,a,soon\n1,z,2024-01-12\n2,a,2999-01-13\n")
    done = check("--data", folder, "--json")
    assert done.code == 2
    assert "Traceback" not in done.err
    problems = json.loads(done.out)["problems"]
    assert {p["rule"] for p in problems} == {"unparsable_times", "unknown_items", "future_times"}
    assert "interactions.item_id: unknown_items, 1 row" in done.err


def test_comparison_with_the_data_of_a_train(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    save_reference(build(read_folder(folder)), tmp_path / "out" / FOLDER)
    more = pl.read_csv(folder / "interactions.csv", infer_schema=False)
    extra = pl.DataFrame({"user_id": ["9"], "item_id": ["b"], "timestamp": ["2024-01-20"]})
    pl.concat([more, extra]).write_csv(folder / "interactions.csv")
    done = check("--data", folder, "--against", tmp_path / "out")
    assert done.code == 0, done.err
    assert "33% of the users" in done.out
    assert "popularity_shift" in done.out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--data", "job-view"], "did you mean 'job-views'"),
        (["--data", "simulated", "--scenario", "nowhere"], "Unknown scenario 'nowhere'"),
        (["--data", "simulated", "--against", "nowhere"], "OUT folder of a finished train"),
        (["--data", "simulated", "--against", "."], "OUT folder of a finished train"),
    ],
)
def test_user_errors_are_one_message(args: list[str], said: str) -> None:
    done = check(*args)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["ml-100k", "ml-latest-small", "kuairand-pure", "job-views"])
def test_real_data_has_no_problems(raw_dir: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMMENDER_RAW_DIR", str(raw_dir))
    done = check("--data", name, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["summary"]["n_interactions"] > 10_000
