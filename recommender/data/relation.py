"""Data whose items are its users: one table of members, links in both directions, blocks and address books.

``relation: {symmetric: true}`` in dataset.yaml says so. Two more tables may lie beside the others: ``blocks`` (user_id,
item_id: whom a member blocks) and ``contacts`` (user_id, contact_key: keyed hashes of a member's address book, as
``make contacts-hash`` writes them), each with an optional timestamp since when the row holds. They become list columns
of the members, which no model reads as a feature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from recommender.data.contact_keys import is_plain
from recommender.data.dataset import NO_TIME, Dataset, microseconds
from recommender.data.findings import Findings
from recommender.data.ids import as_ids
from recommender.data.spec import KEYS, Features, MatchSpec, Spec, Tables
from recommender.data.times import UTC_US, parse_times

CONTACT_KEY = "contact_key"  # of a member: the keyed hash under which address books hold them
LISTS = {"blocks": "item_id", "contacts": CONTACT_KEY}  # table -> the column beside user_id
SINCE = "_since"  # ends the name of the list of times beside a list
NO_FEATURES = (CONTACT_KEY, *LISTS, *(f"{name}{SINCE}" for name in LISTS))
_MATCHED = ("category", "multi", "text")
_TIMES = ("available_from", "expires_at")


def as_members(frames: Mapping[str, pl.DataFrame], spec: Spec) -> tuple[dict[str, pl.DataFrame], Spec]:
    """One table of members for items and users; a role that is stated for one of them holds for both."""
    ready = _members(frames)
    stated = {**spec.features.users, **spec.features.items, **dict.fromkeys(NO_FEATURES, "ignore")}
    there = {c: role for c, role in stated.items() if c in ready["items"].columns or c not in NO_FEATURES}
    return ready, spec.model_copy(update={"features": Features(items=there, users=dict(there))})


def described(
    findings: Findings,
    tables: Tables,
    spec: Spec,
    frames: dict[str, pl.DataFrame],
    roles: dict[str, dict[str, str]],
) -> Spec:
    """Puts blocks and contacts into the checked ``frames`` of items and users, in place; where no ``match`` is stated,
    members match by each column in which they can be alike (company, school, place)."""
    ids = next((frame[KEYS[name]].dtype for name, frame in frames.items()), pl.String())
    given = {"blocks": tables.blocks, "contacts": tables.contacts}
    checked = {name: _checked(findings, name, table, ids) for name, table in given.items() if table is not None}
    for name, frame in frames.items():
        frames[name] = _with_lists(frame, KEYS[name], checked)
        if name == "users" and CONTACT_KEY in frame.columns:
            _no_addresses(findings, name, frame[CONTACT_KEY].cast(pl.String))
        roles[name].update({c: "ignore" for c in frames[name].columns if c in NO_FEATURES})
    hidden = {c for table in roles.values() for c, role in table.items() if role == "protected"}
    for table in roles.values():  # a column that is protected in one table is so in both
        table.update(dict.fromkeys(hidden & set(table), "protected"))
    same = [MatchSpec(user=c, item=c) for c, role in roles.get("users", {}).items() if role in _MATCHED]
    return spec if spec.match else spec.model_copy(update={"match": same})


def _members(frames: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The frames with the same members and columns in ``items`` and ``users``; times of availability stay with items.

    Where both tables describe a member by the same column, each keeps its own value.
    """
    items, users = frames["items"], frames.get("users", pl.DataFrame({"user_id": []}))
    if "item_id" not in items.columns or "user_id" not in users.columns:
        return dict(frames)  # a problem that is reported already
    users = users.rename({"user_id": "item_id"}).cast({"item_id": items["item_id"].dtype})
    items, users = _joined(items, users), _joined(users, items)
    return {**frames, "items": items, "users": users.drop(_TIMES, strict=False).rename({"item_id": "user_id"})}


