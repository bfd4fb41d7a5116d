"""Words that several answers share: who the users are, a change with its interval, what a sentence rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recommender.compare.page_model import Sentence
from recommender.compare.plan import VOLUME
from recommender.compare.site import Site
from recommender.experiment.run_tables import USERS
from recommender.names import IN_SESSION, RETURNING, USER_BUCKETS, WITH_HISTORY
from recommender.studies.engine.curves import Curves
from recommender.studies.engine.finding import NOT_ENOUGH, interval


def evidence(site: Site, *studies: str) -> tuple[str, ...]:
    """Names of the evidence of these studies at this place."""
    return tuple(f"{study}, {site.name}" for study in studies)


def curves_of(site: Site) -> tuple[Curves | None, list[Sentence]]:
    """The learning curves, or the sentence that there are none."""
    if site.curves is None:
        return None, [Sentence(f"{NOT_ENOUGH}: {site.read}", evidence(site, VOLUME))]
    return site.curves, []


def users(segments: Sequence[str], site: Site) -> str:
    """Who they are, of user buckets, ``WITH_HISTORY``, and their ``_in_session`` and ``_returning`` parts; whole groups
    by their name."""
    segments = [b for s in segments for b in (USER_BUCKETS[1:] if s == WITH_HISTORY else [s])]
    days = site.scenario.decision.away_days
    back = f" who come back after {days:g} day{'s' * (days != 1)} or more"
    told = []
    for kind, suffix in (("", ""), (IN_SESSION, " in the midst of a visit"), (RETURNING, back)):
        buckets = [b for b in USER_BUCKETS if b + kind in segments]
        if buckets == list(USER_BUCKETS):
            told.append(f"all users{suffix}")
        elif buckets[-3:] == list(USER_BUCKETS[1:]):
            told += [*(USERS[b] + suffix for b in buckets[:-3]), f"users with history{suffix}"]
        elif buckets:
            names = [USERS[b].removeprefix("users ") for b in buckets]
            told.append(f"users {' or '.join(names)}{suffix}")
    return ", and ".join(told)


def change(row: Mapping[str, Any]) -> str:
    return f"{interval(row['difference'], row['ci_low'], row['ci_high'], sign=True)} (n={row['n_queries']:,})"


def capital(text: str) -> str:
    return text[0].upper() + text[1:]
