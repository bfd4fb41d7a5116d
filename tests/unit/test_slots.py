"""Slots for new items: as many as validation shows to be worth their cost."""

from __future__ import annotations

from recommender.config import Slots
from recommender.slots import SlotEvidence, size


def evidence(*rows: tuple[int, float, float]) -> list[SlotEvidence]:
    """(n, recall of all items, recall of new items) per row."""
    return [SlotEvidence(n, recall, of_new, 0.5) for n, recall, of_new in rows]


def test_the_size_that_finds_most_new_items_at_the_cost_allowed_is_taken() -> None:
    rows = evidence((0, 0.20, 0.0), (2, 0.19, 0.1), (4, 0.185, 0.2), (8, 0.17, 0.3))
    assert size(rows, Slots(max_loss=0.1)) == 4
    assert size(rows, Slots(max_loss=0.5)) == 8
    assert size(rows, Slots(max_loss=0.0)) == 0


def test_of_equals_the_smallest_is_taken_and_none_where_nothing_is_found() -> None:
    assert size(evidence((0, 0.2, 0.1), (1, 0.2, 0.3), (2, 0.2, 0.3)), Slots()) == 1
    assert size(evidence((0, 0.2, 0.0), (1, 0.2, 0.0)), Slots()) == 0
