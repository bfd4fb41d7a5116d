"""A detector of spam in a whole run: suspicion reaches re-rankers, and what it found is told."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from small import Row, dataset, table, times

from recommender import config, ladder, parts
from recommender.config import Scenario
from recommender.data.dataset import Dataset
from recommender.effort import EffortLog
from recommender.errors import ConfigError
from recommender.spam.apply import SUSPICION

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
    return ladder.run(data, chosen, EffortLog(), lambda _: None, lambda _: None)


def test_what_is_suspected_moves_down_and_the_detector_is_judged_at_every_origin() -> None:
    results = run(world(), scenario())
    assert [j.split for j in results.judgements] == ["validation", "test"]
    assert "flagged" in results.judgements[-1].sentence()
    shown = {
        rung: np.nanmean(results.outcomes[-1][rung].values["violating_at_10"]) for rung in ("router-plain", "router")
    }
    assert shown["router"] < shown["router-plain"]


def test_data_without_labels_are_an_error_unless_the_part_is_optional() -> None:
    with pytest.raises(ConfigError, match="items have no column 'moderated_at'"):
        run(world(labelled=False), scenario())
    results = run(world(labelled=False), scenario(optional=["spam", "demote"]))
    assert "moderated_at" in results.aside["spam"]
    assert not results.judgements


def test_labels_that_are_no_times_are_an_error() -> None:
    data = world()
    wrong = data.items.frame.with_columns(pl.col("moderated_at").is_not_null())
    items = type(data.items)(wrong, data.items.roles, data.items.key)
    with pytest.raises(ConfigError, match="must hold times"):
        parts.supported(scenario(), type(data)("x", data.interactions, items, data.users))


def test_too_few_labels_suspect_nobody_and_say_so() -> None:
    data = world()
    few = data.items.frame.with_columns(pl.when(pl.int_range(pl.len()) < 50).then("moderated_at").alias("moderated_at"))
    items = type(data.items)(few, data.items.roles, data.items.key)
    results = run(type(data)("x", data.interactions, items, data.users), scenario())
    assert "nothing was suspected" in results.aside["spam"]
    assert not results.judgements
