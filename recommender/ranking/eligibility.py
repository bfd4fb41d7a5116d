"""Rules: what may be shown to whom at all. Hard ones mask before top-k, so lists come back full.

A rule is one line of ``RULES``. It reads columns as they stand at the query and nothing that protects a group; a
value that is missing never blocks. Rules do not change the truth: what users took against a rule counts as missed,
which is its cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from recommender.config import Eligibility, Reach, Seniority
from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.queries import History, Queries
from recommender.data.relation import entries, holds
from recommender.errors import ConfigError
from recommender.features.columns import flags, levels, numbers, plain_values, read_column, times
from recommender.features.geography import beyond, km, vectors
from recommender.features.memo import of_whole

Pairs = tuple[np.ndarray, np.ndarray]  # rows of queries (or users), rows of items: int64 (n,) each
# What is against a rule: bool (n_queries, n_items), (n_items,) where the query does not matter, or (n,) of pairs
Against = Callable[[Queries, Pairs | None], np.ndarray]


@dataclass(frozen=True)
class Rule:
    """An entry of ``eligibility``: a column's name, or a section such as ``reach``.

    bind: reads the columns of the items and gives the test of queries; raises ConfigError where a column does not
    exist, is protected, or holds something else than the rule needs.
    metric: counts the shown items that are against the rule (``evaluation``), be it hard or not.
    user_columns, item_columns: keys of the section that name columns; an entry that is a name is an item column.
    check: refuses values of columns with which the rule would do nothing.
    """

    bind: Callable[[Table, Any], Against]
    metric: str
    user_columns: tuple[str, ...] = ()
    item_columns: tuple[str, ...] = ()
    check: Callable[[Dataset, Any], None] = lambda data, entry: None

    def columns(self, entry: Any) -> dict[str, list[str]]:
        """Columns that the rule reads: of "users" and of "items"."""
        if isinstance(entry, str):
            return {"users": [], "items": [entry]}
        named = {"users": self.user_columns, "items": self.item_columns}
        return {table: [c for key in keys if (c := getattr(entry, key))] for table, keys in named.items()}


def configured(rules: Eligibility) -> Iterator[tuple[str, Rule, Any]]:
    """Name, rule and entry of each rule that the scenario has, hard or not."""
    entries = ((name, rule, getattr(rules, name)) for name, rule in RULES.items())
    return ((name, rule, entry) for name, rule, entry in entries if entry is not None)


class HardRules:
    """The hard rules of a scenario, bound to items: their columns are read once."""

    def __init__(self, items: Table, rules: Eligibility) -> None:
        hard = [(rule, entry) for _, rule, entry in configured(rules) if getattr(entry, "hard", True)]
        self._against = [rule.bind(items, entry) for rule, entry in hard]

    def shut(self, queries: Queries) -> Iterator[np.ndarray]:
        """Items that each rule shuts out: bool (n_queries, n_items) or (n_items,)."""
        return (against(queries, None) for against in self._against)


def violations(queries: Queries, items: Table, rules: Eligibility, pairs: Pairs) -> dict[str, np.ndarray]:
    """Metric -> whether each pair is against a rule of it, hard or not: bool (n,)."""
    out: dict[str, np.ndarray] = {}
    for _, rule, entry in configured(rules):
        against = rule.bind(items, entry)(queries, pairs)
        out[rule.metric] = out[rule.metric] | against if rule.metric in out else against
    return out


def unsupported(rules: Eligibility, data: Dataset) -> dict[str, str]:
    """Reasons why rules cannot be applied to this data: name of the rule -> message."""
    no_rows = np.zeros(0, np.int64)
    nobody = Queries(data.users.take(no_rows), no_rows, History(np.zeros(1, np.int64), no_rows, no_rows))
    problems = {}
    for name, rule, entry in configured(rules):
        try:
            for key in rule.user_columns:
                if column := getattr(entry, key):
                    read_column(data.users, column, f"eligibility.{name}.{key}")
            rule.bind(data.items, entry)(nobody, None)
            rule.check(data, entry)
        except ConfigError as error:
            problems[name] = str(error)
    return problems


def read_columns(rules: Eligibility) -> list[str]:
    """Columns of items and users that rules and the fallback order read."""
    read = [c for _, rule, entry in configured(rules) for table in rule.columns(entry).values() for c in table]
    return [*read, rules.editorial_column] if rules.editorial_column else read


def blocked(items: Table, column: str) -> Against:
    """Items that a boolean column says are never to be shown."""
    shut = flags(items, column, "eligibility.blocked_column")
    return lambda queries, pairs: shut if pairs is None else shut[pairs[1]]


def held(items: Table, column: str) -> Against:
    """Items that the editors hold back by a negative number."""
    shut = numbers(items, column, "eligibility.holds_column") < 0
    return lambda queries, pairs: shut if pairs is None else shut[pairs[1]]


def blocks(items: Table, column: str) -> Against:
    """Members whom the asking member blocks, or who block them, from the time on that is stated."""
    read_column(items, column, "eligibility.blocks_column")
    plain_values(items, column, "eligibility.blocks_column")
    theirs = entries(items.frame, column)

    def against(queries: Queries, pairs: Pairs | None) -> np.ndarray:
        mine = entries(queries.users.frame, column)
        blocked_item = items.lookup(mine["value"]) if mine.height else np.zeros(0, np.int64)
        asking = pl.DataFrame({"query": np.arange(len(queries)), "value": queries.ids})
        back = asking.join(theirs.with_columns(pl.col("value").cast(queries.ids.dtype, strict=False)), on="value")
        query = np.concatenate([mine["row"].to_numpy(), back["query"].to_numpy()]).astype(np.int64)
        item = np.concatenate([blocked_item, back["row"].to_numpy()]).astype(np.int64)
        since = np.concatenate([mine["since"].to_numpy(), back["since"].to_numpy()])
        now = (item >= 0) & holds(since, queries.as_of[query])
        blocked = sp.csr_matrix((now, (query * now, item * now)), shape=(len(queries), len(items)), dtype=bool)
        return blocked.toarray() if pairs is None else np.asarray(blocked[pairs]).ravel()

    return against


def moderated(items: Table, column: str) -> Against:
    """Items from the time on that a column states: before it nobody knows. A query without a time gets none of them."""
    since = times(items, column, "eligibility.moderated_column")

    def against(queries: Queries, pairs: Pairs | None) -> np.ndarray:
        when, start = (queries.as_of[:, None], since) if pairs is None else (queries.as_of[pairs[0]], since[pairs[1]])
        return np.asarray((start != NO_TIME) & ((when == NO_TIME) | (start <= when)))

    return against


def reach(items: Table, rule: Reach) -> Against:
    """Items more than ``max_km`` away, unless they are remote or the user is willing to move."""
    b, remote = _item_places(items, rule)

    def against(queries: Queries, pairs: Pairs | None) -> np.ndarray:
        a, willing = _user_places(queries.users, rule)
        if pairs is None:
            return np.asarray(beyond(a, b, rule.max_km) & ~(willing[:, None] | remote))
        user, item = pairs
        return np.asarray(beyond(a[user], b[item], rule.max_km, paired=True) & ~(willing[user] | remote[item]))

    return against


def seniority(items: Table, rule: Seniority) -> Against:
    """Items more than ``max_gap`` levels away."""
    level = _item_levels(items, rule)
    return lambda queries, pairs: _gap(_user_levels(queries.users, rule), level, pairs) > rule.max_gap


def distances(users: Table, items: Table, rule: Reach, pairs: Pairs | None = None) -> np.ndarray:
    """km from users to items, float64 (n_users, n_items), or (n,) for ``pairs``; 0 for remote items and users
    willing to move, NaN where a place is missing. Raises ConfigError as ``Rule.bind``."""
    (a, willing), (b, remote) = _user_places(users, rule), _item_places(items, rule)
    if pairs is not None:
        user, item = pairs
        return np.where(willing[user] | remote[item], 0.0, km(a[user], b[item], paired=True))
    return np.where(willing[:, None] | remote, 0.0, km(a, b))


def level_gap(users: Table, items: Table, rule: Seniority, pairs: Pairs | None = None) -> np.ndarray:
    """Levels between users and items, float64 (n_users, n_items), or (n,) for ``pairs``; NaN where one has none.
    Raises ConfigError as ``Rule.bind``."""
    return _gap(_user_levels(users, rule), _item_levels(items, rule), pairs)


def _user_places(users: Table, rule: Reach) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors, and who is willing to move."""
    return _places(users, rule.user, rule.willing, ("user", "willing"))


