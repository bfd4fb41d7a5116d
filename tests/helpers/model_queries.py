"""Who is asked about what in the contract tests of recommenders, and parameters that make them fast."""

from __future__ import annotations

from tests.helpers import worlds

FAST = {"iterations": 5, "epochs": 3, "factors": 8, "no_components": 8, "min_df": 1}  # where a model has them
ITEMS = (*worlds.ITEMS, "r5", "new1")  # r5: published, never taken; new1: published after training
HISTORIES = {
    "a1": ["r1", "r2", "r3", "x1"],  # known
    "b4": [],  # known, history withheld
    "someone": ["f1", "f2"],  # unknown, with history
    "a_new": [],  # unknown, lives in a city
    "nobody": [],  # unknown in every way
    "explorer": ["new1"],  # took an item that training did not see
}
