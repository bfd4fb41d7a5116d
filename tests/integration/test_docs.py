"""The documentation names what is there: targets, variables, settings, files, functions, tables of names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import recommender
from docs import hooks
from pipelines.arguments import pairs as pairs_of
from recommender import config, simulate
from recommender.config.files import key_value
from recommender.data.dataset import ROLES
from recommender.data.repairs import RULES
from recommender.experiment import requirements, rungs
from recommender.simulate import network
from recommender.sources import SOURCES
from recommender.studies.engine import plan
from tests.helpers.pages import PAGES, ROOT, blocks, commands, page

MAKEFILE = (ROOT / "Makefile").read_text()
MOST_LINES = 200
YOURS = {
    "configs/courses.yaml",
    "experiments/online.csv",
    "experiments/short_lives.yaml",
    "recommender/models/newest.py",
    "recommender/sources/shop.py",
}  # files that the reader is to write
every_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)


@every_page
def test_every_make_command_has_its_target_and_variables(path: Path) -> None:
    command_lines = commands(path.read_text())
    targets = set(" ".join(re.findall(r"^\.PHONY: (.*)", MAKEFILE, re.MULTILINE)).split())
    assert {target for target, _ in command_lines} <= targets
    assert not [name for _, given in command_lines for name in given if not re.search(rf"\b{name}=", MAKEFILE)]


@every_page
def test_every_make_command_names_scenarios_studies_sources_and_settings_that_there_are(path: Path) -> None:
    for target, given in commands(path.read_text()):
        for name in given.get("SCENARIO", "jobs").split(","):
            scenario = "catalog" if name == "courses" else name
            assert scenario in config.scenarios()
            pairs = pairs_of(given["SET"]) if "SET" in given else []
            if target == "simulate":
                knobs = network if scenario in network.network_names() else simulate
                knobs.resolve(scenario, dict(key_value(pair, "knob=value") for pair in pairs))
            else:
                loaded = config.load(scenario, [pair for pair in pairs if ".preset=mine" not in pair])
                rungs.check(loaded)
                requirements.check(loaded)
        assert given.get("STUDY", "parts") in {*plan.studies(), "<name>"}
        assert given.get("SOURCE", "ml-100k") in SOURCES


@every_page
def test_every_file_and_function_named_is_there(path: Path) -> None:
    text = path.read_text()
    rooms = "configs|recommender|pipelines|tests|docs|experiments|examples"
    named = set(re.findall(rf"`((?:{rooms})/[\w./-]*)(?:::(\w+))?`", text))
    assert not [file for file, _ in named if not (ROOT / file).exists() and file not in YOURS | new_files(text)]
    for file, name in named:
        if name:
            assert re.search(rf"^(?:def|class) {name}\b|^{name}\b.* = ", (ROOT / file).read_text(), re.MULTILINE), name
    linked = {target.split("#")[0] for target in re.findall(r"\]\(([^)\s]*)\)", text) if "://" not in target}
    assert not [target for target in linked if not (path.parent / target).exists()]


def new_files(text: str) -> set[str]:
    """Files whose whole text a page shows, so that a reader writes them."""
    return set(re.findall(r'^```\w+ title="([^"]+)"', text, re.MULTILINE))


@every_page
def test_no_page_is_longer_than_one_reads(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES


@every_page
def test_every_generated_table_can_be_made(path: Path) -> None:
    text = hooks.on_page_markdown(path.read_text())
    assert "[[" not in re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def test_every_file_of_data_is_shown_or_linked_and_its_page_names_the_command_that_makes_it() -> None:
    for file in (ROOT / "docs/data").glob("*.csv"):
        shown_or_linked = (f"[[data: {file.stem}", f"](data/{file.name})")
        (shown,) = [path for path in PAGES if any(one in path.read_text() for one in shown_or_linked)]
        makers = re.findall(r"python -m (experiments\.\w+)", shown.read_text())
        sources = [(ROOT / f"{maker.replace('.', '/')}.py").read_text() for maker in makers]
        assert any(f'"{file.stem}"' in source for source in sources), file.name


def test_an_unknown_table_stops_the_build() -> None:
    with pytest.raises(KeyError, match="No table 'nothing'"):
        hooks.on_page_markdown("[[table: nothing]]")
    with pytest.raises(FileNotFoundError):
        hooks.on_page_markdown("[[data: nothing]]")
    with pytest.raises(ValueError, match="no row"):
        hooks.on_page_markdown("[[data: parts, scenario=nothing]]")


def test_a_file_of_one_column_is_a_list(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("verdict,set\none,x\ntwo,y\nthree,x\n")
    assert hooks.from_csv(tmp_path / "a.csv", {"set": "x"}) == "- one\n- three\n"


def test_the_first_use_of_a_term_in_prose_is_linked_to_the_glossary() -> None:
    text = "# A rung\n`rung` ![rung](rung.png)\n```\nrung\n```\n"
    text += "The ladder's rungs; a rung. [Origin](glossary.md#origin), an origin"
    expected = text.replace("ladder", "[ladder](glossary.md#ladder)").replace("rungs", "[rungs](glossary.md#rung)")
    assert hooks.linked(text) == expected


def test_every_exception_of_the_links_is_a_term_of_the_glossary() -> None:
    assert set(hooks.WORDINGS) <= {name.lower() for name in re.findall(r"^### (.+)$", page("glossary"), re.MULTILINE)}


def test_the_map_of_the_rooms_has_a_purpose_for_every_room_and_file() -> None:
    assert not re.search(r"\|  \|", hooks.rooms() + hooks.files())
    assert {row.split("`")[1] for row in hooks.rooms().splitlines()[2:]} == {
        f"{file.parent.name}/" for file in (ROOT / "recommender").glob("*/__init__.py")
    }


def test_tables_of_repairs_and_roles_are_complete() -> None:
    text = page("your-data")
    repairs = text.split("| repair |")[1].split("\n\n")[0]
    named = {row[0]: tuple(re.findall(r"`(\w+)`", row[1])) for row in re.findall(r"\| `(\w+)` \|.*\|(.*)\|", repairs)}
    assert named == RULES
    assert set(re.findall(r"^\| `(\w+)` \|", text.split("| role |")[1].split("\n\n")[0], re.MULTILINE)) == set(ROLES)


def test_the_example_of_the_api_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {}
    exec(compile("".join(blocks(page("api"), "python")), "docs/api.md", "exec"), names)
    assert names["lists"]["user_id"].to_list() == ["kim"] * 3
    assert set(names["measured"]["rung"]) == {"popularity", "content"}
    assert names["sentences"]
    assert names["decision"].height


def test_the_reference_has_every_public_name() -> None:
    assert set(re.findall(r"^::: recommender\.(\w+)$", page("api"), re.MULTILINE)) == set(recommender.__all__)
