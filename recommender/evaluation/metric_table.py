"""Every metric, one entry each: report, MLflow, comparisons, studies, terminal and glossary read this table.

To add one, write its function (``metrics.py`` for accuracy, ``exposure.py`` for what lists show) and one entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from recommender.evaluation import exposure, metrics, network
from recommender.evaluation.shown import Judged, Shown
from recommender.names import SUSPICION
from recommender.ranking.eligibility import configured
from recommender.ranking.lists import Lists

HIGHER, LOWER, NEITHER = 1, -1, 0
ARROWS = {HIGHER: " ↑", LOWER: " ↓", NEITHER: ""}
LEGEND = "↑ more is better, ↓ less is better."
Section = Literal["accuracy", "completion", "lists", "rules", "spam", "audit"]
REGRET, ANSWERED = "regret_ndcg_at_10", "answered_share"


@dataclass(frozen=True)
class Metric:
    """What a metric is, how it is computed and where it is shown.

    better: which way; NEITHER where it only describes the lists, and another metric measures what that is good for.
    definition: one sentence with its denominator; n = items that the user took from the list's candidates.
    values: one float per query, from a Judged (accuracy, completion) or a Shown; None: another module adds it.
    over_lists: one number for all lists of a fold together, in place of ``values``; NaN where it is not defined.
    needs: of a Shown (for accuracy of a Judged): whether data and scenario have what it reads.
    by_item_bucket: (n_queries, n_buckets), the metric restricted to what was taken of each item bucket.
    compared: stands in comparisons.parquet; where more is better, a scenario may decide by it.
    """

    name: str
    section: Section
    better: int
    values: Callable[[Any], np.ndarray] | None = None
    definition: str = field(kw_only=True)
    over_lists: Callable[[Shown], float] | None = None
    needs: Callable[[Any], bool] | None = None
    by_item_bucket: Callable[[Judged, np.ndarray], np.ndarray] | None = None
    compared: bool = False

    @property
    def mlflow_section(self) -> str:
        return "acc" if self.section == "accuracy" else "beyond"


def _audited(shown: Shown) -> bool:
    return shown.scenario.audit is not None


def _ruled(metric: str) -> Callable[[Shown], bool]:
    """Whether the scenario has a rule, hard or not, that names this metric."""
    return lambda shown: any(rule.metric == metric for _, rule, _ in configured(shown.scenario.eligibility))


# fmt: off
METRICS: dict[str, Metric] = {m.name: m for m in (
    Metric("ndcg_at_10", "accuracy", HIGHER, metrics.ndcg, compared=True,
           definition="Quality of the first 10 places, 0 to 1. An item that the user then took counts 1, discounted "
                      "by 1/log2(rank + 1). The sum is divided by the best possible with min(10, n) items; n = items "
                      "the user took from the list's candidates by the end of the period."),
    Metric("recall_at_20", "accuracy", HIGHER, metrics.recall, by_item_bucket=metrics.item_recall, compared=True,
           definition="Share of those n items that are among the first 20: hits / n. Of new items: of those that "
                      "nobody had taken in training."),
    Metric("map_at_10", "accuracy", HIGHER, metrics.average_precision,
           definition="Sum over the hits in the first 10 of the precision at their rank, divided by min(10, n)."),
    Metric("mrr_at_10", "accuracy", HIGHER, metrics.reciprocal_rank,
           definition="1 / rank of the first hit in the first 10; 0 without one."),
    Metric("hit_rate_at_10", "accuracy", HIGHER, metrics.hit_rate,
           definition="Share of queries with at least one hit in the first 10."),
    Metric("acceptance_at_10", "accuracy", HIGHER, metrics.acceptance, compared=True,
           definition="Share of the first 10 suggestions that the user took by the end of the period: hits / 10."),
    Metric(ANSWERED, "completion", NEITHER, metrics.answered_share,
           definition="Share of the first 10 that the rung itself could fill; the fallback filled the rest. Cells "
                      "marked “own 0%” show the fallback's quality."),
    Metric("graded_ndcg_at_10", "accuracy", HIGHER, metrics.graded_ndcg, needs=lambda j: j.grades is not None,
           definition="NDCG@10 where an item counts its rating instead of 1; the best possible has the 10 highest "
                      "ratings of the n items on top."),
    Metric(REGRET, "accuracy", LOWER,  # added by experiment/controls.py, which has the oracle
           definition="NDCG@10 of the oracle, which ranks by what made the simulated data, minus that of the rung, "
                      "query by query. Only who knows what happens after the query could do better than the oracle."),
    Metric("popularity_percentile_at_10", "lists", NEITHER, exposure.popularity_percentile,
           definition="Mean percentile of the shown items by interactions in training: 1 = most popular."),
    Metric("new_item_share_at_10", "lists", NEITHER, exposure.new_item_share,
           definition="Share of the shown items without an interaction in training."),
    Metric("diversity_at_10", "lists", HIGHER, exposure.diversity,
           definition="1 - mean cosine similarity of the shown items' features, over all pairs of the first 10."),
    Metric("unavailable_at_10", "rules", LOWER, exposure.unavailable,
           definition="Share of the shown items not yet published or expired at the query; must be 0."),
    Metric("out_of_reach_at_10", "rules", LOWER, exposure.against_rules("out_of_reach_at_10"),
           needs=_ruled("out_of_reach_at_10"),
           definition="Share of the shown items farther from the user than the scenario's reach; remote items and "
                      "users willing to move have no distance."),
    Metric("level_misfit_at_10", "rules", LOWER, exposure.against_rules("level_misfit_at_10"),
           needs=_ruled("level_misfit_at_10"),
           definition="Share of the shown items more levels of seniority away from the user than the scenario "
                      "allows."),
    Metric("blocked_at_10", "rules", LOWER, exposure.against_rules("blocked_at_10"),
           needs=_ruled("blocked_at_10"),
           definition="Share of the shown items that are blocked, held back or by then moderated, or members who "
                      "block the user or are blocked; must be 0."),
    Metric("small_creator_share_at_10", "lists", HIGHER, exposure.small_creator_share,
           # An end in itself: nothing else measures what creators get.
           needs=lambda s: s.scenario.exposure.creator_column is not None,
           definition="Share of the shown items whose creator has few interactions in training (fewer than 10 by "
                      "default)."),
    Metric("violating_at_10", "spam", LOWER, exposure.violating,
           needs=lambda s: s.scenario.spam.label_column is not None,
           definition="Share of the shown items that moderators confirm to break the rules, then or later."),
    Metric("flagged_at_10", "spam", LOWER, exposure.flagged,
           needs=lambda s: s.scenario.spam.label_column is not None and SUSPICION in s.fold.items.frame.columns,
           definition="Share of the shown items that the detector of spam flags at the origin."),
    Metric("spam_at_10", "spam", LOWER, exposure.spam, needs=lambda s: s.fold.spam is not None,
           definition="Share of the shown items that break the rules, found or not, by the simulator's truth."),
    Metric("lists_per_vacancy_at_10", "lists", LOWER, exposure.lists_per_vacancy,
           needs=lambda s: s.scenario.exposure.vacancies_column is not None,
           definition="Mean over the shown items of the lists that show it in their first 10, per vacancy."),
    Metric("back_catalogue_share_at_10", "lists", NEITHER, exposure.back_catalogue_share,
           needs=exposure.dated_back_catalogue,
           definition="Share of the shown items published longer before the query than the scenario states."),
    Metric("miscalibration_at_10", "lists", LOWER, exposure.list_miscalibration,
           needs=lambda s: s.scenario.exposure.calibration_column is not None,
           definition="How far the shares of genres (say) in the first 10 are from those in the user's history, as "
                      "Kullback-Leibler divergence; 0 = alike (Steck 2018). Users without history have none."),
    Metric("favourable_share_at_10", "audit", HIGHER, exposure.favourable_share, needs=_audited,
           definition="Share of the shown items that the audit calls favourable (jobs: the best-paid third)."),
    Metric("taken_favourable_share", "audit", NEITHER, exposure.taken_favourable_share, needs=_audited,
           definition="Share of what the user then took that is favourable, whatever the lists here show: it "
                      "describes the log, so a bias there is seen even where the lists have none."),
    Metric("selected_at_10", "audit", HIGHER, exposure.selected, needs=_audited,
           definition="Share of lists whose first 10 hold as many favourable items as the audit requires (jobs: "
                      "three)."),
    Metric("first_links_at_10", "lists", HIGHER, network.first_links, needs=network.members,
           definition="Hits in the first 10, per list, where the user had no link before or the other one had none in "
                      "training: what suggestions add to the growth of the network."),
    Metric("mutual_at_10", "lists", NEITHER, network.mutual, needs=network.members,
           definition="Of the members shown in the first 10 who ask too, the share whose own first 10 show this user."),
    Metric("top_load_at_10", "lists", LOWER, over_lists=network.top_load, needs=network.members,
           definition="Share of the places in the first 10 of all lists that go to the most suggested 1% of the "
                      "candidates: who is suggested to everyone gets invitations from strangers."),
    Metric("load_gini_at_10", "lists", LOWER, over_lists=network.load_gini, needs=network.members,
           definition="Gini coefficient of the places that candidates get in the first 10 of all lists; 0 = alike."),
    Metric("item_coverage_at_10", "lists", HIGHER, over_lists=exposure.coverage,
           definition="Share of all candidates that stand in the first 10 of at least one list."),
    Metric("new_item_survival_at_20", "lists", HIGHER, over_lists=exposure.new_item_survival,
           definition="Share of the items without interactions in training that stand in the first 20 of at least 10 "
                      "lists."),
    Metric("small_creator_survival_at_20", "lists", HIGHER, over_lists=exposure.small_creator_survival,
           needs=lambda s: s.scenario.exposure.creator_column is not None,
           definition="Share of the creators with few interactions in training whose items stand in the first 20 of "
                      "at least 10 lists."),
)}
# fmt: on


def named(*sections: Section, over_lists: bool = False) -> list[str]:
    """Names of the metrics of some sections, in the order of the table; over_lists: those of all lists together."""
    return [m.name for m in METRICS.values() if m.section in sections and (m.over_lists is not None) == over_lists]


def of_every_query() -> list[str]:
    """The accuracy metrics that every list of every data set has, and the rung's own share of the list."""
    accuracy = [m for m in METRICS.values() if m.section == "accuracy" and m.values and not m.needs]
    return [*(m.name for m in accuracy), ANSWERED]


