"""Looks at a setting, cheapest first: what is measured of it before it is settled whether it goes on.

The first asks few users, of a fit that costs less where the recommender states how (``cheaper``), maybe in several
steps; the next all sampled users of the latest validation origin; the others one earlier origin each (successive
halving over fidelities; Li et al. 2020, "ASHA").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from recommender.config import Rung, Scenario
from recommender.data.dataset import Dataset
from recommender.data.origins import origins
from recommender.data.split import Fold, folds
from recommender.evaluation.effort import EffortLog
from recommender.experiment.fold_runner import FoldRunner, MeasuredRung, silent
from recommender.experiment.search_spaces import value_of
from recommender.experiment.validation_sample import evenly
from recommender.features.memo import share_fits
from recommender.models import RECOMMENDERS
from recommender.models.space import Cheaper, MostTaken

SAMPLE = 1000  # users per origin, evenly spread, each with the first query
ORIGINS = 3  # about so many are searched, evenly spread over those of validation
FEW = 300  # users of the first look


def validation_runners(data: Dataset, scenario: Scenario, effort: EffortLog) -> list[FoldRunner]:
    """Some validation origins, each with a sample of its users' first queries; the latest first."""
    n, runners = 0, list[FoldRunner]()
    for number, fold in enumerate(folds(data, scenario.split, scenario.eligibility), 1):
        if fold.split == "test":  # a random split may have fewer parts than planned
            break
        n = n or _n_validation(data, scenario)  # only now: ``folds`` has checked that the split is possible
        if (n - number) % max(1, round(n / ORIGINS)) == 0:  # the others go: each has a copy of what it trains on
            share_fits(fold.train)
            runners.append(FoldRunner(sample_queries(fold, SAMPLE), scenario, effort, silent))
        if number == n:  # the test comes next
            break
    return runners[::-1]


def _n_validation(data: Dataset, scenario: Scenario) -> int:
    """How many validation folds ``folds`` gives."""
    split = scenario.split
    if split.kind == "random" or split.retrain_days is None:
        return split.most_origins
    return len(origins(data if scenario.eligibility.repeats else data.first_interactions(), split)) - 1


def sample_queries(fold: Fold, most: int) -> Fold:
    """The fold with at most ``most`` of its users' first queries."""
    rows = evenly(np.flatnonzero(fold.first), most)
    grades = None if fold.grades is None else fold.grades[rows]
    return replace(fold, queries=fold.queries.take(rows), first=fold.first[rows], truth=fold.truth[rows], grades=grades)


def n_looks(rung: Rung, setting: Mapping[str, Any], runners: Sequence[FoldRunner]) -> int:
    """How many looks at a setting there are."""
    return len(runners) + len(_smaller(rung, setting, runners[0]))


def looks(rung: Rung, setting: Mapping[str, Any], runners: Sequence[FoldRunner]) -> Iterator[np.ndarray]:
    """The deciding metric of each query asked, float64 (n,), look after look; the last ones are those of ``runners``.

    runners: as of ``validation_runners``. What is not asked for is not fitted. Raises what the recommender raises.
    """
    fitted, latest, metric = None, runners[0], runners[0].scenario.decision.metric
    for n, less in enumerate(_smaller(rung, setting, latest)):
        measured = (latest if n else _with_few_users(latest)).measure(rung, less, tuning=True)
        yield measured.outcome.values[metric]
        fitted = measured.model if less == setting else None
        del measured
    for runner in runners:
        measured = runner.measure(rung, setting, tuning=True, fitted=fitted)
        fitted = None
        yield measured.outcome.values[metric]


def first_look(rung: Rung, setting: Mapping[str, Any], latest: FoldRunner) -> MeasuredRung:
    """The setting as a cheaper fit, asked by few users of the latest origin."""
    less = [*_smaller(rung, setting, latest), setting][0]
    return _with_few_users(latest).measure(rung, less, tuning=True)


def learns_fewer_items(rung: Rung, latest: FoldRunner) -> bool:
    """Whether the first look learns fewer items: that ranks settings much as a whole fit does. Fewer passes do not."""
    cheaper = _cheaper(rung)
    return isinstance(cheaper, MostTaken) and len(latest.fold.items) > cheaper.most


def _smaller(rung: Rung, setting: Mapping[str, Any], latest: FoldRunner) -> list[dict[str, Any]]:
    """What is fitted before the setting itself is on all sampled users; nothing where that costs no less."""
    cheaper, few = _cheaper(rung), [dict(setting)] if len(latest.fold.queries) > FEW else []
    if cheaper is None:
        return few
    values = cheaper.values(value_of(rung, setting, cheaper.parameter), len(latest.fold.items))
    if not values and learns_fewer_items(rung, latest):  # looks have numbers: the others' first one is no origin's
        return [dict(setting)]
    return [{**setting, cheaper.parameter: value} for value in values] or few


def _with_few_users(latest: FoldRunner) -> FoldRunner:
    small = copy(latest)
    small.fold = sample_queries(small.fold, FEW)
    return small


def _cheaper(rung: Rung) -> Cheaper | None:
    cheaper: Cheaper | None = getattr(RECOMMENDERS[rung.recommender], "cheaper", None)
    return cheaper
