"""The decision: climb only where the evidence says that it pays."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recommender.config import DecisionRule, Slots
from recommender.experiment.blends import Blend
from recommender.experiment.climb import Choice, climb
from recommender.experiment.decision import Decision
from recommender.experiment.decision_text import sentences
from recommender.experiment.slots import SlotEvidence
from recommender.names import IN_SESSION, RETURNING, USER_BUCKETS, WITH_HISTORY

LADDER = ("popularity", "content", "als")
WARM = (WITH_HISTORY, *USER_BUCKETS[1:])
SEGMENTS = (WITH_HISTORY, USER_BUCKETS[0], *(b + visit for visit in (IN_SESSION, RETURNING) for b in WARM))
Gain = tuple[float, float, float]  # difference, lower bound, adjusted p
NO, YES = (0.0, -0.01, 1.0), (0.02, 0.01, 0.001)


def evidence(
    gains: dict[tuple[str, str], Gain], n: Any = 500, metric: str = "ndcg_at_10", **by_bucket: Any
) -> pl.DataFrame:
    """gains of every segment, or those given for it or its bucket; n: queries of all segments, or of each."""
    rows = []
    for bucket in SEGMENTS:
        whole = bucket.removesuffix(IN_SESSION).removesuffix(RETURNING)
        chosen = by_bucket.get(f"in_{bucket}", by_bucket.get(f"in_{whole}", gains))
        count = n.get(bucket, n.get(whole, 500)) if isinstance(n, dict) else n
        for pair in combinations(LADDER, 2):
            difference, low, p = chosen.get(pair, NO)
            rows.append((*pair, bucket, metric, difference, low, 2 * difference - low, p, count))
    names = ["rung_a", "rung_b", "user_bucket", "metric", "difference", "ci_low", "ci_high", "p_holm", "n_queries"]
    return pl.DataFrame(rows, schema=names, orient="row")


def rungs(frame: pl.DataFrame, **rule: Any) -> dict[str, str]:
    return {b: c.rung for b, c in climb(frame, LADDER, DecisionRule(**rule)).items()}


def test_without_evidence_the_simplest_rung_serves_everyone() -> None:
    assert set(rungs(evidence({})).values()) == {"popularity"}


def test_a_rung_that_beats_the_champion_replaces_it() -> None:
    choice = climb(evidence({("popularity", "content"): YES}), LADDER, DecisionRule())["0"]
    assert choice == Choice("content", "popularity", 0.02, 0.01, 0.03, 0.001, 500)


def test_the_ladder_is_climbed_in_its_order_against_the_champion_of_the_moment() -> None:
    """als beats popularity but not content, which came first: content stays."""
    gains = {("popularity", "content"): YES, ("popularity", "als"): (0.05, 0.04, 0.0001)}
    assert set(rungs(evidence(gains)).values()) == {"content"}
    assert set(rungs(evidence(gains | {("content", "als"): YES})).values()) == {"als"}


def test_a_failed_rung_can_be_skipped() -> None:
    choice = climb(evidence({("popularity", "als"): YES}), LADDER, DecisionRule())["3_9"]
    assert (choice.rung, choice.over) == ("als", "popularity")


@pytest.mark.parametrize(
    ("gain", "rule"),
    [((0.02, 0.01, 0.05), {}), ((0.02, 0.0, 0.001), {}), (YES, {"alpha": 0.001}), (YES, {"min_gain": 0.01})],
    ids=["p not below alpha", "bound not above 0", "stricter alpha", "bound not above min_gain"],
)
def test_both_the_p_and_the_bound_must_pass(gain: Gain, rule: dict[str, float]) -> None:
    assert set(rungs(evidence({("popularity", "content"): gain}), **rule).values()) == {"popularity"}


def test_segments_decide_for_themselves() -> None:
    frame = evidence(
        {}, in_0={("popularity", "content"): YES}, in_10_plus={("popularity", "als"): YES},
        in_1_2_returning={("popularity", "content"): YES},
    )  # fmt: skip
    assert rungs(frame) == {
        WITH_HISTORY: "popularity",
        WITH_HISTORY + RETURNING: "popularity",
        "0": "content",
        "1_2": "popularity",
        "3_9": "popularity",
        "10_plus": "als",
        "1_2_returning": "content",
        "3_9_returning": "popularity",
        "10_plus_returning": "als",
    }


def test_a_bucket_starts_from_the_rung_of_its_group_and_climbs_on() -> None:
    known = {("popularity", "content"): YES}
    frame = evidence(known, in_3_9={}, in_10_plus={("content", "als"): YES})
    choices = climb(frame, LADDER, DecisionRule())
    assert {choices[b].rung for b in ("1_2", "3_9")} == {"content"}
    assert (choices["3_9"].inherited_from, choices["3_9"].n_queries) == (WITH_HISTORY, 500)
    assert (choices["10_plus"].rung, choices["10_plus"].over, choices["10_plus"].inherited_from) == (
        "als", "content", None)  # fmt: skip


def test_a_bucket_leaves_the_rung_of_its_group_downwards_only_where_its_own_queries_are_against_it() -> None:
    known = {("popularity", "als"): YES}
    worse, doubt = (-0.02, -0.03, 0.001), (-0.02, -0.05, 0.001)
    frame = evidence(known, in_1_2={("popularity", "als"): worse}, in_3_9={("popularity", "als"): doubt})
    choices = climb(frame, LADDER, DecisionRule())
    down = choices["1_2"]
    assert (down.rung, down.over, down.inherited_from) == ("popularity", "als", None)
    assert (down.gain, down.ci_low, down.ci_high) == pytest.approx((0.02, 0.01, 0.03))
    assert choices["3_9"].rung == "als"
    slightly = evidence(known, in_1_2={("popularity", "als"): (-0.02, -0.038, 0.001)})
    assert rungs(slightly)["1_2"] == "popularity"
    assert rungs(slightly, min_gain=0.005)["1_2"] == "als"


def test_thin_buckets_take_the_rung_of_their_group() -> None:
    known = {("popularity", "als"): YES}
    down = {("popularity", "als"): (-0.02, -0.03, 0.001)}
    frame = evidence(known, n={"3_9": 99, "10_plus": 100}, in_3_9=down, in_10_plus=down)
    choices = climb(frame, LADDER, DecisionRule(thin=100))
    assert (choices["3_9"].rung, choices["3_9"].inherited_from, choices["3_9"].n_queries) == ("als", WITH_HISTORY, 99)
    assert (choices["10_plus"].rung, choices["10_plus"].inherited_from) == ("popularity", None)
    assert choices["3_9_returning"].inherited_from == WITH_HISTORY + RETURNING


def test_a_thin_group_takes_the_rung_of_all_users_with_history() -> None:
    few = dict.fromkeys((b + RETURNING for b in WARM), 40)
    frame = evidence({}, n=few, **{f"in_{WITH_HISTORY}": {("popularity", "als"): YES}},
                     **{f"in_{WITH_HISTORY}{IN_SESSION}": {}})  # fmt: skip
    choices = climb(frame, LADDER, DecisionRule())
    back = choices[WITH_HISTORY + RETURNING]
    assert (back.rung, back.inherited_from, back.n_queries) == ("als", WITH_HISTORY, 40)
    assert {choices[b + RETURNING].rung for b in USER_BUCKETS[1:]} == {"als"}
    assert {choices[b].rung for b in USER_BUCKETS} == {"popularity"}


@pytest.mark.parametrize(("of_the_group", "rung"), [((0.01, -0.01, 0.4), "als"), ((-0.01, -0.03, 1.0), "content")])
def test_a_group_joins_all_users_with_history_where_its_mean_agrees(of_the_group: Gain, rung: str) -> None:
    step = {("popularity", "content"): YES}
    frame = evidence({}, **{f"in_{WITH_HISTORY}": step | {("content", "als"): YES}},
                     **{f"in_{WITH_HISTORY}{IN_SESSION}": step | {("content", "als"): of_the_group}})  # fmt: skip
    frame = frame.filter(pl.col("user_bucket") != WITH_HISTORY + RETURNING)
    choices = climb(frame, LADDER, rule := DecisionRule())
    assert {choices[b].rung for b in WARM} == {rung}
    text = sentences(Decision(choices=choices), rule)
    assert any("get als: for all users with history it beat content" in t for t in text) == (rung == "als")
    assert any("the mean of these users' 500 validation queries agrees" in t for t in text) == (rung == "als")


def test_users_without_history_do_not_inherit_from_those_with() -> None:
    everyone = {("popularity", "als"): YES}
    assert rungs(evidence(everyone, n={"0": 299}))["0"] == "popularity"
    assert rungs(evidence(everyone, n={"0": 300}))["0"] == "als"


def test_only_the_metric_of_the_rule_counts() -> None:
    frame = pl.concat([evidence({("popularity", "als"): YES}, metric="recall_at_20"), evidence({})])
    assert set(rungs(frame).values()) == {"popularity"}
    assert set(rungs(frame, metric="recall_at_20").values()) == {"als"}


def test_buckets_without_a_row_are_thin() -> None:
    frame = evidence({("popularity", "als"): YES}).filter(pl.col("user_bucket") == WITH_HISTORY)
    choices = climb(frame, LADDER, DecisionRule())
    assert choices["0"].rung == "popularity"
    assert choices["1_2"].rung == "als"
    assert choices["1_2"].n_queries == 0


def test_a_ladder_of_one_rung_needs_no_evidence() -> None:
    assert {c.rung for c in climb(evidence({}).clear(), ["popularity"], DecisionRule()).values()} == {"popularity"}


def test_a_sentence_per_group_says_who_gets_what_and_why() -> None:
    gain = {("popularity", "als"): (0.0213, 0.0101, 0.0004)}
    frame = evidence({}, n={"0": 10}, in_with_history_in_session=gain)
    none, visiting, back = sentences(Decision(choices=climb(frame, LADDER, rule := DecisionRule())), rule)
    assert none == (
        "Users without history get popularity, the simplest rung: 10 validation queries are not enough evidence to "
        "climb (300 are needed)."
    )
    assert visiting == (
        "Users with history in a visit get als: it beat popularity in NDCG@10 by 0.021 [0.010, 0.033], adjusted p "
        "below .001, over 500 validation queries."
    )
    assert back == (
        "Users with history who come back after a day or more get popularity: over 500 validation queries no higher "
        "rung gained enough to replace it."
    )


def test_a_bucket_has_a_sentence_only_where_it_leaves_its_group() -> None:
    rule = DecisionRule(away_days=7)
    frame = evidence({}, in_10_plus_returning={("popularity", "content"): YES})
    *_, last = text = sentences(Decision(choices=climb(frame, LADDER, rule)), rule)
    assert len(text) == 4
    assert last.startswith("Users with 10 or more interactions who come back after 7 days or more get content: it beat")


def test_a_group_too_thin_to_tell_says_whose_evidence_it_takes() -> None:
    gain = {("popularity", "als"): YES}
    frame = evidence({}, n={WITH_HISTORY + IN_SESSION: 40, WITH_HISTORY + RETURNING: 0}, in_with_history=gain)
    none, visiting = sentences(Decision(choices=climb(frame, LADDER, rule := DecisionRule())), rule)
    assert none.startswith("Users without history get popularity")
    assert visiting == (
        "Users with history get als, as all users with history, where it beat popularity in NDCG@10 by 0.020 "
        "[0.010, 0.030], adjusted p .001: only 40 validation queries of their own."
    )


def test_what_a_sample_showed_is_called_a_sample() -> None:
    choices = climb(evidence({}), LADDER, rule := DecisionRule())
    rows = [SlotEvidence(0, 0.3, 0.0, 0.1), SlotEvidence(2, 0.29, 0.2, 0.1, 0.03, 0.05, "content", 900, sampled=True)]
    blends = {
        USER_BUCKETS[0]: Blend("als", 0.02, 0.01, 0.03, 0.001, 400),
        WITH_HISTORY: Blend("als", 0.02, 0, 1, 0, 500),
    }
    decision = Decision(choices=choices, blends=blends, slots=Slots(n=2, rung="content"), slot_evidence=rows)
    _, newcomers, _, visiting, _, slots = sentences(decision, rule)
    assert newcomers.endswith("over a sample of 400 of 500 validation queries.")
    assert visiting.endswith("over 500 validation queries.")
    assert slots.endswith("seen on a sample of 900 users' first queries.")


def test_a_small_share_of_new_items_is_not_called_none() -> None:
    rows = [SlotEvidence(0, 0.3, 0.0, 0.003), SlotEvidence(2, 0.29, 0.9, 0.003, 0.03, 0.05, "content", 900)]
    decision = Decision(choices=climb(evidence({}), LADDER, rule := DecisionRule()), slot_evidence=rows)
    slots = sentences(replace(decision, slots=Slots(n=2, rung="content")), rule)[-1]
    assert "chosen by content: 0.3% of what users took on validation was new." in slots


def routed(here: str, back: str, n_back: int = 0) -> Decision:
    """One rung in a visit and one on return, both for every bucket with history."""
    choices = {USER_BUCKETS[0]: Choice("popularity", n_queries=5)}
    choices |= dict.fromkeys((WITH_HISTORY, *USER_BUCKETS[1:]), Choice(here, n_queries=10))
    returning = dict.fromkeys(
        (b + RETURNING for b in (WITH_HISTORY, *USER_BUCKETS[1:])), Choice(back, n_queries=n_back)
    )
    return Decision(choices=choices | returning)


@pytest.mark.parametrize("blend", [True, False])
def test_a_decision_that_is_written_is_read_again(tmp_path: Path, blend: bool) -> None:
    blends = {"0": Blend("als", 0.1, 0.05, 0.15, 0.01, 300)} if blend else {}
    decision = replace(
        routed("als", "content"),
        decided_on=["2026-01-01"], may_blend=blend, blends=blends, parameters={"als": {"k": 3}},
        slots=Slots(n=2, rung="content"), slot_evidence=[SlotEvidence(2, 0.3, 0.2, 0.1)], skipped={"ease": "too large"},
        sentences=["Ship als."],
    )  # fmt: skip
    decision.write(tmp_path)
    assert Decision.read(tmp_path) == decision
    assert ("blends" in json.loads((tmp_path / "decision.json").read_text())) is blend


def test_a_folder_without_a_decision_decides_nothing(tmp_path: Path) -> None:
    assert Decision.read(tmp_path) == Decision()
    assert not Decision().choices
    assert Decision().served == []


@pytest.mark.parametrize(("n", "slots"), [(0, set()), (2, {"content"})])
def test_the_router_is_made_of_the_rungs_of_segments_blends_and_slots(n: int, slots: set[str]) -> None:
    decision = replace(routed("als", "ranker"), slots=Slots(rung="content", n=n))
    decision = replace(decision, choices={**decision.choices, WITH_HISTORY: Choice("bpr")})
    assert set(decision.served) == {"popularity", "als", "ranker"} | slots
    blended = replace(decision, blends={"0": Blend("ease", 0.1, 0.05, 0.15, 0.01, 300)})
    assert set(blended.served) == {"popularity", "als", "ranker", "ease"} | slots
    assert decision.routes["3_9"] == "als"
    assert decision.routes["3_9" + RETURNING] == "ranker"
    assert WITH_HISTORY not in decision.routes


def test_a_bucket_is_told_apart_by_visit_only_where_that_changes_what_it_gets() -> None:
    whole = routed("als", "als", n_back=20).shipped()
    assert list(whole) == list(USER_BUCKETS)
    assert whole["3_9"][0].n_queries == 20, "of the larger group"
    apart = routed("als", "content").shipped()
    assert list(apart) == ["0", *(b + visit for b in USER_BUCKETS[1:] for visit in (IN_SESSION, RETURNING))]
    second = {WITH_HISTORY + RETURNING: Blend("ease", 0.1, 0.05, 0.15, 0.01, 300)}
    blended = replace(routed("als", "als"), blends=second)
    assert list(blended.shipped()) == list(apart)
    assert blended.shipped()["3_9" + RETURNING][1] == second[WITH_HISTORY + RETURNING]
    assert list(blended.shipped(blends=False)) == list(USER_BUCKETS)
    with_itself = replace(routed("ease", "ease"), blends=second)
    assert with_itself.shipped()["3_9"][1] is None


def test_what_a_rung_is_used_for_names_segments_on_return_only_where_they_differ() -> None:
    decision = replace(routed("als", "als"), slots=Slots(n=1, rung="popularity"))
    assert decision.uses("als") == list(WARM)
    assert decision.uses("popularity") == ["0", "new items"]
    assert routed("als", "content").uses("content") == [b + RETURNING for b in WARM]
    assert decision.uses("ease") == []
