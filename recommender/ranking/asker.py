"""Where lists are made: in this process, or wherever else something of the same two methods takes the queries."""

from __future__ import annotations

from typing import Protocol

from recommender.config import Scoring
from recommender.data.queries import Queries
from recommender.models.base import Recommender
from recommender.ranking.candidates import Candidates
from recommender.ranking.lists import Lists
from recommender.ranking.recommend import recommend
from recommender.ranking.router import Routed, Router


class Asker(Protocol):
    """Lists do not depend on which one is asked."""

    def recommend(
        self, model: Recommender, queries: Queries, candidates: Candidates, k: int, scoring: Scoring
    ) -> Lists:
        """See ``ranking/recommend.py::recommend``."""
        ...

    def route(self, router: Router, queries: Queries, candidates: Candidates, k: int, scoring: Scoring) -> Routed:
        """See ``Router.recommend``."""
        ...


class Here:
    """In this process."""

    def recommend(
        self, model: Recommender, queries: Queries, candidates: Candidates, k: int, scoring: Scoring
    ) -> Lists:
        return recommend(model, queries, candidates, k, scoring)

    def route(self, router: Router, queries: Queries, candidates: Candidates, k: int, scoring: Scoring) -> Routed:
        return router.recommend(queries, candidates, k, scoring)


HERE = Here()
