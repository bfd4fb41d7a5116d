"""What a comparison of a few sites says, drawn by lot."""

from __future__ import annotations

import numpy as np

from recommender.names import ALL, USER_BUCKETS
from recommender.studies import summary
from recommender.studies.engine.curves import Curves
from recommender.studies.summary import MORE_CPU, Summary, against_effort, charted, of_curves, of_transfer
from recommender.studies.transfer import Ratio

PLACES = ("catalog on simulated", "jobs on -data-my-jobs")


METRIC = "ndcg_at_10"


LADDER = ("popularity", "content", "ranker", "als")


ASSETS = ("text", "exact times", "categories and tags")


SCENARIOS = ("catalog", "jobs")


def summaries_of(sites: tuple[str, ...]) -> list[Summary]:
    """What a comparison of these sites says, drawn by lot."""
    rng = np.random.default_rng(0)
    buckets = (ALL, *USER_BUCKETS)
    summaries: list[Summary] = []
    for site in sites:
        size = np.array([1000.0, 5000.0, 20000.0])
        mean = {(rung, b): np.sort(rng.uniform(0.05, 0.2, len(size))) for rung in LADDER for b in buckets}
        drawn = {segment: curve + np.array([[-0.01], [0.01]]) for segment, curve in mean.items()}
        seconds = {rung: rng.uniform(0.1, 5, len(size)) for rung in LADDER}
        lists_per_bucket = dict.fromkeys(buckets, 500)
        summaries += of_curves(
            site, Curves(size, size / 1000, list(LADDER), mean, drawn, lists_per_bucket, seconds, 100, 1), METRIC
        )
        for kind in (summary.DATA, summary.PART):
            for name in ASSETS:
                logged = {charted(kind, site, METRIC, None if b == ALL else b): rng.normal() for b in buckets}
                gain = rng.normal(0, 0.01)
                against = against_effort(charted(kind, site, METRIC), (gain, gain - 0.01, gain + 0.01), 2, MORE_CPU)
                summaries.append(Summary(kind, name, site, METRIC, logged, against))
    ratio = {
        (to, of, b): Ratio(rng.uniform(20, 110), 20, 110, 500, ())
        for to in SCENARIOS
        for of in SCENARIOS
        for b in buckets
    }
    return summaries + of_transfer(ratio, METRIC)
