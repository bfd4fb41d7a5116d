"""The checks of the gate on which columns there are: names, stated roles, places, match pairs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import polars as pl

from recommender.data.column_names import in_yaml
from recommender.data.findings import ROW, Findings, short
from recommender.data.forms import to_place
from recommender.data.spec import STANDARD, Spec
from recommender.data.times import parse_times, within_calendar
from recommender.errors import nearest, tidy

NO_DATA = "There are no interactions; to start without any, set day_zero=true (SET='day_zero=true')."
_LATITUDE, _LONGITUDE = ("latitude", "lat"), ("longitude", "lon", "lng", "long")


def rename(findings: Findings, table: str, frame: pl.DataFrame, spec: Spec) -> pl.DataFrame:
    """Standard names in place of the file's; missing and clashing columns are reported; row numbers added."""
    required = ("user_id", "item_id") if table == "interactions" else STANDARD[table][:1]
    if not frame.width and table == "interactions":
        return frame
    frame = pl.DataFrame([within_calendar(c) for c in _without_reserved(findings, table, frame).get_columns()])
    wanted = spec.names(table)
    for standard, column in wanted.items():
        if column in frame.columns and standard in frame.columns:
            advice = f"dataset.yaml maps {standard} to '{column}', but a column '{standard}' is there too; remove one."
            findings.problem(table, column, "ambiguous_column", frame.height, advice)
            frame = frame.drop(standard)
    twice = [column for column in wanted.values() if list(wanted.values()).count(column) > 1]
    if twice:
        advice = "dataset.yaml maps more than one standard column to it; each needs a column of its own."
        findings.problem(table, twice[0], "ambiguous_column", frame.height, advice)
        wanted = {s: column for s, column in wanted.items() if column not in twice[1:]}
    row = _header_row(frame, table)
    if row and any(s not in frame.columns for s in required):
        advice = (
            "The first line holds values, no names: the file has no header. Add a line with the names of the columns."
        )
        findings.problem(table, None, "no_header", 0, advice, *row)
        wanted = {}
    frame = frame.rename(
        {column: standard for standard, column in wanted.items() if column in frame.columns}, strict=False
    )
    for standard in STANDARD[table]:
        named = wanted.get(standard, standard)
        if not row and standard not in frame.columns and (standard in required or standard in wanted):
            close = nearest(named, frame.columns)
            advice = (
                f"No column '{named}'{close}. Name it in dataset.yaml: "
                f"'columns: {{{table}: {{{standard}: {in_yaml(_candidate(named, standard, frame.columns))}}}}}'."
            )
            findings.problem(table, named, "missing_column", frame.height, advice)
    if not frame.height and table != "interactions":  # of interactions there may be none, on day zero
        advice = "The table has no rows. " + ("Remove it if nothing is known of users." if table == "users" else "")
        findings.problem(table, None, "empty_table", 0, advice.strip())
    if "timestamp" in wanted and table == "interactions" and "timestamp" not in frame.columns:
        frame = frame.with_columns(timestamp=pl.lit(None))  # reported above, once
    return frame.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias(ROW))


def _candidate(named: str, standard: str, columns: list[str]) -> str:
    """The column that is most likely meant, for the line of dataset.yaml that states it."""
    same = [c for c in columns if tidy(c) in (tidy(named), tidy(standard))]
    if standard.endswith("_id") and not same:
        same = [c for c in columns if tidy(c).endswith("id") and c not in STANDARD["interactions"]]
    close = difflib.get_close_matches(named, columns, 1, 0.5) or difflib.get_close_matches(standard, columns, 1, 0.4)
    return (same or close or ["its name in the file"])[0]