def _item_places(items: Table, rule: Reach) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors, and what is remote."""
    return _places(items, rule.item, rule.remote, ("item", "remote"))


def _places(table: Table, column: str, exempt: str | None, keys: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """keys: of the rule, for errors."""
    of_column, of_exempt = (f"eligibility.reach.{key}" for key in keys)

    def read(table: Table) -> tuple[np.ndarray, np.ndarray]:
        free = np.zeros(len(table), bool) if exempt is None else flags(table, exempt, of_exempt)
        return vectors(read_column(table, column, of_column), f"{table.key[:-3]}s.{column}"), free

    return of_whole(table, f"places of {column!r}, {exempt!r}", read)


def _user_levels(users: Table, rule: Seniority) -> np.ndarray:
    return _levels(users, rule.user, rule.order, "eligibility.seniority.user")


def _item_levels(items: Table, rule: Seniority) -> np.ndarray:
    return _levels(items, rule.item, rule.order, "eligibility.seniority.item")


def _levels(table: Table, column: str, order: list[str], where: str) -> np.ndarray:
    return of_whole(table, f"levels of {column!r} by {order}", lambda whole: levels(whole, column, order, where))


def _gap(user: np.ndarray, item: np.ndarray, pairs: Pairs | None) -> np.ndarray:
    return np.asarray(np.abs(user[:, None] - item if pairs is None else user[pairs[0]] - item[pairs[1]]))


def _known_levels(data: Dataset, rule: Seniority) -> None:
    """Raises ConfigError for a misspelt order: it would be a rule that never blocks."""
    for table, column in ((data.users, rule.user), (data.items, rule.item)):
        stated = table.frame[column].cast(pl.String).drop_nulls()
        if len(stated) and not stated.is_in(rule.order).any():
            some = ", ".join(stated.unique().sort().head(3))
            where = f"eligibility.seniority: {table.key[:-3]}s.{column}"
            raise ConfigError(f"{where} holds none of the levels {', '.join(rule.order)} (e.g. {some}).")


RULES: Mapping[str, Rule] = {
    "reach": Rule(reach, "out_of_reach_at_10", user_columns=("user", "willing"), item_columns=("item", "remote")),
    "seniority": Rule(seniority, "level_misfit_at_10", ("user",), ("item",), _known_levels),
    "blocked_column": Rule(blocked, "blocked_at_10"),
    "moderated_column": Rule(moderated, "blocked_at_10"),
    "holds_column": Rule(held, "blocked_at_10"),
    "blocks_column": Rule(blocks, "blocked_at_10"),
}
