"""Slots for new items: what each number of them brings and costs, and which number is worth it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from recommender.config import Slots
from recommender.experiment.slots import SIZES, SlotEvidence, chosen, evidence
from recommender.experiment.validation_sample import ValidationSample, evenly
from recommender.ranking.lists import RUNG, Lists

N_KNOWN, N_ITEMS = 30, 40  # items 30 to 39 are new
COUNTS = np.array([1] * N_KNOWN + [0] * (N_ITEMS - N_KNOWN))


def lists(*rows: list[int]) -> Lists:
    item = np.array(rows, dtype=np.int64)
    return Lists(item, -item.astype(np.float32), np.full(item.shape, RUNG, np.int8))


def sample(truth: list[list[int]], shown: dict[str, list[list[int]]], new: list[list[int]]) -> ValidationSample:
    taken = np.zeros((len(truth), N_ITEMS), bool)
    for query, items in enumerate(truth):
        taken[query, items] = True
    by_rung = {(rung, 0): lists(*rows) for rung, rows in shown.items()}
    return ValidationSample(np.arange(len(truth)), sp.csr_matrix(taken), COUNTS, by_rung, {("fresh", 0): lists(*new)})


def judged(*probes: ValidationSample, served: Any, of: int = 20) -> dict[int, SlotEvidence]:
    names = [np.array(s) for s in served]
    settings = {"up": 0, "down": 0, "fresh": 0}
    periods = [np.arange(len(n)) * 4 // len(n) for n in names]
    return {r.n: r for r in evidence(probes, names, ("fresh", 0), of, settings, names, periods)}


UP, DOWN = list(range(25)), list(range(29, 4, -1))
NEW = [31, 30, 32, 33, 34, 35, 36, 37]


def test_what_slots_bring_and_cost_is_counted_by_hand() -> None:
    """Served by up: 0, 1 ... 24; by down: 29, 28 ... 5. One slot ends the first 20 places, two the last two."""
    one = sample([[0, 19, 30], [11]], {"up": [UP, UP], "down": [DOWN, DOWN]}, [NEW, NEW])
    slot_rows = judged(one, served=[["up", "down"]])
    assert list(slot_rows) == list(SIZES)
    assert slot_rows[0].recall_at_20 == pytest.approx((2 / 3 + 1) / 2)  # 0 and 19; 11 is down's place 19
    assert slot_rows[1].recall_at_20 == pytest.approx((1 / 3 + 1) / 2)  # 31 takes the place of 19
    assert slot_rows[2].recall_at_20 == pytest.approx((2 / 3 + 0) / 2)  # 31 and 30 those of 18 and 19, and of 11 and 10
    assert [slot_rows[n].new_item_recall_at_20 for n in SIZES] == [0, 0, *[1] * 6]  # of the one query that took one
    assert {r.new_item_share_of_truth for r in slot_rows.values()} == {1 / 4}


def test_what_slots_displace_still_counts_within_twenty_places() -> None:
    one = sample([[9, 30]], {"up": [UP]}, [NEW])
    slot_rows = judged(one, served=[["up"]], of=10)
    assert list(slot_rows) == [n for n in SIZES if n <= 10]
    assert slot_rows[2].recall_at_20 == 1  # 9 has moved from place 10 to 12
    assert list(judged(one, served=[["up"]], of=3)) == [0, 1, 2, 3]


def test_origins_are_pooled_by_query() -> None:
    first = sample([[0], [1]], {"up": [UP, UP]}, [NEW, NEW])
    second = sample([[25]], {"up": [UP]}, [NEW])
    assert judged(first, second, served=[["up", "up"], ["up"]])[0].recall_at_20 == pytest.approx(2 / 3)


def test_where_nobody_takes_new_items_slots_bring_nothing() -> None:
    slot_rows = judged(sample([[0]], {"up": [UP]}, [NEW]), served=[["up"]])
    assert {(r.new_item_recall_at_20, r.new_item_share_of_truth) for r in slot_rows.values()} == {(0, 0)}
    assert chosen(list(slot_rows.values()), Slots(n="auto", min_gain=0)).n == 0


def test_the_loss_has_a_bound_over_users_and_over_periods() -> None:
    """One slot costs each second user of the first half its only item, at place 19; nobody else anything."""
    truth = [[19] if n < 20 and n % 2 else [0] for n in range(40)]
    one = sample(truth, {"up": [UP] * 40}, [NEW] * 40)
    slot_rows = judged(one, served=[["up"] * 40])[1]
    lost = np.array([float(t == [19]) for t in truth])
    assert slot_rows.loss == pytest.approx(lost.mean())
    of_users = lost.mean() + 1.96 * lost.std(ddof=1) / np.sqrt(40)
    of_periods = lost.mean() + 3.182 * np.std([0.5, 0.5, 0, 0], ddof=1) / np.sqrt(4)
    assert of_periods > of_users
    assert slot_rows.loss_high == pytest.approx(of_periods, rel=1e-3)
    mixed = [t for n in range(10) for t in truth[n::10]]  # each period alike
    steady = judged(sample(mixed, {"up": [UP] * 40}, [NEW] * 40), served=[["up"] * 40])
    assert slot_rows.loss < steady[1].loss_high < slot_rows.loss_high


def rows(*values: tuple[int, float, float]) -> list[SlotEvidence]:
    losses = [1 - recall / values[0][1] if values[0][1] else 0.0 for _, recall, _ in values]
    return [
        SlotEvidence(n, recall, new, 0.2, loss, loss) for (n, recall, new), loss in zip(values, losses, strict=True)
    ]


def test_a_size_is_affordable_by_its_upper_bound() -> None:
    evidence = [SlotEvidence(0, 0.4, 0.0, 0.2), SlotEvidence(1, 0.39, 0.05, 0.2, 0.025, 0.08),
                SlotEvidence(2, 0.38, 0.1, 0.2, 0.05, 0.12)]  # fmt: skip
    assert chosen(evidence, Slots(n="auto", max_loss=0.1)).n == 1
    assert chosen(evidence, Slots(n="auto", max_loss=0.05)).n == 0


@pytest.mark.parametrize(
    ("max_loss", "min_gain", "expected"),
    [(0.0, 0.0, 1), (0.05, 0.0, 2), (0.5, 0.0, 4), (0.5, 0.11, 4), (0.5, 0.13, 0), (0.05, 0.09, 0)],
)
def test_the_best_affordable_size_is_chosen_where_it_gains_enough(
    max_loss: float, min_gain: float, expected: int
) -> None:
    sizes = rows((0, 0.40, 0.02), (1, 0.40, 0.05), (2, 0.39, 0.10), (4, 0.30, 0.14), (6, 0.20, 0.14))
    assert chosen(sizes, Slots(n="auto", max_loss=max_loss, min_gain=min_gain)).n == expected


def test_the_rung_that_finds_most_new_items_at_the_price_chooses_them() -> None:
    """The first one where they find as many."""
    sizes = {0: (0.4, 0.0, 0.0), 2: (0.39, 0.1, 0.05), 3: (0.38, 0.2, 0.09), 4: (0.3, 0.3, 0.2)}
    ranker, other = (
        [SlotEvidence(n, recall, new, 0.2, loss_high=high, rung=rung) for n, (recall, new, high) in sizes.items()]
        for rung in ("ranker", "other")
    )
    best = chosen([*ranker[:2], *other], Slots(n="auto", max_loss=0.1))
    assert (best.rung, best.n) == ("other", 3)
    best = chosen([*ranker[:2], *other[:2]], Slots(n="auto", max_loss=0.1))
    assert (best.rung, best.n) == ("ranker", 2)


share = st.floats(0, 1)


@given(st.lists(st.tuples(share, share), min_size=1, max_size=len(SIZES)), share, share)
def test_the_loss_allowed_is_never_exceeded(values: list[tuple[float, float]], loss: float, gain: float) -> None:
    sizes = rows(*((n, recall, new) for n, (recall, new) in zip(SIZES, values, strict=False)))
    best = chosen(sizes, Slots(n="auto", max_loss=loss, min_gain=gain))
    assert best.loss_high <= loss or best.n == 0
    assert best.n == 0 or best.new_item_recall_at_20 - sizes[0].new_item_recall_at_20 >= gain


def test_a_sample_is_evenly_spread_and_no_larger_than_there_are_rows() -> None:
    assert evenly(np.arange(10, 19), 3).tolist() == [10, 14, 18]
    assert evenly(np.arange(5), 2500).tolist() == [0, 1, 2, 3, 4]
    assert evenly(np.arange(0), 3).tolist() == []
