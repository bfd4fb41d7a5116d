"""Simulated networks of people: who the members are, whom they know offline, and when they join.

Every knob with its meaning and anchor: docs/simulator.md. ``network_links.py`` plays who links to whom,
``network_truth.py`` is the oracle and what the service knows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from recommender.config import CONFIGS
from recommender.config.files import names_in, read_named
from recommender.errors import ConfigError, nearest
from recommender.simulate.draw import zipf

FOLDER = CONFIGS / "simulator" / "networks"
STATED = ("company", "school", "city")


def _knob(default: Any, meaning: str, anchor: str = "") -> Any:
    return dataclasses.field(default=default, metadata={"meaning": meaning, "anchor": anchor})


@dataclass(frozen=True)
class NetworkKnobs:
    """What a network looks like. Shares of mechanisms are of the links that members make after they joined."""

    n_users: int = _knob(4000, "members in all")
    n_interactions: int = _knob(
        24_000,
        "links tried; those that are there already, or lead to nobody, are not made",
        "collegemsg 7 per member, bitcoinotc 3",
    )
    span_days: float = _knob(365.0, "length of the data")
    ends: str = _knob("2025-06-30", "the day the data ends before")
    established: float = _knob(0.1, "share of members who were there before the data starts")
    growth: float = _knob(
        1.0, "how much sign-ups speed up: 0 as many each day, 1 twice as many at the end as on average"
    )
    invited: float = _knob(0.4, "share of the joiners whom an acquaintance invited: their first link")
    honeymoon: float = _knob(30.0, "how much more links a member makes just after joining")
    honeymoon_days: float = _knob(10.0, "how fast that fades")

    closure: float = _knob(
        0.4, "share of links to a friend of a friend", "of late links 60% on bitcoinotc, 47% collegemsg"
    )
    acquaintance: float = _knob(0.3, "... to somebody known offline")
    homophily: float = _knob(0.15, "... to a member of the same company or school; the others go to anyone, hubs first")
    hub_sigma: float = _knob(1.3, "of log attractiveness and of log activity: few have many links")

    n_companies: int = _knob(120, "companies; their sizes follow Zipf's law")
    n_schools: int = _knob(40, "schools")
    n_cities: int = _knob(15, "places; a company sits in one")
    known: float = _knob(25.0, "people whom a member knows offline, on average")
    known_within: float = _knob(0.8, "share of them in the same company or school")
    columns: tuple[str, ...] = _knob(STATED, "what the service knows of members, of company, school and city")
    metadata_missing: float = _knob(0.2, "share of members who state no company, and no school")

    books: float = _knob(0.5, "share of members who import their address book at sign-up")
    book_recall: float = _knob(0.6, "share of the people known offline who stand in a book")
    book_errors: float = _knob(
        0.3, "share of a book that is no acquaintance: shops, old numbers, people who never join"
    )
    blocks: float = _knob(0.02, "share of members who block somebody of their surroundings")


SHARES = (
    *("established", "invited", "closure", "acquaintance", "homophily", "known_within", "metadata_missing"),
    *("books", "book_recall", "book_errors", "blocks"),
)


def network_names() -> list[str]:
    """Presets of networks: the files of ``configs/simulator/networks/``."""
    return names_in(FOLDER)


def resolve(preset: str, turned: Mapping[str, Any]) -> NetworkKnobs:
    """The preset with some knobs turned. Raises ConfigError: the nearest valid knob, or what is out of range."""
    return make_knobs({**read_named(preset, FOLDER, "preset")[0], **turned})


def make_knobs(turned: Mapping[str, Any]) -> NetworkKnobs:
    """The defaults with some knobs turned. Raises ConfigError as ``resolve``."""
    turned = {name: tuple(value) if isinstance(value, list) else value for name, value in turned.items()}
    defaults = {field.name: field.default for field in dataclasses.fields(NetworkKnobs)}
    for name, value in turned.items():
        if name not in defaults:
            raise ConfigError(f"Unknown knob '{name}' of a simulated network{nearest(name, defaults)}")
        allowed = (int, float) if isinstance(defaults[name], float) else type(defaults[name])
        if not isinstance(value, allowed) or isinstance(value, bool):
            raise ConfigError(f"Knob '{name}' must be like {defaults[name]!r}, got {value!r}")
        if name in SHARES and not 0 <= value <= 1:  # type: ignore[operator]
            raise ConfigError(f"Knob '{name}' is a share between 0 and 1, got {value!r}")
        if name == "columns" and (absent := [c for c in value if c not in STATED]):  # type: ignore[union-attr]
            raise ConfigError(f"Knob 'columns': members have no '{absent[0]}'{nearest(absent[0], STATED)}")
        if name not in ("ends", "columns") and value < 0:  # type: ignore[operator]
            raise ConfigError(f"Knob '{name}' must not be below 0, got {value!r}")
    knobs = NetworkKnobs(**turned)
    if knobs.closure + knobs.acquaintance + knobs.homophily > 1:
        raise ConfigError("The knobs closure, acquaintance and homophily are shares of the links: together at most 1.")
    counts = ("n_users", "n_interactions", "span_days", "n_companies", "n_schools", "n_cities")
    if small := [name for name in counts if getattr(knobs, name) < 1]:
        raise ConfigError(f"Knob '{small[0]}' must be at least 1, got {getattr(knobs, small[0])!r}")
    return knobs


@dataclass(frozen=True)
class Members:
    """Ground truth of the members; arrays with one row each. Times are days since the start of the data."""

    knobs: NetworkKnobs
    company: np.ndarray
    school: np.ndarray
    city: np.ndarray
    fame: np.ndarray  # how attractive as a link, above 0
    activity: np.ndarray  # links made per day, relative
    joined: np.ndarray  # below 0: before the data starts
    inviter: np.ndarray  # int64; -1: came alone
    known: sp.csr_matrix  # bool, symmetric: who knows whom offline


def make_members(knobs: NetworkKnobs, seed: int) -> Members:
    """Members and whom they know; equal for equal knobs and seed."""
    rng = np.random.default_rng([seed, 1])
    n = knobs.n_users
    company, school = (rng.choice(k, n, p=zipf(k, 0.8)) for k in (knobs.n_companies, knobs.n_schools))
    at_home = rng.random(n) < 0.85
    city = np.where(
        at_home, rng.integers(0, knobs.n_cities, knobs.n_companies)[company], rng.integers(0, knobs.n_cities, n)
    )
    fame, activity = np.exp(knobs.hub_sigma * rng.standard_normal((2, n)))
    joined = np.where(
        rng.random(n) < knobs.established,
        -rng.exponential(200, n),
        knobs.span_days * rng.random(n) ** (1 / (1 + knobs.growth)),
    )
    known = _known(knobs, company, school, fame, rng)
    inviter = np.full(n, -1)
    for member in np.flatnonzero((joined > 0) & (rng.random(n) < knobs.invited)):
        there = known.indices[known.indptr[member] : known.indptr[member + 1]]
        there = there[joined[there] < joined[member]]
        if len(there):
            inviter[member] = rng.choice(there)
    return Members(knobs, company, school, city, fame, activity, joined, inviter, known)


def _known(
    knobs: NetworkKnobs, company: np.ndarray, school: np.ndarray, fame: np.ndarray, rng: np.random.Generator
) -> sp.csr_matrix:
    n = knobs.n_users
    one = np.repeat(np.arange(n), rng.poisson(knobs.known / 2, n))
    kind = rng.random(len(one))
    other = pick(fame, rng.random(len(one)))
    for group, low, high in ((company, 0.0, 0.7), (school, 0.7, 1.0)):
        rows = np.flatnonzero((kind >= low * knobs.known_within) & (kind < high * knobs.known_within))
        other[rows] = pick_alike(group, fame, group[one[rows]], rng.random(len(rows)))
    matrix = sp.csr_matrix((np.ones(len(one), bool), (one, other)), shape=(n, n))
    matrix = sp.csr_matrix(matrix + matrix.T)
    matrix.setdiag(False)
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return matrix


def pick(weight: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """A row for each ``chance`` in [0, 1), as often as its weight says; int64 (n,)."""
    total = np.cumsum(weight)
    return np.asarray(np.minimum(np.searchsorted(total, chance * total[-1], side="right"), len(weight) - 1))


def pick_alike(group: np.ndarray, weight: np.ndarray, wanted: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """A row of the ``wanted`` group for each ``chance``, as often as its weight says; int64 (n,)."""
    order = np.argsort(group, kind="stable")
    total, in_order = np.concatenate([[0.0], np.cumsum(weight[order])]), group[order]
    low, high = (np.searchsorted(in_order, wanted, side=side) for side in ("left", "right"))
    drawn = total[low] + chance * (total[high] - total[low])
    return np.asarray(order[np.clip(np.searchsorted(total, drawn, side="right") - 1, low, np.maximum(high - 1, low))])
