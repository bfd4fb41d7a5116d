"""No setting, configuration or file given to a program ends it in a traceback: exit code 0, or 2 and one message."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from pipelines import data_check, recommend, train
from tests.helpers.folders import LADDER, Done, Trained, run, shop
from tests.helpers.mutations import OF_FILES, VALUES, mutated, spoilt

pytestmark = pytest.mark.slow
QUICK = [LADDER, "bootstrap=100", "decision.thin=5", "split.min_train=20", "split.validation=[0.6]", "rerank=[]"]
COLUMNS: dict[str, tuple[str, Callable[[int], pl.Series]]] = {  # name: role, values of n rows
    "many": ("multi", lambda n: pl.Series([["a", "b"], ["b"]] * n)),
    "nested": ("ignore", lambda n: pl.Series([[["a"]], [["b"]]] * n)),
    "vectors": ("embedding", lambda n: pl.Series([[1.0, 2.0], [0.5, 1.0]] * n)),
    "place": ("location", lambda n: pl.Series([{"lat": 1.0, "lon": 2.0}] * n)),
    "bytes": ("ignore", lambda n: pl.Series([b"x"] * n)),
    "dates": ("ignore", lambda n: pl.Series([date(2024, 1, 1)] * n)),
    "words": ("text", lambda n: pl.Series([["a b", "b"], ["b"]] * n)),
    "groups": ("protected", lambda n: pl.Series([["a", "b"], ["b"], []] * n)),
    "nothing": ("ignore", lambda n: pl.Series([None] * n)),
}
NAMING = (  # settings that name a column
    *("slices=[{}]", "exposure={{creator_column: {}}}", "exposure={{calibration_column: {}}}"),
    *("audit={{columns: [{}], favourable: {{column: salary}}}}", "audit.favourable.column={}"),
    *(f"eligibility={{{{{k}_column: {{}}}}}}" for k in ("blocked", "moderated", "holds", "blocks", "editorial")),
    "eligibility={{reach: {{user: {0}, item: {0}, max_km: 3}}}}",
    "eligibility={{seniority: {{user: {0}, item: {0}, order: [a, b], hard: true}}}}",
    *("spam={{label_column: {}}}", "spam={{label_column: late, creator_column: {0}, signed_up_column: {0}}}"),
    "ladder=[{{name: popularity, recommender: popularity, params: {{segment: [{}]}}}}]",
    "ladder=[{{name: popularity, recommender: popularity, params: {{trusted: true, signed_up_column: {}}}}}]",
    "ladder=[{{name: social, recommender: social, params: {{follows_column: {}}}}}]",
    "ladder=[{{name: content, recommender: content, params: {{columns: [{}]}}}}]",
    "exposure={{creator_column: {}}} slots={{rung: content, n: 4, of: 10, explore: ucb}}",
    *(f"rerank=[{{{{name: x, reranker: {r}, params: {{{{column: {{}}}}}}}}}}]" for r in ("calibrated", "fair", "pins")),
)


def ended(done: Done, *places: str) -> bool:
    """Whether a program ended well; else it ended with 2, one message, and nothing at the places."""
    assert done.code in (0, 2), done.err
    if done.code == 2:
        assert done.err.count("Error:") == 1, done.err
        assert "Traceback" not in done.err
        assert len(done.err) < 20_000
        assert not [place for place in places if Path(place).exists()]
    return done.code == 0


def train_on(data: Path, *settings: str, scenario: object = "jobs") -> bool:
    shutil.rmtree("out", ignore_errors=True)
    given = [part for setting in settings for part in ("--set", setting)]
    return ended(run(train.main, "--scenario", scenario, "--data", data, "--out", "out", *given), "out")


@pytest.mark.parametrize("setting", NAMING)
def test_a_setting_may_name_a_column_of_any_type(untracked: Path, setting: str) -> None:
    data = shop()
    for name, (role, values) in COLUMNS.items():
        for table in ("items", "users"):
            frame: pl.DataFrame = getattr(data, table)
            setattr(data, table, frame.with_columns(values(frame.height)[: frame.height].alias(name)))
            data.spec["features"][table][name] = role
    late = pl.datetime_range(date(2024, 2, 1), date(2024, 4, 1), eager=True).dt.replace_time_zone("UTC")
    data.items = data.items.with_columns(late=late[: data.items.height])
    folder = data.write(untracked / "set")
    outcomes = [train_on(folder, *QUICK, setting.format(column)) for column in COLUMNS]
    skipped = ("ladder", "eligibility={{reach", "eligibility={{seniority")  # where no column fits, with a warning
    assert False in outcomes or setting.startswith(skipped)


@pytest.mark.parametrize("seed", range(10))
def test_a_spoilt_configuration_is_used_or_refused(trained: Trained, untracked: Path, seed: int) -> None:
    rng = random.Random(seed)
    sound = yaml.safe_load((trained.out / "config.yaml").read_text())
    outcomes = []
    for _ in range(20):
        tree = spoilt(rng, sound)
        Path("mine.yaml").write_text(yaml.safe_dump(tree))
        outcomes.append(train_on(trained.data, scenario="mine.yaml"))
    assert False in outcomes


@pytest.mark.parametrize("seed", range(5))
def test_a_spoilt_setting_is_used_or_refused(trained: Trained, untracked: Path, seed: int) -> None:
    rng = random.Random(seed)
    tree = yaml.safe_load((trained.out / "config.yaml").read_text())
    keys = [path for path in paths(tree) if path]
    for _ in range(20):
        key = rng.choice(keys)
        value = rng.choice([str(rng.choice(VALUES)), yaml.safe_dump(rng.choice(VALUES), default_flow_style=True)])
        text = rng.choice(
            [f"{key}={value}", f"{key}={value}", f"{key} {value}", f"{key[:-1]}={value}", f"{key}.x={value}"]
        )
        train_on(trained.data, *QUICK, text)


def paths(tree: Any, above: str = "") -> list[str]:
    """Every key of a configuration, dotted."""
    if not isinstance(tree, dict):
        return [above]
    return [above, *(p for k, v in tree.items() for p in paths(v, f"{above}.{k}" if above else str(k)))]


@pytest.mark.parametrize("seed", range(10))
def test_spoilt_files_of_recommend_are_read_or_refused(trained: Trained, workplace: Path, seed: int) -> None:
    rng = random.Random(seed)
    data = shop()
    plain = {"items": data.items.drop("vector"), "users": data.users, "interactions": data.interactions.head(40)}
    sound = {f"{name}.csv": frame.head(30).write_csv() for name, frame in plain.items()}
    sound["queries.csv"] = "user_id,as_of\nu1,2024-03-01\nu2,\nnobody,2024-04-01\n"
    sound["candidates.csv"] = "item_id\ni1\ni2\ni3\ni9\n"
    outcomes = []
    for _ in range(30):
        folder = mutated(rng, workplace / "given", sound, OF_FILES)
        given = [part for file in sorted(folder.iterdir()) for part in (f"--{file.stem}", file)]
        Path("lists.csv").unlink(missing_ok=True)
        done = run(recommend.main, "--model", trained.out, "--to", "lists.csv", "--k", "3", *given)
        outcomes.append(ended(done, "lists.csv"))
    assert {True, False} == set(outcomes)


@pytest.mark.parametrize("seed", range(5))
def test_a_damaged_train_to_compare_with_is_read_or_refused(trained: Trained, workplace: Path, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(10):
        shutil.rmtree("old", ignore_errors=True)
        shutil.copytree(trained.out, "old")
        file = rng.choice(sorted(path for path in Path("old").rglob("*") if path.is_file()))
        content = bytearray(file.read_bytes())
        start = rng.randrange(len(content))
        content[start] ^= rng.randrange(1, 256)
        file.write_bytes(rng.choice([content, content[:start], b""]))
        ended(run(data_check.main, "--data", trained.data, "--against", "old"))
