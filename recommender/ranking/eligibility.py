"""Hard rules: what may be shown to whom at all. They mask before top-k, so lists come back full.

A rule reads columns as they stand at the query and nothing that protects a group; a value that is missing
never blocks. Rules do not change the truth: what users took against a rule counts as missed, which is its cost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from recommender.config import Eligibility, Reach, Seniority
from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.queries import History, Queries
from recommender.data.split import available
from recommender.errors import ConfigError
from recommender.features.columns import flags, levels, numbers, read_column, times
from recommender.features.geography import beyond, km, vectors

Pairs = tuple[np.ndarray, np.ndarray]  # rows of users, rows of items: int64 (n,) each
Shut = np.ndarray | None  # bool (n_queries, n_items) or (n_items,); None: the rule is not on


def eligible(queries: Queries, items: Table, rules: Eligibility, allowed: np.ndarray | None = None) -> np.ndarray:
    """Which items each query may be shown: bool (n_queries, n_items).

    Published and (unless ``expired``) not expired at ``as_of``, where stated, not shut out by one of ``RULES``, not
    taken before (unless the scenario allows repeats), and in ``allowed`` (bool (n_items,); None: all). Raises
    ConfigError where a column of a rule does not exist or holds something else: a hard rule is never skipped.
    """
    mask = available(queries.as_of, items, expired=rules.expired)
    for rule in RULES.values():
        shut = rule(queries, items, rules)
        if shut is not None:
            mask &= ~shut
    if allowed is not None:
        mask &= allowed
    if not rules.repeats:
        mask[queries.history.row, queries.history.item_idx] = False
    return mask


def blocked(queries: Queries, items: Table, rules: Eligibility) -> Shut:
    """Items that ``blocked_column`` says are never to be shown; null = not blocked."""
    if rules.blocked_column is None:
        return None
    return flags(items, rules.blocked_column, "eligibility.blocked_column")


def moderated(queries: Queries, items: Table, rules: Eligibility) -> Shut:
    """Items from the time on that ``moderated_column`` states: before it nobody knows.

    A query without a time gets none that was ever moderated.
    """
    if rules.moderated_column is None:
        return None
    since = times(items, rules.moderated_column, "eligibility.moderated_column")
    when = queries.as_of[:, None]
    return np.asarray((since != NO_TIME) & ((when == NO_TIME) | (since <= when)))


def held(queries: Queries, items: Table, rules: Eligibility) -> Shut:
    """Items that the editors hold back: a negative number in ``holds_column``."""
    if rules.holds_column is None:
        return None
    return numbers(items, rules.holds_column, "eligibility.holds_column") < 0


def far(queries: Queries, items: Table, rules: Eligibility) -> Shut:
    """Items out of reach, where ``reach`` is hard."""
    return None if rules.reach is None or not rules.reach.hard else out_of_reach(queries.users, items, rules.reach)


def unfit(queries: Queries, items: Table, rules: Eligibility) -> Shut:
    """Items too many levels away, where ``seniority`` is hard."""
    rule = rules.seniority
    return None if rule is None or not rule.hard else level_gap(queries.users, items, rule) > rule.max_gap


RULES: Mapping[str, Callable[[Queries, Table, Eligibility], Shut]] = {
    "blocked_column": blocked,
    "moderated_column": moderated,
    "holds_column": held,
    "reach": far,
    "seniority": unfit,
}


def unsupported(rules: Eligibility, data: Dataset) -> dict[str, str]:
    """Why rules that are on cannot be applied to this data: name of the rule -> message."""
    no_rows = np.zeros(0, np.int64)
    nobody = Queries(data.users.take(no_rows), no_rows, History(np.zeros(1, np.int64), no_rows, no_rows))
    hard = {
        name: rule.model_copy(update={"hard": True})
        for name in ("reach", "seniority")
        if (rule := getattr(rules, name)) is not None
    }
    found = {}
    for name, apply in RULES.items():
        try:
            apply(nobody, data.items, rules.model_copy(update=hard))
            if name == "seniority" and rules.seniority is not None:
                _check_levels(data, rules.seniority)
        except ConfigError as error:
            found[name] = str(error)
    return found


def read_columns(rules: Eligibility) -> list[str]:
    """Columns of items and users that rules and the fallback order read."""
    named = [rules.blocked_column, rules.moderated_column, rules.holds_column, rules.editorial_column]
    if rules.reach is not None:
        named += [rules.reach.user, rules.reach.item, rules.reach.remote, rules.reach.willing]
    if rules.seniority is not None:
        named += [rules.seniority.user, rules.seniority.item]
    return [column for column in named if column]


def out_of_reach(users: Table, items: Table, rule: Reach, pairs: Pairs | None = None) -> np.ndarray:
    """Whether items lie more than ``max_km`` away and are not within reach anyhow (remote item, user willing to move).

    bool (n_users, n_items), or (n,) for ``pairs``. Raises ConfigError as ``distances``.
    """
    a, b, willing, remote = _places(users, items, rule)
    if pairs is not None:
        user, item = pairs
        return np.asarray(beyond(a[user], b[item], rule.max_km, paired=True) & ~(willing[user] | remote[item]))
    return np.asarray(beyond(a, b, rule.max_km) & ~(willing[:, None] | remote))


def distances(users: Table, items: Table, rule: Reach, pairs: Pairs | None = None) -> np.ndarray:
    """km from users to items, float64 (n_users, n_items), or (n,) for ``pairs``; 0 for remote items and users
    willing to move, NaN where a place is missing.

    Raises ConfigError where a column does not exist, is protected, or holds something else than the rule needs.
    """
    a, b, willing, remote = _places(users, items, rule)
    if pairs is not None:
        user, item = pairs
        return np.where(willing[user] | remote[item], 0.0, km(a[user], b[item], paired=True))
    return np.where(willing[:, None] | remote, 0.0, km(a, b))


def _places(users: Table, items: Table, rule: Reach) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors of users and items, and whether users are willing to move and items remote."""
    a = vectors(read_column(users, rule.user, "eligibility.reach.user"), f"users.{rule.user}")
    b = vectors(read_column(items, rule.item, "eligibility.reach.item"), f"items.{rule.item}")
    willing, remote = np.zeros(len(users), bool), np.zeros(len(items), bool)
    if rule.willing is not None:
        willing = flags(users, rule.willing, "eligibility.reach.willing")
    if rule.remote is not None:
        remote = flags(items, rule.remote, "eligibility.reach.remote")
    return a, b, willing, remote


def level_gap(users: Table, items: Table, rule: Seniority, pairs: Pairs | None = None) -> np.ndarray:
    """Levels between users and items, float64 (n_users, n_items), or (n,) for ``pairs``; NaN where one has none.

    Raises ConfigError where a column does not exist or is protected.
    """
    own = levels(users, rule.user, rule.order, "eligibility.seniority.user")
    asked = levels(items, rule.item, rule.order, "eligibility.seniority.item")
    return np.asarray(np.abs(own[:, None] - asked if pairs is None else own[pairs[0]] - asked[pairs[1]]))


def _check_levels(data: Dataset, rule: Seniority) -> None:
    """A misspelt order would be a rule that never blocks."""
    for table, column in ((data.users, rule.user), (data.items, rule.item)):
        stated = table.frame[column].cast(pl.String).drop_nulls()
        if len(stated) and not stated.is_in(rule.order).any():
            some = ", ".join(stated.unique().sort().head(3))
            where = f"eligibility.seniority: {table.key[:-3]}s.{column}"
            raise ConfigError(f"{where} holds none of the levels {', '.join(rule.order)} (e.g. {some}).")
