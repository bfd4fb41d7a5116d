"""Numbers with as many decimals as their interval supports."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.evaluation.rounding import MOST, decimals, percent, with_interval


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.013, 0.0046, 0.0218, "0.013 [0.005, 0.022]"),
        (0.0023, 0.0011, 0.0035, "0.0023 [0.0011, 0.0035]"),
        (0.0213, 0.0004, 0.0422, "0.0213 [0.0004, 0.0422]"),  # 0.000 would look as if it held 0
        (35.26, 30.1, 40.4, "35 [30, 40]"),
        (0.5, None, None, "0.500"),
        (0.5, float("nan"), float("nan"), "0.500"),
        (None, None, None, "–"),
    ],
)
def test_decimals_follow_the_interval(value: float | None, low: float | None, high: float | None, text: str) -> None:
    assert with_interval(value, low, high) == text


def test_a_sign_and_stated_decimals_are_taken() -> None:
    assert with_interval(0.5, 0.4, 0.6, places=1, sign=True) == "+0.5 [+0.4, +0.6]"


@given(st.floats(-1e6, 1e6), st.floats(1e-9, 1e6))
def test_rounding_hides_at_most_a_fifth_of_half_the_width(low: float, half: float) -> None:
    high = low + 2 * half
    places = decimals(low, high)
    assert 0 <= places <= MOST
    if 0 < places < MOST:
        assert 10.0**-places / 2 <= max(high - low, 1e-9) / 2 / 3.5 or (high - low) <= 0


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, "–"), (0.0, "0.0%"), (0.0027, "0.3%"), (0.0003, "0.03%"), (0.094, "9.4%"), (0.333, "33%")],
)
def test_a_share_that_is_not_0_is_not_printed_as_0(share: float | None, text: str) -> None:
    assert percent(share) == text