def _joined(frame: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """``frame`` with the columns and rows that only ``other`` has."""
    known = other.drop_nulls("item_id").unique("item_id", keep="first", maintain_order=True)
    more = [c for c in other.columns if c not in frame.columns]
    wider = frame.join(known.select("item_id", *more), on="item_id", how="left", maintain_order="left")
    rest = known.join(frame, on="item_id", how="anti", maintain_order="left")
    return pl.concat([wider, rest], how="diagonal_relaxed")


def links(findings: Findings, frame: pl.DataFrame, symmetric: bool, known: pl.Series) -> pl.DataFrame:
    """Checked links: between two different ``known`` members; a symmetric one as two rows of one time."""
    stranger = ~frame["user_id"].is_in(known.implode())
    reason = "Links of members that neither the users nor the items table has."
    frame = findings.apply(frame, "interactions", "user_id", "unknown_items", stranger, reason)
    to_self = frame["user_id"] == frame["item_id"]
    frame = findings.apply(frame, "interactions", "item_id", "self_links", to_self, "Links of a member to themselves.")
    if not symmetric or not frame.height:
        return frame
    ordered = pl.col("user_id") < pl.col("item_id")
    low = pl.when(ordered).then("user_id").otherwise("item_id")
    high = pl.when(ordered).then("item_id").otherwise("user_id")
    frame = frame.with_columns(low.alias("__low__"), high.alias("__high__"))
    link = ["__low__", "__high__", "event"]
    time = pl.col("timestamp").dt.epoch("us").fill_null(NO_TIME)
    later = frame.select(time > time.min().over(link)).to_series()
    reason = "Rows of a symmetric link that another row dates earlier; a link has one time in both directions."
    frame = findings.apply(frame, "interactions", "timestamp", "link_times", later, reason)
    once = frame.unique(link, keep="first", maintain_order=True).with_row_index("__link__")
    there = once.with_columns(user_id="__low__", item_id="__high__")
    back = once.with_columns(user_id="__high__", item_id="__low__")
    both = pl.concat([there, back]).sort("__link__", maintain_order=True)
    return both.drop("__link__", "__low__", "__high__")


def _with_lists(members: pl.DataFrame, key: str, checked: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """``members`` (items or users by ``key``) with a list column per table of LISTS, null where empty."""
    for name, rows in checked.items():
        entries = [pl.col(LISTS[name]).alias(name)] + [pl.col("timestamp").alias(f"{name}{SINCE}")] * (
            "timestamp" in rows.columns
        )
        lists = rows.group_by("user_id", maintain_order=True).agg(entries).rename({"user_id": key})
        members = members.join(lists, on=key, how="left", maintain_order="left")
    return members


def _checked(findings: Findings, name: str, table: pl.DataFrame, ids: pl.DataType) -> pl.DataFrame:
    """user_id, the other column and perhaps timestamp, without nulls and repeats."""
    other = LISTS[name]
    if missing := [c for c in ("user_id", other) if c not in table.columns]:
        advice = f"It holds user_id, {other} and perhaps timestamp. Name them so."
        findings.problem(name, missing[0], "missing_column", table.height, advice)
        return pl.DataFrame(schema={"user_id": ids, other: ids if other == "item_id" else pl.String()})
    value = as_ids(table[other], ids) if other == "item_id" else table[other].cast(pl.String)
    rows = table.with_columns(as_ids(table["user_id"], ids), value.alias(other))
    if other == CONTACT_KEY:
        _no_addresses(findings, name, value)
    if "timestamp" in rows.columns:
        parsed = parse_times(rows["timestamp"])
        if parsed is None or parsed.unparsable.any():
            findings.problem(name, "timestamp", "unparsable_times", rows.height, "Give UTC times, or leave them out.")
            return rows.select("user_id", other).clear()
        rows = rows.with_columns(parsed.values.cast(UTC_US).alias("timestamp"))
    present = [c for c in ("user_id", other, "timestamp") if c in rows.columns]
    rows = rows.select(present).drop_nulls(["user_id", other])
    if lost := table.height - rows.height:
        findings.note(name, None, f"{lost:,} rows name nobody, or an id that no member can have; left out.")
    return rows.sort("timestamp", nulls_last=False) if "timestamp" in present else rows.unique(maintain_order=True)


def _no_addresses(findings: Findings, table: str, keys: pl.Series) -> None:
    """Reports keys that are no hashes. They are not shown: not even a message may carry a third party's address."""
    if plain := int(is_plain(keys).sum()):
        advice = "They are addresses, not keyed hashes. Run `make contacts-hash` first."
        findings.problem(table, keys.name, "plain_contacts", plain, advice)


def whole_links(data: Dataset) -> Dataset:
    """``data`` without rows of a symmetric relation whose other direction is not there; other data as they are."""
    if not data.symmetric:
        return data
    rows, back = data.interactions, ["item_id", "user_id"]
    others = rows.select(back).unique()
    whole = rows.join(others, left_on=["user_id", "item_id"], right_on=back, how="semi", maintain_order="left")
    return replace(data, interactions=whole)


def entries(table: pl.DataFrame, column: str) -> pl.DataFrame:
    """One line per entry of a list column: ``row`` of the table, ``value``, ``since`` (int64 microseconds; NO_TIME:
    always). A column of single values counts as lists of one; none where there is no such column."""
    if column not in table.columns or table[column].dtype == pl.Null:
        return pl.DataFrame(schema={"row": pl.Int64, "value": pl.String, "since": pl.Int64})
    since = f"{column}{SINCE}"
    dated = since in table.columns and table[since].dtype != pl.Null
    frame = table.select(pl.int_range(pl.len()).alias("row"), pl.col(column).alias("value"), *[since] * dated)
    if isinstance(frame["value"].dtype, pl.List):
        frame = frame.drop_nulls("value").explode("value", *[since] * dated)
    frame = frame.drop_nulls("value")
    start = microseconds(frame[since]) if dated else np.full(frame.height, NO_TIME)
    return frame.select("row", "value").with_columns(pl.Series("since", start))


def holds(since: np.ndarray, as_of: np.ndarray) -> np.ndarray:
    """Whether an entry holds at a time, bool (n,): always where neither is stated. Both int64 microseconds (n,)."""
    return np.asarray((since == NO_TIME) | (as_of == NO_TIME) | (since <= as_of))
