"""Ground truth of a simulated service: who and what exists, since when, and who likes what how much.

Times are days (float64) since the start of the data. Row numbers are drawn independently of time, so
ids made from them tell nothing about age.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from recommender.simulate.draw import NICHE_SHARE, TOPICS
from recommender.simulate.knobs import Knobs
from recommender.simulate.technologies import technologies
from recommender.simulate.vocabulary import CITIES

EARTH_KM = 6371.0
STATE_OF_CITY = np.unique([state for _, state, _, _ in CITIES], return_inverse=True)[1]
WILLING = 1 / 3  # of what distance costs the others
TREND_DAYS = 3.0


@dataclass(frozen=True)
class Items:
    """Arrays with one row per item."""

    profile: np.ndarray  # float32 (n, TOPICS + SCENES): topics times rho, scenes times 1 - rho
    topics: np.ndarray  # int64 (n, 2): main and second topic
    niche: np.ndarray  # int64 (n,): topic * NICHES + niche within it
    label: np.ndarray  # int64 (n,): the niche that texts and tags show; a wrong one for some items
    quality: np.ndarray  # float64 (n,): log-odds
    published: np.ndarray  # days; below 0 for the back catalogue
    life: np.ndarray  # days; inf: none
    ends: np.ndarray  # days: shown to nobody afterwards
    creator: np.ndarray  # those of rings are numbered after the others
    city: np.ndarray
    level: np.ndarray  # seniority
    salary: np.ndarray  # standard deviations above what is usual for occupation and level
    remote: np.ndarray  # bool
    education: np.ndarray  # degree asked for
    vacancies: np.ndarray
    ring: np.ndarray  # which ring uploaded it; -1: none
    generation: np.ndarray  # how often that ring had changed its face
    source: np.ndarray  # the item whose look it copies; itself where it copies none
    violating: np.ndarray  # bool: breaks the rules, known or not
    moderated: np.ndarray  # days: when moderators confirmed that; inf: not within the data
    technology: np.ndarray  # which one of ``technologies``; -1: none
    rise: np.ndarray  # log-odds gained from begin to end of the data


@dataclass(frozen=True)
class Users:
    """Arrays with one row per user."""

    taste: np.ndarray  # float32 (n, personas, TOPICS + SCENES): where the drifting taste returns to
    topics: np.ndarray  # int64 (n, personas, 2)
    scene: np.ndarray  # int64 (n,): the main one of the first persona
    niche: np.ndarray  # int64 (n, personas)
    arrived: np.ndarray  # days: the first visit in the data; the begin of the data for the established
    signed_up: np.ndarray  # days: when the account was opened, at or before that
    stay: np.ndarray  # days from the first to the last visit
    established: np.ndarray  # bool: there before the data starts, and until it ends
    rate: np.ndarray  # float64: relative activity within the data
    country: np.ndarray
    age: np.ndarray
    gender: np.ndarray
    city: np.ndarray
    level: np.ndarray
    education: np.ndarray  # degree held
    has_resume: np.ndarray  # bool
    willing: np.ndarray  # bool: would move
    ring: np.ndarray  # which ring of fake accounts; -1: none


@dataclass(frozen=True)
class Careers:
    """The occupation that users take up within the data; arrays as in ``Users``."""

    moved: np.ndarray  # days: since when; inf: they stay in theirs
    taste: np.ndarray
    topics: np.ndarray
    niche: np.ndarray


@dataclass(frozen=True)
class Bursts:
    """What fake accounts take, sorted by time; one row each."""

    user: np.ndarray
    item: np.ndarray
    time: np.ndarray  # days

    def between(self, begin: float, end: float) -> Bursts:
        """Those from ``begin`` up to ``end`` (days)."""
        low, high = np.searchsorted(self.time, [begin, end])
        return Bursts(self.user[low:high], self.item[low:high], self.time[low:high])


@dataclass(frozen=True)
class World:
    """Ground truth; never visible to a recommender."""

    knobs: Knobs
    items: Items
    users: Users
    follows: sp.csr_matrix  # follower x followed
    trends: np.ndarray  # float64 (days, TOPICS): log-odds
    bursts: Bursts
    careers: Careers | None = None  # None: everyone stays in theirs

    def present(self, trait: str, user: np.ndarray, now: np.ndarray | float) -> np.ndarray:
        """``taste``, ``topics`` or ``niche`` of the occupation that users (n,) have at ``now`` (days; one or (n,))."""
        first: np.ndarray = getattr(self.users, trait)[user]
        if self.careers is None:
            return first
        moved = (now >= self.careers.moved[user]).reshape(-1, *[1] * (first.ndim - 1))
        return np.where(moved, getattr(self.careers, trait)[user], first)

    def affinity(self, taste: np.ndarray, user: np.ndarray, item: np.ndarray, now: np.ndarray | float) -> np.ndarray:
        """Log-odds from taste and occupation alone, float32 (n, m).

        taste: float32 (n, personas, dims), the tastes of ``user`` (n,) at ``now`` (days); item: (n, m).
        The soft maximum over personas makes it a mixture: liking two kinds of film is not liking
        their average.
        """
        knobs, items = self.knobs, self.items
        smooth = np.einsum("npd,nmd->nmp", taste, items.profile[item], optimize=True)
        niche = self.present("niche", user, now)[:, None, :]
        if knobs.words == "technologies":
            same = technologies().uses[items.technology[item][:, :, None], niche]
        else:
            same = items.niche[item][:, :, None] == niche
        by_persona = knobs.taste_weight * (smooth + np.float32(knobs.rho * NICHE_SHARE) * same)
        if knobs.personas == 1:
            return np.asarray(by_persona[:, :, 0], dtype=np.float32)
        top = by_persona.max(2)
        mean: np.ndarray = np.exp(by_persona - top[:, :, None]).mean(2)
        return np.asarray(top + np.log(mean), dtype=np.float32)

    def attraction(self, user: np.ndarray, item: np.ndarray, now: np.ndarray) -> np.ndarray:
        """Log-odds from everything but taste and friends: quality, age, trend, fit of place and seniority; (n, m).

        user, now (days): (n,); item: (n, m).
        """
        knobs, items, users = self.knobs, self.items, self.users
        value: np.ndarray = items.quality[item] + knobs.per_salary_sd * items.salary[item]
        if knobs.rise_sd:
            value += items.rise[item] * (now[:, None] / knobs.span_days - 0.5)
        if knobs.fade:
            value -= knobs.fade * np.maximum(now[:, None] - items.published[item], 0) / items.life[item]
        if knobs.trend_sd:
            day = np.clip(now.astype(np.int64), 0, len(self.trends) - 1)
            value += self.trends[day[:, None], items.topics[item, 0]]
        if knobs.geography:
            far = np.minimum(CITY_KM[users.city[user][:, None], items.city[item]] / 100, 10)
            far *= np.where(users.willing[user], WILLING, 1.0)[:, None] * ~items.remote[item]
            levels = np.abs(users.level[user][:, None] - items.level[item])
            lacking = np.maximum(items.education[item] - users.education[user][:, None], 0)
            value -= knobs.per_100_km * far + knobs.per_level * levels + knobs.per_degree * lacking
        return value

    def live(self, begin: float) -> np.ndarray:
        """Items that may be shown throughout the block that begins then (days), int64."""
        latest = begin + self.knobs.block_hours / 24 + self.knobs.longest_visit_days
        shown_until = np.minimum(self.items.ends, self.items.moderated)
        return np.flatnonzero((self.items.published <= begin) & (shown_until > latest))

    def promise(self, item: np.ndarray) -> np.ndarray:
        """What an item promises and does not hold, log-odds, same shape: it is viewed for it, and liked less."""
        return np.where(self.items.violating[item], self.knobs.bait, 0.0)


def segment_start(topic: np.ndarray) -> np.ndarray:
    """Segments (what can be searched for: a topic in a state) are numbered so that those of a topic are neighbours."""
    return np.asarray(topic * (STATE_OF_CITY.max() + 1))


def segment(topic: np.ndarray, city: np.ndarray) -> np.ndarray:
    """Number of each pair's segment, int64, same shape."""
    return np.asarray(segment_start(topic) + STATE_OF_CITY[city])


def make_trends(knobs: Knobs, rng: np.random.Generator) -> np.ndarray:
    """An Ornstein-Uhlenbeck walk of each topic, one step a day; float64 (days, TOPICS)."""
    days = int(np.ceil(knobs.span_days)) + 1
    noise, decay = rng.standard_normal((days, TOPICS)), np.exp(-1 / TREND_DAYS)
    walk = np.empty((days, TOPICS))
    walk[0] = noise[0]
    for day in range(1, days):
        walk[day] = decay * walk[day - 1] + np.sqrt(1 - decay**2) * noise[day]
    return np.asarray(knobs.trend_sd * walk)


def _city_km() -> np.ndarray:
    """Haversine distance between all cities, km (n_cities, n_cities)."""
    lat, lon = np.radians(np.array([[city[2], city[3]] for city in CITIES])).T
    a = np.sin((lat[:, None] - lat) / 2) ** 2
    b = np.cos(lat[:, None]) * np.cos(lat) * np.sin((lon[:, None] - lon) / 2) ** 2
    return np.asarray(2 * EARTH_KM * np.arcsin(np.sqrt(np.minimum(1, a + b))))


CITY_KM = _city_km()
