"""The experiment on online estimators, on one small world."""

from __future__ import annotations

import numpy as np
import pytest

from experiments import online_estimators
from experiments.online_estimators import Board, interleave, looked, table

LOOKED = looked()


def test_the_truth_of_a_board_is_a_sum_that_simulated_takes_come_to() -> None:
    rng = np.random.default_rng(0)
    chance = rng.random((4, 12)) * 0.3
    lists = np.argsort(-chance, axis=1)
    one = Board(chance, np.array([1.0, 2.0, 3.0, 4.0]), lists[:, ::-1], lists, np.zeros(4))
    by_hand = sum(v * sum(chance[u, lists[u, r]] * LOOKED[r] for r in range(10)) for u, v in enumerate(one.visits)) / 10
    assert one.mean(lists) == pytest.approx(by_hand)
    user = np.repeat(np.arange(4), [1000, 2000, 3000, 4000])
    taken = online_estimators.takes(one, user, lists[user, :10], rng)
    assert taken.sum() / len(user) == pytest.approx(by_hand, rel=0.05)
    share, p = interleave(Board(np.tile(chance, (50, 1)), np.full(200, 3.0), np.tile(lists[:, ::-1], (50, 1)),
                                np.tile(lists, (50, 1)), np.zeros(200)), np.tile(lists, (50, 1)), rng)  # fmt: skip
    assert (share > 0.5, p < 0.01) == (True, True)


def test_the_table_has_a_row_for_each_estimator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online_estimators, "KNOBS", {**online_estimators.KNOBS, "n_users": 500, "n_interactions": 2000})
    rows = table(1, repeats=2)
    names = [row[0] for row in rows[1:]]
    assert names[:2] == ["A/B test", "A/B test, CUPED"]
    assert {"interleaving, sign", "half of the items never drawn"} <= set(names)
    assert all(len(row) == len(rows[0]) for row in rows)
