"""The command ``coldstart``: its verbs, its arguments, and ``--set``, where one string may hold several pairs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from pipelines.arguments import PROGRAMS, pairs, parse

ROOT = Path(__file__).parents[3]
PAIRS = ["a.b=1", "c.d=[2, 3]", "data.options={simulated: {seed: 1}}", "x='k=v and [ more'", "what=two words", "e="]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a.b=1 c.d=[2]", ["a.b=1", "c.d=[2]"]),
        ("data.options={simulated: {seed: 1}} a=2", ["data.options={simulated: {seed: 1}}", "a=2"]),
        ("a=[x=1, y=2] b=3", ["a=[x=1, y=2]", "b=3"]),
        ("problem.what=jobs for nurses seed=3", ["problem.what=jobs for nurses", "seed=3"]),
        ("what=users' jobs seed=3", ["what=users' jobs", "seed=3"]),
        ("what='a b=1' seed=3", ["what='a b=1'", "seed=3"]),
        ("  a=1\n b=2  ", ["a=1", "b=2"]),
        ("no-equals-sign", ["no-equals-sign"]),
        ("", []),
    ],
)
def test_pairs_are_told_apart(value: str, expected: list[str]) -> None:
    assert pairs(value) == expected


@hypothesis.given(st.lists(st.sampled_from(PAIRS), min_size=1))
def test_one_string_of_pairs_is_the_same_as_one_option_each(given: list[str]) -> None:
    together = ["--scenario", "jobs", "--set", " ".join(given)]
    one_each = ["--scenario", "jobs", *(part for pair in given for part in ("--set", pair))]
    assert parse("train", together).set == parse("train", one_each).set == given


def test_ctrl_c_before_the_program_has_begun_is_no_traceback() -> None:
    """Importing takes seconds, and happens before ``cli.run`` is there to catch it."""
    command = [sys.executable, "-c", "import pipelines; raise KeyboardInterrupt"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "Interrupted\n")


def test_any_other_error_keeps_its_traceback() -> None:
    command = [sys.executable, "-c", "import pipelines; raise RuntimeError('a bug')"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "RuntimeError: a bug" in done.stderr


def coldstart(*given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "pipelines", *given], cwd=ROOT, capture_output=True, text=True)


def test_every_verb_has_a_program_and_a_line_of_help() -> None:
    done = coldstart("--help")
    assert done.returncode == 0
    for verb in PROGRAMS:
        assert (ROOT / f"pipelines/{verb.replace('-', '_')}.py").is_file()
        assert re.search(rf"^  {verb} +[A-Z].*\.$", done.stdout, re.MULTILINE), verb


@pytest.mark.parametrize("verb", PROGRAMS)
def test_help_imports_no_library_that_computes(verb: str) -> None:
    heavy = "{'numpy', 'polars', 'pandas', 'sklearn', 'mlflow', 'rich'}"
    code = f"import sys, atexit; atexit.register(lambda: print('loaded', {heavy} & set(sys.modules)))\n"
    code += f"sys.argv = ['coldstart', {verb!r}, '--help']\nfrom pipelines.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: coldstart {verb}")
    assert done.stdout.endswith("loaded set()\n")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["trian"], "Unknown verb 'trian'; did you mean 'train'?"),
        (["train"], "the following arguments are required: --scenario"),
        (["train", "--scenari", "x", "--wrong"], "unrecognized arguments: --wrong"),
        (["train", "--scenario", "job"], "Unknown scenario 'job'; did you mean 'jobs'?"),
        (["ui", "--port", "x"], "argument --port: invalid int value: 'x'"),
    ],
)
def test_a_wrong_command_line_ends_with_code_2_and_one_message(given: list[str], message: str) -> None:
    done = coldstart(*given)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_verb_the_verbs_are_listed() -> None:
    done = coldstart()
    assert done.returncode == 2
    assert "simulate" in done.stdout
