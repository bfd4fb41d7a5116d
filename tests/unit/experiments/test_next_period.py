"""Whether decisions held: climbs that are made up, and the whole program on one small data set."""

from __future__ import annotations

import pytest

from experiments.next_period import COUNTED, HEADS, SHORT, Climb, climbed, main, summary
from recommender.errors import ConfigError


def test_climbs_that_lost_are_counted_with_and_without_their_interval() -> None:
    climbs = [
        Climb(0.02, 0.03, 0.01, 0.05),
        Climb(0.02, 0.01, -0.01, 0.03),
        Climb(0.02, -0.01, -0.03, 0.015),
        Climb(0.02, -0.02, -0.03, -0.01),
    ]
    assert summary(climbs) == ["4", "+0.0200", "+0.0025", "50%", "25%", "50%"]
    assert summary([]) == ["0", *[""] * 5]
    assert len(HEADS) == 3 + len(summary(climbs))


@pytest.mark.slow
def test_a_simulated_data_set_is_decided_by_each_interval() -> None:
    decided = climbed("catalog", 1, short=True)
    assert list(decided) == [*COUNTED, SHORT]
    assert all(climb.promised > 0 for climbs in decided.values() for climb in climbs)
    assert len(decided["users alone"]) >= len(decided["users and periods"])
    assert decided["users alone"]


def test_seeds_are_a_number() -> None:
    with pytest.raises(ConfigError, match="SEEDS"):
        main(["many"])
