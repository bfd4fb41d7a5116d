"""Harms of served lists. A log has ids only: what items and users are is looked up in the tables of a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from recommender.config import Audit, Eligibility
from recommender.data.queries import History, Queries
from recommender.data.split import available
from recommender.online.replay import plain_users
from recommender.ranking.eligibility import violations
from recommender.ranking.favourable import favourable, threshold
from recommender.serving.bundle import Bundle
from recommender.serving.known import Known
from recommender.serving.new_rows import extended
from recommender.serving.new_rows_file import saved_rows

PLACE_HARMS = ("unavailable", "blocked", "load")  # columns of a place
SELECTED, GROUP = "selected", "group/"  # columns of a list: 1 with enough favourable items; group of its user


def with_harms(served: pl.DataFrame, bundle: Bundle, audit: Audit | None, log: Path) -> pl.DataFrame:
    """The rows with what is wrong at each place, float64, null where the model does not know the item:
    ``unavailable`` (expired, or not yet published, at ``as_of``), ``blocked`` (shut out by a rule) and ``load`` (share
    of the variant's lists that show the item). With an audit, ``selected`` and a column ``group/<column>`` for each of
    its columns, null where the user's group is not known. log: folder of the log, for the key of its pseudonyms."""
    known = bundle.known
    for items, users in saved_rows(log, known.data, ""):
        known = Known.of(extended(known.dataset(), items, users, None))
    data, rules = known.data, Eligibility.model_validate(bundle.eligibility)
    lists = served.select("list_id", "user_id", "as_of").unique("list_id", maintain_order=True)
    plain = plain_users(lists["user_id"], data.users.ids, log).fill_null(
        -1 if data.users.ids.dtype.is_integer() else ""
    )
    number = data.users.lookup(plain)
    nothing = History(np.zeros(len(number) + 1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64))
    queries = Queries(known.described(plain, number), lists["as_of"].dt.epoch("us").to_numpy(), nothing)
    item = data.items.lookup(served["item_id"].cast(data.items.ids.dtype, strict=False))
    of_list = dict(zip(lists["list_id"], range(lists.height), strict=True))
    row = served["list_id"].replace_strict(of_list, return_dtype=pl.Int64).to_numpy()
    there = item >= 0
    pairs = row[there], item[there]
    shut = violations(queries, data.items, rules, pairs).get("blocked_at_10", np.zeros(there.sum(), bool))
    gone = ~available(queries.as_of[pairs[0]], data.items, pairs[1])
    harms = {"unavailable": np.zeros_like(gone) if rules.expired else gone, "blocked": shut}
    columns = {name: np.full(len(item), np.nan) for name in harms}
    for name, values in harms.items():
        columns[name][there] = values
    n_lists = pl.col("list_id").n_unique()
    out = served.with_columns(load=n_lists.over("variant", "item_id") / n_lists.over("variant"))
    out = out.with_columns(pl.Series(name, values).fill_nan(None) for name, values in columns.items())
    if audit is None:
        return out
    good = favourable(data.items, audit.favourable.column, threshold(data.items, audit.favourable))
    first = there & (served["rank"].to_numpy() <= 10)
    enough = np.bincount(row[first], good[item[first]], minlength=lists.height) >= audit.at_least
    groups = {GROUP + c: queries.users.frame[c].cast(pl.String).gather(row)
              for c in audit.columns if c in queries.users.frame.columns}  # fmt: skip
    return out.with_columns(pl.Series(SELECTED, enough[row].astype(np.int64)), **groups)
