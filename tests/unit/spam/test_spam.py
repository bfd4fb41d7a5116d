"""Evidence by hand, blindness for what comes later, and a detector that finds a planted ring."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.config import Spam
from recommender.data.dataset import Dataset, Table
from recommender.data.split import time_fold
from recommender.errors import DataError
from recommender.experiment.attack import rank_gain
from recommender.models.popularity import Popularity
from recommender.names import SUSPICION
from recommender.spam.detector import Detector, judge, live
from recommender.spam.evidence import clone_similarity, evidence, ring_overlap, strikes
from recommender.spam.suspicion import suspected, suspected_fold
from recommender.spam.trust import LEAST, trust
from tests.helpers.small import Row, at, dataset, table, times, us

DAY = 24.0
COLUMNS = Spam(label_column="moderated_at", creator_column="creator", signed_up_column="signed_up_at")


def items(**columns: Any) -> Table:
    n = len(next(iter(columns.values())))
    roles = {"creator": "category", "moderated_at": "ignore", "embedding": "embedding", "caption": "text"}
    hours = columns.pop("hours", [0.0] * n)
    columns_given = {"available_from": times(hours), **columns}
    return table(
        "item_id",
        [f"i{k:03}" for k in range(n)],
        {c: r for c, r in roles.items() if c in columns_given},
        **columns_given,
    )


def value(data: Dataset, name: str, hour: float) -> list[float]:
    signs = evidence(data, data.items, us(hour), COLUMNS)
    return signs.values[:, signs.names.index(name)].round(4).tolist()


def test_evidence_of_takes_is_counted_by_hand() -> None:
    rows: list[Row] = [("u", "i000", 1), ("v", "i000", 1.5), ("w", "i000", 30), ("u", "i001", 2)]
    users = table("user_id", ["u", "v", "w"], {"signed_up_at": "ignore"}, signed_up_at=times([0, 1, 0]))
    data = dataset(rows, items(creator=["a", "a"], hours=[0, 20]), users)
    assert value(data, "takes", 48) == pytest.approx(np.log1p([3, 1]), abs=1e-4)
    assert value(data, "burst", 48) == pytest.approx([1 / 6, 0], abs=1e-4)  # two of three within one hour
    assert value(data, "one_off", 48) == pytest.approx([2 / 6, 0], abs=1e-4)  # v and w took nothing else
    assert value(data, "young", 48) == pytest.approx([2 / 6, 1 / 4], abs=1e-4)
    assert value(data, "uploads", 48) == pytest.approx(np.log1p([0, 1]), abs=1e-4)
    assert value(data, "age_days", 48) == pytest.approx(np.log1p([2, 28 / 24]), abs=1e-4)


def test_signals_are_rates_per_take() -> None:
    data = dataset([("u", "i000", 1), ("v", "i000", 2)], items(creator=["a", "b"]))
    hated = data.interactions.head(1).with_columns(event=pl.lit("hate"))
    late = hated.with_columns(timestamp=times([50])[0])
    data = replace(data, signals=pl.concat([hated, late]))
    assert value(data, "rate hate", 48) == pytest.approx([1 / 5, 0], abs=1e-4)


def test_accounts_that_take_the_same_items_first_overlap() -> None:
    ring = [(f"f{n}", f"i00{i}", float(i)) for i in (0, 1) for n in range(4)]
    honest = [(f"u{n}", f"i00{2 + n % 3}", 5.0 + n) for n in range(12)]
    data = dataset([*ring, *honest], items(creator=["x"] * 5))
    overlap = ring_overlap(data.user_idx, data.item_idx, len(data.users), len(data.items))
    np.testing.assert_allclose(overlap, [1, 1, 0, 0, 0])


def test_two_shared_accounts_are_chance() -> None:
    data = dataset([(u, i, 1.0) for u in "uv" for i in ("i000", "i001")], items(creator=["x", "y"]))
    assert not ring_overlap(data.user_idx, data.item_idx, 2, 2).any()


def test_a_clone_is_like_an_earlier_item_of_another_creator() -> None:
    catalogue = items(
        embedding=[[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [1.0, 1.0], None],
        creator=["a", "a", "b", "a", "b"],
        hours=[0, 1, 2, 3, 4],
    )
    np.testing.assert_allclose(clone_similarity(catalogue, "creator"), [0, 0, 1, np.sqrt(0.5), 0], atol=1e-6)


def test_the_words_of_another_creators_caption_are_a_clone_whatever_their_case() -> None:
    catalogue = items(caption=["One Two", "one two ", "one two", None, None], creator=["a", "b", "a", "a", "b"])
    by_time = items(caption=["one two", "One two"], creator=["b", "a"], hours=[5, 1])
    assert clone_similarity(catalogue, "creator").sum() == 1  # of one moment, in the order of a hash
    assert clone_similarity(by_time, "creator").tolist() == [1, 0]


def test_strikes_are_those_of_the_creators_other_items_before_the_time() -> None:
    catalogue = items(creator=["a", "a", "a", "b", None], moderated_at=times([10, 60, None, None, None]))
    counts = strikes(catalogue, us(48), COLUMNS)
    assert counts.round(4).tolist() == [0, 0.2, 0.2, 0, 0]


def planted(seed: int = 0) -> Dataset:
    """400 items over 20 days, of which every tenth is pushed by a ring within an hour and confirmed two days later."""
    rng = np.random.default_rng(seed)
    hours = np.sort(rng.uniform(0, 20 * DAY, 400))
    spam = np.arange(400) % 10 == 0
    rows: list[Row] = [
        (f"u{rng.integers(60)}", f"i{i:03}", h + float(rng.exponential(40)))
        for i, h in enumerate(hours)
        for _ in range(8)
    ]
    rows += [(f"f{n}", f"i{i:03}", h + rng.random()) for i, h in enumerate(hours) if spam[i] for n in range(10)]
    when = [h + 2 * DAY if s and n % 50 else None for n, (h, s) in enumerate(zip(hours, spam, strict=True))]
    creator = [f"c{n % 40}" for n in range(400)]
    return dataset(rows, items(creator=creator, moderated_at=times(when), hours=hours.tolist()))


def test_a_detector_finds_what_moderators_confirm_later() -> None:
    data = planted()
    train = data.before(at(14 * DAY))
    scores = Detector(COLUMNS).fit(train, us(14 * DAY)).suspicion(train, train.items, us(14 * DAY))
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()
    judged = judge(train.items, scores, us(14 * DAY), COLUMNS, "test", "")
    assert judged.n_violating > 0
    assert judged.average_precision > 3 * judged.n_violating / judged.n_judged
    confirmed = train.items.times("moderated_at") < us(14 * DAY)
    stated = train.items.frame["moderated_at"].is_not_null().to_numpy()
    assert (scores[confirmed & stated] == 1).all()


def test_nothing_after_the_origin_changes_a_suspicion() -> None:
    """Later rows, and what moderators confirm later, among them of items that are known already."""
    data, origin = planted(), us(14 * DAY)
    before = Detector(COLUMNS).fit(data.before(at(14 * DAY)), origin)
    known = data.before(at(14 * DAY)).items
    later = data.items.frame.with_columns(
        moderated_at=pl.when(pl.col("moderated_at") < at(14 * DAY)).then("moderated_at")
    )
    other = replace(data, items=replace(data.items, frame=later))  # rows after the origin are still in it
    changed = Detector(COLUMNS).fit(other, origin)
    rows = other.items.lookup(known.ids)
    np.testing.assert_array_equal(
        before.suspicion(data.before(at(14 * DAY)), known, origin),
        changed.suspicion(other, other.items.take(rows), origin),
    )


def test_too_few_labels_are_an_error_that_says_how_many_there_are() -> None:
    data = planted()
    with pytest.raises(DataError, match="too few labels"):
        Detector(COLUMNS).fit(data.before(at(3 * DAY)), us(3 * DAY))


def test_a_fold_gets_the_suspicion_of_its_items_and_tells_how_good_it_was() -> None:
    fold = time_fold(planted(), "test", at(14 * DAY), None, 1)
    one_suspected, judged = suspected_fold(fold, COLUMNS)
    assert not isinstance(judged, str)
    assert judged.n_confirmed <= min(judged.n_flagged, judged.n_violating)
    for items_ in (one_suspected.items, one_suspected.train.items):
        assert items_.roles[SUSPICION] == "ignore"
        assert items_.frame[SUSPICION].null_count() == 0
    both = one_suspected.items.frame.join(one_suspected.train.items.frame, on="item_id", suffix="_train")
    assert both[SUSPICION].equals(both[f"{SUSPICION}_train"], check_names=False)


def test_where_nothing_can_be_learned_nobody_is_suspected() -> None:
    fold = time_fold(planted(), "test", at(3 * DAY), None, 1)
    one_suspected, judgement = suspected_fold(fold, COLUMNS)
    assert isinstance(judgement, str)
    assert "too few labels" in judgement
    assert one_suspected.items.frame[SUSPICION].sum() == 0
    assert suspected(planted().before(at(3 * DAY)), COLUMNS).items.frame[SUSPICION].sum() == 0


def test_items_of_the_future_and_expired_ones_are_not_live() -> None:
    catalogue = table("item_id", list("abc"), available_from=times([0, 10, 0]), expires_at=times([None, None, 5]))
    assert live(catalogue, us(6)).tolist() == [True, False, False]


# --- trust


def test_an_account_counts_once_per_item_and_grows_with_the_square_of_its_age() -> None:
    rows: list[Row] = [("u", "a", 0), ("u", "a", 48), ("u", "b", 48), ("v", "a", 12)]
    users = table("user_id", ["u", "v"], signed_up_at=times([None, -6]))  # v was there before the data begin
    worth = trust(dataset(rows, users=users), "signed_up_at")  # sorted by time: u a, v a, u a again, u b
    assert worth[0] == pytest.approx(LEAST, rel=0.05)  # u took two items: a little more than the cap
    assert worth[1] == pytest.approx((18 / 24) ** 2)
    assert worth[2] == 0
    assert worth[3] > 0.9


def test_an_account_does_not_grow_while_it_is_idle() -> None:
    rows: list[Row] = [("u", "a", 0), ("v", "a", 96), ("w", "a", 48), ("w", "b", 96)]
    users = table("user_id", ["u", "v", "w"], signed_up_at=times([0, 1, 1]))
    data = dataset(rows, users=users)
    worth = dict(
        zip(data.interactions.select("user_id", "item_id").iter_rows(), trust(data, "signed_up_at"), strict=True)
    )
    assert worth["v", "a"] == pytest.approx(LEAST)
    assert worth["w", "b"] > 0.9


def test_a_ring_of_hundreds_moves_in_lockstep_and_busy_honest_accounts_do_not() -> None:
    rng = np.random.default_rng(0)
    liked = 1 / np.arange(1, 301)
    honest: list[Row] = [
        (f"u{n:03}", f"i{i:03}", float(24 * rng.random() + 1))
        for n in range(600)
        for i in rng.choice(300, 8, replace=False, p=liked / liked.sum())
    ]
    ring: list[Row] = [(f"f{n:03}", f"s{i}", 10.0 + i + rng.random()) for n in range(300) for i in range(5)]
    data = dataset([*honest, *ring])
    worth = trust(data)
    fake = data.interactions["user_id"].str.starts_with("f").to_numpy()
    assert worth[fake].max() <= LEAST
    assert np.median(worth[~fake]) > 0.9


def test_a_burst_of_trusted_accounts_counts_no_more_than_the_busiest_hours_of_others() -> None:
    """120 accounts of long standing take one item in one hour; else an item has hardly two interactions in an hour."""
    rng = np.random.default_rng(0)
    honest: list[Row] = [(f"u{n:03}", f"i{rng.integers(90)}", 24.0 * k + n / 5) for n in range(120) for k in range(4)]
    burst: list[Row] = [(f"u{n:03}", "pushed", 200.0 + n / 240) for n in range(120)]
    data = dataset([*honest, *burst])
    pushed = (data.interactions["item_id"] == "pushed").to_numpy()
    worth = trust(data)
    assert worth[pushed].sum() <= 3
    assert np.median(worth[~pushed]) > 0.9


def test_where_everyone_takes_the_same_items_nobody_moves_in_lockstep() -> None:
    rng = np.random.default_rng(0)
    rows: list[Row] = [(f"u{n}", f"i{i}", float(500 * rng.random())) for n in range(40) for i in range(20)]
    assert trust(dataset(rows)).min() > 0.5


def test_a_ring_loses_its_worth_and_the_others_do_not() -> None:
    honest: list[Row] = [(f"u{n}", f"i{(n * 7 + k * 3) % 40}", 24.0 * k + n) for n in range(40) for k in range(3)]
    ring: list[Row] = [(f"f{n}", f"spam{i}", 80.0 + i) for n in range(10) for i in range(3)]
    data = dataset([*honest, *ring])
    worth = trust(data)
    fake = data.interactions["user_id"].str.starts_with("f").to_numpy()
    assert worth[fake].max() <= LEAST
    assert worth[~fake].min() > 0.5


def test_where_no_sign_up_is_stated_at_all_every_account_is_grown() -> None:
    rows: list[Row] = [("u", "a", 0), ("v", "b", 5)]
    assert trust(dataset(rows), "signed_up_at").tolist() == [1, 1]
    users = table("user_id", ["u", "v"], signed_up_at=times([None, None]))
    assert trust(dataset(rows, users=users), "signed_up_at").tolist() == pytest.approx([LEAST, LEAST])


def test_without_times_every_account_is_grown() -> None:
    assert trust(dataset([("u", "a", None), ("v", "b", None)])).tolist() == [1, 1]


@settings(deadline=None)  # a busy machine
@given(st.lists(st.tuples(st.sampled_from("uvw"), st.sampled_from("ab"), st.floats(0, 100)), min_size=1, max_size=15))
def test_worth_is_never_negative_nor_above_one(rows: list[Row]) -> None:
    worth = trust(dataset(rows))
    assert ((worth >= 0) & (worth <= 1)).all()


# --- attacks


def test_idle_accounts_are_opened_before_and_grown_ones_are_busy_since() -> None:
    honest: list[Row] = [(f"u{n}", f"i{n % 7}", 24.0 * n) for n in range(20)]
    users = table("user_id", sorted({r[0] for r in honest}), signed_up_at=times([0.0] * 20))
    data = dataset(honest, users=users)
    seen: list[Dataset] = []

    class Spy(Popularity):
        def fit(self, train: Dataset) -> Any:
            seen.append(train)
            return super().fit(train)

    for guise in ("new", "idle", "grown"):
        gain = rank_gain(data, {"spy": Spy}, accounts=5, cover=2, targets=1, guise=guise)
        assert gain["rank_after"].item() <= gain["rank_before"].item()
    new, idle, grown = (d for d in seen if len(d.users) > 20)
    assert new.users.frame["signed_up_at"][20:].null_count() == 5
    for opened in (idle, grown):
        early = opened.users.frame["signed_up_at"][20:].max() < data.interactions["timestamp"].max()  # type: ignore[operator]
        assert early
    fakes = [d.timestamps[d.user_idx >= 20] for d in (idle, grown)]
    assert np.ptp(fakes[0]) < us(1) - us(0)
    assert np.ptp(fakes[1]) > us(2.5 * DAY) - us(0)
