"""Shares of a column's values: of each item, and in each history."""

from __future__ import annotations

import numpy as np
import polars as pl
import scipy.sparse as sp

from recommender.data.queries import Queries


def shares(column: pl.Series) -> sp.csr_matrix:
    """Values of each item as shares that add up to 1, none for null: float64 csr (n_items, n_values)."""
    frame = column.to_frame("v")
    frame = frame if column.dtype == pl.List else frame.select(pl.concat_list(pl.col("v").cast(pl.String)))
    listed = frame.with_row_index("row").explode("v").drop_nulls("v").unique()
    code = listed["v"].rank("dense").to_numpy().astype(np.int64) - 1
    row = listed["row"].to_numpy().astype(np.int64)
    counts = np.bincount(row, minlength=len(column))
    shape = (len(column), int(code.max(initial=-1)) + 1)
    return sp.csr_matrix((1 / counts[row], (row, code)), shape=shape)


def history_shares(queries: Queries, of_item: sp.csr_matrix) -> sp.csr_matrix:
    """Mean ``shares`` of the items in each history that state a value, float64 csr (n_queries, n_values); empty rows
    where none does."""
    taken = queries.history_matrix(np.arange(of_item.shape[0]), of_item.shape[0]).astype(np.float64)
    return rows_of_sum_1(taken @ of_item)


def rows_of_sum_1(rows: sp.csr_matrix) -> sp.csr_matrix:
    """``rows`` divided by their sums; empty rows stay empty."""
    total = np.asarray(rows.sum(axis=1)).ravel()
    return sp.csr_matrix(sp.diags(np.divide(1, total, out=np.zeros_like(total), where=total > 0)) @ rows)
