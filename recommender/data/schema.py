"""The one gate that every data set passes: raw tables in, a checked Dataset out, or every problem at once.

The steps read downward from ``build``; the checks are in ``structure.py`` (which columns) and ``checks.py`` (values).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa

from recommender.data import checks, structure
from recommender.data.dataset import Dataset, Match, Table
from recommender.data.findings import ROW, Findings
from recommender.data.roles import guess_roles
from recommender.data.spec import RULES, STANDARD, Features, MatchSpec, Spec, Tables, check_repairs
from recommender.data.times import UTC_US
from recommender.errors import DataError, nearest

__all__ = [
    "RULES",
    "STANDARD",
    "Features",
    "MatchSpec",
    "Spec",
    "Tables",
    "as_ids",
    "build",
    "from_frames",
    "guess_roles",
    "tables_of",
]
log = logging.getLogger(__name__)
as_ids = checks.as_ids


def build(
    tables: Tables,
    *,
    extra_repairs: Mapping[str, str] | None = None,
    positive: Sequence[str] | None = None,
    require_interactions: bool = True,
) -> Dataset:
    """The Dataset of these tables.

    extra_repairs: rule -> action on top of the data set's own. positive: event kinds that count as
    "took it", in place of the data set's own; the others go to ``Dataset.signals``.
    require_interactions: False for day zero, where there may be none.
    Items and users come out sorted by id, so that the order of rows tells nothing of time.

    Raises DataError with *all* problems found; ConfigError for an unknown repair.
    """
    spec = tables.spec
    check_repairs(extra_repairs or {})
    found = Findings({**spec.repairs, **(extra_repairs or {})})
    frames = {"interactions": tables.interactions, "items": tables.items, "users": tables.users}
    given = {name: frame for name, frame in frames.items() if frame is not None}
    ready = {name: structure.rename(found, name, frame, spec) for name, frame in given.items()}
    structure.mapped_columns(found, given, spec)
    ready = checks.unify_ids(found, ready)

    roles: dict[str, dict[str, str]] = {}
    described = {}
    for name, stated in (("items", spec.features.items), ("users", spec.features.users)):
        frame = ready.get(name)
        structure.stated_roles(found, name, frame, stated, spec)
        if frame is not None and STANDARD[name][0] in frame.columns:
            described[name], roles[name] = _describe(found, name, frame, stated, spec)
    structure.match_columns(found, spec, roles)
    interactions = _interactions(found, ready["interactions"], described.get("items"), require_interactions)
    taken, signals = _split_events(found, interactions, spec.positive if positive is None else positive)
    if require_interactions and not taken.height and not found.problems:
        found.problem(
            "interactions", None, "empty_table", 0, f"No row is left after repairs and events. {structure.NO_DATA}"
        )
    if found.problems:
        raise DataError(found.problems)
    users = _with_everyone(described.get("users"), pl.concat([taken["user_id"], signals["user_id"]]))
    return Dataset(
        name=tables.name,
        interactions=taken,
        items=Table(described["items"].drop(ROW).sort("item_id"), roles["items"], "item_id"),
        users=Table(users, roles.get("users", {}), "user_id"),
        match=tuple(Match(m.user, m.item) for m in spec.match),
        signals=signals,
        repairs=(*tables.repairs, *found.made),
        truth=tables.truth,
    )


def tables_of(data: Dataset) -> Tables:
    """The tables that ``build`` turns into ``data`` again: with roles stated and the repairs it relies on."""
    events = pl.concat([data.interactions, data.signals]) if data.signals.width else data.interactions
    positive = data.interactions["event"].unique().sort().to_list() if data.signals.height else None
    spec = Spec(
        features=Features(items=dict(data.items.roles), users=dict(data.users.roles) if len(data.users) else {}),
        match=[MatchSpec(user=m.user, item=m.item) for m in data.match],
        repairs={r.rule: r.action for r in data.repairs if r.action in RULES.get(r.rule, ())},
        positive=positive,
    )
    users = data.users.frame if len(data.users) else None
    return Tables(data.name, events, data.items.frame, users, spec)


def from_frames(
    interactions: Any,
    items: Any,
    users: Any = None,
    spec: Spec | Mapping[str, Any] | None = None,
    name: str = "frames",
    *,
    extra_repairs: Mapping[str, str] | None = None,
    positive: Sequence[str] | None = None,
    require_interactions: bool = True,
) -> Dataset:
    """A Dataset from pandas, polars or Arrow frames (interactions may be None on day zero). See ``build``."""
    parsed = spec if isinstance(spec, Spec) else Spec.parse(spec, where="spec")
    tables = Tables(
        name,
        pl.DataFrame() if interactions is None else to_polars("interactions", interactions),
        to_polars("items", items),
        None if users is None else to_polars("users", users),
        parsed,
    )
    return build(tables, extra_repairs=extra_repairs, positive=positive, require_interactions=require_interactions)


def to_polars(table: str, frame: Any) -> pl.DataFrame:
    """A pandas, polars or Arrow frame, or a DuckDB relation, as a polars frame. Raises DataError naming ``table``."""
    try:
        if isinstance(frame, pd.DataFrame):
            return pl.from_pandas(frame)
        made = frame.collect() if isinstance(frame, pl.LazyFrame) else frame
        return made if isinstance(made, pl.DataFrame) else pl.DataFrame(made)
    except (pa.ArrowException, TypeError, ValueError, pl.exceptions.PolarsError) as error:
        message = f"{table}: not a pandas, polars or Arrow frame with one type per column ({error})."
        raise DataError(f"{message} Give each column one type, for example frame.astype(str) for ids.") from None


def _describe(
    found: Findings, table: str, frame: pl.DataFrame, stated: Mapping[str, str], spec: Spec
) -> tuple[pl.DataFrame, dict[str, str]]:
    """Checked keys, availability and features of items or users, and the role of each feature column."""
    frame = checks.keys(found, table, frame)
    features = [c for c in frame.columns if c not in (*STANDARD[table], ROW)]
    roles = {c: r for c, r in stated.items() if c in features}
    guessed = guess_roles(frame.select(features), roles)
    matched = {m.item if table == "items" else m.user for m in spec.match}
    guessed |= {c: "category" for c, r in guessed.items() if r == "ignore" and c in matched}
    if guessed:
        log.info("guessed roles of %s: %s", table, ", ".join(f"{c}={r}" for c, r in guessed.items()))
    roles = {c: {**roles, **guessed}[c] for c in features}
    if table == "items":
        frame = checks.availability(found, frame)
    for column, role in roles.items():
        frame = checks.feature(found, table, frame, column, role)
    return frame.select(*(c for c in STANDARD[table] if c in frame.columns), *features, ROW), roles


def _interactions(found: Findings, frame: pl.DataFrame, items: pl.DataFrame | None, required: bool) -> pl.DataFrame:
    """Checked interactions in standard columns and types, sorted by time, nulls first, stable."""
    if not frame.height:
        if required and not any(p.table == "interactions" for p in found.problems):
            found.problem("interactions", None, "empty_table", 0, structure.NO_DATA)
        return _no_interactions(items)
    if not {"user_id", "item_id"} <= set(frame.columns):
        return _no_interactions(items)
    extra = [c for c in frame.columns if c not in (*STANDARD["interactions"], ROW)]
    if extra:
        log.info("columns of interactions without a use: %s", ", ".join(extra))
    frame = checks.keys(found, "interactions", frame)
    frame = checks.event_and_weight(found, frame)
    frame = checks.interaction_times(found, frame)
    if items is not None:
        unknown = ~frame["item_id"].is_in(items["item_id"].implode())
        why = "Interactions with items that the items table does not have."
        frame = found.apply(frame, "interactions", "item_id", "unknown_items", unknown, why)
    frame = checks.duplicates(found, frame)
    return frame.select(STANDARD["interactions"]).sort("timestamp", nulls_last=False, maintain_order=True)


def _no_interactions(items: pl.DataFrame | None) -> pl.DataFrame:
    id_type = pl.String() if items is None else items["item_id"].dtype
    types = {"user_id": id_type, "item_id": id_type, "timestamp": UTC_US, "event": pl.String, "weight": pl.Float32}
    return pl.DataFrame(schema=types)  # type: ignore[arg-type]


def _split_events(
    found: Findings, frame: pl.DataFrame, positive: Sequence[str] | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    if positive is None:
        return frame, frame.clear()
    there = frame["event"].unique().sort().to_list()
    absent = [e for e in positive if e not in there]
    if frame.height and len(absent) == len(positive):
        advice = f"None of the positive events is in the data: {', '.join(positive)}{nearest(positive[0], there)}"
        found.problem("interactions", "event", "unknown_event", frame.height, advice)
    elif frame.height and absent:
        log.warning("positive events that the data does not have: %s", ", ".join(absent))
    took = frame["event"].is_in(list(positive))
    return frame.filter(took), frame.filter(~took)


def _with_everyone(users: pl.DataFrame | None, ids: pl.Series) -> pl.DataFrame:
    """Users described, plus a row without features for each user that only the interactions know."""
    active = ids.unique().to_frame()
    if users is None:
        return active.sort("user_id")
    users = users.drop(ROW)
    if not ids.len():
        return users.sort("user_id")
    return pl.concat([users, active.join(users, on="user_id", how="anti")], how="diagonal").sort("user_id")
