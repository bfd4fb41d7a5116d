"""transfer: the recipe chosen in one scenario used unchanged in another, in percent of what its own gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from recommender.config import Rung, Scenario
from recommender.experiment.run_tables import USERS, metric_label
from recommender.names import ALL, RETURNING, USER_BUCKETS, WITH_HISTORY
from recommender.studies.engine.cell import Measured
from recommender.studies.engine.curves import resampled
from recommender.studies.engine.finding import NOT_ENOUGH, Finding, grid, interval, not_enough
from recommender.studies.engine.plan import DATA, SCENARIO, Cell, Study

RECIPE = "recipe"  # the label of second cells: whose recipe it is
LEAST = 30  # queries of a bucket that is shown


@dataclass(frozen=True)
class Recipe:
    """What a scenario decided: the rung of each segment, and the rungs with the parameters chosen there."""

    routes: Mapping[str, str]
    ladder: Sequence[Rung]


def recipe(run: Measured) -> Recipe:
    """Of a cell in ladder mode."""
    decision = run.decision
    routes = {b: c["rung"] for b, c in decision["buckets"].items() if b != WITH_HISTORY}
    routes |= {b + RETURNING: c["rung"] for b, c in decision["returning"].items() if b != WITH_HISTORY}
    served = set(routes.values())
    ladder = [
        r.model_copy(update={"params": decision["parameters"][r.name], "candidates": []})
        for r in run.scenario.ladder
        if r.name in served
    ]
    return Recipe(routes, ladder)


def more(study: Study, runs: Sequence[Measured]) -> list[Cell]:
    """The second cells: every recipe in every scenario; none once they are there."""
    if any(RECIPE in r.labels for r in runs):
        return []
    recipes = {r.labels[SCENARIO]: recipe(r) for r in runs}
    return [
        Cell({**r.labels, RECIPE: name}, _with(r.scenario, made), "test")
        for r in runs
        for name, made in recipes.items()
    ]


def _with(scenario: Scenario, made: Recipe) -> Scenario:
    return scenario.model_copy(update={"ladder": list(made.ladder)})


def analyse(study: Study, runs: Sequence[Measured]) -> list[Finding]:
    """One matrix for all users, and one per user bucket."""
    chosen = {r.labels[SCENARIO]: recipe(r) for r in runs if RECIPE not in r.labels}
    used = {(r.labels[SCENARIO], r.labels[RECIPE]): r for r in runs if RECIPE in r.labels}
    places = [s for s in chosen if (s, s) in used]
    out = Finding("One scenario's recipe in another")
    if len(places) < 2:
        out.sentences.append(f"{NOT_ENOUGH}: a transfer needs two scenarios that could be measured.")
        return [out]
    label = metric_label(runs[0].scenario.decision.metric)
    all_cells = matrix(runs)
    for bucket in (ALL, *USER_BUCKETS):
        cells = {(to, source): all_cells[to, source, bucket] for to in places for source in places}
        rows = [
            [f"{to} ({_data(used[to, to])})", *(_told(cells[to, source], to == source) for source in places)]
            for to in places
        ]
        caption = f"{label} of {USERS[bucket]}: percent of what the scenario's own recipe gives."
        out.grids.append(grid(caption, ["used in", *(f"recipe of {s}" for s in places)], rows))
        if bucket == ALL:
            out.sentences += [
                _sentence(cells[to, s], s, to, label, chosen[s]) for to in places for s in places if s != to
            ]
    out.notes.append(
        "A recipe: which rung serves which users, with the parameters chosen on the validation periods of its own "
        "scenario. It is fitted anew on the other's data, and compared on its test period, paired by user, with what "
        "that scenario chose for itself (also on validation, so more than 100% is possible). Places for new items, "
        "blends and re-rankers are left out."
    )
    return [out]


@dataclass(frozen=True)
class Ratio:
    """Percent of what the scenario's own recipe gives, with its 95% interval; NaN where rungs are ``lacking``."""

    percent: float
    low: float
    high: float
    n: int
    lacking: tuple[str, ...]  # rungs of the recipe that cannot be used here


