"""Every knob of the simulator with its real-world anchor, and three presets: data that no code asks for by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from recommender.errors import ConfigError, nearest


@dataclass(frozen=True)
class Signal:
    """A further event that follows some of the taken items; a steeper ``slope`` follows utility more."""

    event: str
    share: float  # of taken items, where their utility is average
    slope: float  # log-odds per standard deviation of utility; negative: disliked items get it
    delay_minutes: float


@dataclass(frozen=True)
class Knobs:
    """What the world looks like. Defaults are the catalog's; the other presets say what differs.

    Weights of utility are log-odds: +1 makes an item e times as likely to be taken as its neighbour.
    """

    # size and time
    n_interactions: int = 100_000  # aimed at; lists that offer nothing new cost a few percent
    n_users: int = 10_000
    n_items: int = 3_000
    span_days: float = 365  # ML-latest-small spans years, KuaiRand 2-4 weeks, job-views 5 months
    ends: str = "2025-06-30"
    block_hours: float = 24  # what is live and popular is looked up once per block

    # users: heavy-tailed activity, short visits to the service (60-97% of late users are new in the real sets)
    activity_sigma: float = 1.4  # of log interactions per user; ML-latest-small about 1.2, job-views about 1
    per_session: float = 6  # interactions per visit
    stay_days: float = 160  # median time between first and last visit
    stay_sigma: float = 1.6

    # items
    back_catalogue: float = 0.6  # share published before the data starts
    back_days: float = 1500  # how long before
    life_days: float = 0  # median; 0: no end. UGC days to two weeks, job postings about 30 days
    life_sigma: float = 0.3
    ending: str = "stated"  # stated: expires_at is known (postings); silent: shown less and less (clips)
    fade: float = 0  # utility lost per life of age: interest in clips falls fast, in postings hardly
    mismatch: float = 0  # share of items where demand is low: labour markets lack nurses in small towns
    n_creators: int = 300  # directors, uploaders, companies; sizes by Zipf's law
    creator_focus: float = 0.5  # how far items follow their creator's topics

    # taste: a mixture of personas, so that no single factor vector is the truth
    rho: float = 0.5  # share of taste that metadata can explain; 0: metadata says nothing
    taste_weight: float = 8.0
    personas: int = 2
    drift_sd: float = 0.12  # stationary sd of the mean-reverting walk of each coordinate
    drift_days: float = 90  # how long a mood lasts
    quality_sd: float = 1.0  # of log quality; with exposure this gives Gini .6-.8 (MovieLens)
    demographic_pull: float = 0.3  # how far country and age shift tastes: weak in every public set

    # place and seniority
    geography: bool = False  # distance and seniority count
    per_100_km: float = 0  # utility lost per 100 km, up to 1000 km
    per_level: float = 0  # utility lost per level of seniority between user and item
    per_salary_sd: float = 0

    # exposure: what the service shows (share of slots), and how users look at it
    popular: float = 0.25
    fresh: float = 0.08
    personal: float = 0.25  # best of some popular candidates by an estimate that improves with history
    browse: float = 0.33  # the user searches within a topic (and place)
    local: float = 0  # share of searches limited to the user's own state
    random: float = 0.09
    list_length: int = 24
    position_decay: float = 0.5  # examination falls as rank ** -position_decay (click models: .5-1)
    popularity_power: float = 0.8
    popularity_half_life_days: float = 60
    fresh_days: float = 30

    # metadata
    metadata_missing: float = 0.02  # share of items whose multi-valued column or text is empty
    metadata_wrong: float = 0.05  # share of tags that belong to another topic
    resume_coverage: float = 0.6  # job-views: 23% of viewers state past positions; job boards more
    embedding_noise: float = 0.3
    words: str = "films"  # films | clips | occupations
    item_columns: tuple[str, ...] = ("title", "genres", "year", "director", "available_from")  # of columns.ITEMS
    user_columns: tuple[str, ...] = ("country", "age_band", "device")  # of columns.USERS
    match: tuple[tuple[str, str], ...] = ()  # (user column, item column) that speak one language

    # feedback
    event: str = "watch"
    rated: bool = True  # weight = a rating from 1 to 5; else 1
    signals: tuple[Signal, ...] = ()


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "catalog": {},
    "ugc": dict(
        n_items=5_000,
        span_days=30,
        block_hours=2,
        activity_sigma=1.1,
        per_session=5,
        stay_days=12,
        back_catalogue=0.15,
        back_days=10,
        life_days=4,
        life_sigma=0.8,
        ending="silent",
        fade=1.5,
        n_creators=800,
        creator_focus=0.7,
        rho=0.4,
        taste_weight=7.0,
        drift_days=10,
        quality_sd=2.2,
        popular=0.25,
        fresh=0.15,
        personal=0.25,
        browse=0.3,
        random=0.05,
        popularity_power=1.0,
        popularity_half_life_days=1.0,
        fresh_days=1.0,
        metadata_missing=0.4,
        metadata_wrong=0.25,
        words="clips",
        item_columns=("caption", "tags", "creator", "duration", "embedding", "available_from"),
        event="view",
        rated=False,
        signals=(
            Signal("like", 0.08, 1.0, 0.4),
            Signal("share", 0.01, 0.8, 0.8),
            Signal("hate", 0.005, -1.2, 0.2),
        ),
    ),
    "jobs": dict(
        n_interactions=50_000,
        n_items=8_000,
        span_days=180,
        block_hours=24,
        activity_sigma=0.9,
        per_session=3,
        stay_days=10,
        stay_sigma=1.2,
        back_catalogue=0.15,
        back_days=30,
        life_days=30,
        life_sigma=0.25,
        fade=0.5,
        n_creators=900,
        rho=0.65,
        mismatch=0.5,
        taste_weight=5.0,
        personas=1,
        drift_sd=0.05,
        quality_sd=1.4,
        demographic_pull=0.0,
        geography=True,
        per_100_km=0.25,
        per_level=0.7,
        per_salary_sd=0.3,
        popular=0.1,
        fresh=0.1,
        personal=0.15,
        browse=0.6,
        local=0.4,
        random=0.05,
        popularity_power=0.9,
        popularity_half_life_days=7,
        fresh_days=5,
        resume_coverage=0.45,
        words="occupations",
        item_columns=(
            "job_title",
            "company",
            "city",
            "state",
            "location",
            "salary",
            "seniority",
            "skills",
            "available_from",
            "expires_at",
        ),
        user_columns=("past_positions", "city", "state", "skills", "seniority", "gender", "age_group"),
        match=(("past_positions", "title"), ("city", "city"), ("state", "state"), ("skills", "skills")),
        event="view",
        rated=False,
        signals=(Signal("apply", 0.1, 1.0, 12),),
    ),
}

WAYS = ("popular", "fresh", "personal", "browse", "random")  # of filling a place in a list
SHARES = (
    *("rho", "mismatch", "back_catalogue", "creator_focus", "demographic_pull", "local"),
    *("metadata_missing", "metadata_wrong", "resume_coverage"),
)
ABOVE_ZERO = (
    *("n_interactions", "n_users", "n_items", "n_creators", "personas", "span_days", "block_hours", "per_session"),
    *("stay_days", "drift_days", "list_length", "popularity_half_life_days", "fresh_days"),
)
NOT_BELOW_ZERO = (
    *WAYS,
    *("back_days", "life_days", "life_sigma", "activity_sigma", "stay_sigma", "quality_sd", "drift_sd", "fade"),
    "embedding_noise",
)


def resolve(preset: str, knobs: Mapping[str, Any]) -> Knobs:
    """The preset with some knobs turned. Raises ConfigError naming the nearest valid preset or knob."""
    if preset not in PRESETS:
        raise ConfigError(f"Unknown preset '{preset}' of the simulator{nearest(preset, PRESETS)}")
    valid = {field.name for field in dataclasses.fields(Knobs)}
    for name in knobs:
        if name not in valid:
            raise ConfigError(f"Unknown knob '{name}' of the simulator{nearest(name, valid)}")
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in knobs.items()}
    resolved = dataclasses.replace(Knobs(), **{**PRESETS[preset], **given})
    for field in dataclasses.fields(Knobs):
        _check_type(field, getattr(resolved, field.name))
    _check_ranges(resolved)
    return resolved


def _check_type(field: dataclasses.Field[Any], value: object) -> None:
    """Raises ConfigError where a value is not of the type of the knob's default."""
    default = field.default
    allowed = (int, float) if field.type == "float" else type(default)
    if not isinstance(value, allowed) or isinstance(value, bool) != isinstance(default, bool):
        raise ConfigError(f"Knob '{field.name}' must be like {default!r}, got {value!r}")


