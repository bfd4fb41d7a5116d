"""Where lists are made: in this process, or wherever else something of the same methods takes the queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl
import scipy.sparse as sp

from recommender.config import Scoring
from recommender.data.queries import Queries
from recommender.data.split import Fold
from recommender.models.base import Recommender
from recommender.ranking.candidates import Candidates
from recommender.ranking.lists import Lists
from recommender.ranking.recommend import recommend
from recommender.ranking.router import Routed, Router


class Judge(Protocol):
    """What users took, to measure lists by; see ``evaluation/judge.py``."""

    @property
    def truth(self) -> sp.csr_matrix: ...

    @property
    def grades(self) -> sp.csr_matrix | None: ...

    @property
    def item_counts(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Answer:
    """Lists, of ``rows`` of the queries (int64, ascending; None: of all), and what was measured of all where they were
    made: float64 (n_queries,) per column; None: nothing yet."""

    lists: Lists
    rows: np.ndarray | None = None
    values: Mapping[str, np.ndarray] | None = None

    def take(self, rows: np.ndarray) -> Lists:
        """The lists of some queries, int64, among those that there are."""
        return self.lists.take(rows if self.rows is None else np.searchsorted(self.rows, rows))


class Asker(Protocol):
    """Lists do not depend on which one is asked."""

    def recommend(
        self, model: Recommender, queries: Queries, candidates: Candidates, k: int, scoring: Scoring
    ) -> Lists:
        """See ``ranking/recommend.py::recommend``."""
        ...

    def judged(
        self, model: Recommender, queries: Queries, candidates: Candidates, k: int, scoring: Scoring, judge: Judge,
        rows: np.ndarray | None,
    ) -> Answer:  # fmt: skip
        """``recommend``, and what of the lists is measured where they are made. rows: of the queries whose lists are
        wanted, int64, ascending; None: all."""
        ...

    def route(self, router: Router, queries: Queries, candidates: Candidates, k: int, scoring: Scoring) -> Routed:
        """See ``Router.recommend``."""
        ...

    def over_all(
        self, model: Recommender | Router, fold: Fold, candidates: Candidates, k: int, scoring: Scoring,
        valid: np.ndarray, resamples: int, seed: int,
    ) -> pl.DataFrame | None:  # fmt: skip
        """Accuracy over the queries of all users after the origin of ``fold``, whose own are those of a sample; None
        where all are here. valid: bool (n_items,), of which items answers count. resamples, seed: of the intervals.
        Columns as in metrics.parquet: user_bucket, item_bucket, metric, value, ci_low, ci_high, n_queries,
        answered_share."""
        ...


class Here:
    """Makes lists in this process."""

    def recommend(
        self, model: Recommender, queries: Queries, candidates: Candidates, k: int, scoring: Scoring
    ) -> Lists:
        return recommend(model, queries, candidates, k, scoring)

    def judged(
        self, model: Recommender, queries: Queries, candidates: Candidates, k: int, scoring: Scoring, judge: Judge,
        rows: np.ndarray | None,
    ) -> Answer:  # fmt: skip
        return Answer(recommend(model, queries, candidates, k, scoring))

    def route(self, router: Router, queries: Queries, candidates: Candidates, k: int, scoring: Scoring) -> Routed:
        return router.recommend(queries, candidates, k, scoring)

    def over_all(
        self, model: Recommender | Router, fold: Fold, candidates: Candidates, k: int, scoring: Scoring,
        valid: np.ndarray, resamples: int, seed: int,
    ) -> pl.DataFrame | None:  # fmt: skip
        return None


HERE = Here()