def compared() -> list[str]:
    """Metrics of comparisons.parquet."""
    return [m.name for m in METRICS.values() if m.compared]


def deciding() -> list[str]:
    """Metrics that a scenario may decide by: those compared of which more is better."""
    return [name for name in compared() if better(name) == HIGHER]


def accuracy(name: str, lists: Lists, truth: Any) -> np.ndarray:
    """A metric of accuracy that needs nothing but lists and truth (csr), float64 (n_queries,)."""
    function = METRICS[name].values
    assert function is not None
    return function(Judged(lists, truth))


def better(name: str) -> int:
    """HIGHER, LOWER or NEITHER; ``recall_at_20:0`` (of an item bucket) as ``recall_at_20``, NEITHER where unknown."""
    metric = METRICS.get(name.partition(":")[0])
    return metric.better if metric else NEITHER


def arrow(name: str) -> str:
    """`` ↑`` or `` ↓``, what a heading appends to the metric's label; empty where neither is better."""
    return ARROWS[better(name)]


def metric_labels(names: Iterable[str]) -> str:
    """The names of metrics as readers see them, each once: ``NDCG@10 or acceptance@10``."""
    return " or ".join(dict.fromkeys(map(metric_label, names)))


def metric_label(name: str) -> str:
    """``graded_ndcg_at_10`` -> ``graded NDCG@10``, ``recall_at_20:0`` -> ``recall@20 of new items``."""
    metric, _, bucket = name.partition(":")
    words, at, k = metric.replace("_", " ").partition(" at ")
    shown = " ".join(w.upper() if w in ("ndcg", "map", "mrr") else w for w in words.split(" "))
    warmth = bucket.replace("_plus", "+").replace("_", "–")
    items = "new items" if bucket == "0" else f"items with {warmth} interactions"
    return shown + (f"@{k}" if at else "") + (f" of {items}" if bucket else "")


def heading(name: str) -> str:
    """The label, with an arrow that says which way is better."""
    return metric_label(name) + arrow(name)


def mlflow_section(name: str) -> str:
    """``acc`` or ``beyond``; a metric that is not in the table (of a study) is beyond accuracy."""
    metric = METRICS.get(name)
    return metric.mlflow_section if metric else "beyond"


def glossary(names: Iterable[str] | None = None) -> dict[str, str]:
    """Label with its arrow -> definition, in the order of the table. names: only these; None: all."""
    wanted = set(METRICS if names is None else names)
    return {heading(m.name): m.definition for m in METRICS.values() if m.name in wanted}


def glossary_markdown() -> str:
    """The whole table as Markdown, for the documentation."""
    lines = ["| metric | name in files | better | definition |", "| --- | --- | --- | --- |"]
    way = {HIGHER: "higher", LOWER: "lower", NEITHER: "neither"}
    lines += [f"| {metric_label(m.name)} | `{m.name}` | {way[m.better]} | {m.definition} |" for m in METRICS.values()]
    return "\n".join(lines) + "\n"
