"""A classifier of items by what moderators confirm later, and its suspicion of every item as of an origin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from threadpoolctl import threadpool_limits

from recommender.config import Spam
from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.errors import DataError, Problem
from recommender.spam.evidence import confirmed_before, evidence

REPLAYS = 12  # past times, at most, at which items are judged as they looked then
MATURE = 0.9  # share of the confirmed that were confirmed within the delay that makes an item old enough
FOLDS = 3  # of the calibration
LEAST = 5 * FOLDS  # confirmed items, and others, to learn from


class Detector:
    """Probability that moderators will confirm an item to break the rules, from ``evidence.py``.

    Labels come late. So the detector looks back from the origin by the delay within which ``MATURE`` of the
    confirmed had been confirmed, judges at some times up to there the items that were live and not
    confirmed *as they looked then*, and learns which of them were confirmed by the origin. Items younger than
    that are not taken for innocent (positive and unlabelled data; Elkan & Noto 2008): they do not train at all.
    A regularised logistic regression on standardised evidence, calibrated by Platt's sigmoid (1999) over folds of
    items, so that an item never calibrates what it trained.
    What moderators never find is negative here too: the suspicion is of confirmation, not of guilt.
    """

    def __init__(self, columns: Spam) -> None:
        self.columns = columns

    def fit(self, train: Dataset, origin: int) -> Self:
        """origin: int64 microseconds; nothing at or after it is read.

        Raises DataError where there are fewer than ``LEAST`` confirmed items, or others, to learn from.
        """
        items = train.items
        confirmed = confirmed_before(items, origin, self.columns)
        when, published = items.times(self.columns.label_column or ""), items.times("available_from")
        known = confirmed & (published != NO_TIME)
        self._require(int(known.sum()))
        values, labels, rows = [], [], []
        for at in self._replays(train, origin, (when - published)[known]):
            judged = np.flatnonzero(live(items, at) & ~confirmed_before(items, at, self.columns))
            values.append(evidence(train, items, at, self.columns).values[judged])
            labels.append(confirmed[judged])
            rows.append(judged)
        self._learn(np.concatenate(values), np.concatenate(labels), items.id_hash[np.concatenate(rows)])
        return self

    def suspicion(self, train: Dataset, items: Table, origin: int) -> np.ndarray:
        """float32 (n_items,) for each row of ``items``, which may hold items that training did not see."""
        probability = self.model_.predict_proba(evidence(train, items, origin, self.columns).values)[:, 1]
        return np.where(confirmed_before(items, origin, self.columns), 1, probability).astype(np.float32)

    def _replays(self, train: Dataset, origin: int, delays: np.ndarray) -> list[int]:
        """Times to look back to, latest first: half a usual delay apart, so that an item whose confirmation was
        to come is met at one of them, but at most ``REPLAYS``. delays: int64 microseconds, of the confirmed."""
        latest = origin - int(np.quantile(delays, MATURE))
        span = max(latest - int(train.timestamps[train.timestamps != NO_TIME].min(initial=latest)), 1)
        step = max(int(np.median(delays)) // 2, span // REPLAYS, 1)
        return [latest - n * step for n in range(REPLAYS) if n * step < span]

    def _learn(self, values: np.ndarray, labels: np.ndarray, item: np.ndarray) -> None:
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        self._require(len(np.unique(item[labels])), len(np.unique(item[~labels])))
        part = np.zeros(len(item), np.int64)
        for side in (labels, ~labels):  # each fold gets its share of both, an item's replays stay together
            part[side] = np.unique(item[side], return_inverse=True)[1] % FOLDS
        splits = [(np.flatnonzero(part != p), np.flatnonzero(part == p)) for p in range(FOLDS)]
        model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=500))
        with threadpool_limits(1, "blas"):
            self.model_ = CalibratedClassifierCV(model, cv=splits, method="sigmoid").fit(values, labels)

    def _require(self, *counts: int) -> None:
        if min(counts) < LEAST:
            advice = f"The detector needs {LEAST} items that moderators had confirmed, and as many others."
            column = self.columns.label_column
            raise DataError([Problem("items", column, "too few labels before the origin", min(counts), (), advice)])


def live(items: Table, at: int) -> np.ndarray:
    """Published before ``at`` and not yet expired: bool (n_items,)."""
    ends = items.times("expires_at")
    return np.asarray((items.times("available_from") < at) & ((ends == NO_TIME) | (ends >= at)))


@dataclass(frozen=True)
class Judgement:
    """How the suspicion at one origin compares with what moderators confirmed after it, in the data at hand.

    Of live items that were not confirmed at the origin: how many; how many were confirmed later; how many were
    flagged; how many of the flagged were confirmed later; average precision. What was confirmed after the data
    end counts as innocent, so that precision is understated, the more the later the origin.
    """

    split: str
    origin: str
    n_judged: int
    n_violating: int
    n_flagged: int
    n_confirmed: int
    average_precision: float

    @property
    def precision(self) -> float:
        return self.n_confirmed / max(self.n_flagged, 1)

    @property
    def recall(self) -> float:
        return self.n_confirmed / max(self.n_violating, 1)

    @property
    def chance(self) -> float:
        """The average precision of a random order: the share of the confirmed."""
        return self.n_violating / max(self.n_judged, 1)

    def sentence(self) -> str:
        return (
            f"The detector of spam flagged {self.n_flagged:,} of {self.n_judged:,} live items at {self.origin[:10]}. "
            f"Moderators confirmed {self.n_confirmed:,} of these later (precision {self.precision:.0%}), and "
            f"{self.n_violating - self.n_confirmed:,} of the others (recall {self.recall:.0%}); average precision "
            f"{self.average_precision:.2f}, by chance {self.chance:.3f}. What was confirmed after the data end counts "
            "as innocent here."
        )


def judge(items: Table, suspicion: np.ndarray, origin: int, columns: Spam, split: str, name: str) -> Judgement:
    """How the suspicion (float64 (n_items,)) of live items at the origin compares with what was confirmed later."""
    from sklearn.metrics import average_precision_score  # takes half a second to import

    judged = live(items, origin) & ~confirmed_before(items, origin, columns)
    violating = (items.times(columns.label_column or "") != NO_TIME)[judged]
    flagged = suspicion[judged] >= columns.threshold
    precision = float(average_precision_score(violating, suspicion[judged])) if violating.any() else 0.0
    n_confirmed = int((flagged & violating).sum())
    return Judgement(split, name, int(judged.sum()), int(violating.sum()), int(flagged.sum()), n_confirmed, precision)
