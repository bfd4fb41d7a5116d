"""What a fold's models are fitted on, and what they know."""

from __future__ import annotations

from typing import Any

import pytest

from recommender.data.split import time_fold
from recommender.errors import DataError
from recommender.evaluation.effort import EffortLog
from recommender.experiment.fold_runner import FoldRunner
from tests.helpers import small


def runner(difference: dict[str, Any]) -> FoldRunner:
    rows = [(f"u{n % 4}", f"i{n % 5}", float(n)) for n in range(40)]
    fold = time_fold(small.dataset(rows), "test", small.at(30), None, 1)
    scenario = small.scenario(data={"updated": True, "train_differences": [difference]})
    return FoldRunner(fold, scenario, EffortLog(), lambda step: None)


def test_an_update_learns_rows_that_follow_those_of_the_fit() -> None:
    assert runner({"drift": {"share": 0.2}}).fitted_on.interactions.height < 30
    with pytest.raises(DataError, match="the newest interactions only"):
        runner({"volume": {"share": 0.5}})
