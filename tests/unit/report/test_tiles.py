"""Numbers of the tiles."""

from __future__ import annotations

import pytest

from recommender.report.tiles import two_digits


@pytest.mark.parametrize(
    ("value", "text"), [(345.2, "350"), (1234.0, "1200"), (4.14, "4.1"), (0.00968, "0.0097"), (2.0, "2"), (0.0, "0")]
)
def test_small_and_large_costs_have_two_digits_without_an_exponent(value: float, text: str) -> None:
    assert two_digits(value) == text
