"""The decision: climb only where the evidence says that it pays."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import polars as pl
import pytest

from recommender.config import Decision
from recommender.decide import Choice, decide, sentences
from recommender.evaluate import WITH_HISTORY
from recommender.query import USER_BUCKETS

LADDER = ("popularity", "content", "als")
BUCKETS = (WITH_HISTORY, *USER_BUCKETS)
Gain = tuple[float, float, float]  # difference, lower bound, adjusted p
NO, YES = (0.0, -0.01, 1.0), (0.02, 0.01, 0.001)


def evidence(
    gains: dict[tuple[str, str], Gain], n: Any = 500, metric: str = "ndcg_at_10", **by_bucket: Any
) -> pl.DataFrame:
    """gains of every bucket, or those given for a bucket; n: queries of all buckets, or of each."""
    rows = []
    for bucket in BUCKETS:
        chosen = by_bucket.get(f"bucket_{bucket}", gains)
        count = n.get(bucket, 500) if isinstance(n, dict) else n
        for pair in combinations(LADDER, 2):
            difference, low, p = chosen.get(pair, NO)
            rows.append((*pair, bucket, metric, difference, low, difference + 0.01, p, count))
    names = ["rung_a", "rung_b", "user_bucket", "metric", "difference", "ci_low", "ci_high", "p_holm", "n_queries"]
    return pl.DataFrame(rows, schema=names, orient="row")


def rungs(frame: pl.DataFrame, **rule: Any) -> dict[str, str]:
    return {b: c.rung for b, c in decide(frame, LADDER, Decision(**rule)).items()}


def test_without_evidence_the_simplest_rung_serves_everyone() -> None:
    assert set(rungs(evidence({})).values()) == {"popularity"}


def test_a_rung_that_beats_the_champion_replaces_it() -> None:
    choice = decide(evidence({("popularity", "content"): YES}), LADDER, Decision())["3_9"]
    assert choice == Choice("content", "popularity", 0.02, 0.01, 0.03, 0.001, 500)


def test_the_ladder_is_climbed_in_its_order_against_the_champion_of_the_moment() -> None:
    """als beats popularity but not content, which came first: content stays."""
    gains = {("popularity", "content"): YES, ("popularity", "als"): (0.05, 0.04, 0.0001)}
    assert set(rungs(evidence(gains)).values()) == {"content"}
    assert set(rungs(evidence(gains | {("content", "als"): YES})).values()) == {"als"}


def test_a_failed_rung_can_be_skipped() -> None:
    choice = decide(evidence({("popularity", "als"): YES}), LADDER, Decision())["3_9"]
    assert (choice.rung, choice.over) == ("als", "popularity")


@pytest.mark.parametrize(
    ("gain", "rule"),
    [((0.02, 0.01, 0.05), {}), ((0.02, 0.0, 0.001), {}), (YES, {"alpha": 0.001}), (YES, {"min_gain": 0.01})],
    ids=["p not below alpha", "bound not above 0", "stricter alpha", "bound not above min_gain"],
)
def test_both_the_p_and_the_bound_must_pass(gain: Gain, rule: dict[str, float]) -> None:
    assert set(rungs(evidence({("popularity", "content"): gain}), **rule).values()) == {"popularity"}


def test_buckets_decide_for_themselves() -> None:
    frame = evidence({}, bucket_0={("popularity", "content"): YES}, bucket_10_plus={("popularity", "als"): YES})
    assert rungs(frame) == {
        WITH_HISTORY: "popularity",
        "0": "content",
        "1_2": "popularity",
        "3_9": "popularity",
        "10_plus": "als",
        "1_2_returning": "popularity",
        "3_9_returning": "popularity",
        "10_plus_returning": "als",
    }


def test_thin_buckets_inherit_from_all_users_with_history() -> None:
    frame = evidence({}, n={"3_9": 99, "10_plus": 100}, bucket_with_history={("popularity", "als"): YES})
    choices = decide(frame, LADDER, Decision(thin=100))
    assert (choices["3_9"].rung, choices["3_9"].inherited_from, choices["3_9"].n_queries) == ("als", WITH_HISTORY, 99)
    assert (choices["10_plus"].rung, choices["10_plus"].inherited_from) == ("popularity", None)


def test_users_without_history_do_not_inherit_from_those_with() -> None:
    everyone = {("popularity", "als"): YES}
    assert rungs(evidence(everyone, n={"0": 99}))["0"] == "popularity"
    assert rungs(evidence(everyone, n={"0": 100}))["0"] == "als"


def test_only_the_metric_of_the_rule_counts() -> None:
    frame = pl.concat([evidence({("popularity", "als"): YES}, metric="recall_at_20"), evidence({})])
    assert set(rungs(frame).values()) == {"popularity"}
    assert set(rungs(frame, metric="recall_at_20").values()) == {"als"}


def test_buckets_without_a_row_are_thin() -> None:
    frame = evidence({("popularity", "als"): YES}).filter(pl.col("user_bucket") == WITH_HISTORY)
    choices = decide(frame, LADDER, Decision())
    assert choices["0"].rung == "popularity"
    assert choices["1_2"].rung == "als"
    assert choices["1_2"].n_queries == 0


def test_a_ladder_of_one_rung_needs_no_evidence() -> None:
    assert {c.rung for c in decide(evidence({}).clear(), ["popularity"], Decision()).values()} == {"popularity"}


def test_sentences_say_who_gets_what_and_why() -> None:
    frame = evidence({}, n={"0": 10, "3_9": 10}, bucket_10_plus={("popularity", "als"): (0.0213, 0.0101, 0.0004)})
    rule = Decision()
    none, few, some, many = sentences(decide(frame, LADDER, rule), rule)
    assert "Users without history get popularity, the simplest rung: 10 validation queries are not enough" in none
    assert "no higher rung gained enough" in few
    assert "inherit" in some
    assert many.startswith(
        "Users with 10 or more interactions get als: it beat popularity by 0.0213 ndcg_at_10 [0.0101, "
    )
    assert "p below .001" in many
