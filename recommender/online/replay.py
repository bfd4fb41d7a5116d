"""What a candidate would have shown at the places of a log that exploration drew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from recommender.config import Scoring
from recommender.hashing import KEY, key_of, pseudonyms
from recommender.online.off_policy import OffPolicy, estimate, reward_model
from recommender.operate.service import answered
from recommender.serving.bundle import Bundle, queries_of
from recommender.serving.known import Known
from recommender.serving.new_rows import extended

QUERIES_AT_ONCE = 512


def off_policy(
    candidate: Bundle, served: pl.DataFrame, feedback: pl.DataFrame, events: Sequence[str] | None, log: Path,
    since: pl.DataFrame | None = None,
) -> OffPolicy:  # fmt: skip
    """The candidate's takes per drawn place. log: folder of the log, whose key resolves pseudonyms of known users.
    since: interactions that the candidate has not learned from; they lengthen histories. Raises DataError where the log
    cannot speak for the candidate."""
    drawn = answered(served, feedback, events).filter(pl.col("propensity").is_not_null())
    if not drawn.height:
        none = np.zeros(0)
        return estimate(none.astype(np.int64), none, none, none, none, none)
    known = candidate.known if since is None else Known.of(extended(candidate.known.dataset(), None, None, since))
    item = known.data.items.lookup(drawn["item_id"].cast(known.data.items.ids.dtype, strict=False))
    there = _shown(candidate, known, plain_users(drawn["user_id"], known.data.users.ids, log), drawn)
    taken = drawn["taken"].to_numpy().astype(float)
    user = drawn["user_id"].rank("dense").to_numpy().astype(np.int64) - 1
    logged, chosen = reward_model(user, item, taken, there)
    target = ((there == item) & (item >= 0)).astype(float)
    return estimate(user, taken, drawn["propensity"].to_numpy(), target, logged, chosen)


def plain_users(logged: pl.Series, known: pl.Series, log: Path) -> pl.Series:
    """Logged users in the type of the known ones; pseudonyms of known users become their ids by the log's key."""
    if not (log / KEY).exists() or logged.dtype != pl.String:
        return logged.cast(known.dtype, strict=False)
    hashed = pseudonyms(known, key_of(log))
    plain = pl.DataFrame({"user_id": hashed, "plain": known}).unique("user_id")
    users = logged.to_frame("user_id").join(plain, on="user_id", how="left", maintain_order="left")["plain"]
    return users if known.dtype.is_integer() else users.fill_null(logged)


def _shown(candidate: Bundle, known: Known, users: pl.Series, drawn: pl.DataFrame) -> np.ndarray:
    """Row of the candidate's item at each drawn place, int64 (n,); -1: no item.

    A microsecond later, so that an exploring candidate draws anew and not what the log's model drew.
    """
    at = drawn["as_of"].dt.epoch("us").to_numpy() + 1
    rank, depth = drawn["rank"].to_numpy() - 1, int(drawn["rank"].max())  # type: ignore[arg-type]
    to_choose, out = candidate.to_choose(known.data.items), np.full(len(at), -1, np.int64)
    stranger = -1 if users.dtype.is_integer() else ""
    filled = users.fill_null(stranger)
    for begin in range(0, len(at), QUERIES_AT_ONCE):
        rows = np.arange(begin, min(begin + QUERIES_AT_ONCE, len(at)))
        queries = queries_of(filled.gather(rows), at[rows], known)
        lists = candidate.router.recommend(queries, to_choose, depth, Scoring()).lists
        inside = rank[rows] < lists.width
        out[rows[inside]] = lists.item_idx[np.flatnonzero(inside), rank[rows][inside]]
    return out
