"""What the README says can be done can be done: its commands are run, and give what it shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from tests.helpers.pages import README, ROOT, blocks, make, page, section, walk

OWN_DATA = section(README, "Your own data")


@pytest.fixture
def checkout(untracked: Path) -> Path:
    """A working directory with the files that the commands need."""
    (untracked / "examples").symlink_to(ROOT / "examples")
    return untracked


def flowing(text: str) -> str:
    return " ".join(text.split())


def test_the_example_is_checked_mended_trained_and_served_as_shown(checkout: Path) -> None:
    """Ids and sources of the lists; scores may differ in the last digit on another machine."""
    (_, first), *others = walk(OWN_DATA)
    error, lists = blocks(OWN_DATA, "text")
    assert first.code == 2
    assert flowing(error) in flowing(first.err)
    assert [done.code for _, done in others] == [0] * 3, [done.err for _, done in others]
    shown = pl.read_csv(lists.encode())
    assert pl.read_csv("lists.csv").drop("score").equals(shown.drop("score"))
    calls: dict[str, Any] = {}
    *lines, last = blocks(section(README, "From Python"), "python")[0].strip().splitlines()
    exec(compile("\n".join([*lines, f"lists = {last}"]), "README.md", "exec"), calls)
    assert calls["lists"].columns == shown.columns
    assert calls["lists"].height == 6


def test_day_zero_serves_what_its_page_says(checkout: Path) -> None:
    ended = [done for _, done in walk(section(page("your-data"), "Day zero: no interactions yet"))]
    assert [done.code for done in ended] == [0, 0], [done.err for done in ended]
    assert "Day zero" in ended[0].out
    lists = pl.read_csv("first-lists.csv")
    assert lists.filter(pl.col("user_id") == "max")["item_id"].head(2).sort().to_list() == ["c8", "c9"]


def test_day_zero_without_being_asked_for_names_the_way_out(checkout: Path) -> None:
    first = blocks(section(page("your-data"), "Day zero: no interactions yet"), "sh")[0].splitlines()[0]
    assert list(walk(f"```sh\n{first}\n```\n")) == []
    done = make("make train SCENARIO=catalog DATA=my-start OUT=artifacts/my-start")
    assert done.code == 2
    assert "day_zero=true" in done.err


def test_data_without_times_train_with_a_warning(checkout: Path) -> None:
    ((_, done),) = walk(section(page("your-data"), "Data without times"))
    assert done.code == 0, done.err
    assert "not honest in time" in done.out


def test_a_scenario_of_your_own_trains(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from recommender import config

    (checkout / "configs").mkdir()
    (checkout / "configs/catalog.yaml").write_text((ROOT / "configs/catalog.yaml").read_text())
    monkeypatch.setattr(config, "CONFIGS", checkout / "configs")
    ((_, done),) = walk(section(page("scenarios"), "Your own scenario"))
    assert done.code == 0, done.err
    assert "courses" in done.out


def test_the_output_shown_has_the_rungs_of_the_scenario() -> None:
    shown = README.split("make train SCENARIO=jobs -->")[1].split("```")[1]
    ladder = [rung["name"] for rung in yaml.safe_load((ROOT / "configs/jobs.yaml").read_text())["ladder"]]
    assert re.findall(r"^ ([a-z]\w*) +[.\d]", shown, re.MULTILINE) == [*ladder, "router", "oracle"]
