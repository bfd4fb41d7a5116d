"""The checks of the gate on which columns there are: names, stated roles, match pairs."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from recommender.data.findings import ROW, Findings
from recommender.data.spec import STANDARD, Spec
from recommender.errors import nearest

NO_DATA = "There are no interactions; to start without any, set day_zero=true (SET='day_zero=true')."


def rename(found: Findings, table: str, frame: pl.DataFrame, spec: Spec) -> pl.DataFrame:
    """Standard names in place of the file's; missing and clashing columns are reported; row numbers added."""
    required = ("user_id", "item_id") if table == "interactions" else STANDARD[table][:1]
    if not frame.width and table == "interactions":
        return frame
    wanted = {s: spec.columns[s] for s in STANDARD[table] if s in spec.columns and spec.columns[s] != s}
    for standard, own in wanted.items():
        if own in frame.columns and standard in frame.columns:
            advice = f"dataset.yaml maps {standard} to '{own}', but a column '{standard}' is there too; remove one."
            found.problem(table, own, "ambiguous_column", frame.height, advice)
            frame = frame.drop(standard)
    frame = frame.rename({own: standard for standard, own in wanted.items() if own in frame.columns})
    for standard in STANDARD[table]:
        named = spec.columns.get(standard, standard)
        if standard not in frame.columns and (standard in required or standard in wanted):
            advice = f"No column '{named}'{nearest(named, frame.columns)}."
            found.problem(
                table, named, "missing_column", frame.height, f"{advice} Name it under 'columns' in dataset.yaml."
            )
    if not frame.height and table != "interactions":  # of interactions there may be none, on day zero
        advice = "The table has no rows. " + ("Remove it if nothing is known of users." if table == "users" else "")
        found.problem(table, None, "empty_table", 0, advice.strip())
    if "timestamp" in wanted and table == "interactions" and "timestamp" not in frame.columns:
        frame = frame.with_columns(timestamp=pl.lit(None))  # reported above, once
    return frame.with_columns(pl.int_range(1, pl.len() + 1).alias(ROW))


def mapped_columns(found: Findings, frames: Mapping[str, pl.DataFrame], spec: Spec) -> None:
    """Reports what ``columns`` maps from no table at all, though each has the standard name: most likely a typo.

    frames: as given, before ``rename``, which reports what it misses in one table.
    """
    for standard, own in spec.columns.items():
        holders = {t: f for t, f in frames.items() if standard in STANDARD[t] and f.width}
        everywhere = all(standard in f.columns for f in holders.values())
        if holders and everywhere and not any(own in f.columns for f in holders.values()):
            table, frame = next(iter(holders.items()))
            hint = nearest(own, frame.columns)
            advice = f"dataset.yaml maps {standard} to '{own}', but there is no such column{hint}"
            found.problem(table, own, "missing_column", frame.height, advice)


def stated_roles(
    found: Findings, table: str, frame: pl.DataFrame | None, stated: Mapping[str, str], spec: Spec
) -> None:
    columns = [] if frame is None else [c for c in frame.columns if c != ROW]
    for column, role in stated.items():
        if column in STANDARD[table] or column in (spec.columns.get(s) for s in STANDARD[table]):
            advice = f"It is a standard column and cannot have the role {role}; remove it from 'features'."
            found.problem(table, column, "reserved_column", 0, advice)
        elif frame is None:
            advice = f"dataset.yaml gives it the role {role}, but there is no {table} table."
            found.problem(table, column, "missing_column", 0, advice)
        elif column not in columns:
            advice = f"dataset.yaml gives it the role {role}, but there is no such column{nearest(column, columns)}"
            found.problem(table, column, "missing_column", frame.height, advice)


def match_columns(found: Findings, spec: Spec, roles: Mapping[str, Mapping[str, str]]) -> None:
    for pair in spec.match:
        sides = {"users": pair.user, "items": pair.item}
        for table, column in sides.items():
            role = roles.get(table, {}).get(column)
            if role is None:
                there = (
                    f"such column{nearest(column, roles[table])}"
                    if roles.get(table)
                    else f"{table} table with features."
                )
                advice = f"'match' names it, but there is no {there}"
                found.problem(table, column, "missing_column", 0, advice)
            elif role in ("protected", "ignore"):
                advice = f"'match' would make it a model feature, but its role is {role}; remove one of the two."
                found.problem(table, column, f"{role}_in_match", 0, advice)
        kinds = {roles.get("users", {}).get(pair.user), roles.get("items", {}).get(pair.item)}
        if "embedding" in kinds and len(kinds) == 2 and None not in kinds:
            advice = f"An embedding can only match an embedding, not items.{pair.item}."
            found.problem("users", pair.user, "match_types", 0, advice)
