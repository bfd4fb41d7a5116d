"""Harms of a test: what is wrong at a place is looked up in the model's tables, by plain ids or by pseudonyms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recommender.config import Audit, OnlineTest
from recommender.online import ab_test
from recommender.online.ab_test import FAILS, HOLDS, KEEP
from recommender.online.harms import with_harms
from recommender.online.log_totals import totals
from recommender.online.ratio import Sample, impact_effect
from recommender.serving.bundle import Bundle
from recommender.serving.log import read_log, write_log
from tests.helpers.service_log import log_of, model_of

AUDIT = Audit.model_validate({"columns": ["gender"], "favourable": {"column": "salary", "top_share": 0.2}})
RULE = OnlineTest(min_effect=0.2, guardrails={})


def logged(hidden: str) -> tuple[pl.DataFrame, pl.DataFrame, Bundle]:
    """A test in which the control's lists lack the ``hidden`` items."""
    served, feedback = log_of({"a": 0.10, "b": 0.14})
    shown = (pl.col("variant") == "b") | ~pl.col("item_id").is_in(list(hidden))
    return served.filter(shown), feedback, model_of(served["user_id"].unique().sort().to_list())


def states(out: ab_test.ReadOut) -> dict[str, str]:
    return {g.metric: g.state for g in out.guardrails}


def test_places_of_expired_and_blocked_items_break_a_guardrail(tmp_path: Path) -> None:
    served, feedback, model = logged("ij")
    seen = with_harms(served, model, AUDIT, tmp_path)
    wrong = seen.filter(pl.col("variant") == "b").group_by("item_id").agg(pl.mean("unavailable", "blocked"))
    assert wrong.filter(pl.col("unavailable") == 1)["item_id"].to_list() == ["i"]
    assert wrong.filter(pl.col("blocked") == 1)["item_id"].to_list() == ["j"]
    assert (seen["load"] == 1).all()  # each item is in every list that its variant shows it in
    out = ab_test.read_out(totals(seen, feedback, None), "a", "b", RULE)
    assert states(out) == {
        "unavailable": FAILS, "blocked": FAILS, "load": HOLDS, "impact_ratio/gender": HOLDS,
    }  # fmt: skip
    assert out.verdict == KEEP
    assert "gone" in out.reason


def test_pseudonyms_are_resolved_and_items_that_the_model_does_not_know_do_not_count(tmp_path: Path) -> None:
    served, feedback, model = logged("ij")
    strange = served.with_columns(item_id=pl.col("item_id").replace("c", "new"))
    write_log(tmp_path, served=strange, feedback=feedback)
    read = read_log(tmp_path)
    seen = with_harms(read.served, model, AUDIT, tmp_path)
    assert seen["group/gender"].null_count() == 0
    assert seen.filter(pl.col("item_id") == "new")["unavailable"].null_count() == (strange["item_id"] == "new").sum()
    assert states(ab_test.read_out(totals(seen, read.feedback, None), "a", "b", RULE))["blocked"] == FAILS


def test_a_group_that_is_no_longer_shown_what_pays_breaks_the_impact_ratio(tmp_path: Path) -> None:
    served, feedback, model = logged("ij")
    women = model.data.users.frame.filter(gender="f")["user_id"].to_list()
    unfair = (pl.col("variant") == "b") & pl.col("user_id").is_in(women) & pl.col("item_id").is_in(["a", "b"])
    seen = with_harms(served.filter(~unfair), model, AUDIT, tmp_path)
    out = ab_test.read_out(totals(seen, feedback, None), "a", "b", RULE)
    assert states(out)["impact_ratio/gender"] == FAILS
    without = ab_test.read_out(totals(served, feedback, None), "a", "b", RULE)
    assert not without.guardrails


def test_the_error_of_an_impact_ratio_is_that_of_resampled_users() -> None:
    rng = np.random.default_rng(0)

    def group(n: int, rate: float) -> Sample:
        lists = rng.integers(1, 5, n).astype(float)
        return Sample(rng.binomial(lists.astype(int), rate).astype(float), lists)

    groups = {"f": group(400, 0.3), "m": group(500, 0.5)}
    same = impact_effect(groups, groups, 0.05)
    assert same is not None
    assert same.difference == 0
    drawn = []
    for _ in range(400):
        f, m = (
            Sample(s.x[rows], s.n[rows])
            for s in groups.values() for rows in [rng.integers(0, len(s), len(s))]
        )  # fmt: skip
        drawn.append(f.ratio / m.ratio)
    assert same.error / np.sqrt(2) == pytest.approx(np.std(drawn), rel=0.15)
    assert impact_effect({"f": groups["f"]}, {"f": groups["f"]}, 0.05) is None
