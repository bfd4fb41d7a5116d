"""What the collaborative rungs share: numbers of the users and items they know, histories in them, stable BLAS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.errors import DataError, Problem, UserError
from recommender.features.feedback import Confidence, strengths


def interacted(train: Dataset, confidence: Confidence | None = None) -> tuple[sp.csr_matrix, Table, Table]:
    """Who took what: float32 csr (n_users, n_items) of ones, with the users of its rows and items of its columns.

    Users and items without an interaction are left out: a vector that no interaction has trained is
    noise, and noise must not be served as a score. confidence: how ``strengths`` of feedback weigh pairs in place
    of ones, negative where feedback says no. Raises DataError where there are no interactions.
    """
    require_interactions(train)
    remembered = vars(train).setdefault("_interacted", {})  # built once for all rungs and settings; nobody writes to it
    if confidence not in remembered:
        active, taken = np.flatnonzero(train.user_counts), np.flatnonzero(train.item_counts)
        matrix = train.matrix() if confidence is None else strengths(train, confidence)
        if len(active) < len(train.users):
            matrix = matrix[active]
        if len(taken) < len(train.items):
            matrix = matrix[:, taken]
        matrix.sort_indices()
        remembered[confidence] = matrix, ids_only(train.users.take(active)), ids_only(train.items.take(taken))
    shared: tuple[sp.csr_matrix, Table, Table] = remembered[confidence]
    return shared


def require_interactions(train: Dataset) -> None:
    """Raises DataError where there are none to learn from."""
    if not train.interactions.height:
        advice = "Collaborative filtering learns from interactions only; give some, or use the content rung."
        raise DataError([Problem("interactions", None, "no rows before the origin", 0, (), advice)])


def ids_only(table: Table) -> Table:
    """The table without its features: fitted models keep ids, not the data."""
    return Table(table.frame.select(table.key), {}, table.key)


def model_history(
    queries: Queries, model_item_idx: np.ndarray, n_model_items: int, values: np.ndarray | None = None
) -> sp.csr_matrix:
    """Histories in a model's item numbers, float32 csr (n_queries, n_model_items).

    model_item_idx: int64 (n_items,), the model's number of each item of the queries; -1: unknown, left out.
    A repeated item counts once, as in training. values: weight of each history entry, at most 1; None: 1.
    """
    history = queries.history_matrix(model_item_idx, n_model_items, values)
    np.minimum(history.data, 1, out=history.data)
    return history


def by_position(queries: Queries, half_life_positions: float | None) -> np.ndarray | None:
    """What each history entry counts: half as much for every so many after it, float64 (n,); None: all count alike."""
    return None if half_life_positions is None else 0.5 ** (queries.history.position() / half_life_positions)


def rows_or_nan(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """``vectors[rows]`` as float32 (len(rows), width), NaN where the row is -1: NaN then spreads to the scores."""
    if not len(vectors):
        return np.full((len(rows), vectors.shape[1]), np.nan, np.float32)
    out: np.ndarray = vectors[np.maximum(rows, 0)].astype(np.float32, copy=False)
    out[rows < 0] = np.nan
    return out


def mean_vectors(history: sp.csr_matrix, vectors: np.ndarray) -> np.ndarray:
    """Mean of the vectors of each history, float32 (n_queries, width); NaN where the history is empty."""
    lengths = np.diff(history.indptr)
    sums = history @ vectors
    with np.errstate(invalid="ignore"):
        means = sums / np.where(lengths, lengths, np.nan)[:, None]
    return np.asarray(means, dtype=np.float32)


@contextmanager
def fitting(name: str, advice: str) -> Iterator[None]:
    """Runs a library's ``fit`` with one BLAS thread; a fit that diverges becomes a UserError with ``advice``.

    implicit and LightFM bring their own threads: BLAS threads inside them cost up to 10x (implicit's
    own warning) and make results depend on the machine.
    """
    from implicit.recommender_base import ModelFitError

    try:
        with threadpool_limits(1, "blas"):
            yield
    except ModelFitError:
        raise UserError(f"{name}: the factors became non-finite while fitting. {advice}") from None
