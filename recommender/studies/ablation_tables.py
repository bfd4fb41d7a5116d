"""What ``worth`` shows as tables: what each part brings, to whom, by which rung, and what all lists together reach."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from recommender.evaluation.audit import OUTCOMES
from recommender.evaluation.directions import LEGEND, arrow
from recommender.evaluation.exposure import SELECTED
from recommender.experiment.run_tables import USERS
from recommender.names import ALL, ROUTER
from recommender.studies import ablation_sentences as text
from recommender.studies.ablation_sentences import Row, Rows, label, places
from recommender.studies.engine.cell import Measured
from recommender.studies.engine.contrast import significant
from recommender.studies.engine.finding import Grid, grid, interval
from recommender.studies.engine.plan import Pair

PRICE = ("CPU s", "columns", "config keys")
WHOLE = ("item_coverage_at_10", "new_item_survival_at_20", "small_creator_survival_at_20")  # of a run's lists together


def parts(
    rows: Mapping[str, Rows], metric: str, costs: Mapping[str, Mapping[str, float]], pairs: Mapping[str, Pair]
) -> Grid:
    """One row per part of a study of mode ladder, by status and verdict: what is shown of it, and what it costs."""
    body = []
    for name in text.ordered(rows, metric, pairs):
        mine, pair, main = rows[name], pairs[name], rows[name].get(metric)
        verdict, aims = text.in_brief(mine, metric, pair), text.aims_of(mine, metric, pair)
        change = f"{text.ends(main)}, {_difference(main)}" if main else "–"
        place = text.status(pair) + f": {pair.what}" * (text.status(pair) == text.OWN)
        body.append([name, place, verdict, change, aims or "–", text.price(costs[name])])
    caption = (
        "What each part brings and costs. In what ships: yes; off (by default); own set-up (measured as said there, "
        "whether the part ships or not). a → b: a without it, b with it. Its aim: what it is there for beside "
        f"{label(metric)}, as far as measured. * significant. {LEGEND}"
    )
    heads = ["part", "in what ships", "shown", f"{_head(metric)}, difference", "its aim", "costs"]
    return grid(caption, heads, body)


def beside(rows: Mapping[str, Rows], metric: str, pairs: Mapping[str, Pair]) -> list[Grid]:
    """What each part does to what any of them is there for, where those are measured."""
    measured = {m for by_metric in rows.values() for m in by_metric}
    own = [m for m in dict.fromkeys(m for name in rows for m in pairs[name].metrics) if m in measured and m != metric]
    body = [[name, *(_difference(rows[name].get(m)) for m in own)] for name in text.ordered(rows, metric, pairs)]
    caption = f"What each does to the aims of all (with - without); * significant. {LEGEND}"
    return [grid(caption, ["part", *map(_head, own)], body)] if own else []


def assets(rows: Mapping[str, Rows], metric: str, costs: Mapping[str, Mapping[str, float]]) -> Grid:
    """One row per data asset: accuracy of the best rung, which that is with and without it, and costs."""
    body = []
    for name, by_metric in rows.items():
        main = by_metric.get(metric)
        body.append([name, _difference(main), _rungs(main) if main else "–", *_cost(costs[name])])
    caption = f"What each brings (with - without) and costs; * significant. {LEGEND}"
    return grid(caption, ["part", _head(metric), "best rung, without → with", *PRICE], body)


def by_bucket(table: pl.DataFrame, metric: str) -> Grid:
    """The decision's metric by user bucket. table: of ``ablation.effects``, of the lists that are shown."""
    rows = table.filter(pl.col("metric") == metric)
    columns = [b for b in USERS if b in rows["user_bucket"]]
    cells = {(r["pair"], r["user_bucket"]): r for r in rows.iter_rows(named=True)}
    body = [[name, *(_difference(cells.get((name, b))) for b in columns)] for name in _names(rows, "pair")]
    heads = ["part", *(USERS[b].replace("earlier ", "") for b in columns)]
    return grid(f"{label(metric)}, with - without, by how much is known of the user.", heads, body)


