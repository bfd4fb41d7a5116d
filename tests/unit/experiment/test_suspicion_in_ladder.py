"""A detector of spam in a whole run: suspicion reaches re-rankers, and what it found is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recommender import config
from recommender.config import Scenario
from recommender.data.dataset import Dataset
from recommender.errors import ConfigError
from recommender.evaluation.effort import EffortLog
from recommender.experiment import ladder, requirements, run_folder
from recommender.experiment.attack_gain import attacked
from recommender.experiment.run_folder import read_run
from recommender.names import SUSPICION
from recommender.report.document import write_report
from recommender.tracking import values
from tests.helpers.small import Row, dataset, table, times

DAY = 24.0
SPAM = {"label_column": "moderated_at", "creator_column": "creator"}


def world(labelled: bool = True) -> Dataset:
    """600 items over 20 days; a ring of 12 pushes every tenth, and most of those are confirmed a day later."""
    rng = np.random.default_rng(0)
    hours = np.sort(rng.uniform(0, 20 * DAY, 600))
    spam = np.arange(600) % 10 == 0
    rows: list[Row] = [
        (f"u{rng.integers(60)}", f"i{i:03}", h + float(rng.exponential(60)))
        for i, h in enumerate(hours)
        for _ in range(6)
    ]
    rows += [(f"f{n}", f"i{i:03}", h + rng.random()) for i, h in enumerate(hours) if spam[i] for n in range(12)]
    when = [h + DAY if s and n % 50 else None for n, (h, s) in enumerate(zip(hours, spam, strict=True))]
    columns = {"available_from": times(hours.tolist()), "creator": [f"c{n % 30}" for n in range(600)]}
    if labelled:
        columns["moderated_at"] = times(when)
    roles = {"creator": "category", "moderated_at": "ignore"}
    return dataset(rows, table("item_id", [f"i{n:03}" for n in range(600)], roles, **columns))


def scenario(**more: object) -> Scenario:
    tree = {
        "name": "x",
        "problem": {"what": "", "for_whom": "", "target": 0.1, "cost_of_error": ""},
        "split": {"validation": [0.7], "test": 0.85, "min_train": 10},
        "ladder": [{"name": "popularity", "recommender": "popularity", "params": {"half_life_days": 1}}],
        "spam": SPAM,
        "rerank": [{"name": "demote", "reranker": "demote", "params": {"column": SUSPICION, "places": 50}}],
        "bootstrap": 100,
    }
    return config.parse({**tree, **more})


def run(data: Dataset, chosen: Scenario) -> ladder.Results:
    chosen, skipped = requirements.supported(chosen, data)
    return ladder.run(data, chosen, EffortLog(), lambda _: None, lambda _: None, skipped)


def test_what_is_suspected_moves_down_and_the_detector_is_judged_at_every_origin() -> None:
    results = run(world(), scenario())
    assert [j.split for j in results.judgements] == ["validation", "test"]
    assert "flagged" in results.judgements[-1].sentence()
    shown = {
        rung: np.nanmean(results.outcomes[-1][rung].values["violating_at_10"]) for rung in ("router-plain", "router")
    }
    assert shown["router"] < shown["router-plain"]


class Knowing:
    """Every tenth item is spam, confirmed or not."""

    def scores(self, users: pl.Series, items: pl.Series, as_of: np.ndarray) -> np.ndarray:
        return np.zeros((len(users), len(items)), np.float32)

    def spam(self, items: pl.Series) -> np.ndarray:
        return (items.str.slice(1).cast(pl.Int64) % 10 == 0).to_numpy()


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a train on simulated data with a detector leaves."""
    folder = tmp_path_factory.mktemp("out")
    popularity = {"recommender": "popularity", "params": {"half_life_days": 1}}
    guarded = {**popularity, "params": {"half_life_days": 1, "trusted": True}}
    chosen = scenario(ladder=[{"name": "popularity", **popularity}, {"name": "guarded", **guarded}])
    results = run(replace(world(), truth=Knowing), chosen)
    run_folder.write_config(folder, chosen)
    results.decision.write(folder)
    run_folder.write_tables(folder, results, chosen)
    run_folder.write_effort(folder, EffortLog(), world(), chosen)
    run_folder.write_data(folder, world(), "small", results, chosen)
    return folder


