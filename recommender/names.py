"""Names that several rooms share: kinds of router, groups of users, columns that the package adds."""

from __future__ import annotations

ROUTER = "router"
PLAIN = "router-plain"  # its lists before its re-rankers
ORACLE = "oracle"  # knows what made simulated data: a bound, never a rung of a ladder

ALL = "all"
WITH_HISTORY = "with_history"
USER_BUCKETS = ("0", "1_2", "3_9", "10_plus")  # warmth: interactions before the query (user) or in train (item)
IN_SESSION = "_in_session"
RETURNING = "_returning"  # after a bucket's name: those of it who come back after a while

DEEPEST = 20  # the lowest rank that a metric reads
SUSPICION = "suspicion"  # the item column; no model reads it as a feature, rules and re-rankers may
