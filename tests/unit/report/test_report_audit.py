"""The report's parts on re-rankers and the audit, and what MLflow is told of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from recommender.config import Audit
from recommender.evaluation.audit import audit_table
from recommender.experiment.run_folder import read_run
from recommender.report import audit, charts
from recommender.report.document import write_report
from recommender.tracking import values
from tests.helpers.audits import group
from tests.helpers.out_folder import RERANKED, write_out

AUDIT = {"columns": ["sex"], "favourable": {"column": "pay", "top_share": 0.25}, "at_least": 3}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A train whose router re-ranks, audited: women are selected half as often, x are too few to judge."""
    path = write_out(tmp_path / "out", changes=(RERANKED,))
    config: dict[str, Any] = yaml.safe_load((path / "config.yaml").read_text())
    config["ladder"] = [r for r in config["ladder"] if not r["name"].startswith("router")]
    config |= {"rerank": [{"name": "far", "reranker": "fit"}, {"name": "not", "reranker": "mmr", "enabled": False}]}
    config |= {"audit": AUDIT, "eligibility": {"reach": {"max_km": 1, "hard": False}}}
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    sexes, selected = ["f"] * 100 + ["m"] * 100 + ["x"], [1, 0] * 50 + [1] * 100 + [0]
    table = audit_table(group(sexes, selected), Audit.model_validate(AUDIT), 200, 0)
    table.write_parquet(path / "audit.parquet")
    return path


def page(out: Path) -> str:
    return write_report(out).read_text()


def test_the_report_shows_what_re_ranking_changed(out: Path) -> None:
    shown = page(out)
    assert "What the re-rankers change" in shown
    assert "before and after far." in shown
    metrics = read_run(out).metrics.filter(split="test", user_bucket="all", item_bucket="all", slice="all")
    before, after = (
        metrics.filter(rung=rung, metric="recall_at_20")["value"].item() for rung in ("router-plain", "router")
    )
    assert f"{after - before:+.4f}" in shown


def test_accuracy_stands_apart_from_what_lists_show_where_expiry_and_rules_come_first(out: Path) -> None:
    rows = pl.read_parquet(out / "metrics.parquet").filter(pl.col("metric") != "unavailable_at_10")
    coverage = rows.filter(metric="item_coverage_at_10")
    added = [coverage.with_columns(metric=pl.lit(m)) for m in ("out_of_reach_at_10", "unavailable_at_10")]
    pl.concat([rows, *added]).write_parquet(out / "metrics.parquet")
    shown = page(out)
    part = shown[shown.index("<h2>Other metrics</h2>") :].partition("</section>")[0]
    accuracy, lists = part.split("what the lists show", 1)
    assert "recall@20" in accuracy
    assert "unavailable@10" not in accuracy
    places = [lists.index(name) for name in ("unavailable@10", "out of reach@10", "item coverage@10")]
    assert places == sorted(places)


def test_without_re_rankers_there_is_no_such_part(tmp_path: Path) -> None:
    shown = page(write_out(tmp_path / "out"))
    assert "What the re-rankers change" not in shown
    assert "bias audit" not in shown


def test_the_report_shows_rates_ratios_and_the_groups_that_are_too_few(out: Path) -> None:
    shown = page(out)
    assert "Who gets what: the bias audit" in shown
    assert "50% of the users of &#39;f&#39; get at least 3 favourable items (pay in the top 25%)" in shown
    assert "impact ratio 0.50" in shown
    assert "too few" in shown
    assert 'id="audit-chart"' in shown


def test_the_chart_says_in_words_who_is_served_worst(out: Path) -> None:
    chart = audit.audit_chart(read_run(out))
    assert chart is not None
    assert "2 groups of users. Lowest: sex: f, 0.50" in chart.alt


def test_the_lists_before_re_ranking_are_no_rung_of_the_charts(out: Path) -> None:
    assert "router-plain" not in charts.front_rungs(read_run(out))


def test_mlflow_is_told_the_lowest_impact_ratio_of_each_column(out: Path) -> None:
    logged_values = values.every(read_run(out), "router")
    assert logged_values["harm/impact_ratio/sex"] == 0.5
    assert logged_values["harm/impact_ratio_hits/sex"] == 0.5
    assert not any(name.startswith("harm/") for name in values.every(read_run(out), "als"))


def test_where_nobody_is_selected_there_is_no_chart(out: Path) -> None:
    table = audit_table(group(["f", "m"], [0, 0]), Audit.model_validate(AUDIT), 100, 0)
    table.write_parquet(out / "audit.parquet")
    assert audit.audit_chart(read_run(out)) is None
    assert pl.read_parquet(out / "audit.parquet").height > 0
    assert "bias audit" not in page(out)
