"""How many places to keep for new items: as many as validation shows to be worth their cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recommender.config import Slots
from recommender.data.queries import bucket
from recommender.evaluation import metrics
from recommender.evaluation.shown import Judged
from recommender.experiment.validation_sample import ValidationSample
from recommender.ranking.fusion import blended, routed
from recommender.ranking.lists import with_slots

SIZES = (0, 1, 2, 4, 6, 8)
SAMPLE = 2000  # first queries per origin, evenly spread over users


@dataclass(frozen=True)
class SlotEvidence:
    """What ``n`` slots bring and cost on the validation origins; recalls are means over queries."""

    n: int
    recall_at_20: float
    new_item_recall_at_20: float
    new_item_share_of_truth: float


def evidence(samples: Sequence[ValidationSample], served: Sequence[np.ndarray], slot: tuple[str, int], of: int,
             settings: Mapping[str, int], second: Sequence[np.ndarray]) -> list[SlotEvidence]:  # fmt: skip
    """One row per size that fits into ``of`` places.

    served: the rung of each query, per sample; settings: rung -> its setting. second: the rung that is
    blended in, the same one where none is.
    """
    rows = []
    for n in (n for n in SIZES if n <= of):
        recall, new_recall, new_truth, n_truth = [], [], 0, 0
        for sample, names, others in zip(samples, served, second, strict=True):
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
        rows.append(SlotEvidence(n, float(np.concatenate(recall).mean()), of_new, new_truth / max(n_truth, 1)))
    return rows


def size(rows: Sequence[SlotEvidence], slots: Slots) -> int:
    """The size with the best recall on new items whose overall recall stays within ``max_loss`` of that of none.

    The smallest of equals; 0 where the best finds less than ``min_gain`` more than none.
    """
    none = rows[0]
    affordable = [r for r in rows if r.recall_at_20 >= none.recall_at_20 * (1 - slots.max_loss)]
    best = max(affordable, key=lambda r: (r.new_item_recall_at_20, -r.n))
    return best.n if best.new_item_recall_at_20 - none.new_item_recall_at_20 >= slots.min_gain else 0
