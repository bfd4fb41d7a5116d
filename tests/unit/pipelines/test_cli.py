"""``--set`` and make's SET: several KEY=YAML pairs in one string."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cli import overrides

ROOT = Path(__file__).parents[3]
PAIRS = ["a.b=1", "c.d=[2, 3]", "data.options={simulated: {seed: 1}}", "x='k=v and [ more'", "what=two words", "e="]


@pytest.mark.parametrize(
    ("value", "pairs"),
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
def test_pairs_are_told_apart(value: str, pairs: list[str]) -> None:
    assert overrides([value]) == pairs


@given(st.lists(st.sampled_from(PAIRS), min_size=1))
def test_one_string_of_pairs_is_the_same_as_one_option_each(pairs: list[str]) -> None:
    assert overrides([" ".join(pairs)]) == overrides(pairs) == pairs


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
