"""Which way of each metric is better: every metric that a train writes has its entry, and nothing else has."""

from __future__ import annotations

import pytest

from recommender import config
from recommender.evaluation.directions import BETTER, HIGHER, LOWER, NEITHER, arrow, better
from recommender.evaluation.effort import EffortLog
from recommender.experiment import ladder
from recommender.sources.load import load

SMALL = ["data.options.simulated.n_interactions=8500", "split.validation=[0.6]", "ladder.popularity.candidates=[{}]"]


def written(name: str) -> set[str]:
    """Metrics of a train of one rung on the scenario's own data."""
    scenario = config.load(name, SMALL)
    scenario = scenario.model_copy(update={"ladder": [r for r in scenario.ladder if r.name == "popularity"]})
    data = load("simulated", raw_dir=None, **config.loading(scenario))
    results = ladder.run(data, scenario, EffortLog(), lambda _: None, lambda _: None)
    columns = (c for by_rung in results.outcomes for o in by_rung.values() for c in (*o.values, *o.shares))
    return {column.partition(":")[0] for column in columns}


def test_every_metric_that_a_train_of_any_scenario_writes_has_a_direction_and_no_other_is_stated() -> None:
    found = {name: written(name) for name in config.scenarios()}
    forgotten = {name: sorted(metrics - set(BETTER)) for name, metrics in found.items()}
    assert not any(forgotten.values()), f"add them to recommender/evaluation/directions.py: {forgotten}"
    assert set(BETTER) == set().union(*found.values())


@pytest.mark.parametrize(
    ("metric", "way", "shown"),
    [
        ("ndcg_at_10", HIGHER, " ↑"),
        ("recall_at_20:0", HIGHER, " ↑"),
        ("spam_at_10", LOWER, " ↓"),
        ("popularity_percentile_at_10", NEITHER, ""),
        ("unheard_of", NEITHER, ""),
    ],
)
def test_a_metric_has_an_arrow_where_one_way_is_better(metric: str, way: int, shown: str) -> None:
    assert (better(metric), arrow(metric)) == (way, shown)
