"""How many places to keep for new items: as many as validation shows to be worth their cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recommender.config import Slots
from recommender.data.queries import bucket
from recommender.evaluation import metrics
from recommender.evaluation.shown import Judged
from recommender.evaluation.statistics import period_interval
from recommender.experiment.validation_sample import ValidationSample
from recommender.ranking.fusion import blended, routed
from recommender.ranking.lists import with_slots

SIZES = (0, 1, 2, 3, 4, 5, 6, 8)
SAMPLE = 5000  # first queries per origin, evenly spread over users


@dataclass(frozen=True)
class SlotEvidence:
    """What ``n`` slots bring and cost on some origins; recalls are means over queries."""

    n: int
    recall_at_20: float
    new_item_recall_at_20: float
    new_item_share_of_truth: float
    loss: float = 0.0  # share of recall_at_20 without slots; below 0: a gain
    loss_high: float = 0.0  # upper bound of its 95% interval over users and over periods, the larger one
    rung: str = ""  # that chose the new items
    n_queries: int = 0  # first queries of users, of all origins together
    sampled: bool = False  # there were more of them


def evidence(samples: Sequence[ValidationSample], rungs_of: Sequence[np.ndarray], slot: tuple[str, int], of: int,
             settings: Mapping[str, int], second: Sequence[np.ndarray], periods: Sequence[np.ndarray],
             sizes: Sequence[int] = SIZES) -> list[SlotEvidence]:  # fmt: skip
    """One row per size that fits into ``of`` places.

    rungs_of: the rung of each query, per sample; settings: rung -> its setting. second: the rung that is
    blended in, the same one where none is. periods: as of ``periods_of``, per sample. sizes: 0 first.
    """
    rows: list[SlotEvidence] = []
    without = np.empty(0)
    when = np.concatenate(periods)
    for n in (n for n in sizes if n <= of):
        recall, new_recall, new_truth, n_truth = [], [], 0, 0
        for sample, names, others in zip(samples, rungs_of, second, strict=True):
            lists = routed(sample.lists, names, settings)
            if (others != names).any():
                lists = blended(lists, routed(sample.lists, others, settings), lists.width)
            lists = with_slots(lists, sample.new[slot].head(n), of) if n else lists
            judged = Judged(lists, sample.truth)
            recall.append(metrics.recall(judged))
            new_recall.append(metrics.item_recall(judged, sample.item_counts)[:, 0])
            new_truth += int((bucket(sample.item_counts[sample.truth.indices]) == 0).sum())
            n_truth += sample.truth.nnz
        new_item_recall = np.concatenate(new_recall)
        defined = ~np.isnan(new_item_recall)
        of_new = float(new_item_recall[defined].mean()) if defined.any() else 0.0
        recalls = np.concatenate(recall)
        without = without if rows else recalls
        loss, high = _loss(recalls, without, when)
        share = new_truth / max(n_truth, 1)
        rows.append(SlotEvidence(n, float(recalls.mean()), of_new, share, loss, high, slot[0], len(recalls)))
    return rows


def _loss(recall: np.ndarray, without: np.ndarray, periods: np.ndarray) -> tuple[float, float]:
    """Share of the recall ``without`` slots that is lost, and the upper bound of its 95% interval; 0 where it is 0."""
    lost, before = without - recall, float(without.mean())
    if not before or not lost.any():
        return 0.0, 0.0
    of_users = float(lost.mean() + 1.96 * lost.std(ddof=1) / np.sqrt(len(lost))) if len(lost) > 1 else np.inf
    _, of_periods = period_interval(lost[:, None], periods)
    return float(lost.mean()) / before, max(of_users, float(of_periods[0])) / before


def chosen(rows: Sequence[SlotEvidence], slots: Slots) -> SlotEvidence:
    """The size and rung with the best recall on new items of those that lose at most ``max_loss`` of overall recall, by
    the upper bound over users and periods: so much is promised for the next period.

    The smallest of equals, then the first rung; no places, the first row, where the best finds less than ``min_gain``
    more than none.
    """
    none = rows[0]
    affordable = [r for r in rows if r.loss_high <= slots.max_loss]
    best = max(affordable, key=lambda r: (r.new_item_recall_at_20, -r.n))
    return best if best.new_item_recall_at_20 - none.new_item_recall_at_20 >= slots.min_gain else none
