"""Bias audit: are the users of each group shown favourable items as often as those of the best-served group?

Exposure, selection and hits by protected group and by their intersections, with the impact ratio of New
York City's Local Law 144 (rate of a group / rate of the group with the highest; 6 RCNY 5-301) and its
rule that groups under 2% may be left out. Four fifths is a rule of thumb of the US EEOC, not a proof.
"""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl

from recommender.config import Audit
from recommender.evaluation.evaluate import Group
from recommender.evaluation.kernels import weighted_sums
from recommender.evaluation.statistics import user_weights
from recommender.hashing import of_values
from recommender.names import ORACLE, ROUTER

OUTCOMES = {
    "selected_at_10": "selection",  # lists with enough favourable items
    "favourable_share_at_10": "exposure",  # share of the shown that is favourable
    "hit_rate_at_10": "hits",  # lists with an item that the user then took
    "taken_favourable_share": "taken",  # share of what was then taken that is favourable: the log's own
}
FOUR_FIFTHS = 0.8
ROUNDED = 1e-9  # shares of ten places often give a bound of 1, less or more by rounding alone
BETWEEN = " × "  # joins columns, and groups, of an intersection
SCHEMA = {
    **dict.fromkeys(("rung", "outcome", "grouping", "group"), pl.String),
    "n_users": pl.Int64,
    **dict.fromkeys(("rate", "ratio", "ratio_low", "ratio_high"), pl.Float64),
    **dict.fromkeys(("best", "counted", "differs"), pl.Boolean),
}


def audit_table(test: Group, audit: Audit, resamples: int, seed: int) -> pl.DataFrame:
    """Rows of audit.parquet: one per rung, outcome, grouping (each column, and all together) and group of users.

    test: the group of the test origin; each user counts once, by the first query. rate: mean of the outcome.
    ratio: to the group of the highest rate, with the 2.5 and 97.5 percentiles over bootstrap samples of users, in
    which that group stays the one compared with. counted: at least ``audit.min_share`` of the users who state a
    group; the others have no ratio, nor are they compared with. Users who state none stand in no group. differs: the
    ratio is below 1 with the interval widened for the number of groups compared (Bonferroni), as the lowest of many
    ratios is low by chance alone.
    """
    queries, outcomes = test.query_info[0], test.outcomes[0]
    names = [(rung, outcome) for rung in outcomes if rung != ORACLE for outcome in OUTCOMES]
    values = np.column_stack([outcomes[rung].values[outcome][queries.first] for rung, outcome in names])
    columns = {c: s.filter(pl.Series(queries.first)) for c, s in queries.groups.items() if c in audit.columns}
    groupings = {c: [c] for c in columns} | ({BETWEEN.join(columns): list(columns)} if len(columns) > 1 else {})
    keys = of_values(queries.user_ids.filter(pl.Series(queries.first)))
    rows = []
    for grouping, chosen in groupings.items():
        group = pl.select(pl.concat_str([columns[c] for c in chosen], separator=BETWEEN)).to_series()
        stated = group.is_not_null().to_numpy()
        if stated.any():
            states = group.filter(pl.Series(stated))
            rows += _audit(grouping, states, values[stated], keys[stated], names, audit, resamples, seed)
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").fill_nan(None)


def impact_ratios(table: pl.DataFrame, rung: str) -> dict[str, float]:
    """The lowest impact ratio of each outcome and column of a rung: ``impact_ratio/<column>`` for selection,
    ``impact_ratio_exposure/<column>``, ``impact_ratio_hits/<column>`` and ``impact_ratio_taken/<column>``."""
    lowest = table.filter(pl.col("rung") == rung, "counted").group_by("outcome", "grouping").agg(pl.col("ratio").min())
    return {
        f"impact_ratio{'' if outcome == 'selection' else '_' + outcome}/{grouping.replace(BETWEEN, '_by_')}": ratio
        for outcome, grouping, ratio in lowest.sort("outcome", "grouping").iter_rows()
        if ratio is not None
    }


