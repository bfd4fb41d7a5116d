"""What the README and docs/ say can be done and is there: commands, files, the pasted data set, tables of names."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from pipelines import data_check, recommend, train
from recommender.data.dataset import ROLES
from recommender.data.spec import RULES
from recommender.evaluation import metrics
from tests.helpers import worlds
from tests.helpers.folders import Done, run

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MAKEFILE = (ROOT / "Makefile").read_text()
OWN_DATA = README.split("## Your own data")[1].split("\n## ")[0]
TO_BE_WRITTEN = {"configs/courses.yaml", "recommender/models/newest.py", "recommender/sources/shop.py"}
PROGRAMS: dict[str, Callable[[list[str]], None]] = {
    "train": train.main,
    "recommend": recommend.main,
    "data-check": data_check.main,
}


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def make(line: str) -> Done:
    """A make command of the README, run as the Makefile would."""
    _, target, *given = shlex.split(line, comments=True)
    arguments = [(f"--{name.lower()}", value) for name, value in (pair.split("=", 1) for pair in given)]
    return run(PROGRAMS[target], *(part for pair in arguments for part in pair))


def walk(text: str) -> Iterator[tuple[str, Done]]:
    """Does what the shell blocks say, in order; yields every make command and how it ended."""
    for block in blocks(text, "sh"):
        for part in re.split(r"^(make .*)$", block, flags=re.MULTILINE):
            if part.startswith("make "):
                yield part, make(part)
            else:
                subprocess.run(["bash", "-ec", part], check=True, capture_output=True)


def flowing(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_command_has_its_target_and_variables(page: Path) -> None:
    found = r"(?:^|`)make ([a-z][a-z-]*)((?: [A-Z]+=(?:'[^']*'|[^\s`]*))*)"
    commands = re.findall(found, page.read_text(), re.MULTILINE)
    targets = set(" ".join(re.findall(r"^\.PHONY: (.*)", MAKEFILE, re.MULTILINE)).split())
    named = {target for target, _ in commands}
    assert named <= targets
    assert page.name != "README.md" or "train" in named
    variables = set(re.findall(r"([A-Z]+)=", " ".join(re.sub("'[^']*'", "", given) for _, given in commands)))
    assert not [v for v in variables if not re.search(rf"\b{v}=", MAKEFILE)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_named_is_there(page: Path) -> None:
    text = page.read_text()
    named = set(re.findall(r"`((?:configs|recommender|pipelines|tests|docs|experiments)/[\w./-]*)`", text))
    assert not [name for name in named - TO_BE_WRITTEN if not (ROOT / name).exists()]
    linked = {target.split("#")[0] for target in re.findall(r"\]\(([^)]*)\)", text) if "://" not in target}
    assert not [target for target in linked if not (page.parent / target).exists()]


def test_the_pasted_data_set_trains_and_serves_as_shown(untracked: Path) -> None:
    ended = [(command, done) for command, done in walk(OWN_DATA)]
    first, *others = [done for _, done in ended]
    error, lists = blocks(OWN_DATA, "text")
    assert first.code == 2
    assert flowing(error) in flowing(first.err)
    assert [done.code for done in others] == [0] * len(others), [done.err for done in others]
    assert "Day zero" in next(done.out for command, done in ended if "day_zero" in command)
    assert "not honest in time" in next(done.out for command, done in ended if "kind=random" in command)
    shown = pl.read_csv(lists.encode())
    starts = pl.read_csv("lists.csv")  # of day zero, the last lists made
    assert shown.columns == starts.columns
    assert starts.filter(pl.col("user_id") == "max")["item_id"].head(2).sort().to_list() == ["c8", "c9"]


def test_the_lists_shown_are_those_of_the_model_trained(untracked: Path) -> None:
    """Ids and sources; scores may differ in the last digit on another machine."""
    before = OWN_DATA.split("cat lists.csv\n")[0] + "```\n"
    ended = [done for _, done in walk(before)]
    assert ended[-1].code == 0
    shown = pl.read_csv(blocks(OWN_DATA, "text")[1].encode())
    assert pl.read_csv("lists.csv").drop("score").equals(shown.drop("score"))


def test_the_recommender_shown_scores_known_and_unknown_users() -> None:
    (source,) = blocks(README, "python")
    names: dict[str, type] = {}
    exec(compile(source, "README.md", "exec"), names)
    items = worlds.items_table((*worlds.ITEMS, "r5"))
    scores = names["Newest"]().fit(worlds.two_tastes()).score(worlds.ask({"a1": ["r1"], "nobody": []}, items), items)
    assert scores.shape == (2, len(items))
    assert scores.dtype == np.float32


def test_the_output_shown_has_the_rungs_of_the_scenario() -> None:
    shown = README.split("make train SCENARIO=jobs -->")[1].split("```")[1]
    ladder = [rung["name"] for rung in yaml.safe_load((ROOT / "configs/jobs.yaml").read_text())["ladder"]]
    assert re.findall(r"^ ([a-z]\w*) +[.\d]", shown, re.MULTILINE) == [*ladder, "router", "oracle"]


def test_tables_of_names_are_complete() -> None:
    data, results = ((ROOT / f"docs/{name}.md").read_text() for name in ("your-data", "reading-results"))
    repairs = data.split("| repair |")[1].split("\n\n")[0]
    told = {row[0]: tuple(re.findall(r"`(\w+)`", row[1])) for row in re.findall(r"\| `(\w+)` \|.*\|(.*)\|", repairs)}
    assert told == RULES
    assert set(re.findall(r"^\| `(\w+)` \|", data.split("| role |")[1].split("\n\n")[0], re.MULTILINE)) == set(ROLES)
    assert not [m for m in (*metrics.ACCURACY, *metrics.BEYOND) if f"`{m}`" not in results]
