"""The table of metrics: it holds what a train writes and nothing else, and one more entry appears everywhere."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from recommender import config
from recommender.errors import ConfigError
from recommender.evaluation.effort import EffortLog
from recommender.evaluation.metric_table import (
    HIGHER,
    LOWER,
    METRICS,
    NEITHER,
    Metric,
    arrow,
    better,
    glossary_markdown,
    metric_label,
)
from recommender.evaluation.shown import Judged
from recommender.experiment import ladder, requirements, run_folder, rungs
from recommender.report.document import write_report
from recommender.report.terminal import print_result
from recommender.sources.load import load
from recommender.tracking import values

SMALL = ["data.options.simulated.n_interactions=8500", "split.validation=[0.6]", "ladder.popularity.candidates=[{}]"]


def written(name: str) -> set[str]:
    """Metrics of a train of one rung on the scenario's own data."""
    scenario = config.load(name, SMALL)
    scenario = scenario.model_copy(update={"ladder": [r for r in scenario.ladder if r.name == "popularity"]})
    data = load("simulated", raw_dir=None, **config.loading(scenario))
    scenario, skipped = requirements.supported(scenario, data)
    results = ladder.run(data, scenario, EffortLog(), lambda _: None, lambda _: None, skipped)
    columns = (c for by_rung in results.outcomes for o in by_rung.values() for c in (*o.values, *o.shares))
    return {column.partition(":")[0] for column in columns}


def test_trains_of_the_scenarios_write_every_metric_of_the_table_and_no_other() -> None:
    assert set(METRICS) == set().union(*(written(name) for name in config.scenarios()))


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


@pytest.mark.parametrize(
    ("metric", "label"),
    [
        ("ndcg_at_10", "NDCG@10"),
        ("graded_ndcg_at_10", "graded NDCG@10"),
        ("hit_rate_at_10", "hit rate@10"),
        ("answered_share", "answered share"),
        ("recall_at_20:0", "recall@20 of new items"),
        ("recall_at_20:10_plus", "recall@20 of items with 10+ interactions"),
        ("recall_at_20:1_2", "recall@20 of items with 1–2 interactions"),
    ],
)
def test_a_label_is_read_from_the_name(metric: str, label: str) -> None:
    assert metric_label(metric) == label


def precision(judged: Judged) -> np.ndarray:
    return judged.hit_at_10.mean(axis=1)


PRECISION = Metric(
    "precision_at_10", "accuracy", HIGHER, precision, compared=True, definition="Hits in the first 10 / 10."
)


def test_one_more_entry_appears_in_tables_report_mlflow_comparisons_and_glossary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METRICS, PRECISION.name, PRECISION)
    scenario = config.load("jobs", [*SMALL, "decision.metric=precision_at_10"])
    two = [r for r in scenario.ladder if r.name in ("random", "popularity")]
    scenario = scenario.model_copy(update={"ladder": two})
    rungs.check(scenario)
    data, effort = load("simulated", raw_dir=None, **config.loading(scenario)), EffortLog()
    run_folder.write_config(tmp_path, scenario)
    scenario, skipped = requirements.supported(scenario, data)
    results = ladder.run(data, scenario, effort, lambda _: None, lambda decision: decision.write(tmp_path), skipped)
    run_folder.write_tables(tmp_path, results, scenario)
    run_folder.write_effort(tmp_path, effort, data, scenario)
    run_folder.write_data(tmp_path, data, "simulated", results, scenario)

    for table in ("metrics", "comparisons", "per_query"):
        assert PRECISION.name in set(pl.read_parquet(tmp_path / f"{table}.parquet")["metric"]), table
    page = write_report(tmp_path).read_text()
    assert "<dt>precision@10 ↑</dt><dd>Hits in the first 10 / 10.</dd>" in page
    assert "precision@10 on the test period" in page
    text = io.StringIO()
    print_result(tmp_path, Console(file=text, width=120))
    assert "test precision@10 by earlier interactions" in text.getvalue()
    assert "acc/precision_at_10_ci_low" in values.every(run_folder.read_run(tmp_path), "popularity")
    assert "| precision@10 | `precision_at_10` | higher | Hits in the first 10 / 10. |" in glossary_markdown()


def test_no_scenario_decides_by_a_metric_of_which_less_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS, PRECISION.name, replace(PRECISION, better=LOWER))
    with pytest.raises(ConfigError, match="precision_at_10"):
        rungs.check(config.load("jobs", ["decision.metric=precision_at_10"]))