def test_the_report_tells_what_the_detector_found_what_lists_show_and_what_a_rank_costs(out: Path) -> None:
    page = write_report(out).read_text()
    assert ">Spam</h2>" in page
    row = pl.read_parquet(out / "spam.parquet").row(-1, named=True)
    assert f"test {row['origin'][:10]}" in page
    shown = pl.read_parquet(out / "metrics.parquet").filter(split="test", user_bucket="all", slice="all")
    for metric in ("spam_at_10", "violating_at_10", "flagged_at_10"):
        value = shown.filter(metric=metric, rung="router-plain")["value"][0]
        assert 0 < value < 1
        assert f"{value:.4f}" in page
    assert "guarded without its guards" in page


def test_mlflow_is_told_precision_and_recall_of_the_test_period_and_the_price_of_a_rank(out: Path) -> None:
    read = read_run(out)
    row = pl.read_parquet(out / "spam.parquet").filter(split="test").row(0, named=True)
    router, popularity = (values.every(read, rung) for rung in ("router", "popularity"))
    assert router["harm/spam_precision"] == row["n_confirmed"] / row["n_flagged"]
    assert router["harm/spam_recall"] == row["n_confirmed"] / row["n_violating"]
    assert "harm/spam_recall" not in popularity
    attack = pl.read_parquet(out / "attack.parquet")
    assert set(attack["model"]) == {"popularity", "guarded", "guarded-untrusted"}
    rows = attack.filter(model="popularity")
    assert popularity["harm/rank_gain_per_100_accounts"] == (rows["rank_before"] - rows["rank_after"]).median()
    assert "harm/rank_gain_per_100_accounts" in values.every(read, "guarded")


def test_the_attack_is_on_popularity_as_chosen_and_where_it_has_guards_without_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ranks: dict[str, tuple[bool, float]] = {}

    def remember(data: Dataset, models: Any, *rest: int) -> None:
        ranks.update(
            {name: (model.trusted, model.half_life_days) for name, make in models.items() if (model := make())}
        )

    monkeypatch.setattr("recommender.experiment.attack_gain.rank_gain", remember)
    popularity, guarded = ({"name": name, "recommender": "popularity"} for name in ("popularity", "guarded"))
    chosen = {"popularity": {"half_life_days": 2}, "guarded": {"half_life_days": 3, "trusted": True}, "other": {}}
    attacked(world(), scenario(ladder=[popularity, guarded, {"name": "other", "recommender": "random"}]), chosen)
    assert ranks == {"popularity": (False, 2), "guarded": (True, 3), "guarded-untrusted": (False, 3)}


def test_the_truth_labels_test_items_only() -> None:
    results = run(replace(world(), truth=Knowing), scenario())
    assert ["spam_at_10" in next(iter(o.values())).values for o in results.outcomes] == [False, True]


def test_data_without_labels_are_an_error_unless_the_part_is_optional() -> None:
    with pytest.raises(ConfigError, match="items have no column 'moderated_at'"):
        run(world(labelled=False), scenario())
    results = run(world(labelled=False), scenario(optional=["spam", "demote"]))
    assert "moderated_at" in results.skipped["spam"]
    assert not results.judgements


def test_labels_that_are_no_times_are_an_error() -> None:
    data = world()
    wrong = data.items.frame.with_columns(pl.col("moderated_at").is_not_null())
    items = type(data.items)(wrong, data.items.roles, data.items.key)
    with pytest.raises(ConfigError, match="must hold times"):
        requirements.supported(scenario(), type(data)("x", data.interactions, items, data.users))


def test_too_few_labels_suspect_nobody_and_say_so() -> None:
    data = world()
    few = data.items.frame.with_columns(pl.when(pl.int_range(pl.len()) < 50).then("moderated_at").alias("moderated_at"))
    items = type(data.items)(few, data.items.roles, data.items.key)
    results = run(type(data)("x", data.interactions, items, data.users), scenario())
    assert "nothing was suspected" in results.skipped["spam"]
    assert not results.judgements
