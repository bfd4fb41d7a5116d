"""Ground truth of a simulated service: who and what exists, since when, and who likes what how much.

Times are days (float64) since the start of the data. Row numbers are drawn independently of time, so
ids made from them tell nothing about age.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.data.simulate.knobs import Knobs
from recommender.data.simulate.vocabulary import AGE_BANDS, CITIES, COUNTRIES, GENDERS, SENIORITY, TOPICS

NICHES = 4  # per topic: the usual job titles of an occupation, sub-genres of a genre
SCENES = 12  # hidden clusters that no column shows: what only behaviour can tell
NICHE_SHARE = 0.35  # of the metadata-explained taste; a match or none, so not of low rank
SHOWN_LIVES = 4  # a clip whose end is not stated is hardly shown any more after so many lives
EARTH_KM = 6371.0
STATE_OF_CITY = np.unique([state for _, state, _, _ in CITIES], return_inverse=True)[1]


@dataclass(frozen=True)
class Items:
    """Arrays with one row per item."""

    profile: np.ndarray  # float32 (n, TOPICS + SCENES): topics times rho, scenes times 1 - rho
    topics: np.ndarray  # int64 (n, 2): main and second topic
    niche: np.ndarray  # int64 (n,): topic * NICHES + niche within it
    label: np.ndarray  # int64 (n,): the niche that texts and tags tell; for some items a wrong one
    quality: np.ndarray  # float64 (n,): log-odds
    published: np.ndarray  # days; below 0 for the back catalogue
    life: np.ndarray  # days; inf: none
    ends: np.ndarray  # days: shown to nobody afterwards
    creator: np.ndarray
    city: np.ndarray
    level: np.ndarray  # seniority
    salary: np.ndarray  # standard deviations above what is usual for occupation and level


@dataclass(frozen=True)
class Users:
    """Arrays with one row per user."""

    taste: np.ndarray  # float32 (n, personas, TOPICS + SCENES): where the drifting taste returns to
    topics: np.ndarray  # int64 (n, personas, 2)
    niche: np.ndarray  # int64 (n, personas)
    arrived: np.ndarray  # days
    stay: np.ndarray  # days from first to last possible visit
    takes: np.ndarray  # int64: interactions aimed at
    country: np.ndarray
    age: np.ndarray
    gender: np.ndarray  # no effect on anything
    city: np.ndarray
    level: np.ndarray
    has_resume: np.ndarray  # bool


@dataclass(frozen=True)
class World:
    """Ground truth; never visible to a recommender."""

    knobs: Knobs
    items: Items
    users: Users

    def affinity(self, taste: np.ndarray, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Log-odds from taste alone, float32 (n, m).

        taste: float32 (n, personas, dims), the present tastes of ``user`` (n,); item: (n, m).
        The soft maximum over personas makes it a mixture: liking two kinds of film is not liking
        their average.
        """
        knobs, items = self.knobs, self.items
        smooth = np.einsum("npd,nmd->nmp", taste, items.profile[item], optimize=True)
        same = items.niche[item][:, :, None] == self.users.niche[user][:, None, :]
        by_persona = knobs.taste_weight * (smooth + np.float32(knobs.rho * NICHE_SHARE) * same)
        top = by_persona.max(2)
        mean: np.ndarray = np.exp(by_persona - top[:, :, None]).mean(2)
        return np.asarray(top + np.log(mean), dtype=np.float32)

    def attraction(self, user: np.ndarray, item: np.ndarray, now: np.ndarray) -> np.ndarray:
        """Log-odds from everything but taste: quality, age and fit of place and seniority; (n, m).

        user, now (days): (n,); item: (n, m).
        """
        knobs, items, users = self.knobs, self.items, self.users
        value: np.ndarray = items.quality[item] + knobs.per_salary_sd * items.salary[item]
        if knobs.fade:
            value -= knobs.fade * (now[:, None] - items.published[item]) / items.life[item]
        if knobs.geography:
            far = np.minimum(CITY_KM[users.city[user][:, None], items.city[item]] / 100, 10)
            levels = np.abs(users.level[user][:, None] - items.level[item])
            value -= knobs.per_100_km * far + knobs.per_level * levels
        return value


def segment_start(topic: np.ndarray) -> np.ndarray:
    """Segments (what can be searched for: a topic in a state) are numbered so that those of a topic are neighbours."""
    return np.asarray(topic * (STATE_OF_CITY.max() + 1))


def segment(topic: np.ndarray, city: np.ndarray) -> np.ndarray:
    """Number of each pair's segment, int64, same shape."""
    return np.asarray(segment_start(topic) + STATE_OF_CITY[city])


def make_world(knobs: Knobs, seed: int) -> World:
    """Draws users and items; the same knobs and seed give the same world."""
    rng = np.random.default_rng([seed, 1])
    fame = _zipf(TOPICS, 0.7)
    return World(knobs, _items(knobs, fame, rng), _users(knobs, fame, rng))


