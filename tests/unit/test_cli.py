"""``--set`` and make's SET: several KEY=YAML pairs in one string."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cli import overrides

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
