"""The checks of the gate on keys, events, weights and features. Each returns the frame after the named repairs."""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from recommender.data import ids
from recommender.data.column_names import in_yaml
from recommender.data.findings import ROW, Findings, short
from recommender.data.forms import as_text, misfits, numbers, to_form
from recommender.data.read.table_file import plain_numbers
from recommender.data.spec import KEYS, Read
from recommender.data.threshold import threshold

_PAIR = ["user_id", "item_id", "event", "timestamp"]
_AT_ONCE = 2**20  # rows that are hashed: what is made of all at once would be the peak of the memory


def keys(findings: Findings, table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """No null or spoilt ids; in items and users, one row per id."""
    for key in ("user_id", "item_id") if table == "interactions" else (KEYS[table],):
        frame = findings.apply(frame, table, key, "null_ids", frame[key].is_null(), "Rows without an id.")
        frame = ids.spoilt(findings, frame, table, key)
    if table == "interactions":
        return frame
    key = KEYS[table]
    last = findings.actions.get("duplicate_ids") == "keep_last"
    repeated = ~(frame[key].is_last_distinct() if last else frame[key].is_first_distinct())
    return findings.apply(frame, table, key, "duplicate_ids", repeated, "Rows whose id another row has already.")


def event(findings: Findings, frame: pl.DataFrame) -> pl.DataFrame:
    """event: String, 'interaction' where there is no such column."""
    if "event" not in frame.columns:
        return frame.with_columns(event=pl.lit("interaction"))
    text = as_text(frame["event"])
    if text is None:
        advice = f"Events are strings, not {frame['event'].dtype}."
        findings.offending(frame, "interactions", "event", "wrong_type", frame["event"].is_not_null(), advice)
        return frame.with_columns(event=pl.lit("interaction"))
    missing = text.is_null() | (text == "").fill_null(False)
    if bool(missing.all()):
        return frame.with_columns(event=pl.lit("interaction"))
    frame = frame.with_columns(event=text.set(missing, None))
    reason = "Rows without an event where others have one ('keep' = of the kind 'interaction')."
    frame = findings.apply(frame, "interactions", "event", "missing_events", frame["event"].is_null(), reason)
    return frame.with_columns(pl.col("event").fill_null("interaction"))


def weight(findings: Findings, frame: pl.DataFrame, read: Read, bound: str | None) -> pl.DataFrame:
    """weight: Float32 above 0 (or 0 where kept), 1 where there is no column; any finite number outside ``bound``,
    which says what counts as taken."""
    if "weight" not in frame.columns:
        return frame.with_columns(weight=pl.lit(1, pl.Float32))
    given = frame["weight"]
    if given.dtype == pl.String:
        number = plain_numbers(given, read).str.strip_chars().cast(pl.Float64, strict=False)
    elif given.dtype.is_numeric() or given.dtype in (pl.Boolean, pl.Null):
        number = given.cast(pl.Float64)
    else:
        advice = f"Weights are numbers of at least 0, not {given.dtype}."
        findings.offending(frame, "interactions", "weight", "wrong_type", given.is_not_null(), advice)
        return frame.with_columns(weight=pl.lit(1, pl.Float32))
    single = number.cast(pl.Float32, strict=False)
    within = pl.col("weight") > -math.inf if bound is None else threshold(bound)
    taken = single.alias("weight").to_frame().select(within.fill_null(True)).to_series()
    broken = single.is_null() | ~single.is_finite() | (taken & (single < 0))
    reason = "Weights that are missing, no number, negative, not finite or too large for 32 bits."
    if bool((single < 0).any()):
        reason += " Where those below 0 are dislikes, 'positive: {weight: \">= 0\"}' in dataset.yaml keeps them so."
    if given.dtype == pl.String and bool((numbers(given).is_not_null() & number.is_null()).any()):
        reason += (
            " Some look like numbers with a currency, percent or a mark between thousands: 'read: {thousands: \",\"}'"
        )
        reason += " in dataset.yaml reads 1,234."
    # Repairs act on the number, messages show the value.
    frame = frame.with_columns(weight=single, __given__=given)
    frame = findings.apply(frame, "interactions", "weight", "bad_weights", broken, reason, show="__given__")
    zero = frame.select((pl.col("weight") == 0) & within).to_series()
    reason = (
        "Weights of 0: taken, or not taken? 'drop' removes these rows, 'keep' counts them as taken, and "
        "'positive: {weight: \"> 0\"}' in dataset.yaml keeps them as not taken."
    )
    frame = findings.apply(frame, "interactions", "weight", "zero_weights", zero, reason, show="__given__")
    return frame.drop("__given__").with_columns(pl.col("weight").cast(pl.Float32))


def duplicates(findings: Findings, frame: pl.DataFrame) -> pl.DataFrame:
    """Later rows with the user, item, event and time of an earlier one.

    Where no row has a time they may be repeats of another day, so they are kept and noted.
    """
    repeated = repeats(frame)
    if repeated is None:
        return frame
    if frame["timestamp"].null_count() == frame.height and "duplicates" not in findings.actions:
        pairs = frame.filter(repeated).head(3).select("user_id", "item_id").rows()
        some = ", ".join(f"user {short(user, quoted=False)} item {short(item, quoted=False)}" for user, item in pairs)
        n = int(repeated.sum())
        text = f"user, item and event of an earlier row again in {n:,} row{'s' * (n != 1)} ({some}); kept."
        findings.note("interactions", None, text)
        return frame
    if findings.actions.get("duplicates") == "sum":
        total = frame.group_by(_PAIR).agg(pl.col("weight").cast(pl.Float64).sum().cast(pl.Float32).alias("__sum__"))
        joined = frame.join(total, on=_PAIR, how="left", nulls_equal=True, maintain_order="left")
        frame = joined.with_columns(weight="__sum__").drop("__sum__")
    reason = "Rows with the user, item, event and time of an earlier row ('sum' adds up their weights)."
    show = "timestamp" if frame["timestamp"].null_count() < frame.height else "item_id"
    frame = findings.apply(frame, "interactions", "timestamp", "duplicates", repeated, reason, show=show)
    if findings.actions.get("duplicates") == "sum":
        frame = frame.filter(frame.select(pl.struct(_PAIR).is_first_distinct()).to_series())
    return frame


def repeats(frame: pl.DataFrame) -> pl.Series | None:
    """Which rows have the user, item, event and time of an earlier one, Boolean; None: no row has.

    Equal rows have equal hashes. So only rows that share a hash are compared value by value, which takes seven times
    as long and ten times the memory.
    """
    from recommender.data.kernels import perhaps_repeated  # compiles: not for those who only check items

    hashed = pl.sum_horizontal(pl.col(c).hash(seed) for seed, c in enumerate(_PAIR))
    marks = np.empty(frame.height, np.uint64)
    for start in range(0, frame.height, _AT_ONCE):
        marks[start : start + _AT_ONCE] = frame.slice(start, _AT_ONCE).select(hashed).to_series().to_numpy()
    some = perhaps_repeated(marks)
    marks = marks[some]
    ordered = np.sort(marks)
    shared = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(shared):
        return None
    some = some[pl.Series(marks).is_in(pl.Series(shared).unique().implode()).to_numpy()]
    later = ~frame[some].select(pl.struct(_PAIR).is_first_distinct()).to_series()
    if not bool(later.any()):
        return None
    repeated = np.zeros(frame.height, bool)
    repeated[some] = later.to_numpy()
    return pl.Series(repeated)


def feature(findings: Findings, table: str, frame: pl.DataFrame, column: str, role: str) -> pl.DataFrame:
    """A feature column in the form of its role; numbers and embeddings finite, embeddings of one length."""
    given = frame[column]
    formed = to_form(given, role)
    if formed is None:
        way = f"state another role, such as 'features: {{{table}: {{{in_yaml(column)}: ignore}}}}', or mend it"
        missing = (
            " A value that means 'missing' can be stated: 'read: {null_values: [\"?\"]}'."
            if given.dtype == pl.String
            else ""
        )
        advice = f"The role {role} does not fit these values of type {short_type(given.dtype)}; {way}.{missing}"
        findings.offending(frame, table, column, "wrong_type", misfits(given, role), advice)
        return frame
    frame = frame.with_columns(formed.alias(column))
    if role == "numeric":
        reason = "Numbers that are not finite."
        return findings.apply(frame, table, column, "bad_numbers", formed.is_infinite(), reason, "set_null")
    if role != "embedding":
        return frame
    sound = pl.element().is_not_null() & pl.element().is_finite()
    broken = ~formed.list.eval(sound.fill_null(False)).list.all()
    reason = "Embeddings with values that are missing or not finite."
    frame = findings.apply(frame, table, column, "bad_embeddings", broken, reason, "set_null")
    lengths = frame[column].list.len()
    usual = lengths.drop_nulls().mode().sort()
    if not len(usual):
        return frame
    reason = f"Embeddings that do not have the {usual[-1]} numbers that most have."
    return findings.apply(frame, table, column, "ragged_embeddings", lengths != usual[-1], reason, "set_null")


def short_type(dtype: pl.DataType) -> str:
    """The name of a column's type, at most 60 characters of it."""
    text = str(dtype)
    return text if len(text) <= 60 else f"{text[:57]}..."


def note_unmet_users(findings: Findings, users: pl.DataFrame, interactions: pl.DataFrame) -> None:
    """Notes the share of active users without a row in users where it is large, or where keys nearly meet."""
    active = interactions["user_id"].unique(maintain_order=True)
    missing = active.filter(~active.is_in(users["user_id"].implode()))
    if not len(missing):
        return
    near = ids.near_misses(missing, users["user_id"].filter(~users["user_id"].is_in(active.implode())))
    met = 1 - len(missing) / len(active)
    if met >= 0.5 and not near:
        return
    text = f"{len(active) - len(missing):,} of {len(active):,} users with interactions have a row in users ({met:.0%})."
    some = ", ".join(repr(str(value))[:60] for value in missing.head(3))
    hint = (
        f"These would meet but for case, blanks, zeros or a trailing .0: {'; '.join(near)}. Write them alike."
        if near
        else f"Without one: {some}; users has {', '.join(repr(str(v))[:60] for v in users['user_id'].head(3))}."
    )
    findings.note("users", "user_id", text, hint)


def note_counted_later(
    findings: Findings, items: pl.DataFrame, roles: dict[str, str], interactions: pl.DataFrame
) -> None:
    """Notes numbers whose rank follows the items' uses: most likely totals, counted after the fact."""
    uses = interactions["item_id"].value_counts(name="__uses__")
    counted = items.select("item_id", *(c for c, r in roles.items() if r == "numeric"), ROW).join(uses, on="item_id")
    for column in (c for c, r in roles.items() if r == "numeric"):
        known = counted.filter(pl.col(column).is_not_null())
        if known.height < 30 or known[column].n_unique() < 3:
            continue
        rank = known.select(pl.corr(column, "__uses__", method="spearman")).item()
        if rank is not None and rank > 0.8:
            findings.note(
                "items",
                column,
                f"its rank follows how often items are used (correlation {rank:.2f}). If it was counted after it, "
                f"it gives answers away: state 'features: {{items: {{{in_yaml(column)}: ignore}}}}'.",
            )