def matrix(runs: Sequence[Measured]) -> dict[tuple[str, str, str], Ratio | None]:
    """(used in, recipe of, user bucket) -> what it gives there; None where too few queries tell."""
    chosen = {r.labels[SCENARIO]: recipe(r) for r in runs if RECIPE not in r.labels}
    used = {(r.labels[SCENARIO], r.labels[RECIPE]): r for r in runs if RECIPE in r.labels}
    places = [s for s in chosen if (s, s) in used]
    metric = runs[0].scenario.decision.metric
    return {
        (to, source, bucket): _ratio(used.get((to, source)), used[to, to], chosen[source], chosen[to], bucket, metric)
        for to in places
        for source in places
        for bucket in (ALL, *USER_BUCKETS)
    }


def _ratio(
    other: Measured | None, own: Measured, theirs: Recipe, ours: Recipe, bucket: str, metric: str
) -> Ratio | None:
    if other is None:
        return None
    lacking = tuple(sorted({r for r in theirs.routes.values() if r not in other.rungs}))
    a, b = (_served(m, made, bucket, metric) for m, made in ((own, ours), (other, theirs)))
    both = a.join(b, on="user_id", suffix=":other")
    if both.height < LEAST or lacking:
        return Ratio(np.nan, np.nan, np.nan, both.height, lacking) if lacking else None
    values = both.select("value", "value:other").to_numpy().T.astype(np.float64)
    if not values[0].any():
        return None
    drawn = resampled(values, np.arange(both.height), 1000, 0)
    ratio = 100 * drawn[:, 1] / np.maximum(drawn[:, 0], 1e-12)
    low, high = np.percentile(ratio, [2.5, 97.5])
    return Ratio(100 * values[1].mean() / values[0].mean(), float(low), float(high), both.height, ())


def _served(run: Measured, made: Recipe, bucket: str, metric: str) -> pl.DataFrame:
    """user_id and value of each query of the bucket, by the rung that the recipe routes it to."""
    rows = run.values.filter("first") if bucket == ALL else run.values.filter(pl.col("user_bucket") == bucket)
    back = pl.when("returning").then(pl.lit(RETURNING)).otherwise(pl.lit(""))
    segment = rows.select(s=pl.col("user_bucket") + back)["s"]
    fallback = rows["user_bucket"].to_list()
    wanted = [made.routes.get(s, made.routes[b]) for s, b in zip(segment, fallback, strict=True)]
    return rows.filter(rows["rung"] == pl.Series(wanted)).select("user_id", value=metric)


def _data(run: Measured) -> str:
    return run.labels[DATA]


def _told(cell: Ratio | None, own: bool) -> str:
    if cell is None:
        return "–"
    if cell.lacking:
        return f"lacks {', '.join(cell.lacking)}"
    return "100" if own else interval(cell.percent, cell.low, cell.high, 0)


def _sentence(cell: Ratio | None, source: str, to: str, label: str, made: Recipe) -> str:
    rungs = ", ".join(dict.fromkeys(made.routes.values()))
    head = f"The recipe of {source} ({rungs}) in {to}"
    if cell is None:
        return f"{head}: {not_enough}, it could not be measured."
    if cell.lacking:
        return f"{head} cannot be used: the data have nothing for {', '.join(cell.lacking)}."
    percent = interval(cell.percent, cell.low, cell.high, 0)
    if cell.low > 100 or cell.high < 100:
        word = "more" if cell.low > 100 else "less"
        return f"{head} gives {percent} percent of the {label} of its own recipe: {word} (n={cell.n:,})."
    return f"{head} gives {percent} percent of the {label} of its own recipe: no difference is shown (n={cell.n:,})."
