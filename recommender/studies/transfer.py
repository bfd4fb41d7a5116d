"""transfer: can the recipe that validation chose in one scenario be used unchanged in another?

Cells: mode ladder, one per scenario, which decide; then every recipe in every scenario (mode test, label ``recipe``).
Tables, one per user bucket: percent of what the scenario's own recipe gives (used in, a column per recipe).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from recommender.config import Rung
from recommender.evaluation.metric_table import metric_label, metric_labels
from recommender.evaluation.rounding import with_interval
from recommender.experiment.run_tables import USERS
from recommender.names import ALL, RETURNING, USER_BUCKETS
from recommender.studies.engine.contrast import ratio_interval
from recommender.studies.engine.finding import NOT_ENOUGH, Finding, grid, not_enough
from recommender.studies.engine.measured import Measured
from recommender.studies.engine.plan import DATA, SCENARIO, Cell, Study

RECIPE = "recipe"  # the label of second cells: whose recipe it is
LEAST = 30  # queries of a bucket that is shown
RESAMPLES = 1000


@dataclass(frozen=True)
class Recipe:
    """What a scenario decided: the rung of each segment, and the rungs with the parameters chosen there."""

    routes: Mapping[str, str]
    ladder: Sequence[Rung]


def recipe(run: Measured) -> Recipe:
    """The recipe that a cell in ladder mode chose."""
    decision = run.decision
    ladder = [
        r.model_copy(update={"params": decision.parameters[r.name], "candidates": []})
        for r in run.scenario.ladder
        if r.name in decision.routes.values()
    ]
    return Recipe(decision.routes, ladder)


def more(study: Study, runs: Sequence[Measured]) -> list[Cell]:
    """The second cells: every recipe in every scenario; none once they are there.

    The scenario's simplest rung stands in each, so that a recipe of which no rung can be used is measured as that.
    """
    if any(RECIPE in r.labels for r in runs):
        return []
    recipes = {r.labels[SCENARIO]: recipe(r) for r in runs}

    def ladder(run: Measured, chosen: Recipe) -> list[Rung]:
        simplest = run.scenario.ladder[0]
        return [*([] if simplest.name in {r.name for r in chosen.ladder} else [simplest]), *chosen.ladder]

    return [
        Cell({**r.labels, RECIPE: name}, r.scenario.model_copy(update={"ladder": ladder(r, chosen)}), "test")
        for r in runs
        for name, chosen in recipes.items()
    ]


@dataclass(frozen=True)
class Ratio:
    """Percent of what the scenario's own recipe gives, with its 95% interval; NaN where rungs are ``lacking``."""

    percent: float
    low: float
    high: float
    n: int
    lacking: tuple[str, ...]  # rungs of the recipe that cannot be used here


def matrix(runs: Sequence[Measured]) -> dict[tuple[str, str, str], Ratio | None]:
    """(used in, recipe of, user bucket) -> what it gives there; None where there are too few queries to tell."""
    chosen = {r.labels[SCENARIO]: recipe(r) for r in runs if RECIPE not in r.labels}
    used = {(r.labels[SCENARIO], r.labels[RECIPE]): r for r in runs if RECIPE in r.labels}
    sites = [s for s in chosen if (s, s) in used]
    metrics = deciding_metrics(runs)

    def ratio(to: str, home: str, bucket: str) -> Ratio | None:
        run = used.get((to, home))
        if run is None:
            return None
        lacking = tuple(sorted({r for r in chosen[home].routes.values() if r not in run.rungs}))
        base = _served(used[to, to], chosen[to], bucket, metrics[to])
        both = base.join(_served(run, chosen[home], bucket, metrics[to]), on="user_id", suffix=":other")
        if lacking:
            return Ratio(np.nan, np.nan, np.nan, both.height, lacking)
        values = both.select("value", "value:other").to_numpy().T.astype(np.float64)
        if both.height < LEAST or not values[0].any():
            return None
        low, high = ratio_interval(values, RESAMPLES, 0)
        return Ratio(100 * values[1].mean() / values[0].mean(), 100 * low, 100 * high, both.height, ())

    keys = [(to, home, bucket) for to in sites for home in sites for bucket in (ALL, *USER_BUCKETS)]
    return {key: ratio(*key) for key in keys}


