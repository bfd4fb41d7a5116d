"""Scenarios by name, by path and from Python, with keys overridden."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from recommender import config
from recommender.config import CONFIGS
from recommender.errors import ConfigError
from recommender.studies.engine import plan


def mine(tmp_path: Path, **changes: object) -> Path:
    """The shipped jobs scenario under another name, in a file of the user."""
    tree = yaml.safe_load((CONFIGS / "jobs.yaml").read_text())
    path = tmp_path / "mine.yaml"
    path.write_text("# a comment\n\n" + yaml.safe_dump({**tree, "name": "my-jobs", **changes}, sort_keys=False))
    return path


def test_a_path_works_where_a_name_does(tmp_path: Path) -> None:
    scenario = config.load(mine(tmp_path), ["split.test=0.9"])
    assert (scenario.name, scenario.split.test) == ("my-jobs", 0.9)
    assert scenario.ladder == config.load("jobs").ladder


def test_the_lines_of_the_users_own_file_are_counted(tmp_path: Path) -> None:
    path = mine(tmp_path)
    assert config.load(path).n_lines == len(path.read_text().splitlines()) - 2
    assert config.load("jobs").n_lines > 0
    assert config.parse(yaml.safe_load(path.read_text())).n_lines == 0


def test_keys_are_overridden_from_python(tmp_path: Path) -> None:
    changes = {"split.test": 0.9, "ladder.als.params.factors": 3}
    assert config.load("catalog", changes) == config.load("catalog", [f"{k}={v}" for k, v in changes.items()])


def test_values_given_from_python_stay_as_they_were() -> None:
    tree = yaml.safe_load((CONFIGS / "jobs.yaml").read_text())
    before = yaml.safe_dump(tree)
    config.parse(tree, {"split.test": 0.9})
    assert yaml.safe_dump(tree) == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", r"mine\.yaml: cannot be read as YAML"),
        ("name: x\nname: y\n", r"mine\.yaml: the key 'name' is given twice, in line 1 and line 2"),
        ("- a", r"mine\.yaml: expected keys such as 'name:'"),
        ("nam: x", r"(?s)mine\.yaml: .*'problem' is missing.*'nam'; did you mean 'name'"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        config.load(tmp_path / "mine.yaml")


def test_an_absent_file_is_told_from_a_wrong_name() -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: this scenario cannot be read \(no such file"):
        config.load("none.yaml")
    with pytest.raises(ConfigError, match=r"did you mean 'jobs'.*path of a YAML file is accepted too"):
        config.load("job")


@pytest.mark.parametrize("name", ["../x", "a b", "", "a/b"])
def test_a_scenarios_name_can_be_part_of_a_folders_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="'name'"):
        config.load(mine(tmp_path, name=name))


def test_a_study_by_path_runs_a_scenario_by_path(tmp_path: Path) -> None:
    study = {"name": "my-study", "question": "?", "analysis": "parts", "grid": {"size": {"1": {}}}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    cells = plan.cells(plan.load(str(tmp_path / "study.yaml")), [str(mine(tmp_path))], None)
    assert [c.labels["scenario"] for c in cells] == ["my-jobs"]
    with pytest.raises(ConfigError, match="Unknown study 'part'; did you mean 'parts'"):
        plan.load("part")
