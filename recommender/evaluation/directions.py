"""Which way of each metric is better: the only place that says so, for headings, sentences and verdicts."""

from __future__ import annotations

from collections.abc import Mapping

HIGHER, LOWER, NEITHER = 1, -1, 0
ARROWS = {HIGHER: " ↑", LOWER: " ↓", NEITHER: ""}
LEGEND = "↑ more is better, ↓ less is better."

# Every metric that a train writes; a test finds those that are forgotten. Neither: what tells which lists they are, and
# serves some end that another metric measures (places of new items: whether they are found, ``recall_at_20:0``).
BETTER: Mapping[str, int] = {
    **dict.fromkeys(("ndcg_at_10", "recall_at_20", "map_at_10", "mrr_at_10", "hit_rate_at_10"), HIGHER),
    "graded_ndcg_at_10": HIGHER,
    "regret_ndcg_at_10": LOWER,
    "answered_share": NEITHER,
    # what the lists show
    "diversity_at_10": HIGHER,
    "item_coverage_at_10": HIGHER,
    "new_item_survival_at_20": HIGHER,
    "small_creator_survival_at_20": HIGHER,
    "small_creator_share_at_10": HIGHER,  # an end in itself: nothing else measures what creators get
    "new_item_share_at_10": NEITHER,
    "back_catalogue_share_at_10": NEITHER,
    "popularity_percentile_at_10": NEITHER,
    "miscalibration_at_10": LOWER,
    "lists_per_vacancy_at_10": LOWER,
    # rules and spam
    "unavailable_at_10": LOWER,
    "blocked_at_10": LOWER,
    "out_of_reach_at_10": LOWER,
    "level_misfit_at_10": LOWER,
    "violating_at_10": LOWER,
    "flagged_at_10": LOWER,
    "spam_at_10": LOWER,
    # the audit
    "favourable_share_at_10": HIGHER,
    "selected_at_10": HIGHER,
    "taken_favourable_share": NEITHER,  # the log's own, whatever the lists show
}


def better(metric: str) -> int:
    """HIGHER, LOWER or NEITHER; ``recall_at_20:0`` (of an item bucket) as ``recall_at_20``, NEITHER where unknown."""
    return BETTER.get(metric.partition(":")[0], NEITHER)


def arrow(metric: str) -> str:
    """`` ↑`` or `` ↓``, what a heading appends to the metric's label; empty where neither is better."""
    return ARROWS[better(metric)]
