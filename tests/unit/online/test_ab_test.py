"""Verdicts on logs of which the truth is known, and the plan before."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from recommender.config import OnlineTest
from recommender.errors import ConfigError, DataError
from recommender.online import ab_test, sample_size
from recommender.online.ab_test import BROKEN, HOLDS, KEEP, SHIP, WAIT
from recommender.online.log_frames import lists_before, pair_of, parted, taken_before
from recommender.online.log_totals import totals
from tests.helpers.service_log import log_of

LOOSE = OnlineTest(min_effect=0.2, guardrails={"users_who_take": 0.1, "short_lists": 0.02})


def read(a: float, b: float, rule: OnlineTest = LOOSE, **seed: int) -> ab_test.ReadOut:
    served, feedback = log_of({"a": a, "b": b}, **seed)
    return ab_test.read_out(totals(served, feedback, None), "a", "b", rule)


def test_a_clear_gain_ships_a_clear_loss_does_not() -> None:
    gain = read(0.10, 0.16)
    assert gain.verdict == SHIP
    assert gain.relative[0] == pytest.approx(0.6, abs=0.2)
    assert gain.effect.low > 0
    assert all(g.state == HOLDS for g in gain.guardrails)
    assert read(0.16, 0.10).verdict == KEEP


def test_a_gain_that_is_ruled_out_is_not_waited_for() -> None:
    out = read(0.10, 0.10, OnlineTest(min_effect=0.4, guardrails={}), n=800)
    assert out.verdict == KEEP
    assert "ruled out" in out.reason


def test_too_few_users_wait_and_say_when_to_look_again() -> None:
    out = read(0.10, 0.11, n=60, days=7)
    assert out.verdict == WAIT
    assert out.weeks_left is not None
    assert out.weeks_left == pytest.approx((out.planned - 120) / 120)
    assert "Look again" in out.reason


def test_an_early_look_needs_more_than_the_fixed_interval() -> None:
    out = read(0.10, 0.13, OnlineTest(min_effect=0.02, guardrails={}), n=300)
    assert out.effect.low > 0 > out.effect.early_low
    assert out.verdict == WAIT


def test_a_broken_guardrail_stops_a_gain() -> None:
    served, feedback = log_of({"a": 0.10, "b": 0.16})
    shorter = served.filter((pl.col("variant") == "a") | (pl.col("rank") < 10) | pl.col("list_id").str.ends_with("7"))
    out = ab_test.read_out(totals(shorter, feedback, None), "a", "b", LOOSE)
    assert out.verdict == KEEP
    assert "shorter than usual" in out.reason


def test_users_who_are_missing_or_mixed_void_the_test() -> None:
    served, feedback = log_of({"a": 0.10, "b": 0.16})
    lost = served.filter((pl.col("variant") == "a") | ~pl.col("user_id").str.contains("[345]$"))
    assert ab_test.read_out(totals(lost, feedback, None), "a", "b", LOOSE).verdict == BROKEN
    flip = pl.when(pl.col("list_id").str.ends_with("5")).then(pl.lit("b")).otherwise(pl.col("variant"))
    mixed = served.with_columns(variant=flip)
    out = ab_test.read_out(totals(mixed, feedback, None), "a", "b", LOOSE)
    assert out.verdict == BROKEN
    assert out.mixed > 50


def test_the_picture_is_the_effect_as_it_was_on_each_day() -> None:
    served, feedback = log_of({"a": 0.10, "b": 0.16})
    out = ab_test.read_out(totals(served, feedback, None), "a", "b", LOOSE)
    day = out.by_day["day"][4]
    part = served.filter(pl.col("as_of").dt.epoch("d") <= day)
    then = ab_test.read_out(totals(part, feedback, None), "a", "b", LOOSE, out.planned)
    assert out.by_day["value"][4] == pytest.approx(then.relative[0])
    assert out.by_day["value"][-1] == pytest.approx(out.relative[0])


def test_a_guardrail_that_is_no_metric_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"online\.guardrails: joy"):
        read(0.1, 0.1, OnlineTest(guardrails={"joy": 0.1}))
    with pytest.raises(DataError, match="needs 30 of each"):
        read(0.1, 0.1, n=20)


def test_the_plan_finds_what_it_promises() -> None:
    """At the planned number of users, the wanted share of tests finds a true effect of that size."""
    served, feedback = log_of({"": 0.08}, n=1500, lists=2, days=21)
    rule = OnlineTest(min_effect=0.15, power=0.8)
    plan = sample_size.plan(sample_size.logged_traffic(totals(served, feedback, None), rule.metric), rule)
    assert plan.base == pytest.approx(0.8, rel=0.1)
    rng, n_significant = np.random.default_rng(0), 0
    for _ in range(300):
        half = plan.users // 2
        liking = rng.gamma(2, 0.5, 2 * half)
        takes = rng.poisson(np.repeat([0.8, 0.8 * 1.15], half) * 2 * liking).astype(float)
        n = np.full(half, 2.0)
        e = ab_test.effect(ab_test_sample(takes[:half], n), ab_test_sample(takes[half:], n), 0.05)
        n_significant += e.low > 0
    assert 0.68 < n_significant / 300 < 0.92


def ab_test_sample(x: np.ndarray, n: np.ndarray) -> sample_size.Sample:
    return sample_size.Sample(x, n)


def test_weeks_follow_from_traffic() -> None:
    traffic = sample_size.stated_traffic(1000, 0.1, 1)
    plan = sample_size.plan(traffic, OnlineTest(min_effect=0.1))
    z = 1.959964 + 0.841621
    assert plan.users == pytest.approx(4 * 0.09 * (z / 0.01) ** 2, rel=1e-3)  # 2 variants of 2 p (1 - p) (z / d) ** 2
    assert plan.weeks == int(np.ceil(plan.users / 1000))
    assert plan.curve["effect"].to_list() == sorted(plan.curve["effect"], reverse=True)
    bold = sample_size.plan(sample_size.stated_traffic(10, 0.1, 1), OnlineTest(min_effect=0.01))
    assert bold.weeks is None
    assert "interleaving" in " ".join(sample_size.sentences(bold, OnlineTest(min_effect=0.01)))


def test_the_test_begins_when_both_variants_are_shown_and_what_was_before_sharpens_it() -> None:
    served, feedback = log_of({"a": 0.10, "b": 0.16})
    old = served.with_columns(
        variant=pl.lit("a"), as_of=pl.col("as_of").dt.offset_by("-30d"), list_id=pl.lit("old") + pl.col("list_id")
    )
    test, earlier = parted(pl.concat([served, old]), ("a", "b"))
    assert earlier["list_id"].str.starts_with("old").sum() == old.height
    assert test.height > 0.95 * served.height
    past = feedback.with_columns(list_id=pl.lit("old") + pl.col("list_id"))
    before = lists_before(earlier, past)
    assert before is not None
    seen = totals(test, feedback, None, before)
    assert seen.users["before"].std() > 0.5  # type: ignore[operator]
    assert seen.users["before"].mean() == pytest.approx(0, abs=0.1)
    plain = ab_test.read_out(totals(test, feedback, None), "a", "b", LOOSE)
    sharp = ab_test.read_out(seen, "a", "b", LOOSE)
    assert sharp.effect.explained > 0.3  # the same liking of each user made both
    assert sharp.effect.error < plain.effect.error
    assert lists_before(earlier.clear(), past) is None


def test_which_variants_are_compared(tmp_path: object) -> None:
    served = pl.DataFrame({"variant": ["", "champion", "candidate"]})
    assert pair_of(served, None, None) == ("champion", "candidate")
    assert pair_of(served.head(1), None, None) is None
    assert pair_of(pl.DataFrame({"variant": ["x", "b"]}), None, None) == ("b", "x")
    assert pair_of(pl.DataFrame({"variant": ["x", "b"]}), "x", None) == ("x", "b")
    with pytest.raises(ConfigError, match="name two"):
        pair_of(pl.DataFrame({"variant": ["x", "b", "c"]}), None, None)
    with pytest.raises(ConfigError, match="no variant 'd'"):
        pair_of(served, "d", None)


def test_interactions_before_the_test_count_by_user(tmp_path: object) -> None:
    from pathlib import Path

    from recommender.hashing import key_of, pseudonyms

    served, _ = log_of({"a": 0.1, "b": 0.1}, n=40)
    rows = served.select("user_id", timestamp=pl.col("as_of").dt.offset_by("-40d"))
    plain = taken_before(rows, served, Path(str(tmp_path)))
    assert plain.height == 80
    folder = Path(str(tmp_path))
    hashed = served.with_columns(pseudonyms(served["user_id"], key_of(folder)).alias("user_id"))
    taken = taken_before(rows, hashed, folder)
    assert set(taken["user_id"]) == set(hashed["user_id"])
    late = rows.with_columns(pl.col("timestamp").dt.offset_by("90d"))
    with pytest.raises(DataError, match="none of its 0 interactions"):
        taken_before(late, served, folder)
    with pytest.raises(DataError, match="none of its 2,400 interactions"):
        taken_before(rows.with_columns(user_id=pl.int_range(pl.len())), served, folder)
