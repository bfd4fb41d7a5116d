"""The recommenders, one file per algorithm. A new one is a file and a line here; the contract tests find it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from recommender.models.als import ALS
from recommender.models.base import Recommender
from recommender.models.bpr import BPR
from recommender.models.content import Content
from recommender.models.ease import EASE
from recommender.models.item_knn import ItemKNN
from recommender.models.lightfm import LightFM
from recommender.models.popularity import Popularity
from recommender.models.random import Random
from recommender.models.ranker import Ranker
from recommender.models.social import Social
from recommender.models.trending import Trending
from recommender.models.user_ease import UserEASE

RECOMMENDERS: Mapping[str, Callable[..., Recommender]] = {
    "random": Random,
    "popularity": Popularity,
    "trending": Trending,
    "social": Social,
    "content": Content,
    "item_knn": ItemKNN,
    "als": ALS,
    "bpr": BPR,
    "ease": EASE,
    "user_ease": UserEASE,
    "lightfm": LightFM,
    "ranker": Ranker,
}