def _without_reserved(findings: Findings, table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Names that mean something to the machinery inside (patterns, and what it adds itself) are refused."""
    reserved = [c for c in frame.columns if c == "*" or c.startswith("^") or (c.startswith("__") and c.endswith("__"))]
    for column in reserved:
        advice = "Names such as '*', '^...' and '__...__' are reserved. Rename the column in the file, or remove it."
        findings.problem(table, column[:60], "reserved_column", frame.height, advice)
    return pl.DataFrame([c for c in frame.get_columns() if c.name not in reserved]) if reserved else frame


def _header_row(frame: pl.DataFrame, table: str) -> list[str]:
    """Names of columns that look like values, where no column has a standard name; else none."""
    if {*frame.columns} & {*STANDARD[table]} or not frame.width:
        return []
    names = pl.Series(frame.columns)
    times = parse_times(names.set(~names.str.contains(r"^\d{4}-\d{1,2}-\d{1,2}|^\d{9,}$"), None))
    timed = [] if times is None else names.filter(times.values.is_not_null()).to_list()
    again = [c for c in frame.columns if frame[c].dtype == pl.String and bool((frame[c] == c).any())]
    return [*timed, *again]


def mapped_columns(findings: Findings, frames: Mapping[str, pl.DataFrame], spec: Spec) -> None:
    """Reports what ``columns`` maps from no table at all, though each has the standard name: most likely a typo.

    frames: as given, before ``rename``, which reports what it misses in one table.
    """
    for standard, column in spec.columns.items():
        if not isinstance(column, str):
            continue
        holders = {t: f for t, f in frames.items() if spec.names(t).get(standard) == column and f.width}
        everywhere = all(standard in f.columns for f in holders.values())
        if holders and everywhere and not any(column in f.columns for f in holders.values()):
            table, frame = next(iter(holders.items()))
            hint = nearest(column, frame.columns)
            advice = f"dataset.yaml maps {standard} to '{column}', but there is no such column{hint}"
            findings.problem(table, column, "missing_column", frame.height, advice)


def locations(
    findings: Findings, table: str, frame: pl.DataFrame, spec: Spec, stated: Mapping[str, str]
) -> pl.DataFrame:
    """One column of places from a latitude and a longitude column: stated under ``locations``, or known by name."""
    pairs = dict(spec.locations.get(table, {}))
    lower = {c.lower(): c for c in frame.columns if c not in stated}
    lat, lon = (next((lower[n] for n in names if n in lower), None) for names in (_LATITUDE, _LONGITUDE))
    if not pairs and lat is not None and lon is not None and "location" not in frame.columns:
        pairs = {"location": [lat, lon]}
        findings.note(table, "location", f"made of the columns {lat} and {lon}")
    for column, sides in pairs.items():
        columns = [c for c in frame.columns if c != ROW]
        absent = [c for c in sides if c not in columns]
        if absent or (column in frame.columns and column not in sides):
            advice = f"'locations' names it, but there is no such column{nearest(sides[0], columns)}"
            clash = f"'locations' makes a column '{column}', but there is one already; choose another name."
            findings.problem(table, absent[0] if absent else column, "missing_column", 0, advice if absent else clash)
            continue
        place, misfit = to_place(frame[sides[0]], frame[sides[1]], column)
        if place is None or bool(misfit.any()):
            advice = f"Latitudes lie between -90 and 90, longitudes between -180 and 180; {sides[1]} is the other side."
            findings.offending(frame, table, sides[0], "wrong_type", misfit, advice)
            place = pl.Series(column, [None] * frame.height, pl.Struct({"lat": pl.Float64, "lon": pl.Float64}))
        frame = frame.drop(sides).with_columns(place.alias(column))
    return frame


def stated_roles(
    findings: Findings, table: str, frame: pl.DataFrame | None, stated: Mapping[str, str], spec: Spec
) -> None:
    """Adds a problem for each stated role that is unknown, or of a column that is standard or not there."""
    columns = [] if frame is None else [c for c in frame.columns if c != ROW]
    for column, role in stated.items():
        if column in STANDARD[table] or column in spec.names(table).values():
            advice = f"It is a standard column and cannot have the role {role}; remove it from 'features'."
            findings.problem(table, column, "reserved_column", 0, advice)
        elif frame is None:
            advice = f"dataset.yaml gives it the role {role}, but there is no {table} table."
            findings.problem(table, column, "missing_column", 0, advice)
        elif column not in columns:
            advice = f"dataset.yaml gives it the role {role}, but there is no such column{nearest(column, columns)}"
            findings.problem(table, column, "missing_column", frame.height, advice)


def match_columns(findings: Findings, spec: Spec, roles: Mapping[str, Mapping[str, str]]) -> None:
    """Both columns of a pair exist, may be features, and hold what can be compared."""
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
                findings.problem(table, column, "missing_column", 0, advice)
            elif role in ("protected", "ignore"):
                advice = f"'match' would make it a model feature, but its role is {role}; remove one of the two."
                findings.problem(table, column, f"{role}_in_match", 0, advice)
        kinds = roles.get("users", {}).get(pair.user), roles.get("items", {}).get(pair.item)
        for alone, noun in (("embedding", "An embedding"), ("numeric", "A number")):
            if alone in kinds and kinds[0] != kinds[1] and None not in kinds:
                advice = (
                    f"{noun} can only match {noun.lower()}: users.{short(pair.user, quoted=False)} is {kinds[0]} and "
                    f"items.{short(pair.item, quoted=False)} {kinds[1]}. State one role for both."
                )
                findings.problem("users", pair.user, "match_types", 0, advice)