def _items(knobs: Knobs, fame: np.ndarray, rng: np.random.Generator) -> Items:
    n = knobs.n_items
    creator = rng.choice(knobs.n_creators, n, p=_zipf(knobs.n_creators, 0.8))
    of_creator = rng.choice(TOPICS, knobs.n_creators, p=fame)[creator]
    main = np.where(rng.random(n) < knobs.creator_focus, of_creator, rng.choice(TOPICS, n, p=fame))
    city = rng.choice(len(CITIES), n, p=_zipf(len(CITIES), 0.9))
    unwanted = rng.random(n) < knobs.mismatch
    # rare where demand is high, and the other way round: the ranks of topics and cities reversed
    main, city = np.where(unwanted, TOPICS - 1 - main, main), np.where(unwanted, len(CITIES) - 1 - city, city)
    topics = np.stack([main, rng.choice(TOPICS, n, p=fame)], axis=1)
    scenes = rng.choice(SCENES, (n, 2), p=_zipf(SCENES, 0.5))
    explained = np.float32(knobs.rho * (1 - NICHE_SHARE)) * _profile(topics, TOPICS, rng)
    unexplained = np.float32(1 - knobs.rho) * _profile(scenes, SCENES, rng)
    back = rng.random(n) < knobs.back_catalogue
    published = np.where(back, -knobs.back_days * rng.random(n), knobs.span_days * rng.random(n))
    life = (
        knobs.life_days * np.exp(knobs.life_sigma * rng.standard_normal(n)) if knobs.life_days else np.full(n, np.inf)
    )
    niche = main * NICHES + rng.integers(NICHES, size=n)
    wrong = rng.random(n) < knobs.metadata_wrong
    return Items(
        profile=np.concatenate([explained, unexplained], axis=1),
        topics=topics,
        niche=niche,
        label=np.where(wrong, rng.integers(TOPICS * NICHES, size=n), niche),
        quality=knobs.quality_sd * rng.standard_normal(n),
        published=published,
        life=life,
        ends=published + life * (1 if knobs.ending == "stated" else SHOWN_LIVES),
        creator=creator,
        city=city,
        level=rng.choice(len(SENIORITY), n, p=[0.35, 0.3, 0.25, 0.1]),
        salary=rng.standard_normal(n),
    )


def _users(knobs: Knobs, fame: np.ndarray, rng: np.random.Generator) -> Users:
    n, personas = knobs.n_users, knobs.personas
    country = rng.choice(len(COUNTRIES), n, p=_zipf(len(COUNTRIES), 1.0))
    age = rng.choice(len(AGE_BANDS), n, p=[0.25, 0.3, 0.2, 0.15, 0.1])
    favourite = rng.choice(TOPICS, (len(COUNTRIES), len(AGE_BANDS)))[country, age]
    pulled = rng.random((n, personas)) < knobs.demographic_pull
    main = np.where(pulled, favourite[:, None], rng.choice(TOPICS, (n, personas), p=fame))
    topics = np.stack([main, rng.choice(TOPICS, (n, personas), p=fame)], axis=2)
    scenes = rng.choice(SCENES, (n, personas, 2), p=_zipf(SCENES, 0.5))
    taste = [_profile(topics, TOPICS, rng), _profile(scenes, SCENES, rng)]
    arrived = (knobs.span_days - 1) * rng.random(n)
    stay = knobs.stay_days * np.exp(knobs.stay_sigma * rng.standard_normal(n))
    return Users(
        taste=np.concatenate(taste, axis=2),
        topics=topics,
        niche=main * NICHES + rng.integers(NICHES, size=(n, personas)),
        arrived=arrived,
        stay=np.minimum(stay, knobs.span_days - arrived),
        takes=_activity(knobs, stay, knobs.span_days - arrived, rng),
        country=country,
        age=age,
        gender=rng.choice(len(GENDERS), n, p=[0.49, 0.49, 0.02]),
        city=rng.choice(len(CITIES), n, p=_zipf(len(CITIES), 0.9)),
        level=rng.choice(len(SENIORITY), n, p=[0.35, 0.3, 0.25, 0.1]),
        has_resume=rng.random(n) < knobs.resume_coverage,
    )


def _activity(knobs: Knobs, stay: np.ndarray, remaining: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Interactions of each user within the data, int64: heavy-tailed, fewer for who stays past the end.

    Visits fall at stay * u**2 (u uniform), so sqrt(remaining / stay) of them come before the end.
    """
    rate = np.exp(knobs.activity_sigma * rng.standard_normal(len(stay))) * np.sqrt(np.minimum(1, remaining / stay))
    expected = np.minimum(rate * knobs.n_interactions / rate.sum(), knobs.n_items / 4)
    scaled = expected * knobs.n_interactions / expected.sum()
    return np.asarray(np.floor(scaled + rng.random(len(stay))), dtype=np.int64)


def _profile(chosen: np.ndarray, width: int, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors float32 (..., width) that lean to the first of the two chosen coordinates (..., 2)."""
    weights = np.stack([0.8 + 0.2 * rng.random(chosen.shape[:-1]), 0.6 * rng.random(chosen.shape[:-1])], axis=-1)
    vectors = np.zeros((*chosen.shape[:-1], width), np.float32)
    # the main coordinate is written last: it wins where both are the same
    for position in (1, 0):
        np.put_along_axis(vectors, chosen[..., [position]], weights[..., [position]].astype(np.float32), -1)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def _zipf(n: int, exponent: float) -> np.ndarray:
    """Probabilities (n,) that fall as rank ** -exponent."""
    weights = np.arange(1, n + 1) ** -exponent
    return np.asarray(weights / weights.sum())


def _city_km() -> np.ndarray:
    """Haversine distance between all cities, km (n_cities, n_cities)."""
    lat, lon = np.radians(np.array([[city[2], city[3]] for city in CITIES])).T
    a = np.sin((lat[:, None] - lat) / 2) ** 2
    b = np.cos(lat[:, None]) * np.cos(lat) * np.sin((lon[:, None] - lon) / 2) ** 2
    return np.asarray(2 * EARTH_KM * np.arcsin(np.sqrt(np.minimum(1, a + b))))


CITY_KM = _city_km()
