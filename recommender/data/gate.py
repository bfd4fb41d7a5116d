"""The one gate that every data set passes: raw tables in, a checked Dataset out, or every problem at once.

The steps read downward from ``build``; the checks are in ``structure.py`` (which columns), ``ids.py``,
``time_checks.py`` and ``checks.py`` (values).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from recommender.data import checks, ids, relation, structure, time_checks
from recommender.data.column_names import in_yaml
from recommender.data.dataset import Dataset, Table
from recommender.data.events import positive_of, split_events
from recommender.data.findings import ROW, Findings
from recommender.data.forms import to_form
from recommender.data.ids import as_ids
from recommender.data.implied_items import implied_items
from recommender.data.repairs import RULES, check_repairs
from recommender.data.roles import guess_roles
from recommender.data.spec import KEYS, STANDARD, Features, MatchSpec, RelationSpec, Spec, Tables, Threshold
from recommender.data.stated import Match, Reading, Relation
from recommender.data.time_order import by_time
from recommender.data.times import UTC_US
from recommender.errors import DataError

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
    findings = Findings({**spec.repairs, **(extra_repairs or {})}, tables.place, tables.repairable)
    for note in tables.notes:
        findings.note(note.table, note.column, note.text)
    frames = {"interactions": tables.interactions, "items": tables.items, "users": tables.users}
    given = {name: frame for name, frame in frames.items() if frame is not None}
    ready = {name: structure.rename(findings, name, frame, spec) for name, frame in given.items()}
    structure.mapped_columns(findings, given, spec)
    ready = ids.unify(findings, ready)
    if spec.relation is not None:
        ready, spec = relation.as_members(ready, spec)

    roles: dict[str, dict[str, str]] = {}
    described = {}
    for name, stated in (("items", spec.features.items), ("users", spec.features.users)):
        frame = ready.get(name)
        if frame is not None:
            frame = structure.locations(findings, name, frame, spec, stated)
        structure.stated_roles(findings, name, frame, stated, spec)
        if frame is not None and KEYS[name] in frame.columns:
            described[name], roles[name] = _describe(findings, name, frame, stated, spec)
    if spec.relation is not None:
        spec = relation.described(findings, tables, spec, described, roles)
    structure.match_columns(findings, spec, roles)
    items, users = described.get("items"), described.get("users")
    del frames, given
    tables = replace(tables, interactions=tables.interactions.clear())  # where nobody else holds them, the rows may go
    if tables.elsewhere is not None and items is not None and not findings.problems:
        interactions = tables.elsewhere(findings, spec, items["item_id"], positive_of(spec, positive))
    else:
        interactions = _interactions(findings, ready.pop("interactions"), items, spec, require_interactions)
    chosen = positive_of(spec, positive)
    taken, signals = split_events(findings, interactions, chosen)
    if require_interactions and not taken.height and not findings.problems:
        findings.problem(
            "interactions", None, "empty_table", 0, f"No row is left after repairs and events. {structure.NO_DATA}"
        )
    if findings.problems:
        raise DataError(findings.problems)
    assert items is not None, "a table without its key is a problem"
    time_checks.note_late_availability(findings, items, taken)
    checks.note_counted_later(findings, items, roles["items"], taken)
    if users is not None:
        checks.note_unmet_users(findings, users, interactions)
    everyone = _with_everyone(users, pl.concat([taken["user_id"], signals["user_id"]]))
    return Dataset(
        name=tables.name,
        interactions=taken,
        items=Table(items.drop(ROW).sort("item_id"), roles["items"], "item_id"),
        users=Table(everyone, roles.get("users", {}), "user_id"),
        match=tuple(Match(m.user, m.item) for m in spec.match),
        signals=signals,
        repairs=(*tables.repairs, *findings.repairs),
        truth=tables.truth,
        notes=tuple(findings.notes),
        reading=Reading(
            {table: spec.names(table) for table in STANDARD},
            dict(spec.times),
            chosen.weight,
            None if chosen.event is None else tuple(chosen.event),
        ),
        relation=None if spec.relation is None else Relation(spec.relation.symmetric),
    )


def tables_of(data: Dataset) -> Tables:
    """The tables that ``build`` turns into ``data`` again: with roles stated and the repairs it relies on."""
    events = pl.concat([data.interactions, data.signals]) if data.signals.width else data.interactions
    bound, kinds = data.reading.weight, data.reading.events
    if kinds is None and data.signals.height:
        kinds = tuple(data.interactions["event"].unique().sort())
    positive = (
        None
        if kinds is None and bound is None
        else Threshold(event=None if kinds is None else list(kinds), weight=bound)
    )
    spec = Spec(
        features=Features(items=dict(data.items.roles), users=dict(data.users.roles) if len(data.users) else {}),
        match=[MatchSpec(user=m.user, item=m.item) for m in data.match],
        repairs={r.rule: r.action for r in data.repairs if r.action in RULES.get(r.rule, ())},
        positive=positive,
        relation=None if data.relation is None else RelationSpec(symmetric=data.relation.symmetric),
    )
    users = data.users.frame if len(data.users) else None
    return Tables(data.name, events, data.items.frame, users, spec)


def from_frames(
    interactions: Any,
    items: Any = None,
    users: Any = None,
    spec: Spec | Mapping[str, Any] | None = None,
    name: str = "frames",
    *,
    blocks: Any = None,
    contacts: Any = None,
    extra_repairs: Mapping[str, str] | None = None,
    positive: Sequence[str] | None = None,
    require_interactions: bool = True,
) -> Dataset:
    """A Dataset from pandas, polars or Arrow frames (interactions may be None on day zero). See ``build``."""
    parsed = spec if isinstance(spec, Spec) else Spec.parse(spec, where="spec")
    given = {"interactions": interactions, "items": items, "users": users, "blocks": blocks, "contacts": contacts}
    frames = {table: to_polars(table, frame) for table, frame in given.items() if frame is not None}
    rows, members = frames.get("interactions", pl.DataFrame()), frames.get("users")
    checked_items, notes = (frames["items"], []) if items is not None else implied_items(rows, members, parsed)
    tables = Tables(
        name, rows, checked_items, members, parsed,
        notes=notes, blocks=frames.get("blocks"), contacts=frames.get("contacts"),
    )  # fmt: skip
    return build(tables, extra_repairs=extra_repairs, positive=positive, require_interactions=require_interactions)


def to_polars(table: str, frame: Any) -> pl.DataFrame:
    """A pandas, polars or Arrow frame, or a DuckDB relation, as a polars frame. Raises DataError naming ``table``."""
    if isinstance(frame, pl.DataFrame):
        return frame
    import pandas as pd  # they take a quarter of a second to import, which one served list would wait for
    import pyarrow as pa

    try:
        if isinstance(frame, pd.DataFrame):
            named = [str(c) for c in frame.columns]
            return pl.from_pandas(frame.set_axis(named, axis=1) if named != list(frame.columns) else frame)
        rows = frame.collect() if isinstance(frame, pl.LazyFrame) else frame
        return rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows)
    except (pa.ArrowException, TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        message = f"{table}: not a pandas, polars or Arrow frame with one type per column ({str(error)[:200]})."
        raise DataError(f"{message} Give each column one type, for example frame.astype(str) for ids.") from None


def _describe(
    findings: Findings, table: str, frame: pl.DataFrame, stated: Mapping[str, str], spec: Spec
) -> tuple[pl.DataFrame, dict[str, str]]:
    """Checked keys, availability and features of items or users, and the role of each feature column."""
    features = [c for c in frame.columns if c not in (*STANDARD[table], ROW)]
    roles = {c: r for c, r in stated.items() if c in features}
    guesses = guess_roles(frame.select(features), roles, table)
    matched = {m.item if table == "items" else m.user for m in spec.match}
    for column, guess in guesses.items():
        role = "category" if guess.role == "ignore" and column in matched else guess.role
        roles[column] = role
        if guess.reason and role == guess.role:
            others = (r for r in (guess.instead, "multi", "text") if r != role)
            instead = next((r for r in others if to_form(frame[column], r) is not None), None)
            way = f" To say otherwise: 'features: {{{table}: {{{in_yaml(column)}: {instead}}}}}'" if instead else ""
            findings.note(table, column, f"guessed {role}: {guess.reason}.{way}")
    if guesses:
        log.info("guessed roles of %s: %s", table, ", ".join(f"{c}={roles[c]}" for c in guesses))
    roles = {c: roles[c] for c in features}
    frame = checks.keys(findings, table, frame)
    if table == "items":
        frame = time_checks.availability(findings, frame, spec.times)
    for column, role in roles.items():
        frame = checks.feature(findings, table, frame, column, role)
    return frame.select(*(c for c in STANDARD[table] if c in frame.columns), *features, ROW), roles


def _interactions(
    findings: Findings, frame: pl.DataFrame, items: pl.DataFrame | None, spec: Spec, required: bool
) -> pl.DataFrame:
    """Checked interactions in standard columns and types, sorted by time, nulls first, stable."""
    if not frame.height:
        if required and not any(p.table == "interactions" for p in findings.problems):
            hint = "".join(f" ({n.text})" for n in findings.notes if n.table == "interactions")
            findings.problem("interactions", None, "empty_table", 0, f"{structure.NO_DATA}{hint}")
        return _no_interactions(items)
    if not {"user_id", "item_id"} <= set(frame.columns):
        return _no_interactions(items)
    extra = [c for c in frame.columns if c not in (*STANDARD["interactions"], ROW)]
    if extra:
        log.info("columns of interactions without a use: %s", ", ".join(extra))
    frame = rows(findings, frame, None if items is None else items["item_id"], spec)
    frame = checks.duplicates(findings, frame)
    if spec.relation is not None and items is not None:
        frame = relation.links(findings, frame, spec.relation.symmetric, items["item_id"])
    columns = [frame.select(name) for name in STANDARD["interactions"]]
    del frame
    return by_time(columns)


def rows(findings: Findings, frame: pl.DataFrame, known: pl.Series | None, spec: Spec) -> pl.DataFrame:
    """Interactions after the checks of single rows: standard columns and types, and their row numbers.

    known: ids of the items; None where no table of items could be read.
    """
    frame = frame.select(c for c in (*STANDARD["interactions"], ROW) if c in frame.columns)
    frame = checks.keys(findings, "interactions", frame)
    frame = checks.event(findings, frame)
    bound = spec.positive.weight if isinstance(spec.positive, Threshold) else None
    frame = checks.weight(findings, frame, spec.read, bound)
    frame = time_checks.interaction_times(findings, frame, spec.times)
    if known is not None:
        unknown = ~frame["item_id"].is_in(known.implode())
        reason = "Interactions with items that the items table does not have."
        if near := ids.near_misses(frame["item_id"].filter(unknown), known) if unknown.any() else []:
            reason += (
                f" They would meet but for case, blanks, zeros or a trailing .0: {'; '.join(near)}. Write them alike."
            )
        frame = findings.apply(frame, "interactions", "item_id", "unknown_items", unknown, reason)
    return frame.select(*STANDARD["interactions"], ROW)


def _no_interactions(items: pl.DataFrame | None) -> pl.DataFrame:
    id_type = pl.String() if items is None else items["item_id"].dtype
    types = {"user_id": id_type, "item_id": id_type, "timestamp": UTC_US, "event": pl.String, "weight": pl.Float32}
    return pl.DataFrame(schema=types)  # type: ignore[arg-type]


def _with_everyone(users: pl.DataFrame | None, active_ids: pl.Series) -> pl.DataFrame:
    """Users described, plus a row without features for each user that only the interactions know."""
    active = active_ids.unique().to_frame()
    if users is None:
        return active.sort("user_id")
    users = users.drop(ROW)
    if not len(active_ids):
        return users.sort("user_id")
    return pl.concat([users, active.join(users, on="user_id", how="anti")], how="diagonal").sort("user_id")
