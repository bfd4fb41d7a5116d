"""Words that several answers share: who the users are, person-days, a change with its interval, the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from recommender.compare.page_model import Sentence
from recommender.compare.site import Site
from recommender.experiment import run_tables
from recommender.studies.engine.finding import interval


def evidence(site: Site, *studies: str) -> tuple[str, ...]:
    """Names of the evidence of these studies at this site."""
    return tuple(f"{study}, {site.name}" for study in studies)


def cited(texts: Iterable[str], site: Site, *studies: str) -> list[Sentence]:
    """Sentences that rest on these studies at this site."""
    return [Sentence(text, evidence(site, *studies)) for text in texts]


def users(segments: Sequence[str], site: Site) -> str:
    """Who they are: ``run_tables.users``."""
    return run_tables.users(segments, site.scenario.decision.away_days)


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
