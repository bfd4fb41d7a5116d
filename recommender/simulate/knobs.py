"""Every knob of the simulator: its default, its meaning, and the real data that the default follows.

``docs/simulator.md`` shows them as a table, with the presets of ``configs/simulator/``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from recommender.errors import ConfigError, nearest

STEP_DAYS = 2 / 1440  # from one taken item to the next
SLOWEST = 1.5  # delays of signals are up to this many times the usual


@dataclass(frozen=True)
class Signal:
    """A further event that follows some of the taken items; a steeper ``slope`` follows utility more."""

    event: str
    share: float  # of what it follows, where utility is average
    slope: float  # log-odds per standard deviation of utility; negative: disliked items get it
    delay_minutes: float


def _knob(default: Any, meaning: str, anchor: str = "") -> Any:
    return dataclasses.field(default=default, metadata={"meaning": meaning, "anchor": anchor})


@dataclass(frozen=True)
class Knobs:
    """What the world looks like. Defaults are the catalog's; the other presets say what differs.

    Weights of utility are log-odds: +1 makes an item e times as likely to be taken as its neighbour.
    """

    # size and time
    n_interactions: int = _knob(
        100_000,
        "interactions aimed at, without signals; fewer where users ran through what is live for them: mostly in jobs,"
        " where n_users and n_items should grow along",
    )
    n_users: int = _knob(10_000, "users, fake accounts included")
    n_items: int = _knob(3_000, "items, spam included")
    span_days: float = _knob(365, "length of the data", "KuaiRand 2-4 weeks, job-views 5 months, ML-latest-small years")
    ends: str = _knob("2025-06-30", "the day the data ends before")
    block_hours: float = _knob(24, "what is live and popular is looked up once per block")

    # users
    activity_sigma: float = _knob(1.4, "of log interactions per user", "ML-latest-small about 1.2, job-views about 1")
    per_session: float = _knob(6, "interactions per visit")
    stay_days: float = _knob(160, "median time from the first to the last visit", "60-97% of late users are new")
    established: float = _knob(0, "share of users who were there before the data starts", "nearly all of KuaiRand")
    stay_sigma: float = _knob(1.6, "of log stay")

    # items
    back_catalogue: float = _knob(0.6, "share of items published before the data starts")
    back_days: float = _knob(1500, "how long before")
    life_days: float = _knob(0, "median life; 0: no end", "clips days to two weeks, job postings about 30 days")
    life_sigma: float = _knob(0.3, "of log life")
    ending: str = _knob("stated", "stated: expires_at is known (postings); silent: shown less and less (clips)")
    fade: float = _knob(0, "utility lost per life of age", "interest in clips falls fast, in postings hardly")
    rise_sd: float = _knob(0, "sd of what an item gains or loses in utility from begin to end of the data")
    mismatch: float = _knob(0, "share of items where demand is low", "labour markets lack nurses in small towns")
    n_creators: int = _knob(300, "directors, uploaders, companies; their sizes follow Zipf's law")
    creator_focus: float = _knob(0.5, "how far items follow their creator's topics")

    # taste
    rho: float = _knob(0.5, "share of taste that metadata can explain; 0: metadata says nothing")
    taste_weight: float = _knob(8.0, "weight of taste in utility")
    personas: int = _knob(2, "tastes mixed in one user; 1: utility is linear in taste, as matrix factorisation assumes")
    drift_sd: float = _knob(0.12, "stationary sd of the mean-reverting walk of each coordinate of taste; 0: no drift")
    drift_days: float = _knob(90, "how long a mood lasts")
    quality_sd: float = _knob(0.95, "of log quality", "with exposure it gives an item Gini of .6-.8 (MovieLens)")
    demographic_pull: float = _knob(0.3, "how far country and age shift tastes", "weak in every public set")
    moves: float = _knob(0, "share of users who take up another occupation within the data")
    settle_days: float = _knob(30, "mean time after that in which half of a mover's visits fall")

    # scenario fit
    geography: bool = _knob(False, "distance, seniority and education count")
    per_100_km: float = _knob(0, "utility lost per 100 km, up to 1000 km; not for remote postings")
    remote_share: float = _knob(0, "share of items without a place", "about 10% of US postings in 2024")
    willing_share: float = _knob(0, "share of users who would move: they lose a third per km")
    per_level: float = _knob(0, "utility lost per level of seniority between user and item")
    per_degree: float = _knob(0, "utility lost per degree that the user lacks")
    per_salary_sd: float = _knob(0, "utility per standard deviation of salary")

    # social pull and trends
    follows: float = _knob(0, "median number of accounts that a user follows at sign-up; 0: no graph")
    homophily: float = _knob(0.6, "share of follows within the same topic and scene, the others anywhere")
    social_pull: float = _knob(0, "utility per log(1 + followed users who took the item lately)")
    social_days: float = _knob(2, "what 'lately' is")
    trend_sd: float = _knob(0, "sd of each topic's own ups and downs, in utility; they last three days")

    # exposure: what the service shows (share of slots), and how users look at it
    popular: float = _knob(0.25, "share of places filled by popularity")
    fresh: float = _knob(0.08, "... by new items")
    personal: float = _knob(0.25, "... by the best of some popular items, by an estimate that improves with history")
    browse: float = _knob(0.33, "... by a search within a topic (and place)")
    social: float = _knob(0, "... by what followed users took lately")
    random: float = _knob(0.09, "... at random")
    local: float = _knob(0, "share of searches limited to the user's own state")
    list_length: int = _knob(24, "places of a list")
    position_decay: float = _knob(0.5, "examination falls as rank ** -position_decay", "click models: .5-1")
    popularity_power: float = _knob(0.8, "how strongly popularity is followed")
    popularity_half_life_days: float = _knob(60, "how fast popularity is forgotten")
    fresh_days: float = _knob(30, "how long an item counts as new")
    bias: float = _knob(0, "how much less women were shown well-paid postings and answered by recruiters, in the log")

    # metadata
    metadata_missing: float = _knob(0.02, "share of items whose multi-valued column or text is empty")
    metadata_wrong: float = _knob(0.05, "share of items whose words belong to another topic")
    resume_coverage: float = _knob(0.6, "share of users with a résumé", "23% on job-views; job boards have more")
    embedding_noise: float = _knob(0.3, "sd of the noise in embeddings")
    editorial: int = _knob(30, "titles that editors rank, by quality as they see it")
    words: str = _knob(
        "films", "films, clips, occupations or technologies: these with O*NET's structure of who uses what"
    )
    item_columns: tuple[str, ...] = _knob(
        ("title", "genres", "tags", "people", "year", "director", "available_from", "editorial_rank"),
        "item columns that are known",
    )
    user_columns: tuple[str, ...] = _knob(("country", "age_band", "device"), "user columns that are known")
    match: tuple[tuple[str, str], ...] = _knob((), "pairs (user column, item column) that speak one language")

    # spam and moderation
    fake_accounts: float = _knob(0, "share of users that are fake", "platforms report 3-5%, Varol et al. 2017 9-15%")
    ring_size: int = _knob(20, "fake accounts that act together", "like farms sell likes by the thousand")
    spam_items: float = _knob(0, "share of items that a ring uploads and pushes")
    burst_hours: float = _knob(6, "a ring takes its new item within so many hours", "like farms: hours to weeks")
    clones: float = _knob(0.7, "share of spam that copies a good item's caption, tags and embedding")
    violating: float = _knob(0, "share of the other items that break the rules", "about 1% of uploads are removed")
    bait: float = _knob(1.0, "utility that violating items promise and do not hold: viewed more, liked less")
    moderation_recall: float = _knob(0.8, "share of spam and violating items that moderators find")
    moderation_days: float = _knob(2, "median delay until they do; from then on the item is not shown")
    moderation_sigma: float = _knob(1.0, "of log delay")
    adapt: float = _knob(0, "chance that a ring changes creator, accounts and captions when an item is blocked")

    # feedback
    event: str = _knob("watch", "kind of the interactions")
    rated: bool = _knob(True, "weight = a rating from 1 to 5; else 1")
    signals: tuple[Signal, ...] = _knob((), "further events: share of views, how far they follow utility, delay")
    replies: float = _knob(0, "chance of a recruiter's reply to a fitting application; 0: there are none")

    @property
    def longest_visit_days(self) -> float:
        """The longest that a visit and the signals from it can last."""
        delays = [SLOWEST * signal.delay_minutes / 1440 for signal in self.signals]
        return self.list_length * STEP_DAYS + max(delays, default=0.0)


WAYS = ("popular", "fresh", "personal", "browse", "social", "random")  # of filling a place in a list
SHARES = (
    "rho mismatch established back_catalogue creator_focus demographic_pull local homophily bias metadata_missing"
    " metadata_wrong resume_coverage remote_share willing_share replies fake_accounts spam_items clones violating"
    " moderation_recall adapt moves"
).split()
ABOVE_ZERO = (
    "n_interactions n_users n_items n_creators personas span_days block_hours per_session stay_days drift_days"
    " list_length popularity_half_life_days fresh_days ring_size burst_hours moderation_days social_days settle_days"
).split()
NOT_BELOW_ZERO = (
    "back_days life_days life_sigma activity_sigma stay_sigma quality_sd drift_sd fade embedding_noise follows trend_sd"
    " moderation_sigma editorial rise_sd"
).split() + list(WAYS)


def make_knobs(turned: Mapping[str, Any]) -> Knobs:
    """The defaults with some knobs turned. Raises ConfigError: the nearest valid knob, or what is out of range."""
    valid = {field.name for field in dataclasses.fields(Knobs)}
    for name in turned:
        if name not in valid:
            raise ConfigError(f"Unknown knob '{name}' of the simulator{nearest(name, valid)}")
    knobs = Knobs(**{name: _from_plain(name, value) for name, value in turned.items()})
    for field in dataclasses.fields(Knobs):
        _check_type(field, getattr(knobs, field.name))
    _check_ranges(knobs)
    return knobs


def _from_plain(name: str, value: Any) -> Any:
    """A value as YAML says it -> as the knobs hold it. Raises ConfigError for a wrong field of a signal."""
    if not isinstance(value, list | tuple):
        return value
    if name == "match":
        return tuple(tuple(pair) if isinstance(pair, list) else pair for pair in value)
    return tuple(_signal(one) if name == "signals" and isinstance(one, dict) else one for one in value)


def _signal(fields: Mapping[str, Any]) -> Signal:
    valid = [field.name for field in dataclasses.fields(Signal)]
    for name in fields:
        if name not in valid:
            raise ConfigError(f"Knob 'signals': a signal has no '{name}'{nearest(name, valid)}")
    if missing := [name for name in valid if name not in fields]:
        raise ConfigError(f"Knob 'signals': a signal lacks {', '.join(missing)}, got {dict(fields)!r}")
    return Signal(**fields)


def _check_type(field: dataclasses.Field[Any], value: object) -> None:
    """Raises ConfigError where a value is not of the type of the knob's default."""
    default = field.default
    allowed = (int, float) if field.type == "float" else type(default)
    if not isinstance(value, allowed) or isinstance(value, bool) != isinstance(default, bool):
        raise ConfigError(f"Knob '{field.name}' must be like {default!r}, got {value!r}")


