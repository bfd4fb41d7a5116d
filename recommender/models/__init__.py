"""The recommenders by name. A new one is a file beside these and a line here; the contract tests find it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from recommender.config import Scenario
from recommender.models.als import ALS
from recommender.models.base import Recommender
from recommender.models.bpr import BPR
from recommender.models.contacts import Contacts
from recommender.models.content import Content
from recommender.models.content_popularity import ContentPopularity
from recommender.models.ease import EASE
from recommender.models.follow_back import FollowBack
from recommender.models.item_knn import ItemKNN
from recommender.models.lightfm import LightFM
from recommender.models.neighbours import Neighbours
from recommender.models.popularity import Popularity
from recommender.models.random import Random
from recommender.models.ranker import Ranker
from recommender.models.social import Social
from recommender.models.space import Space
from recommender.models.trending import Trending
from recommender.models.user_ease import UserEASE


class Described(Protocol):
    """A recommender's class, with what else the system must know of it.

    colour: of its charts and runs, "#rrggbb" (hues after Okabe & Ito and P. Tol: safe for the colour-blind).
    person_days: stated effort to build it, (low, high), where a scenario states none; None: nothing to build.
    needs_interactions: without any it ranks nothing, so it cannot serve before the first feedback.
    space: what tuning searches; every other parameter stays as the ladder's entry gives it, but for those that the
        entry's candidates name.
    ``draws``, where it is so: settings of it that a plain train draws, so many that all recommenders take about equal
        CPU time for them; without it, none: what is too costly, and what the luck of a period decides (popularity).
    ``cheaper`` (Share or MostTaken), where a cheaper fit ranks settings well enough to leave the worst out.
    """

    @property
    def colour(self) -> str: ...
    @property
    def person_days(self) -> tuple[float, float] | None: ...
    @property
    def needs_interactions(self) -> bool: ...
    @property
    def space(self) -> Space: ...
    def __call__(self, *args: Any, **params: Any) -> Recommender: ...


RECOMMENDERS: Mapping[str, Described] = {
    "random": Random,
    "popularity": Popularity,
    "trending": Trending,
    "social": Social,
    "contacts": Contacts,
    "follow_back": FollowBack,
    "neighbours": Neighbours,
    "content_popularity": ContentPopularity,
    "content": Content,
    "lightfm": LightFM,
    "item_knn": ItemKNN,
    "als": ALS,
    "bpr": BPR,
    "ease": EASE,
    "user_ease": UserEASE,
    "ranker": Ranker,
}

BASELINES = ("random", "popularity")  # every rung above one of them is compared with it


def with_person_days(scenario: Scenario) -> Scenario:
    """The scenario with the stated effort of every recommender, and of rungs of other names, where it states none."""
    known = {name: days for name, described in RECOMMENDERS.items() if (days := described.person_days)}
    named = {rung.name: known[rung.recommender] for rung in scenario.ladder if rung.recommender in known}
    return scenario.model_copy(update={"person_days": known | named | scenario.person_days})
