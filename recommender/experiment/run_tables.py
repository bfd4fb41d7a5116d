"""Tables of a run's folder: pure functions, shared by the HTML report and the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl

from recommender.evaluation.metric_table import METRICS, REGRET
from recommender.experiment.run_folder import RunFolder
from recommender.names import IN_SESSION, ORACLE, RETURNING, USER_BUCKETS, WITH_HISTORY

BUCKETS = (*USER_BUCKETS, "all")  # what tables show; "with_history" only stands behind decisions
LABELS = {"0": "none", "1_2": "1–2", "3_9": "3–9", "10_plus": "10+", "all": "all"}
USERS = {
    "0": "users with no history",
    "1_2": "users with 1–2 earlier interactions",
    "3_9": "users with 3–9 earlier interactions",
    "10_plus": "users with 10 or more earlier interactions",
    "all": "all users",
}
# Short enough for an axis.
GROUPS = {"all": "all users", "0": "new users"} | {b: f"{LABELS[b]} earlier" for b in ("1_2", "3_9", "10_plus")}
_VISITS = ("", IN_SESSION, RETURNING)
FALLBACK_SHARE = 0.5  # a cell with less of its lists from the rung itself mostly measures the fallback


def users(segments: Sequence[str], away_days: float) -> str:
    """Who they are: user buckets, ``WITH_HISTORY``, and their ``_in_session`` and ``_returning`` parts; whole groups
    by their name."""
    segments = [b for s in segments for b in (USER_BUCKETS[1:] if s == WITH_HISTORY else [s])]
    back = f" who come back after {away_days:g} day{'s' * (away_days != 1)} or more"
    groups = []
    for kind, suffix in zip(_VISITS, ("", " in the midst of a visit", back), strict=True):
        buckets = [b for b in USER_BUCKETS if b + kind in segments]
        if buckets == list(USER_BUCKETS):
            groups.append(f"all users{suffix}")
        elif buckets[-3:] == list(USER_BUCKETS[1:]):
            groups += [*(USERS[b] + suffix for b in buckets[:-3]), f"users with history{suffix}"]
        elif buckets:
            names = [USERS[b].removeprefix("users ") for b in buckets]
            groups.append(f"users {' or '.join(names)}{suffix}")
    return ", and ".join(groups)


def cells(
    metrics: pl.DataFrame,
    rungs: Sequence[str],
    metric: str,
    across: str,
    slice_name: str = "all",
    slice_value: str = "all",
) -> pl.DataFrame:
    """One metric of the test origin, one row per rung and value of ``across``, in the order of ``rungs``.

    across: ``user_bucket`` (within ``slice_value``), ``item_bucket`` or ``slice_value`` (all of
    ``slice_name``); the other segments are held at ``all``. Returns rung, column, value, ci_low, ci_high,
    n_queries, answered_share; null where a value is not defined.
    """
    held = {"user_bucket": "all", "item_bucket": "all", "slice_value": slice_value, "slice": slice_name}
    del held[across]
    rows = metrics.filter(pl.col("split") == "test", pl.col("metric") == metric, **held)
    if across == "item_bucket":
        rows = rows.filter(pl.col("item_bucket") != "all")
    if across == "user_bucket":
        rows = rows.filter(pl.col("user_bucket").is_in(BUCKETS))
    order = pl.col("rung").replace_strict(
        {r: i for i, r in enumerate(rungs)}, default=len(rungs), return_dtype=pl.Int64
    )
    place = pl.col("column").replace_strict({b: i for i, b in enumerate(BUCKETS)}, default=-1, return_dtype=pl.Int64)
    return (
        rows.rename({across: "column"})
        .select("rung", "column", pl.col("value", "ci_low", "ci_high").fill_nan(None), "n_queries", "answered_share")
        .sort(order, place, "column")
    )


def mark(cells: pl.DataFrame, comparisons: pl.DataFrame, metric: str, alpha: float) -> pl.DataFrame:
    """Adds is_best (highest value of its column among rungs that fill most places
    themselves; of equals the first rung, the simplest) and
    ties_best (compared with the best, Holm-adjusted p >= ``alpha``; false where never compared)."""
    best = (
        cells.with_row_index("place")
        .filter(pl.col("rung") != ORACLE)  # nobody could ship it
        .filter(pl.col("answered_share").fill_null(1.0) >= FALLBACK_SHARE)  # else the fallback would get the star
        .drop_nulls("value")
        .sort("value", "place", descending=[True, False])
        .group_by("column")
        .agg(best=pl.col("rung").first())
    )
    pairs = comparisons.filter(pl.col("metric") == metric, pl.col("p_holm") >= alpha)
    ties = pl.concat(
        pairs.select(best=one, rung=other, column="user_bucket", ties_best=pl.lit(True))
        for one, other in (("rung_a", "rung_b"), ("rung_b", "rung_a"))
    ).unique()
    return (
        cells.join(best, on="column", how="left", maintain_order="left")
        .join(ties, on=["column", "best", "rung"], how="left", maintain_order="left")
        .with_columns(
            is_best=(pl.col("rung") == pl.col("best")).fill_null(False), ties_best=pl.col("ties_best").fill_null(False)
        )
        .drop("best")
    )


def ladder(run: RunFolder) -> pl.DataFrame:
    """The headline metric by rung and user bucket on the test origin, marked; columns of ``cells`` and ``mark``."""
    headline = cells(run.metrics, run.rungs, run.metric, "user_bucket")
    return mark(headline, run.comparisons, run.metric, run.decision.alpha)


def seconds(run: RunFolder) -> pl.DataFrame:
    """Fit and recommend of the test origin, null where not measured: rung, fit_cpu_s, recommend_cpu_s, cpu_s, wall_s.

    The router is charged with the fits of the rungs that it serves from (``effort.charged``).
    """
    rows = run.spent.filter(pl.col("split") == "test", pl.col("stage").is_in(["fit", "recommend"]))
    of = {stage: pl.col("cpu_s").filter(pl.col("stage") == stage) for stage in ("fit", "recommend")}
    summed = rows.group_by("rung").agg(
        fit_cpu_s=of["fit"].sum(), recommend_cpu_s=of["recommend"].sum(), cpu_s=pl.sum("cpu_s"), wall_s=pl.sum("wall_s")
    )
    known = pl.DataFrame({"rung": run.rungs}, schema={"rung": pl.String})
    return known.join(summed, on="rung", how="left", maintain_order="left")


def regret(run: RunFolder) -> pl.DataFrame:
    """Oracle - rung, by user bucket on the test origin; columns of ``cells``, no row without a truth to ask."""
    return cells(run.metrics, run.rungs, REGRET, "user_bucket").filter(pl.col("rung") != ORACLE)


def stages(effort: pl.DataFrame, rungs: Sequence[str]) -> pl.DataFrame:
    """Whole train, all origins, null for a stage that a rung does not have: rung (first ``rungs``, then what
    is shared), CPU seconds of each stage, wall_s, peak_mb, threads."""
    names = effort["stage"].unique(maintain_order=True).to_list()
    cpu = {f"{n}_cpu_s": pl.col("cpu_s").filter(pl.col("stage") == n).sum() for n in names}
    ran = {f"{n}_ran": (pl.col("stage") == n).any() for n in names}
    summed = effort.group_by("rung").agg(
        **cpu, **ran, wall_s=pl.sum("wall_s"), peak_mb=pl.max("peak_mb"), threads=pl.max("threads")
    )
    shared = [r for r in effort["rung"].unique(maintain_order=True) if r not in rungs]
    known = pl.DataFrame({"rung": [*rungs, *shared]}, schema={"rung": pl.String})
    return (
        known.join(summed, on="rung", how="inner", maintain_order="left")
        .with_columns(pl.when(f"{n}_ran").then(f"{n}_cpu_s").alias(f"{n}_cpu_s") for n in names)
        .drop(f"{n}_ran" for n in names)
    )


def other_metrics(run: RunFolder) -> pl.DataFrame:
    """All users, test origin: rung and one column per metric that is not the headline; null where undefined."""
    rows = run.metrics.filter(
        pl.col("split") == "test",
        ~pl.col("metric").is_in([run.metric, REGRET]),
        user_bucket="all",
        item_bucket="all",
        slice="all",
    )
    written = set(rows["metric"])
    names = [m for m in METRICS if m in written] + sorted(written - set(METRICS))
    wide = rows.with_columns(pl.col("value").fill_nan(None)).pivot("metric", index="rung", values="value")
    known = pl.DataFrame({"rung": run.rungs}, schema={"rung": pl.String})
    return known.join(wide, on="rung", how="inner", maintain_order="left").select("rung", *names)


def small(cells: pl.DataFrame, run: RunFolder) -> pl.DataFrame:
    """The columns of ``cells`` with fewer queries than the scenario calls enough: column, n_queries."""
    thin = cells.filter(pl.col("rung") != ORACLE, pl.col("n_queries") < run.scenario.decision.thin)
    return thin.group_by("column", maintain_order=True).agg(pl.max("n_queries"))


def warnings(run: RunFolder) -> list[str]:
    """What a reader must know before trusting the numbers: the train's own warnings, thin buckets, hindsight."""
    lines = [str(w) for w in run.data.get("warnings", [])]
    # The train says so itself; a result that is not honest in time must never be shown without it.
    timeless = not run.data.get("has_times", True) and not run.scenario.day_zero  # day zero evaluates nothing
    if timeless and not any("time" in w for w in lines):
        lines.append("The data have no times: the split is random, so this evaluation is not honest in time.")
    thin = small(ladder(run).filter(pl.col("column") != "all"), run)
    if thin.height:
        listed = "; ".join(f"{USERS.get(c, c)}: n={n}" for c, n in thin.iter_rows())
        few = run.scenario.decision.thin
        lines.append(f"Few test queries (under {few}), so their numbers may move a lot: {listed}.")
    return [*lines, *(row["sentence"] for row in run.hindsight)]


def number(value: float | None, digits: int = 3) -> str:
    """``"0.026"``; an en dash where there is no value."""
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def interval(low: float | None, high: float | None, digits: int = 3) -> str:
    """``"0.020 to 0.032"``; empty where there is none."""
    return "" if low is None or high is None else f"{number(low, digits)} to {number(high, digits)}"


def digits(values: pl.Series) -> int:
    """Decimals that a table of these values needs: 4 where all are below 0.02, else 3."""
    top = values.fill_nan(None).abs().max()
    return 4 if top is not None and top < 0.02 else 3  # type: ignore[operator]