def _check_ranges(knobs: Knobs) -> None:
    ranges: list[tuple[list[str], Callable[[Any], bool], str]] = [
        (SHARES, lambda value: 0 <= value <= 1, "is a share between 0 and 1"),
        (ABOVE_ZERO, lambda value: value > 0, "must be above 0"),
        (NOT_BELOW_ZERO, lambda value: value >= 0, "must not be below 0"),
    ]
    for names, fits, what in ranges:
        for name in names:
            if not fits(getattr(knobs, name)):
                raise ConfigError(f"Knob '{name}' {what}, got {getattr(knobs, name)!r}")
    if not sum(getattr(knobs, name) for name in WAYS if name != "social") > 0:
        raise ConfigError(f"One of the knobs {', '.join(WAYS)} (social alone is not enough) must be above 0")
    if knobs.fade and not knobs.life_days:
        raise ConfigError("Knob 'fade' is utility lost per life: with life_days=0 (no end) set fade=0")
    for signal in knobs.signals:
        if not isinstance(signal, Signal) or not 0 < signal.share < 1:
            raise ConfigError(f"Knob 'signals': a signal has a share between 0 and 1, got {signal!r}")
    for pair in knobs.match:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise ConfigError(f"Knob 'match' lists pairs [user column, item column], got {pair!r}")
    for name, valid in (("words", ("films", "clips", "occupations", "technologies")), ("ending", ("stated", "silent"))):
        if getattr(knobs, name) not in valid:
            raise ConfigError(f"Knob '{name}' is '{getattr(knobs, name)}'{nearest(getattr(knobs, name), valid)}")
    try:
        date.fromisoformat(knobs.ends)
    except ValueError:
        raise ConfigError(f"Knob 'ends' must be a date like 2025-06-30, got {knobs.ends!r}") from None