def deciding_metrics(runs: Sequence[Measured]) -> dict[str, str]:
    """Scenario -> the metric that it decides by, in which every recipe is measured there."""
    return {r.labels[SCENARIO]: r.scenario.decision.metric for r in runs}


def _served(run: Measured, chosen: Recipe, bucket: str, metric: str) -> pl.DataFrame:
    """user_id and value of each query of the bucket, by the rung that the recipe routes it to."""
    rows = run.values.filter("first") if bucket == ALL else run.values.filter(pl.col("user_bucket") == bucket)
    back = pl.when("returning").then(pl.lit(RETURNING)).otherwise(pl.lit(""))
    segments = rows.select("user_bucket", segment=pl.col("user_bucket") + back).iter_rows()
    rungs = [chosen.routes.get(segment, chosen.routes[bucket]) for bucket, segment in segments]
    return rows.filter(rows["rung"] == pl.Series(rungs)).select("user_id", value=metric)


def analyse(study: Study, runs: Sequence[Measured]) -> list[Finding]:
    """One matrix for all users, and one per user bucket; a sentence for each recipe used elsewhere."""
    out = Finding("One scenario's recipe in another")
    ratios = matrix(runs)
    sites = list(dict.fromkeys(to for to, _, _ in ratios))
    if len(sites) < 2:
        out.sentences.append(f"{NOT_ENOUGH}: a transfer needs two scenarios that could be measured.")
        return [out]
    metrics = deciding_metrics(runs)
    deciding = {r.labels[SCENARIO]: r for r in runs if RECIPE not in r.labels}
    for bucket in (ALL, *USER_BUCKETS):
        rows = [
            [f"{to} ({deciding[to].labels[DATA]})", *(_percent(ratios[to, s, bucket], to == s) for s in sites)]
            for to in sites
        ]
        caption = (
            f"{metric_labels(metrics.values())} of {USERS[bucket]}: percent of what the scenario's own recipe gives."
        )
        out.grids.append(grid(caption, ["used in", *(f"recipe of {s}" for s in sites)], rows))
    for to, home in ((to, s) for to in sites for s in sites if s != to):
        rungs = ", ".join(dict.fromkeys(recipe(deciding[home]).routes.values()))
        out.sentences.append(
            f"The recipe of {home} ({rungs}) in {to}{_outcome(ratios[to, home, ALL], metric_label(metrics[to]))}."
        )
    out.notes.append(
        "A recipe: which rung serves which users, with the parameters chosen on the validation periods of its own "
        "scenario. It is fitted anew on the other's data, and compared on its test period, paired by user, with what "
        "that scenario chose for itself. That choice was made on validation too, so more than 100% is possible. Places "
        "for new items, blends and re-rankers are left out."
    )
    return [out]


def _percent(ratio: Ratio | None, is_home: bool) -> str:
    if ratio is None:
        return "–"
    if ratio.lacking:
        return f"lacks {', '.join(ratio.lacking)}"
    return "100" if is_home else with_interval(ratio.percent, ratio.low, ratio.high, 0)


def _outcome(ratio: Ratio | None, label: str) -> str:
    if ratio is None:
        return f": {not_enough}, it could not be measured"
    if ratio.lacking:
        return f" cannot be used: the data have nothing for {', '.join(ratio.lacking)}"
    verdict = "more" if ratio.low > 100 else "less" if ratio.high < 100 else "no difference is shown"
    percent = with_interval(ratio.percent, ratio.low, ratio.high, 0)
    return f" gives {percent} percent of the {label} of its own recipe: {verdict} (n={ratio.n:,})"
