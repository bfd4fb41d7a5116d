"""Why an item is in a user's list, or why not: rung, rule, place, and what weighed how much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from recommender.config import Scoring
from recommender.data.dataset import NO_TIME, Table
from recommender.data.queries import History, Queries
from recommender.errors import DataError
from recommender.models.base import Recommender
from recommender.names import RETURNING, USER_BUCKETS
from recommender.ranking.candidates import Candidates
from recommender.ranking.eligibility import configured
from recommender.ranking.router import Router

MOST_LISTED = 10_000  # places that are looked through for the item
MOST_HISTORY = 50  # latest interactions that are left out one at a time
SMALLEST = 1e-6  # share of the largest weight below which a weight is rounding
SHOWN = 3  # signals in the sentence
RULES = {"reach": "it is out of reach", "blocked_column": "it is blocked", "blocks_column": "one blocks the other"}


@dataclass(frozen=True)
class Contribution:
    """How much lower the rung's score is without this: of the user's history, or a column of the user or the item."""

    rung: str
    kind: str  # "history", "user" or "item"
    name: str  # id of the item that was taken, or name of the column
    weight: float


@dataclass(frozen=True)
class Explanation:
    """place: in the list, 1-based; None where it is kept out or has none. kept_out: reasons; none if it may be shown.
    would_be: the place that its score would give it, were it not kept out."""

    group: str
    rung: str
    source: str
    place: int | None
    would_be: int | None
    kept_out: tuple[str, ...]
    signals: tuple[Contribution, ...]
    sentence: str


def explain(
    router: Router, queries: Queries, candidates: Candidates, item: int, k: int,
    shown: tuple[int, str] | None = None,
) -> Explanation:  # fmt: skip
    """queries: one. item: a row of the candidates' items. k: the length of the list that is asked about. shown: place
    and source of the item where they are known already."""
    first, second = str(router.route(queries)[0]), str(router.second(queries)[0])
    reasons = tuple(kept_out(queries, candidates, item))
    place, source = shown or _place(router, queries, candidates, item, k)
    slot = source.removeprefix("new:")
    names = [slot] if slot != source else list(dict.fromkeys([first, second]))
    small, at, query = _few(queries, candidates.items, item)
    scores = {name: float(router.rungs[name].score(query, small)[0, at]) for name in names}
    scored = [name for name, score in scores.items() if not np.isnan(score)]
    best = (scored or names)[0]  # of a blend, one rung may have a score where the other has none
    would_be = _would_be(router.rungs[best], queries, candidates, scores[best]) if reasons else None
    signals = tuple(
        signal for name in scored for signal in contributions(name, router.rungs[name], query, small, at)
    ) if source not in ("pinned", "fallback") else ()  # fmt: skip
    bucket = USER_BUCKETS[int(queries.buckets[0])]
    group = bucket + RETURNING if bucket + RETURNING in router.routes and _is_back(router, queries) else bucket
    whole = Explanation(group, "+".join(names), source, place, would_be, reasons, signals, "")
    personal = _is_personal(router.rungs[best], query, small, at, scores[best])
    return replace(whole, sentence=_sentence(whole, str(candidates.items.ids[item]), k, scored, personal))


def kept_out(queries: Queries, candidates: Candidates, item: int) -> Iterator[str]:
    """Each reason for which the one query may not be shown this row of the items."""
    items, rules, as_of = candidates.items, candidates.rules, int(queries.as_of[0])
    start, stop = int(items.times("available_from")[item]), int(items.times("expires_at")[item])
    if as_of != NO_TIME and start != NO_TIME and start > as_of:
        yield f"it is published only on {_day(start)}"
    if as_of != NO_TIME and stop != NO_TIME and stop <= as_of and not rules.expired:
        yield f"it expired on {_day(stop)}"
    pair = np.zeros(1, np.int64), np.array([item])
    for name, rule, entry in configured(rules):
        if getattr(entry, "hard", True) and bool(np.ravel(rule.bind(items, entry)(queries, pair))[0]):
            yield f"{RULES.get(name, 'a rule shuts it out')} (rule {name})"
    if not rules.repeats and item in queries.history.item_idx:
        yield "the user has taken it before"
    if candidates.allowed is not None and not candidates.allowed[item]:
        yield "the request leaves it out"
    if candidates.members and int(items.lookup(queries.ids)[0]) == item:
        yield "it is the user"


def contributions(name: str, model: Recommender, queries: Queries, items: Table, at: int) -> list[Contribution]:
    """Signals of one rung's score of row ``at``, the largest first; what changes nothing is no signal.

    Each is the score less the score without it: one interaction of the history, or one column of the user or the item
    as if nobody had stated it. Signals that stand for each other share no weight: without one, the other remains.
    """
    base = float(model.score(queries, items)[0, at])
    if np.isnan(base):
        return []
    taken = list(dict.fromkeys(queries.history.item_idx[::-1].tolist()))[:MOST_HISTORY]
    scores_without = []
    if taken:
        scores = model.score(_without_each(queries, taken), items)[:, at]
        scores_without = [("history", str(items.ids[i]), s) for i, s in zip(taken, scores.tolist(), strict=True)]
    for column in _stated(queries.users, 0):
        users = replace(queries.users, frame=queries.users.frame.with_columns(_absent(queries.users, column)))
        scores_without.append(("user", column, float(model.score(replace(queries, users=users), items)[0, at])))
    row = pl.int_range(pl.len()) == at
    for column in _stated(items, at):
        frame = items.frame.with_columns(pl.when(row).then(_absent(items, column)).otherwise(column).alias(column))
        scores_without.append(("item", column, float(model.score(queries, replace(items, frame=frame))[0, at])))
    weights = [(kind, of, base - (0.0 if np.isnan(score) else score)) for kind, of, score in scores_without]
    least = SMALLEST * max([abs(base), *(abs(weight) for *_, weight in weights)])
    weighty = [Contribution(name, kind, of, float(weight)) for kind, of, weight in weights if abs(weight) > least]
    return sorted(weighty, key=lambda signal: -abs(signal.weight))


def _few(queries: Queries, items: Table, item: int) -> tuple[Table, int, Queries]:
    """The items of the history and this one as a table, the row of this one, and the query about that table."""
    columns = np.unique(np.append(queries.history.item_idx, item))
    history = replace(queries.history, item_idx=np.searchsorted(columns, queries.history.item_idx))
    return items.take(columns), int(np.searchsorted(columns, item)), replace(queries, history=history)


def _without_each(queries: Queries, taken: Sequence[int]) -> Queries:
    """The query once for each of the items, its history without that item."""
    past = queries.history
    others = [np.flatnonzero(past.item_idx != item) for item in taken]
    entries = np.concatenate(others)
    ends = np.append(0, np.cumsum([len(rows) for rows in others]))
    rows = np.zeros(len(taken), np.int64)
    return Queries(
        queries.users.take(rows), queries.as_of[rows], History(ends, past.item_idx[entries], past.timestamp[entries])
    )


def _stated(table: Table, row: int) -> list[str]:
    features = [c for c in table.frame.columns if c in table.roles and table.roles[c] not in ("protected", "ignore")]
    return [c for c in features if c != table.key and table.frame[c][row] is not None]


def _absent(table: Table, column: str) -> pl.Expr:
    return pl.lit(None, dtype=table.frame.schema[column]).alias(column)


def _place(router: Router, queries: Queries, candidates: Candidates, item: int, k: int) -> tuple[int | None, str]:
    """The place in the list of ``k``, else in a longer one, and its source."""
    for length in (k, min(len(candidates.items), MOST_LISTED)):
        routed = router.recommend(queries, candidates, length, Scoring())
        places = np.flatnonzero(routed.lists.item_idx[0] == item)
        if len(places):
            return int(places[0]) + 1, str(routed.source[0, places[0]])
    return None, ""


def _would_be(model: Recommender, queries: Queries, candidates: Candidates, score: float) -> int | None:
    if np.isnan(score):
        return None
    scores = model.score(queries, candidates.items)[0]
    return 1 + int((candidates.eligible(queries)[0] & (scores > score)).sum())


def _is_back(router: Router, queries: Queries) -> bool:
    return bool(queries.away_days[0] >= router.away_days)


def _is_personal(model: Recommender, queries: Queries, items: Table, at: int, score: float) -> bool:
    """Whether a stranger gets another score."""
    key = queries.users.key
    nothing = [pl.lit(None, dtype=kind).alias(c) for c, kind in queries.users.frame.schema.items() if c != key]
    stranger = pl.lit(-(2**62) if queries.ids.dtype.is_integer() else "\0 nobody").cast(queries.ids.dtype).alias(key)
    users = replace(queries.users, frame=queries.users.frame.with_columns(*nothing, stranger))
    empty = np.zeros(0, np.int64)
    other = model.score(Queries(users, queries.as_of, History(np.zeros(2, np.int64), empty, empty)), items)[0, at]
    return not np.isclose(other, score, equal_nan=True)


def _sentence(explanation: Explanation, item: str, k: int, scored: Sequence[str], personal: bool) -> str:
    bucket = explanation.group.removesuffix(RETURNING).replace("_plus", " or more").replace("_", "-")
    back = ", back after a while" if explanation.group.endswith(RETURNING) else ""
    blend = "+" in explanation.rung
    who = f"{explanation.rung}, the {'blend' if blend else 'rung'} for users with {bucket} interactions{back}"
    if explanation.kept_out:
        would = f" Its score would give it place {explanation.would_be}." if explanation.would_be else ""
        return f"{item} is not shown: {'; '.join(explanation.kept_out)}.{would}{_weighed(explanation, personal)}"
    if explanation.place is None:
        return f"{item} is not shown: it is not among the items that were looked through for this user."
    below = f", below the {k} that are shown" if explanation.place > k else ""
    if explanation.source == "pinned":
        return f"{item} is at place {explanation.place}{below}: an editor put it there."
    if explanation.source == "fallback" or not scored:
        at = f"{item} is at place {explanation.place}{below}"
        return f"{at}: {who}, has no score for it, so the fallback order places it."
    how = ", in a place reserved for new items" if explanation.source.startswith("new:") else ""
    alone = f" Of the blend only {scored[0]} has a score for it." if blend and len(scored) == 1 else ""
    return f"{item} is at place {explanation.place}{below}, by {who}{how}.{alone}{_weighed(explanation, personal)}"


def _weighed(explanation: Explanation, personal: bool) -> str:
    if not explanation.signals:
        learned = "It comes from what was learned of this user in training." if personal else ""
        return f" {learned or 'Its score does not depend on this user.'}"
    words = {"history": "taken: {}", "user": "the user's {}", "item": "the item's {}"}
    parts = [f"{words[s.kind].format(s.name)} ({s.weight:+.3g})" for s in explanation.signals[:SHOWN]]
    return f" What weighed most: {', '.join(parts)}."


def _day(time: int) -> str:
    return str(np.datetime64(time, "us").astype("datetime64[D]"))


def item_row(items: Table, item_id: int | str) -> int:
    """The row of an id. Raises DataError for an unknown one."""
    exact = isinstance(item_id, int) == items.ids.dtype.is_integer()
    row = int(items.lookup(pl.Series("item_id", [item_id], items.ids.dtype))[0]) if exact else -1
    if row < 0:
        raise DataError(f"item {str(item_id)[:60]!r} is unknown to the model.")
    return row
