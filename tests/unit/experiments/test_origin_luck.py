"""Luck of the period, from gains that are made up."""

from __future__ import annotations

import pytest

from experiments.origin_luck import Gain, as_markdown, main
from recommender.errors import ConfigError


def test_gains_that_vary_more_than_their_intervals_say_are_told_as_luck() -> None:
    of_seed = [(0, -0.02, -0.01, 0.03), (1, 0.02, 0.03, 0.02)]
    splits = ("validation", "validation", "test")
    gains = [
        Gain(seed, split, mean, mean - 0.00196, mean + 0.00196)
        for seed, *means in of_seed
        for split, mean in zip(splits, means, strict=True)
    ]
    text = as_markdown(gains, "popularity", "ranker")
    assert "| 0 | -0.0200 (-0.0220 to -0.0180) | -0.0100 (-0.0120 to -0.0080) | +0.0300 (+0.0280 to +0.0320) |" in text
    assert "at 6 origins: mean +0.0117" in text
    assert "within one by its users 0.0010" in text
    assert "100% of the 95% intervals leave out the mean; 1 of 2 tests have another sign" in text


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["catalog", "ranker", "popularity"], "in the order of its ladder"),
        (["catalog", "popularity", "nothing"], "in the order of its ladder"),
        (["catalog", "popularity", "ranker", "1"], "SEEDS"),
    ],
)
def test_what_cannot_be_compared_is_refused(argv: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        main(argv)