def audit_sentences(table: pl.DataFrame, audit: Audit, rung: str = ROUTER) -> list[tuple[str, bool]]:
    """Sentences on each grouping's worst-served group, and whether its ratio is below four fifths by more than chance:
    of selection always, of what was taken only where that is so."""
    favourable = f"({audit.favourable.column} in the top {audit.favourable.top_share:.0%})"
    enough = f"at least {audit.at_least} favourable item{'s' * (audit.at_least > 1)} {favourable} among the first ten"
    rows = table.filter(pl.col("rung") == rung, "counted").drop_nulls("ratio")
    sentences = []
    for (outcome, grouping), groups in rows.group_by("outcome", "grouping", maintain_order=True):
        worst, best = groups.sort("ratio", "group").row(0, named=True), groups.filter("best").row(0, named=True)
        low = worst["ratio"] < FOUR_FIFTHS and worst["differs"]
        rates = f"{worst['rate']:.0%}", f"{best['rate']:.0%}"
        ratio = (
            f"impact ratio {worst['ratio']:.2f}, 95% interval {worst['ratio_low']:.2f} to {worst['ratio_high']:.2f}"
            f"{_verdict(low, worst['differs'], groups.height - 1)}"
        )
        if outcome == "selection":
            got = f"{rates[0]} of the users of '{worst['group']}' get {enough}; {rates[1]} of '{best['group']}'"
            sentences.append((f"Audit by {grouping}: {got}; {ratio}", low))
        elif outcome == "taken" and low:
            got = f"{rates[0]} of what users of '{worst['group']}' took is favourable {favourable}, {rates[1]} of"
            sentences.append((f"Audit of the log by {grouping}: {got} '{best['group']}': {ratio}", low))
    return sentences


def _verdict(low: bool, differs: bool, others: int) -> str:
    if low:
        return ", below four fifths. Groups may also seek different items: look before you judge."
    return f"; the lowest of {others} may be as low by chance." if others > 1 and not differs else "."


def _audit(
    grouping: str,
    group: pl.Series,
    values: np.ndarray,
    keys: np.ndarray,
    names: list[tuple[str, str]],
    audit: Audit,
    resamples: int,
    seed: int,
) -> list[tuple[object, ...]]:
    labels, rate = _rates(group, values)
    size = np.array([(group == label).sum() for label in labels])
    counted = size >= audit.min_share * len(group)
    best = np.where(counted[:, None], np.nan_to_num(rate, nan=-1.0), -2.0).argmax(axis=0)
    samples = _resampled(group, labels, values, keys, resamples, seed)
    column = np.arange(len(names))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = rate / rate[best, column]
        drawn = samples / samples[:, best, column][:, None]
    ratio[~counted] = np.nan
    # A sample in which the group compared with gets nothing has no ratio.
    low, high, above = _quantiles(drawn, (0.025, 0.975, 1 - 0.025 / max(counted.sum() - 1, 1)))
    rows: list[tuple[object, ...]] = []
    for c, (rung, outcome) in enumerate(names):
        for g, label in enumerate(labels):
            known = np.isfinite(ratio[g, c])
            bounds = (low[g, c], high[g, c]) if known else (None, None)
            differs = bool(known and above[g, c] < 1 - ROUNDED)
            rows.append((rung, OUTCOMES[outcome], grouping, label, size[g], rate[g, c], ratio[g, c], *bounds,
                         bool(best[c] == g), bool(counted[g]), differs))  # fmt: skip
    return rows


def _quantiles(drawn: np.ndarray, at: tuple[float, ...]) -> np.ndarray:
    """Over the first axis, samples that are not finite left out: float64 (len(at), n_groups, n_columns)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a cell without any sample: it is NaN
        return np.nanquantile(np.where(np.isfinite(drawn), drawn, np.nan), at, axis=0)


def _rates(group: pl.Series, values: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Groups, ascending, and their mean of each column of ``values``, NaN left out, float64 (n_groups, n_columns)."""
    from fairlearn.metrics import MetricFrame  # takes seconds to import

    def means(_: object, rows: object) -> np.ndarray:  # all columns at once: the frame's own loop takes a second
        of_users = values[np.asarray(rows)]
        known = ~np.isnan(of_users)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(known, of_users, 0).sum(axis=0) / known.sum(axis=0))

    rows = np.arange(len(group))
    by_group = MetricFrame(metrics=means, y_true=rows, y_pred=rows, sensitive_features=group.to_numpy()).by_group
    return list(by_group.index), np.stack(by_group.to_numpy())


def _resampled(
    group: pl.Series, labels: list[str], values: np.ndarray, keys: np.ndarray, resamples: int, seed: int
) -> np.ndarray:
    """Rates of bootstrap samples of users, float64 (resamples, n_groups, n_columns)."""
    rows, defined, width = [np.flatnonzero(group == label) for label in labels], ~np.isnan(values), values.shape[1]
    both = np.hstack([np.where(defined, values, 0), defined])
    rates = []
    for weights in user_weights(keys, resamples, seed):
        sums = np.stack([weighted_sums(weights, of_group, both[of_group]) for of_group in rows])
        with np.errstate(divide="ignore", invalid="ignore"):
            rates.append(np.moveaxis(sums[:, :width] / sums[:, width:], 2, 0))
    return np.concatenate(rates)
