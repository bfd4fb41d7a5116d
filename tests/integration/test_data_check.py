"""``python -m pipelines.data_check`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
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
    place = tmp_path / "shop"
    place.mkdir()
    (place / "interactions.csv").write_text(
        "user_id,item_id,timestamp\n1,a,2024-01-02\n1,b,2024-01-12\n2,a,2024-01-13\n"
    )
    (place / "items.csv").write_text("item_id,title\na,a very good book\nb,another good book\n")
    (place / "dataset.yaml").write_text("features: {items: {title: text}}\n")
    return place


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
    assert "As in training: none of" in done.out


def test_damage_since_the_train_is_an_alarm_the_worst_first_with_what_to_do(tmp_path: Path) -> None:
    """Salary times 1.6, half of a column blank, popularity scrambled: each an alarm; the untouched copy is none."""
    rng = np.random.default_rng(0)
    popular = rng.zipf(1.4, 4000).clip(1, 60) - 1
    times = [f"2024-01-{1 + n // 200:02} {n % 200 // 10:02}:{n % 10:02}:00" for n in range(4000)]
    base = {
        "interactions": pl.DataFrame({"user_id": rng.integers(0, 300, 4000), "item_id": popular, "timestamp": times}),
        "items": pl.DataFrame({"item_id": range(60), "salary": rng.normal(50_000, 9_000, 60)}).with_columns(
            city=pl.Series(["north", "south"] * 30)
        ),
    }
    items = base["items"]
    scrambled = dict(zip(range(60), rng.permutation(60).tolist(), strict=True))
    damaged = {
        "salary": {"items": items.with_columns(pl.col("salary") * 1.6)},
        "city": {"items": items.with_columns(pl.when(pl.col("item_id") % 2 == 0).then("city").alias("city"))},
        "popularity": {"interactions": base["interactions"].with_columns(pl.col("item_id").replace_strict(scrambled))},
        "nothing": {},
    }
    out = tmp_path / "out"
    for name, change in damaged.items():
        place = tmp_path / name
        place.mkdir()
        for table, frame in {**base, **change}.items():
            frame.write_csv(place / f"{table}.csv")
        if not out.exists():
            (tmp_path / "base").mkdir()
            for table, frame in base.items():
                frame.write_csv(tmp_path / "base" / f"{table}.csv")
            out.mkdir()
            save_reference(build(read_folder(tmp_path / "base")), out / FOLDER)
        done = check("--data", place, "--against", out, "--json")
        answer = json.loads(done.out)
        worst = answer["drift"][0]
        assert done.code == (0 if name == "nothing" else 4), (name, answer["verdict"])
        assert (worst["level"] == "alarm") is (name != "nothing")
        if name != "nothing":
            assert name in worst["measure"]
            assert worst["do"]
            assert answer["verdict"].startswith("Alarm:")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--data", "job-view"], "did you mean 'job-views'"),
        (["--data", "simulated", "--scenario", "nowhere"], "Unknown scenario 'nowhere'"),
        (["--data", "simulated", "--against", "nowhere"], "OUT folder of a finished train"),
        (["--data", "simulated", "--against", "."], "OUT folder of a finished train"),
    ],
)
def test_user_errors_are_one_message(args: list[str], message: str) -> None:
    done = check(*args)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["ml-100k", "ml-latest-small", "kuairand-pure", "job-views"])
def test_real_data_has_no_problems(raw_dir: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMMENDER_RAW_DIR", str(raw_dir))
    done = check("--data", name, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["summary"]["n_interactions"] > 10_000
