"""Items and users -> sparse feature rows, fitted on what was known at the origin.

Every value becomes a hashed token (Weinberger et al. 2009), so a word or city that training never saw
still has a column: the past position of a new user meets the title of a new posting. What is learned
from training rows is only how rare each token is (smooth idf) and the bin edges of numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import polars as pl
import scipy.sparse as sp

from recommender.data.dataset import FEATURE_ROLES, Table
from recommender.errors import ConfigError, nearest
from recommender.features.hashed import text_counts, value_counts
from recommender.features.memo import forget, per_row
from recommender.features.text import WIDTH, TextAs, vectors

ROLE_WEIGHTS: Mapping[str, float] = {
    "text": 1.0,
    "multi": 1.0,
    "embedding": 1.0,
    "category": 0.5,
    "location": 0.5,
    "numeric": 0.25,
}
BINS = 10
REMEMBERED_ROWS = 200_000  # tokens of larger tables are made anew each time: a text takes about 1 kB
SENTENCES = "sentences"  # in place of the role of a text column that becomes vectors, not words
_MARK = "\x1f"  # before each value of a list that is joined to one text


class ColumnEncoder:
    """One column -> rows of unit length (or empty, where the value is missing).

    Another table's column may be encoded in this column's language: that is what ``match`` means.
    text: what a column of role text becomes, see ``text.py``.
    """

    def __init__(self, role: str, text: TextAs = "words") -> None:
        self.role = SENTENCES if (role, text) == ("text", "embedding") else role

    def fit(self, table: Table, column: str) -> Self:
        values = table.frame[column]
        if self.role == "numeric":
            known = values.cast(pl.Float64).drop_nulls().drop_nans().to_numpy()
            self.edges_ = (
                np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])) if len(known) else np.zeros(0)
            )
        if self.role == "embedding":
            lengths = values.drop_nulls().list.len()
            self.width_ = int(lengths[0]) if len(lengths) else 0
            return self
        if self.role == SENTENCES:
            self.width_ = WIDTH
            return self
        counts = self._counts(table, column)
        present = np.bincount(counts.indices, minlength=counts.shape[1])
        self.width_ = counts.shape[1]
        self.idf_ = (np.log((1 + counts.shape[0]) / (1 + present)) + 1).astype(np.float32)
        return self

    def transform(self, table: Table, column: str) -> sp.csr_matrix:
        """float32 csr (len(table), width_); empty rows where the table comes without the column."""
        if column not in table.frame.columns or not len(table):  # a batch of queries may be empty
            return sp.csr_matrix((len(table), self.width_), dtype=np.float32)
        if self.role == "embedding":
            return self._embedding(table.frame[column])
        if self.role == SENTENCES:
            return tokens(table, column, self.role)  # of unit length as they are
        counts = self._counts(table, column)
        weighed = (1 + np.log(counts.data)) * self.idf_[counts.indices]
        return unit_rows(sp.csr_matrix((weighed, counts.indices, counts.indptr), shape=counts.shape))

    def _counts(self, table: Table, column: str) -> sp.csr_matrix:
        if self.role == "numeric":
            return _binned(table.frame[column], self.edges_)
        return tokens(table, column, self.role)

    def _embedding(self, values: pl.Series) -> sp.csr_matrix:
        known = (values.is_not_null() & (values.list.len() == self.width_)).to_numpy()
        dense = np.zeros((len(values), self.width_), np.float32)
        if known.any():
            dense[known] = np.stack(list(values.filter(pl.Series(known)).to_numpy()))
        return unit_rows(sp.csr_matrix(dense))


def tokens(table: Table, column: str, role: str) -> sp.csr_matrix:
    """How often each hashed token stands in each value, or its sentence vector: float32 csr (len(table), width).

    This is most of the work of features and has no state, so it is done once for the table that this
    one was taken from (``Table.source``) and remembered there; that tells nothing of the future.
    """
    whole, rows = table.source
    if len(whole) > REMEMBERED_ROWS:
        return _hashed(table.frame[column], role)
    key = f"{role} tokens of {column}"
    if key not in whole._memo:
        whole._memo[key] = _hashed(whole.frame[column], role)
    counts: sp.csr_matrix = whole._memo[key]
    return counts if rows is None else counts[rows]


class FeatureEncoder:
    """All feature columns of a table side by side, each block of unit length times its role's weight.

    columns: which columns; by default every one with a feature role. ``fit`` raises ConfigError for one
        that does not exist or has another role (protected ones are never encoded).
    weights: column -> weight, in place of its role's. text: what text columns become, see ``text.py``.
    """

    def __init__(
        self, columns: Sequence[str] | None = None, weights: Mapping[str, float] | None = None, text: TextAs = "words"
    ) -> None:
        self.columns = columns
        self.text = text
        self.weights = weights

    def fit(self, table: Table) -> Self:
        forget(self)
        allowed = table.columns(*FEATURE_ROLES)
        for c in self.columns or ():
            if c not in allowed:
                reason = f"its role is {table.roles[c]}" if c in table.roles else "there is no such column"
                raise ConfigError(f"{table.key[:-3]}s.{c} cannot be a model feature: {reason}{nearest(c, allowed)}")
        chosen = allowed if self.columns is None else [c for c in allowed if c in self.columns]
        self.encoders_ = {c: ColumnEncoder(table.roles[c], self.text).fit(table, c) for c in chosen}
        self.weights_ = {c: (self.weights or {}).get(c, ROLE_WEIGHTS[table.roles[c]]) for c in chosen}
        return self

    @property
    def width(self) -> int:
        return sum(e.width_ for e in self.encoders_.values())

    @per_row
    def transform(self, table: Table) -> sp.csr_matrix:
        """float32 csr (len(table), width)."""
        return self.transform_as(table, {c: c for c in self.encoders_})

    def transform_as(self, table: Table, columns: Mapping[str, str]) -> sp.csr_matrix:
        """Columns in the language of this table's: own column name -> name in ``table``. float32 csr (n, width)."""
        n = len(table)
        blocks = [
            encoder.transform(table, columns[c]) * np.float32(self.weights_[c])
            if c in columns
            else sp.csr_matrix((n, encoder.width_), dtype=np.float32)
            for c, encoder in self.encoders_.items()
        ]
        return sp.hstack(blocks, format="csr", dtype=np.float32) if blocks else sp.csr_matrix((n, 0), dtype=np.float32)