def by_rung(table: pl.DataFrame, metric: str) -> Grid:
    """The decision's metric of all users by rung. table: of ``ablation.effects``, of each rung."""
    rows = table.filter(pl.col("metric") == metric, pl.col("user_bucket") == ALL)
    rungs = _names(rows, "shown")
    cells = {(r["pair"], r["shown"]): r for r in rows.iter_rows(named=True)}
    body = [[name, *(_difference(cells.get((name, r))) for r in rungs)] for name in _names(rows, "pair")]
    return grid(f"{label(metric)}, with - without, by rung, all users.", ["part", *rungs], body)


def whole(found: Mapping[str, tuple[Measured, Measured]]) -> list[Grid]:
    """What all lists together reach, without and with each part that changes it."""
    reached = {name: [_reached(m) for m in pair] for name, pair in found.items()}
    shown = [metric for metric in WHOLE if any(metric in one for pair in reached.values() for one in pair)]
    rows = [
        [name, *(f"{_share(without, m)} → {_share(with_, m)}" for m in shown)]
        for name, (without, with_) in reached.items()
        if without != with_
    ]
    caption = f"Of all lists together, without → with; one value per run, so no interval. {LEGEND}"
    return [grid(caption, ["part", *map(_head, shown)], rows)] if rows else []


def impact(found: Mapping[str, tuple[Measured, Measured]]) -> list[Grid]:
    """The lowest impact ratio of selection by protected column, without and with each part that changes the lists."""
    rows = []
    for name, (without, with_) in found.items():
        for grouping in _groupings(with_):
            told = [_lowest(m, grouping) for m in (without, with_)]
            if all(told) and told[0] != told[1]:
                rows.append([name, grouping, *(str(t) for t in told)])
    heads = ["part", "protected", "without", "with"]
    return [grid("Lowest impact ratio of selection (group rate / best group's), 95%.", heads, rows)] if rows else []


def _head(metric: str) -> str:
    return label(metric) + arrow(metric)


def _names(rows: pl.DataFrame, column: str) -> list[str]:
    return rows[column].unique(maintain_order=True).to_list()


def _difference(row: Row | None) -> str:
    if row is None:
        return "–"
    return interval(row["difference"], row["ci_low"], row["ci_high"], places(row), sign=True) + " *" * significant(row)


def _cost(cost: Mapping[str, float]) -> list[str]:
    """Cells below ``PRICE``."""
    return [f"{cost['cpu_s']:+.1f}", f"{cost['columns']:+.0f}", f"{cost['keys']:.0f}"]


def _rungs(row: Row) -> str:
    """``als → ranker``, or the one name for both."""
    return " → ".join(dict.fromkeys([row["base_rung"], row["other_rung"]]))


def _reached(run: Measured) -> dict[str, float]:
    rows = run.metrics.filter(pl.col("metric").is_in(WHOLE), rung=ROUTER).drop_nulls("value")
    return dict(rows.select("metric", "value").iter_rows())


def _share(reached: Mapping[str, float], metric: str) -> str:
    return f"{reached[metric]:.1%}" if metric in reached else "–"


def _groupings(run: Measured) -> list[str]:
    return [] if run.audit is None else _names(run.audit, "grouping")


def _lowest(run: Measured, grouping: str) -> str | None:
    if run.audit is None:
        return None
    rows = run.audit.filter(
        pl.col("rung") == ROUTER, pl.col("outcome") == OUTCOMES[SELECTED], pl.col("grouping") == grouping, "counted"
    )
    rows = rows.with_columns(pl.col("ratio").fill_nan(None)).drop_nulls("ratio").sort("ratio")
    if rows.is_empty():
        return None
    row = rows.row(0, named=True)
    return f"{interval(row['ratio'], row['ratio_low'], row['ratio_high'], 2)} {row['group']}"
