"""What each part of a scenario, or each data asset, is worth: with it against without it, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from recommender.audit import OUTCOMES
from recommender.evaluate import ALL
from recommender.exposure import SELECTED
from recommender.report.tables import LABELS, USERS, metric_label
from recommender.rungs import ROUTER
from recommender.studies.cell import Measured, by_place
from recommender.studies.finding import NOT_ENOUGH, Finding, Grid, grid, interval, not_enough
from recommender.studies.paired import Contrast, contrast
from recommender.studies.plan import PAIR, SCENARIO, STATE, WITH, WITHOUT, Pair, Study, pairs_of

ALPHA = 0.05
WHOLE = ("item_coverage_at_10", "new_item_survival_at_20", "small_creator_survival_at_20")  # of a run's lists together
_NOT_METRICS = ("user_id", "as_of", "user_bucket", "first", "returning", "rung", "answered_share")
_CPU_NOISE = 0.2  # CPU seconds that two runs of the same thing easily differ by


def analyse(study: Study, runs: Sequence[Measured]) -> list[Finding]:
    """A finding per scenario and data set: with - without, paired by user."""
    return [_finding(study, place, mine) for place, mine in by_place(runs).items()]


def partners(runs: Sequence[Measured], pairs: Mapping[str, Pair]) -> dict[str, tuple[Measured, Measured]]:
    """Pair -> its cells (without, with); pairs that lack one, because it failed, are left out."""
    found = {(r.labels[PAIR], r.labels[STATE]): r for r in runs}
    whole = {
        name: (found.get((name, WITHOUT)), found.get((name, WITH) if pair.with_ else ("", WITH)))
        for name, pair in pairs.items()
    }
    return {name: (a, b) for name, (a, b) in whole.items() if a and b}


def keys(one: Measured, other: Measured) -> int:
    """Configuration keys that ``other`` states and ``one`` does not, or states otherwise."""
    a, b = (dict(_leaves(m.scenario.model_dump(mode="json", exclude_unset=True))) for m in (one, other))
    return sum(a.get(key, _ABSENT) != value for key, value in b.items() if value is not None)


_ABSENT = object()


def _leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a configuration with its dotted key; entries of a list go by their names, or places."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _leaves(value, f"{path}.{key}")
    elif isinstance(tree, list) and tree and all(isinstance(entry, Mapping) for entry in tree):
        for place, entry in enumerate(tree):
            yield from _leaves(entry, f"{path}.{entry.get('name', place)}")
    else:
        yield path, tree


def effects(study: Study, runs: Sequence[Measured], pairs: Mapping[str, Pair], only: str | None = None) -> pl.DataFrame:
    """Rows of ``paired.contrast`` with - without for each pair: of the router in ladder mode; else of each rung,
    and of the best rung with against the best without (``rung`` = "best", chosen by the same queries).

    Metrics beside the decision's for all users only. only: the decision's metric of router or best alone; quicker.
    """
    found = partners(runs, pairs)
    scenario = runs[0].scenario
    metric = scenario.decision.metric
    shown, by_rung = [], []
    for name, (without, with_) in found.items():
        if study.mode == "ladder":
            shown.append(Contrast(f"{name}\t{ROUTER}", without, with_, ROUTER, ROUTER))
            continue
        best = [max(m.rungs, key=lambda r, m=m: _mean(m, r, metric)) for m in (without, with_)]  # type: ignore[misc]
        shown.append(Contrast(f"{name}\tbest", without, with_, best[0], best[1]))
        by_rung += [Contrast(f"{name}\t{r}", without, with_, r, r) for r in with_.rungs if r in without.rungs]
    columns = {c for a, b in found.values() for c in {*a.values.columns, *b.values.columns}}
    others = sorted(columns - {*_NOT_METRICS, metric})
    # Each its own family of tests: what is shown, everything else about it, and the rungs behind it.
    tables = [contrast(shown, [metric], scenario.bootstrap, scenario.seed)]
    if not only:
        tables.append(contrast(shown, others, scenario.bootstrap, scenario.seed, buckets=False))
        tables.append(contrast(by_rung, [metric], scenario.bootstrap, scenario.seed, buckets=False))
    split = pl.col("name").str.split("\t")
    return pl.concat(tables).with_columns(pair=split.list.first(), shown=split.list.last())


def _mean(run: Measured, rung: str, metric: str) -> float:
    rows = run.values.filter("first", pl.col("rung") == rung)[metric]
    return float(rows.mean() or 0.0)  # type: ignore[arg-type]


def _finding(study: Study, place: str, runs: Sequence[Measured]) -> Finding:
    scenario = runs[0].labels[SCENARIO]
    pairs = pairs_of(study, scenario)
    found = partners(runs, pairs)
    out = Finding(place)
    if not found:
        out.sentences.append(f"{NOT_ENOUGH}: no pair of runs is complete for {scenario}.")
        return out
    table = effects(study, runs, pairs)
    metric = runs[0].scenario.decision.metric
    shown = ROUTER if study.mode == "ladder" else "best"
    costs = {name: cost_of(a, b, shown) for name, (a, b) in found.items()}
    head = table.filter(pl.col("shown") == shown, pl.col("user_bucket") == ALL)
    rows = {name: {r["metric"]: r for r in head.filter(pair=name).iter_rows(named=True)} for name in found}
    out.sentences.append(_verdicts(rows, metric, pairs))
    out.sentences += [_sentence(name, pairs[name], rows[name], metric, costs[name]) for name in found]
    out.grids.append(_headline(found, head, metric, costs, pairs))
    out.grids.append(_by_bucket(table, metric, shown))
    if study.mode == "ladder":
        out.grids += _whole(found) + _impact(found)
    if study.mode == "test":
        out.grids.append(_by_rung(table, metric))
    out.notes.append(
        "Differences are with - without, paired by user on the test period, with 95% bootstrap intervals over users; "
        "p by flipping signs, Holm-adjusted over the parts. CPU seconds: fit and recommend at the test origin, one "
        f"run, so differences below {_CPU_NOISE:g} mean nothing. "
        + ("best = the most accurate rung with it against the most accurate without it." if shown == "best" else "")
    )
    if missing := [n for n in pairs if n not in found]:
        out.notes.append(f"Not measured: {', '.join(missing)}.")
    return out


def cost_of(without: Measured, with_: Measured, rung: str) -> dict[str, float]:
    """What ``with_`` takes more: cpu_s of the router or, for any other ``rung``, of all rungs; columns; keys."""

    def spent(m: Measured) -> float:
        return m.seconds.get(rung, 0.0) if rung == ROUTER else sum(m.seconds.values())

    return {
        "cpu_s": spent(with_) - spent(without),
        "columns": with_.columns - without.columns,
        "keys": float(keys(without, with_)),
    }


def _verdicts(rows: Mapping[str, Mapping[str, Any]], metric: str, pairs: Mapping[str, Pair]) -> str:
    """All of them in one sentence, by what is shown of them."""
    label = _label(metric)
    order = (
        f"shown to raise {label}",
        "shown to change what they are there for",
        f"shown to change what they are there for, at a loss of {label}",
        f"shown to lower {label} and to bring nothing else",
        "not shown to bring anything",
        "without any effect on what ships here, so not judged",
    )
    told: dict[str, list[str]] = {verdict: [] for verdict in order}
    for name, row in rows.items():
        sure = metric in row and significant(row[metric])
        aims = any(m in row and significant(row[m]) for m in pairs[name].metrics if m != metric)
        raises = sure and row[metric]["difference"] > 0
        idle = metric in row and row[metric]["ci_low"] == row[metric]["ci_high"] == 0  # the lists' heads are the same
        place = 0 if raises else (2 if sure else 1) if aims else 3 if sure else 5 if idle else 4
        told[order[place]].append(name)
    return "In short: " + "; ".join(f"{verdict}: {', '.join(names)}" for verdict, names in told.items() if names) + "."


def _sentence(name: str, pair: Pair, rows: Mapping[str, Any], metric: str, cost: Mapping[str, float]) -> str:
    told = f"{name}{f' ({pair.what})' if pair.what else ''}"
    price = _price(cost)
    main = rows.get(metric)
    if main is None:
        return f"{told}: {not_enough}, no common queries. {price}"
    wanted = [m for m in pair.metrics if m in rows and m != metric]
    sure = [_change(rows[m]) for m in wanted if significant(rows[m])]
    unsure = [_label(m) for m in wanted if not significant(rows[m])]
    if all(r["ci_low"] == r["ci_high"] == 0 for r in rows.values()):
        return f"{told}: the lists are the same without it. {price}"
    if main["ci_low"] == main["ci_high"] == 0:
        head = f"{told} leaves {_label(metric)} as it is"
    elif significant(main):
        verb = "raises" if main["difference"] > 0 else "lowers"
        head = f"{told} {verb} {_change(main)}"
    else:
        head = f"{told}: {not_enough} of a change in {_change(main)}, adjusted p {main['p_holm']:.2f}"
    also = f"; it changes {', '.join(sure)}" if sure else ""
    also += f"; no evidence that it changes {', '.join(unsure)}" if unsure else ""
    return f"{head}{also}. {price}"


def _price(cost: Mapping[str, float]) -> str:
    """What it takes, without what it does not."""
    seconds = cost["cpu_s"]
    parts = [f"{seconds:.1f} CPU seconds"] if seconds >= _CPU_NOISE else []
    for key, what in (("columns", "column"), ("keys", "configuration key")):
        n = round(cost[key])
        parts += [f"{n} {what}{'s' * (n != 1)}"] if n else []
    told = f"It costs {', '.join(parts)}" if parts else "It costs next to nothing"
    return told + (f" and saves {-seconds:.1f} CPU seconds." if seconds <= -_CPU_NOISE else ".")


def _label(metric: str) -> str:
    """``recall_at_20:0`` -> ``recall@20 of items with 0 interactions``."""
    name, _, bucket = metric.partition(":")
    items = f" of {'new items' if bucket == '0' else f'items with {LABELS[bucket]} interactions'}" if bucket else ""
    return metric_label(name) + items


def significant(row: Mapping[str, Any]) -> bool:
    """Of a row of ``effects``."""
    return bool(row["p_holm"] < ALPHA and row["ci_low"] * row["ci_high"] > 0)


def _change(row: Mapping[str, Any]) -> str:
    told = interval(row["difference"], row["ci_low"], row["ci_high"], sign=True)
    return f"{_label(row['metric'])} by {told} (n={row['n_queries']:,})"


def _headline(
    found: Mapping[str, Any], head: pl.DataFrame, metric: str, costs: Mapping[str, Any], pairs: Mapping[str, Pair]
) -> Any:
    """One row per pair: accuracy, what it is there for, what it costs."""
    own = list(dict.fromkeys([metric, *(m for name in found for m in pairs[name].metrics)]))
    own = [m for m in own if m in head["metric"]]
    cells = {(r["pair"], r["metric"]): r for r in head.iter_rows(named=True)}
    rows = []
    for name in found:
        changes = [
            interval(r["difference"], r["ci_low"], r["ci_high"], sign=True) + " *" * significant(r) if r else "–"
            for r in (cells.get((name, m)) for m in own)
        ]
        cost = costs[name]
        rows.append([name, *changes, f"{cost['cpu_s']:+.1f}", f"{cost['columns']:+.0f}", f"{cost['keys']:.0f}"])
    heads = ["part", *map(_label, own), "CPU s", "columns", "config keys"]
    return grid("What each brings (with - without) and costs; * significant.", heads, rows)


def _by_bucket(table: pl.DataFrame, metric: str, shown: str) -> Any:
    rows = table.filter(pl.col("shown") == shown, pl.col("metric") == metric)
    columns = [b for b in USERS if b in rows["user_bucket"]]
    cells = {(r["pair"], r["user_bucket"]): r for r in rows.iter_rows(named=True)}
    body = [
        [name, *(_plain(cells.get((name, b))) for b in columns)] for name in rows["pair"].unique(maintain_order=True)
    ]
    heads = ["part", *(USERS[b].replace("earlier ", "") for b in columns)]
    return grid(f"{metric_label(metric)}, with - without, by how much is known of the user.", heads, body)


def _whole(found: Mapping[str, tuple[Measured, Measured]]) -> list[Grid]:
    """What all lists together reach, without and with each part that changes it."""
    reached = {name: [_reached(m) for m in pair] for name, pair in found.items()}
    shown = [metric for metric in WHOLE if any(metric in one for pair in reached.values() for one in pair)]
    rows = [
        [name, *(f"{_share(without, m)} → {_share(with_, m)}" for m in shown)]
        for name, (without, with_) in reached.items()
        if without != with_
    ]
    caption = "Of all lists together, without → with; one value per run, so no interval."
    return [grid(caption, ["part", *map(_label, shown)], rows)] if rows else []


def _reached(run: Measured) -> dict[str, float]:
    rows = run.metrics.filter(pl.col("metric").is_in(WHOLE), rung=ROUTER).drop_nulls("value")
    return dict(rows.select("metric", "value").iter_rows())


def _share(reached: Mapping[str, float], metric: str) -> str:
    return f"{reached[metric]:.1%}" if metric in reached else "–"


def _impact(found: Mapping[str, tuple[Measured, Measured]]) -> list[Grid]:
    """The lowest impact ratio of selection by protected column, without and with each part that changes the lists."""
    rows = []
    for name, (without, with_) in found.items():
        for grouping in _groupings(with_):
            told = [_lowest(m, grouping) for m in (without, with_)]
            if all(told) and told[0] != told[1]:
                rows.append([name, grouping, *(str(t) for t in told)])
    heads = ["part", "protected", "without", "with"]
    return [grid("Lowest impact ratio of selection (group rate / best group's), 95%.", heads, rows)] if rows else []


def _groupings(run: Measured) -> list[str]:
    return [] if run.audit is None else run.audit["grouping"].unique(maintain_order=True).to_list()


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


def _by_rung(table: pl.DataFrame, metric: str) -> Any:
    rows = table.filter(pl.col("shown") != "best", pl.col("metric") == metric, pl.col("user_bucket") == ALL)
    rungs = rows["shown"].unique(maintain_order=True).to_list()
    cells = {(r["pair"], r["shown"]): r for r in rows.iter_rows(named=True)}
    body = [[name, *(_plain(cells.get((name, r))) for r in rungs)] for name in rows["pair"].unique(maintain_order=True)]
    return grid(f"{metric_label(metric)}, with - without, by rung, all users.", ["part", *rungs], body)


def _plain(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "–"
    return interval(row["difference"], row["ci_low"], row["ci_high"], sign=True) + " *" * significant(row)
