"""Looks at a setting, cheapest first: what is measured of it before it is settled whether it goes on.

The first asks few users of a fit that costs less, where the recommender states one (``first_look``); the second all
sampled users of the latest validation origin; the others one earlier origin each (successive halving over fidelities;
Li et al. 2020, "ASHA").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from itertools import islice, takewhile
from typing import Any

import numpy as np

from recommender.config import Rung, Scenario
from recommender.data.dataset import Dataset
from recommender.data.split import Fold, folds
from recommender.evaluation.effort import EffortLog
from recommender.experiment.fold_runner import FoldRunner, MeasuredRung, silent
from recommender.experiment.search_spaces import value_of
from recommender.experiment.validation_sample import evenly
from recommender.features.memo import share_fits
from recommender.models import RECOMMENDERS
from recommender.models.space import FirstLook, MostTaken

SAMPLE = 1000  # users per origin, evenly spread, each with the first query
ORIGINS = 3  # about so many are searched, evenly spread over those of validation
FEW = 300  # users of the first look


def validation_runners(data: Dataset, scenario: Scenario, effort: EffortLog) -> list[FoldRunner]:
    """Some validation origins, each with a sample of its users' first queries; the latest first."""
    all_folds = islice(folds(data, scenario.split, scenario.eligibility), scenario.split.most_origins)
    validation = list(takewhile(lambda fold: fold.split == "validation", all_folds))
    few = validation[:: -max(1, round(len(validation) / ORIGINS))]
    runners = [FoldRunner(sample_queries(fold, SAMPLE), scenario, effort, silent) for fold in few]
    for runner in runners:
        share_fits(runner.fold.train)
    return runners


def sample_queries(fold: Fold, most: int) -> Fold:
    """The fold with at most ``most`` of its users' first queries."""
    rows = evenly(np.flatnonzero(fold.first), most)
    grades = None if fold.grades is None else fold.grades[rows]
    return replace(fold, queries=fold.queries.take(rows), first=fold.first[rows], truth=fold.truth[rows], grades=grades)


def n_looks(rung: Rung, runners: Sequence[FoldRunner]) -> int:
    """How many there are of each of the rung's settings."""
    return len(runners) + _starts_small(rung, runners[0])


def looks(rung: Rung, setting: Mapping[str, Any], runners: Sequence[FoldRunner]) -> Iterator[np.ndarray]:
    """The deciding metric of each query asked, float64 (n,), look after look; the last ones are those of ``runners``.

    runners: as of ``validation_runners``. What is not asked for is not fitted. Raises what the recommender raises.
    """
    fitted = None
    if _starts_small(rung, runners[0]):
        measured = first_look(rung, setting, runners[0])
        yield measured.outcome.values[runners[0].scenario.decision.metric]
        fitted = None if _fits_less(rung, runners[0]) else measured.model
        del measured
    for runner in runners:
        measured = runner.measure(rung, setting, tuning=True, fitted=fitted)
        fitted = None
        yield measured.outcome.values[runner.scenario.decision.metric]


def first_look(rung: Rung, setting: Mapping[str, Any], latest: FoldRunner) -> MeasuredRung:
    """The setting, fitted at less cost where its recommender states how, on few users of the latest origin."""
    small, less, n_items = copy(latest), _less(rung), len(latest.fold.items)
    small.fold = sample_queries(small.fold, FEW)
    if less is not None:
        setting = {**setting, less.parameter: less.of(value_of(rung, setting, less.parameter), n_items)}
    return small.measure(rung, setting, tuning=True)


def learns_fewer_items(rung: Rung, latest: FoldRunner) -> bool:
    """Whether the first look learns fewer items: that ranks settings much as a whole fit does. Fewer passes do not."""
    return isinstance(_less(rung), MostTaken) and _fits_less(rung, latest)


def _fits_less(rung: Rung, latest: FoldRunner) -> bool:
    """Whether what the first look fits costs less than a whole fit."""
    less = _less(rung)
    return less is not None and less.saves(len(latest.fold.items))


def _starts_small(rung: Rung, latest: FoldRunner) -> bool:
    """Whether the first look is cheaper than the whole latest origin."""
    return _fits_less(rung, latest) or len(latest.fold.queries) > FEW


def _less(rung: Rung) -> FirstLook | None:
    less: FirstLook | None = getattr(RECOMMENDERS[rung.recommender], "first_look", None)
    return less
