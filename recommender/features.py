"""Items and users -> sparse feature rows, fitted on what was known at the origin.

Every value becomes a hashed token (Weinberger et al. 2009), so a word or city that training never saw
still has a column: the past position of a new user meets the title of a new posting. What is learned
from training rows is only how rare each token is (smooth idf) and the bin edges of numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Self

import numpy as np
import polars as pl
import scipy.sparse as sp
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import HashingVectorizer

from recommender.data.dataset import FEATURE_ROLES, Table
from recommender.errors import ConfigError, nearest

ROLE_WEIGHTS: Mapping[str, float] = {
    "text": 1.0,
    "multi": 1.0,
    "embedding": 1.0,
    "category": 0.5,
    "location": 0.5,
    "numeric": 0.25,
}
TEXT_BITS, TOKEN_BITS, BINS = 17, 14, 10
_MARK = "\x1f"  # before each value of a list that is remembered as one text
_WORDS = HashingVectorizer(
    ngram_range=(1, 2), n_features=2**TEXT_BITS, alternate_sign=False, norm=None, dtype=np.float32
)
_CHARACTERS = HashingVectorizer(
    analyzer="char_wb", ngram_range=(3, 4), n_features=2**TEXT_BITS, alternate_sign=False, norm=None, dtype=np.float32
)
_VALUES = FeatureHasher(2**TOKEN_BITS, input_type="string", alternate_sign=False, dtype=np.float32)


class Remembered:
    """Token counts of texts asked for before: rungs, origins and batches ask for the same titles and cities
    again and again, and hashing them is most of the work of features.

    Hashing has no state, so what is remembered tells nothing of the future. At most ``most`` texts are kept
    from one call to the next.
    """

    def __init__(self, hashed: Callable[[list[str]], sp.csr_matrix], width: int, most: int = 100_000) -> None:
        self.hashed = hashed
        self.width = width
        self.most = most
        self.known: dict[str, tuple[np.ndarray, np.ndarray]] = {}  # text -> columns, counts
        self.lock = Lock()  # a served model may be asked by several threads

    def rows(self, texts: list[str]) -> sp.csr_matrix:
        """As ``hashed(texts)``: float32 csr (len(texts), width)."""
        with self.lock:
            if len(self.known) > self.most:
                self.known.clear()
            self._learn([text for text in dict.fromkeys(texts) if text not in self.known])
            found = [self.known[text] for text in texts]
        columns, counts = ([entry[side] for entry in found] for side in (0, 1))
        indptr = np.cumsum([0, *map(len, columns)])
        return sp.csr_matrix((np.concatenate(counts), np.concatenate(columns), indptr), shape=(len(texts), self.width))

    def _learn(self, texts: list[str]) -> None:
        if texts:
            made = self.hashed(texts)
            starts, ends = made.indptr[:-1].tolist(), made.indptr[1:].tolist()
            parts = [(made.indices[a:b].copy(), made.data[a:b].copy()) for a, b in zip(starts, ends, strict=True)]
            self.known.update(zip(texts, parts, strict=True))


class ColumnEncoder:
    """One column -> rows of unit length (or empty, where the value is missing).

    Another table's column may be encoded in this column's language: that is what ``match`` means.
    """

    def __init__(self, role: str) -> None:
        self.role = role

    def fit(self, values: pl.Series) -> Self:
        if self.role == "numeric":
            known = values.cast(pl.Float64).drop_nulls().drop_nans().to_numpy()
            self.edges_ = (
                np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])) if len(known) else np.zeros(0)
            )
        if self.role == "embedding":
            lengths = values.drop_nulls().list.len()
            self.width_ = int(lengths[0]) if len(lengths) else 0
            return self
        counts = self._tokens(values)
        present = np.bincount(counts.indices, minlength=counts.shape[1])
        self.width_ = counts.shape[1]
        self.idf_ = (np.log((1 + counts.shape[0]) / (1 + present)) + 1).astype(np.float32)
        return self

    def transform(self, values: pl.Series) -> sp.csr_matrix:
        """float32 csr (len(values), width_)."""
        if self.role == "embedding":
            return self._embedding(values)
        counts = self._tokens(values)
        counts.data = (1 + np.log(counts.data)) * self.idf_[counts.indices]
        return unit_rows(counts)

    def _tokens(self, values: pl.Series) -> sp.csr_matrix:
        if not len(values):  # a batch of queries may be empty
            return sp.csr_matrix((0, 2 * 2**TEXT_BITS if self.role == "text" else 2**TOKEN_BITS), dtype=np.float32)
        match self.role:
            case "text":
                return _TEXTS.rows(_as_text(values))
            case "numeric":
                return _hash(_bins(values, self.edges_))
            case "location":
                return _hash(_places(values))
            case _:
                return _hash(_as_lists(values))

    def _embedding(self, values: pl.Series) -> sp.csr_matrix:
        known = (values.is_not_null() & (values.list.len() == self.width_)).to_numpy()
        dense = np.zeros((len(values), self.width_), np.float32)
        if known.any():
            dense[known] = np.stack(list(values.filter(pl.Series(known)).to_numpy()))
        return unit_rows(sp.csr_matrix(dense))


class FeatureEncoder:
    """All feature columns of a table side by side, each block of unit length times its role's weight.

    columns: which columns; by default every one with a feature role. ``fit`` raises ConfigError for one
        that does not exist or has another role (protected ones are never encoded).
    weights: column -> weight, in place of its role's.
    """

    def __init__(self, columns: Sequence[str] | None = None, weights: Mapping[str, float] | None = None) -> None:
        self.columns = columns
        self.weights = weights
        self._latest: tuple[Table, sp.csr_matrix] | None = None

    def fit(self, table: Table) -> Self:
        self._latest = None
        allowed = table.columns(*FEATURE_ROLES)
        for c in self.columns or ():
            if c not in allowed:
                why = f"its role is {table.roles[c]}" if c in table.roles else "there is no such column"
                raise ConfigError(f"{table.key[:-3]}s.{c} cannot be a model feature: {why}{nearest(c, allowed)}")
        chosen = allowed if self.columns is None else [c for c in allowed if c in self.columns]
        self.encoders_ = {c: ColumnEncoder(table.roles[c]).fit(table.frame[c]) for c in chosen}
        self.weights_ = {c: (self.weights or {}).get(c, ROLE_WEIGHTS[table.roles[c]]) for c in chosen}
        return self

    @property
    def width(self) -> int:
        return sum(e.width_ for e in self.encoders_.values())

    def transform(self, table: Table) -> sp.csr_matrix:
        """float32 csr (len(table), width). The latest table's rows are kept: batches of queries share one."""
        if self._latest is None or self._latest[0] is not table:
            columns = {c: table.frame[c] for c in self.encoders_ if c in table.frame.columns}
            self._latest = table, self.transform_as(columns, len(table))
        return self._latest[1]

    def transform_as(self, values: Mapping[str, pl.Series], n: int) -> sp.csr_matrix:
        """Columns in the language of this table's: own column name -> series of length n. float32 csr (n, width)."""
        blocks = [
            encoder.transform(values[c]) * np.float32(self.weights_[c])
            if c in values
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


def _as_text(values: pl.Series) -> list[str]:
    if values.dtype == pl.List:
        values = values.cast(pl.List(pl.String)).list.join(" . ")
    return values.cast(pl.String).fill_null("").to_list()


def _as_lists(values: pl.Series) -> pl.Series:
    """Any column as a list of lower-case strings; null -> empty."""
    if values.dtype == pl.List:
        return values.cast(pl.List(pl.String)).list.eval(pl.element().str.to_lowercase().drop_nulls()).fill_null([])
    lists = values.cast(pl.String).str.to_lowercase().to_frame("v").select(pl.concat_list("v").list.drop_nulls())
    return lists["v"]


def _bins(values: pl.Series, edges: np.ndarray) -> pl.Series:
    number = values.cast(pl.Float64).fill_nan(None)
    names = pl.Series(np.searchsorted(edges, number.fill_null(0).to_numpy())).cast(pl.String)
    return _as_lists(pl.Series([None] * len(values), dtype=pl.String).zip_with(number.is_null(), names))


def _places(values: pl.Series) -> pl.Series:
    """A region's name, or a one-degree cell of (lat, lon) given as a struct or a list of two."""
    if values.dtype == pl.Struct:
        values = values.to_frame("p").select(pl.concat_list(pl.col("p").struct.field("lat", "lon")))["lat"]
    if values.dtype == pl.List:
        degrees = pl.element().fill_nan(None).round().cast(pl.Int32)
        rounded = values.cast(pl.List(pl.Float64)).list.eval(degrees.cast(pl.String))
        values = rounded.list.join(",", ignore_nulls=False)  # half a place is none
    return _as_lists(values)


def _hash(lists: pl.Series) -> sp.csr_matrix:
    marked = lists.list.eval(pl.concat_str(pl.lit(_MARK), pl.element()))  # an empty string differs from no string
    return _LISTS.rows(marked.list.join("").to_list())


def _hashed_texts(texts: list[str]) -> sp.csr_matrix:
    return sp.hstack([_WORDS.transform(texts), _CHARACTERS.transform(texts)], format="csr")


def _hashed_lists(marked: list[str]) -> sp.csr_matrix:
    return _VALUES.transform([text.split(_MARK)[1:] for text in marked])


_TEXTS = Remembered(_hashed_texts, 2 * 2**TEXT_BITS)
_LISTS = Remembered(_hashed_lists, 2**TOKEN_BITS)
