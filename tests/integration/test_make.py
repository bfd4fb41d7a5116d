"""The Makefile and the set-up behind it, run as a user would, in a scratch copy with a stand-in for uv: no network."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("find", "make", "mkdir", "rm", "sed", "sh", "sleep", "touch")
UV = """#!/bin/sh
echo "$@" >>{log}
case $1 in
venv) {python} -m venv --clear --without-pip .venv ;;
pip) sleep 0.2; exit {status} ;;
esac
"""
PROGRAM = "import json, sys; print(json.dumps(sys.argv[1:]))"


@dataclass
class Clone:
    """A copy of what `make` needs, and a PATH with nothing on it but these tools, python3, gcc and uv."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def tools(self) -> Path:
        return self.root / "tools"

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        env = {"PATH": str(self.tools), "HOME": str(self.root), **self.env}
        pipe = subprocess.PIPE
        return subprocess.Popen(["make", *arguments], cwd=self.root, env=env, text=True, stdout=pipe, stderr=pipe)

    def add_tool(self, name: str, script: str) -> None:
        path = self.tools / name
        path.write_text(script)
        path.chmod(0o755)

    def add_uv(self, status: int = 0) -> None:
        self.add_tool("uv", UV.format(log=self.root / "uv.log", python=self.tools / "python3", status=status))

    def installs(self) -> list[str]:
        log = self.root / "uv.log"
        return re.findall(r"^pip install .*", log.read_text(), re.MULTILINE) if log.exists() else []


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    clone = Clone(tmp_path)
    for folder in (".ci", "configs", "pipelines", "tools"):
        (tmp_path / folder).mkdir()
    for name in ("Makefile", ".ci/setup"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in (
        ".ci/warm_up.py",
        "requirements.lock",
        "requirements-dev.lock",
        "requirements-text.lock",
        "configs/jobs.yaml",
        "configs/ugc.yaml",
    ):
        (tmp_path / name).touch()
    (tmp_path / "pipelines/__main__.py").write_text(PROGRAM)
    for name in TOOLS:
        (clone.tools / name).symlink_to(str(shutil.which(name)))
    clone.add_tool("python3", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    clone.add_tool("gcc", "#!/bin/sh\n")
    clone.add_uv()
    return clone


def arguments(result: subprocess.CompletedProcess[str]) -> list[str]:
    """What the target passed to the program of its own name."""
    assert result.returncode == 0, result.stderr
    verb, *given = json.loads(result.stdout)
    assert verb == result.args[0]
    return list(given)


def test_make_alone_explains_every_target_and_variable(clone: Clone) -> None:
    text = clone.make().stdout
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^\.PHONY: (.*)", makefile, re.MULTILINE)
    variables = set(re.findall(r"\$\$\{?([A-Z]+)\b", makefile)) - {"PATH"}
    assert not [t for t in " ".join(targets).split() if f"make {t}" not in text]
    assert not [v for v in variables if f"{v}=" not in text]


def test_missing_scenario_lists_the_scenarios_before_any_set_up(clone: Clone) -> None:
    result = clone.make("train")
    assert result.returncode == 2
    assert "SCENARIO is missing" in result.stderr
    assert "jobs ugc" in result.stderr
    assert not (clone.root / ".venv").exists()


@pytest.mark.parametrize(
    ("target", "given", "missing"),
    [
        ("recommend", ["MODEL=x", "QUERIES=y"], "TO"),
        ("data", [], "SOURCE"),
        ("data-check", [], "DATA"),
        ("simulate", ["SCENARIO=jobs"], "TO"),
        ("study", ["SCENARIO=jobs"], "STUDY"),
    ],
)
def test_missing_variable_is_named(clone: Clone, target: str, given: list[str], missing: str) -> None:
    result = clone.make(target, *given)
    assert result.returncode == 2
    assert f"{missing} is missing" in result.stderr


def test_train_passes_only_what_is_given(clone: Clone) -> None:
    assert arguments(clone.make("train", "SCENARIO=jobs")) == ["--scenario", "jobs"]


def test_train_passes_every_variable_with_spaces_quotes_and_brackets_intact(clone: Clone) -> None:
    override = """data.options={simulated: {seed: 1}} a='x "y"' c.d=[2] *"""
    given = ["SCENARIO=jobs", "DATA=my data", "OUT=a/b", f"SET={override}", "QUIET=1", "JSON=1"]
    expected = ["--scenario", "jobs", "--data", "my data", "--out", "a/b", "--set", override, "--quiet", "--json"]
    assert arguments(clone.make("train", *given)) == expected


@pytest.mark.parametrize(
    "value", ["$(shell touch made)", "a=$(x) b=$y $$", "`touch made`", "$$(touch made)", "; touch made"]
)
def test_make_runs_and_expands_nothing_of_a_value(clone: Clone, value: str) -> None:
    assert arguments(clone.make("train", f"SCENARIO={value}")) == ["--scenario", value]
    clone.env["SET"] = value
    assert arguments(clone.make("train", "SCENARIO=jobs")) == ["--scenario", "jobs", "--set", value]
    assert not (clone.root / "made").exists()


@pytest.mark.parametrize("value", ["x; touch made", "$(shell touch made)", "`touch made`"])
def test_the_tests_to_run_are_names_and_no_commands(clone: Clone, value: str) -> None:
    dry = subprocess.run(
        ["make", "test", f"TESTS={value}", "PY=echo", "READY_DEV="], cwd=clone.root, env={"PATH": str(clone.tools)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert dry.returncode == 0, dry.stderr
    assert value in dry.stdout
    assert not (clone.root / "made").exists()


def test_a_target_that_is_named_in_a_message_runs_nothing(clone: Clone) -> None:
    message = clone.make("train", "`touch made`").stderr
    assert "SCENARIO is missing" in message
    assert not (clone.root / "made").exists()


def test_recommend_passes_its_variables_and_ten_items_by_default(clone: Clone) -> None:
    given = ["MODEL=m", "QUERIES=q", "TO=t", "CANDIDATES=c", "ITEMS=i", "USERS=u", "INTERACTIONS=n"]
    passed = arguments(clone.make("recommend", *given))
    assert dict(zip(passed[::2], passed[1::2], strict=True)) == {
        "--model": "m",
        "--queries": "q",
        "--k": "10",
        "--to": "t",
        "--candidates": "c",
        "--items": "i",
        "--users": "u",
        "--interactions": "n",
    }


def test_other_programs_get_their_variables(clone: Clone) -> None:
    assert arguments(clone.make("data", "SOURCE=s", "TO=t")) == ["--source", "s", "--to", "t"]
    assert arguments(clone.make("ui", "PORT=1")) == ["--port", "1"]
    assert arguments(clone.make("simulate", "SCENARIO=s", "TO=t")) == ["--scenario", "s", "--to", "t"]
    studied = arguments(clone.make("study", "STUDY=parts", "SCENARIO=a,b", "DATA=d", "QUICK=1"))
    assert studied == ["--study", "parts", "--scenario", "a,b", "--data", "d", "--quick"]
    read = arguments(clone.make("experiment", "SCENARIO=s", "SERVED=log", "BEFORE=b.csv", "MODEL=m", "PLANNED=9"))
    given = ["--served", "log", "--before", "b.csv", "--model", "m", "--planned", "9"]
    assert read == ["--scenario", "s", *given]
    planned = arguments(clone.make("experiment", "SCENARIO=s", "USERS=5", "RATE=.1", "LISTS=2"))
    assert planned == ["--scenario", "s", "--users", "5", "--rate", ".1", "--lists", "2"]
    checked = arguments(clone.make("data-check", "DATA=d", "AGAINST=a"))
    assert checked == ["--data", "d", "--against", "a"]


def test_second_call_installs_nothing(clone: Clone) -> None:
    clone.make("setup")
    before = clone.installs()
    clone.make("setup")
    assert len(before) == 1
    assert clone.installs() == before


def test_the_extra_is_added_to_the_set_up_once(clone: Clone) -> None:
    assert clone.make("setup").returncode == 0
    for _ in range(2):
        result = clone.make("setup-text")
        assert result.returncode == 0, result.stderr
    assert [call.split("-r ")[1] for call in clone.installs()] == ["requirements.lock", "requirements-text.lock"]


def test_changed_lock_file_is_installed(clone: Clone) -> None:
    clone.make("setup")
    later = (clone.root / ".venv/.ready").stat().st_mtime + 10
    os.utime(clone.root / "requirements.lock", (later, later))
    clone.make("setup")
    assert len(clone.installs()) == 2


def test_every_package_is_installed_by_its_hash(clone: Clone) -> None:
    clone.make("setup")
    assert all("--require-hashes -r requirements.lock" in call for call in clone.installs())


def test_packages_of_the_repository_import_from_anywhere_in_the_environment(clone: Clone, tmp_path: Path) -> None:
    clone.make("setup")
    code = "import pipelines; print(list(pipelines.__path__))"
    command = [str(clone.root / ".venv/bin/python"), "-c", code]
    finished = subprocess.run(command, cwd=tmp_path.parent, capture_output=True, text=True, check=True)
    assert str(clone.root / "pipelines") in finished.stdout


def test_failed_set_up_is_done_again_from_the_start(clone: Clone) -> None:
    clone.add_uv(status=1)
    assert clone.make("train", "SCENARIO=jobs").returncode == 2
    (clone.root / ".venv/half_installed").touch()
    clone.add_uv()
    assert arguments(clone.make("train", "SCENARIO=jobs")) == ["--scenario", "jobs"]
    assert not (clone.root / ".venv/half_installed").exists()


def test_two_trains_at_once_on_a_fresh_clone_both_work_and_install_once(clone: Clone) -> None:
    both = [clone.start("train", "SCENARIO=jobs") for _ in range(2)]
    for process in both:
        out, err = process.communicate(timeout=60)
        assert json.loads(out) == ["train", "--scenario", "jobs"], err
    assert len(clone.installs()) == 1


def test_python_that_does_not_run_is_passed_over(clone: Clone) -> None:
    clone.add_tool("python3.13", "#!/bin/sh\nexit 127\n")
    assert clone.make("setup").returncode == 0


@pytest.mark.parametrize("given", [[], ["PYTHON=python2"]])
def test_without_a_fitting_python_the_message_says_what_to_install(clone: Clone, given: list[str]) -> None:
    clone.add_tool("python3", "#!/bin/sh\nexit 1\n")
    result = clone.make("setup", *given)
    assert result.returncode == 2
    assert "Python 3.11, 3.12 or 3.13 is needed" in result.stderr
    assert not (clone.root / ".venv").exists()


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="LightFM has wheels for this Python; no compiler needed")
def test_without_a_compiler_the_message_comes_before_any_work(clone: Clone) -> None:
    (clone.tools / "gcc").unlink()
    result = clone.make("setup")
    assert result.returncode == 2
    assert "needs gcc" in result.stderr
    assert not (clone.root / ".venv").exists()
