"""What each part of a scenario, or each data asset, is worth: with it against without it, and what it costs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from recommender.names import ALL, ROUTER
from recommender.studies import ablation_sentences as text
from recommender.studies import ablation_tables as tables
from recommender.studies.engine.cell import Measured, by_place
from recommender.studies.engine.contrast import Contrast, contrast, significant
from recommender.studies.engine.finding import NOT_ENOUGH, Finding
from recommender.studies.engine.plan import PAIR, SCENARIO, STATE, WITH, WITHOUT, Pair, Study, pairs_of

__all__ = ["BEST", "analyse", "cost_of", "effects", "keys", "partners", "significant"]

BEST = "best"  # stands for the rung that is most accurate
BEST_NOTE = (
    "Best rung: the most accurate on these queries, with it and without it. Two data assets are worth the same where "
    "the best rung without either is one that reads neither."
)
_NOT_METRICS = ("user_id", "as_of", "user_bucket", "first", "returning", "rung", "answered_share")


def analyse(study: Study, runs: Sequence[Measured], brief: bool = False) -> list[Finding]:
    """A finding per scenario and data set: with - without, paired by user.

    First its short answers (in mode ladder by status: ``ablation_sentences.HEADS``), then a sentence for each part;
    brief: only for parts that have a measured effect. The first of its grids has every part.
    """
    return [_finding(study, place, mine, brief) for place, mine in by_place(runs).items()]


def partners(runs: Sequence[Measured], pairs: Mapping[str, Pair]) -> dict[str, tuple[Measured, Measured]]:
    """Pair -> its cells (without, with); pairs that lack one, because it failed, are left out."""
    found = {(r.labels[PAIR], r.labels[STATE]): r for r in runs}
    whole = {
        name: (found.get((name, WITHOUT)), found.get((name, WITH) if pair.with_ else ("", WITH)))
        for name, pair in pairs.items()
    }
    return {name: (a, b) for name, (a, b) in whole.items() if a and b}


def effects(
    study: Study,
    runs: Sequence[Measured],
    pairs: Mapping[str, Pair],
    only: str | None = None,
    doubted: Collection[str] = (),
) -> pl.DataFrame:
    """Rows of ``contrast.contrast`` with - without for each pair: of the router in ladder mode; else of each rung,
    and of the best rung with against the best without (``shown`` = "best", chosen by the same queries; base_rung is
    the best without, other_rung the best with).

    Metrics beside the decision's for all users only. only: the decision's metric of router or best alone; quicker.
    doubted: rungs that are never the best one.
    """
    found = partners(runs, pairs)
    scenario = runs[0].scenario
    metric = scenario.decision.metric
    shown, by_rung = [], []
    for name, (without, with_) in found.items():
        if study.mode == "ladder":
            shown.append(Contrast(f"{name}\t{ROUTER}", without, with_, ROUTER, ROUTER))
            continue
        best = [
            max((r for r in m.rungs if r not in doubted), key=lambda r, m=m: _mean(m, r, metric))  # type: ignore[misc]
            for m in (without, with_)
        ]
        shown.append(Contrast(f"{name}\t{BEST}", without, with_, best[0], best[1]))
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


def cost_of(without: Measured, with_: Measured, rung: str) -> dict[str, float]:
    """What ``with_`` takes more: cpu_s of the router or, for any other ``rung``, of all rungs; columns; keys."""

    def spent(m: Measured) -> float:
        return m.seconds.get(rung, 0.0) if rung == ROUTER else sum(m.seconds.values())

    return {
        "cpu_s": spent(with_) - spent(without),
        "columns": with_.columns - without.columns,
        "keys": float(keys(without, with_)),
    }


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


def _finding(study: Study, place: str, runs: Sequence[Measured], brief: bool) -> Finding:
    scenario = runs[0].labels[SCENARIO]
    pairs = pairs_of(study, scenario)
    found = partners(runs, pairs)
    out = Finding(place)
    if not found:
        out.sentences.append(f"{NOT_ENOUGH}: no pair of runs is complete for {scenario}.")
        return out
    table = effects(study, runs, pairs)
    metric = runs[0].scenario.decision.metric
    ladder = study.mode == "ladder"
    shown = ROUTER if ladder else BEST
    costs = {name: cost_of(a, b, shown) for name, (a, b) in found.items()}
    head = table.filter(pl.col("shown") == shown, pl.col("user_bucket") == ALL)
    rows = {name: {r["metric"]: r for r in head.filter(pair=name).iter_rows(named=True)} for name in found}
    out.sentences += text.verdicts(rows, metric, pairs, ladder)
    order = text.ordered(rows, metric, pairs) if ladder else list(rows)
    told = [name for name in order if not brief or text.shown(rows[name], metric, pairs[name])]
    out.sentences += [text.sentence(name, pairs[name], rows[name], metric, costs[name]) for name in told]
    by_bucket = tables.by_bucket(table.filter(pl.col("shown") == shown), metric)
    if ladder:
        out.grids += [tables.parts(rows, metric, costs, pairs), by_bucket]
        out.grids += tables.beside(rows, metric, pairs) + tables.whole(found) + tables.impact(found)
    else:
        out.grids += [tables.assets(rows, metric, costs), by_bucket]
        out.grids.append(tables.by_rung(table.filter(pl.col("shown") != shown), metric))
    out.notes.append(
        "Differences are with - without, paired by user on the test period, with 95% bootstrap intervals over users; "
        "p by flipping signs, Holm-adjusted over the parts. CPU seconds: fit and recommend at the test origin, one "
        f"run, so differences below {text.CPU_NOISE:g} mean nothing. " + (BEST_NOTE if shown == BEST else "")
    )
    if missing := [n for n in pairs if n not in found]:
        out.notes.append(f"Not measured: {', '.join(missing)}.")
    return out
