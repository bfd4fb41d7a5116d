"""How many places to keep for new items: as many as validation shows to be worth their cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from recommender.config import Slots
from recommender.data.queries import bucket
from recommender.data.split import Fold
from recommender.evaluation import metrics
from recommender.evaluation.shown import Judged
from recommender.ranking.fusion import blended, routed
from recommender.ranking.lists import Lists, with_slots

SIZES = (0, 1, 2, 4, 6, 8)
_QUERIES = 2000  # per origin


@dataclass(frozen=True)
class Probe:
    """Some queries of one validation fold with the lists of every rung, to be put together afterwards."""

    rows: np.ndarray  # int64 (n,), of the fold's queries
    truth: sp.csr_matrix
    item_counts: np.ndarray
    lists: Mapping[tuple[str, int], Lists]  # (rung, setting) -> the places that slots and recall_at_20 reach
    new: Mapping[tuple[str, int], Lists]  # settings of the slots' rung -> new items only


@dataclass(frozen=True)
class SlotEvidence:
    """What ``n`` slots bring and cost on the validation origins; recalls are means over queries."""

    n: int
    recall_at_20: float
    new_item_recall_at_20: float
    new_item_share_of_truth: float


def probed(fold: Fold) -> np.ndarray:
    """First queries, evenly spread over users, at most ``_QUERIES``."""
    rows = np.flatnonzero(fold.first)
    return np.asarray(rows[np.linspace(0, len(rows) - 1, min(len(rows), _QUERIES)).astype(int)])


def evidence(probes: Sequence[Probe], served: Sequence[np.ndarray], slot: tuple[str, int], of: int,
             settings: Mapping[str, int], second: Sequence[np.ndarray]) -> list[SlotEvidence]:  # fmt: skip
    """One row per size that fits into ``of`` places.

    served: the rung of each probed query, per probe; settings: rung -> its setting. second: the rung that is
    blended in, the same one where none is.
    """
    rows = []
    for n in (n for n in SIZES if n <= of):
        recall, new_recall, new_truth, n_truth = [], [], 0, 0
        for probe, names, others in zip(probes, served, second, strict=True):
            lists = routed(probe.lists, names, settings)
            if (others != names).any():
                lists = blended(lists, routed(probe.lists, others, settings), lists.width)
            lists = with_slots(lists, probe.new[slot].head(n), of) if n else lists
            judged = Judged(lists, probe.truth)
            recall.append(metrics.recall(judged))
            new_recall.append(metrics.item_recall(judged, probe.item_counts)[:, 0])
            new_truth += int((bucket(probe.item_counts[probe.truth.indices]) == 0).sum())
            n_truth += probe.truth.nnz
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
