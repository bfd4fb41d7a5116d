"""Words that several answers share: who the users are, person-days, a change with its interval, the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from recommender.compare.page_model import Sentence
from recommender.compare.site import Site
from recommender.experiment.run_tables import USERS
from recommender.names import IN_SESSION, RETURNING, USER_BUCKETS, WITH_HISTORY
from recommender.studies.engine.finding import interval


def evidence(site: Site, *studies: str) -> tuple[str, ...]:
    """Names of the evidence of these studies at this site."""
    return tuple(f"{study}, {site.name}" for study in studies)


def cited(texts: Iterable[str], site: Site, *studies: str) -> list[Sentence]:
    """Sentences that rest on these studies at this site."""
    return [Sentence(text, evidence(site, *studies)) for text in texts]


def users(segments: Sequence[str], site: Site) -> str:
    """Who they are: user buckets, ``WITH_HISTORY``, and their ``_in_session`` and ``_returning`` parts; whole groups
    by their name."""
    segments = [b for s in segments for b in (USER_BUCKETS[1:] if s == WITH_HISTORY else [s])]
    days = site.scenario.decision.away_days
    back = f" who come back after {days:g} day{'s' * (days != 1)} or more"
    groups = []
    for kind, suffix in (("", ""), (IN_SESSION, " in the midst of a visit"), (RETURNING, back)):
        buckets = [b for b in USER_BUCKETS if b + kind in segments]
        if buckets == list(USER_BUCKETS):
            groups.append(f"all users{suffix}")
        elif buckets[-3:] == list(USER_BUCKETS[1:]):
            groups += [*(USERS[b] + suffix for b in buckets[:-3]), f"users with history{suffix}"]
        elif buckets:
            names = [USERS[b].removeprefix("users ") for b in buckets]
            groups.append(f"users {' or '.join(names)}{suffix}")
    return ", and ".join(groups)


def change(row: Mapping[str, Any]) -> str:
    """A row of ``contrast.contrast`` as ``+0.0106 [+0.0050, +0.0162] (n=2,250)``."""
    return f"{interval(row['difference'], row['ci_low'], row['ci_high'], sign=True)} (n={row['n_queries']:,})"


def person_days(site: Site, rungs: Sequence[str]) -> str:
    """`` (2 to 4 stated person-days)``; empty where not all are stated."""
    days = site.days(rungs)
    return f" ({days[0]:g} to {days[1]:g} stated person-days)" if days else ""


def capital(text: str) -> str:
    """The text with a capital letter first."""
    return text[0].upper() + text[1:]