def unit_rows(rows: sp.csr_matrix) -> sp.csr_matrix:
    """A copy with rows of length 1; empty rows stay empty. Unlike scikit-learn's, for 0 rows or columns too."""
    row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    length = np.sqrt(np.bincount(row, weights=np.square(rows.data, dtype=np.float64), minlength=rows.shape[0]))
    scale = np.divide(1, length, out=np.zeros_like(length), where=length > 0)
    return sp.csr_matrix(((rows.data * scale[row]).astype(np.float32), rows.indices, rows.indptr), shape=rows.shape)


def _as_text(values: pl.Series) -> pl.Series:
    if values.dtype == pl.List:
        values = values.cast(pl.List(pl.String)).list.join(" . ")
    return values.cast(pl.String).fill_null("")


def _as_lists(values: pl.Series) -> pl.Series:
    """Any column as a list of lower-case strings; null -> empty."""
    if values.dtype == pl.List:
        return values.cast(pl.List(pl.String)).list.eval(pl.element().str.to_lowercase().drop_nulls()).fill_null([])
    lists = values.cast(pl.String).str.to_lowercase().to_frame("v").select(pl.concat_list("v").list.drop_nulls())
    return lists["v"]


def _binned(values: pl.Series, edges: np.ndarray) -> sp.csr_matrix:
    """One token per number, the bin that it falls into: float32 csr (len(values), bins)."""
    number = values.cast(pl.Float64).fill_nan(None)
    known = number.is_not_null().to_numpy()
    bins = np.searchsorted(edges, number.drop_nulls().to_numpy())
    indptr = np.concatenate([[0], np.cumsum(known)])
    return sp.csr_matrix((np.ones(len(bins), np.float32), bins, indptr), shape=(len(values), len(edges) + 1))


def _places(values: pl.Series) -> pl.Series:
    """A region's name, or a one-degree cell of (lat, lon) given as a struct or a list of two."""
    if values.dtype == pl.Struct:
        values = values.to_frame("p").select(pl.concat_list(pl.col("p").struct.field("lat", "lon")))["lat"]
    if values.dtype == pl.List:
        degrees = pl.element().fill_nan(None).round().cast(pl.Int32)
        rounded = values.cast(pl.List(pl.Float64)).list.eval(degrees.cast(pl.String))
        values = rounded.list.join(",", ignore_nulls=False)  # half a place is none
    return _as_lists(values)


def _hashed(values: pl.Series, role: str) -> sp.csr_matrix:
    """Token counts, each distinct value hashed once: cities and titles repeat."""
    if role in ("text", SENTENCES):
        distinct, codes = _distinct(_as_text(values))
        texts = distinct or [""]
        counts = sp.csr_matrix(vectors(texts)) if role == SENTENCES else text_counts(texts)
    else:
        lists = _places(values) if role == "location" else _as_lists(values)
        marked = lists.list.eval(pl.concat_str(pl.lit(_MARK), pl.element()))  # an empty string differs from no string
        distinct, codes = _distinct(marked.list.join(""))
        counts = value_counts([text.split(_MARK)[1:] for text in distinct] or [[]])
    counts.sum_duplicates()  # sorted too, so that nothing which shares its indices will ever sort them in place
    return counts[codes]


def _distinct(texts: pl.Series) -> tuple[list[str], np.ndarray]:
    """Each text once, in order of appearance, and which of them each row holds, int64."""
    once = texts.unique(maintain_order=True)
    return once.to_list(), texts.cast(pl.Enum(once)).to_physical().cast(pl.Int64).to_numpy()
