"""Raw data sets by name. A new one: a module with ``load`` and one line here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from recommender import simulate
from recommender.data.gate import Tables
from recommender.sources import enron_staff, job_views, kuairand, movielens, snap, so_survey, stackexchange

# name -> load(raw_dir: Path | None, **options) -> Tables; the options are those of each function
SOURCES: dict[str, Callable[..., Tables]] = {
    "simulated": simulate.load,
    "ml-100k": partial(movielens.load, "ml-100k"),
    "ml-latest-small": partial(movielens.load, "ml-latest-small"),
    "ml-1m": partial(movielens.load, "ml-1m"),
    "ml-20m": partial(movielens.load, "ml-20m"),
    "ml-25m": partial(movielens.load, "ml-25m"),
    "ml-32m": partial(movielens.load, "ml-32m"),
    "kuairand-pure": kuairand.load,
    "job-views": job_views.load,
    "collegemsg": partial(snap.load, "collegemsg"),
    "bitcoinotc": partial(snap.load, "bitcoinotc"),
    "ego-facebook": partial(snap.load, "ego-facebook"),
    "enron-staff": enron_staff.load,
    "stackexchange": stackexchange.load,
    "quantum-se": partial(stackexchange.load, site="quantum-se"),
    "so-survey2019": so_survey.load,
}