def _check_ranges(knobs: Knobs) -> None:
    for name in SHARES:
        if not 0 <= getattr(knobs, name) <= 1:
            raise ConfigError(f"Knob '{name}' is a share between 0 and 1, got {getattr(knobs, name)!r}")
    for name in ABOVE_ZERO:
        if not getattr(knobs, name) > 0:
            raise ConfigError(f"Knob '{name}' must be above 0, got {getattr(knobs, name)!r}")
    for name in NOT_BELOW_ZERO:
        if not getattr(knobs, name) >= 0:
            raise ConfigError(f"Knob '{name}' must not be below 0, got {getattr(knobs, name)!r}")
    if not sum(getattr(knobs, name) for name in WAYS) > 0:
        raise ConfigError(f"One of the knobs {', '.join(WAYS)} must be above 0: lists would be empty")
    if knobs.fade and not knobs.life_days:
        raise ConfigError("Knob 'fade' is utility lost per life: with life_days=0 (no end) set fade=0")
    for name, valid in (("words", ("films", "clips", "occupations")), ("ending", ("stated", "silent"))):
        if getattr(knobs, name) not in valid:
            raise ConfigError(f"Knob '{name}' is '{getattr(knobs, name)}'{nearest(getattr(knobs, name), valid)}")
    try:
        date.fromisoformat(knobs.ends)
    except ValueError:
        raise ConfigError(f"Knob 'ends' must be a date like 2025-06-30, got {knobs.ends!r}") from None
