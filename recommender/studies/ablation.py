"""ablation: what is each part of a scenario, or each data asset, worth: with it against without it?

Cells: labels ``pair`` and ``state``, the scenario as it is and then each pair ``with`` and ``without`` it (studies
``parts``, mode ladder, and ``data_value``, mode test). Tables: a row per part with verdict, difference and cost; by
user bucket; by rung or by the aims of all parts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from recommender.names import ALL, ROUTER
from recommender.studies import ablation_tables as tables
from recommender.studies.ablation_sentences import CPU_NOISE, Effect, ordered, verdicts
from recommender.studies.engine.contrast import Contrast, contrast, values
from recommender.studies.engine.finding import NOT_ENOUGH, Finding
from recommender.studies.engine.measured import Measured, by_site
from recommender.studies.engine.plan import PAIR, SCENARIO, STATE, WITH, WITHOUT, Pair, Study, pairs_of

BEST = "best"  # stands for the rung that is most accurate
BEST_NOTE = (
    "Best rung: the most accurate on these queries, with it and without it. Two data assets are worth the same where "
    "the best rung without either is one that reads neither."
)
_NOT_METRICS = ("user_id", "as_of", "user_bucket", "first", "returning", "rung", "answered_share")


def analyse(study: Study, runs: Sequence[Measured], brief: bool = False) -> list[Finding]:
    """A finding per scenario and data set: with - without, paired by user.

    First its short answers (in mode ladder by status: ``ablation_sentences.HEADS``), then a sentence for each part;
    brief: only for parts that have a measurable effect. The first of its grids has every part.
    """
    return [_finding(study, site, cells, brief) for site, cells in by_site(runs).items()]


def partners(runs: Sequence[Measured], pairs: Mapping[str, Pair]) -> dict[str, tuple[Measured, Measured]]:
    """Pair -> its cells (without, with); pairs that lack one, because it failed, are left out."""
    cells = {(r.labels[PAIR], r.labels[STATE]): r for r in runs}
    named = {
        name: (cells.get((name, WITHOUT)), cells.get((name, WITH) if pair.with_ else ("", WITH)))
        for name, pair in pairs.items()
    }
    return {name: (a, b) for name, (a, b) in named.items() if a and b}


def effects(
    study: Study, runs: Sequence[Measured], headline_only: bool = False, doubted: Collection[str] = ()
) -> pl.DataFrame:
    """Rows of ``contrast.contrast`` with - without for each pair: of the router in mode ladder; else of each rung,
    and of the best rung with against the best without (``shown`` = "best", chosen by the same queries; base_rung is
    the best without, other_rung the best with).

    Metrics beside the decision's for all users only. headline_only: just the decision's metric of router or best.
    doubted: rungs that are never the best one.
    """
    cells = partners(runs, pairs_of(study, runs[0].labels[SCENARIO]))
    scenario = runs[0].scenario
    metric = scenario.decision.metric

    def best(run: Measured) -> str:
        return max((r for r in run.rungs if r not in doubted), key=lambda r: values(run, r, metric).mean())

    shown, by_rung = [], []
    for name, (without, with_) in cells.items():
        if study.mode == "ladder":
            shown.append(Contrast(f"{name}\t{ROUTER}", without, with_, ROUTER, ROUTER))
        else:
            shown.append(Contrast(f"{name}\t{BEST}", without, with_, best(without), best(with_)))
            by_rung += [Contrast(f"{name}\t{r}", without, with_, r, r) for r in with_.rungs if r in without.rungs]
    # Each its own family of tests: what is shown, everything else about it, and the rungs behind it.
    families = [contrast(shown, [metric], scenario.bootstrap, scenario.seed)]
    if not headline_only:
        columns = {c for pair in cells.values() for run in pair for c in run.values.columns}
        others = sorted(columns - {*_NOT_METRICS, metric})
        families.append(contrast(shown, others, scenario.bootstrap, scenario.seed, buckets=False))
        families.append(contrast(by_rung, [metric], scenario.bootstrap, scenario.seed, buckets=False))
    split = pl.col("name").str.split("\t")
    return pl.concat(families).with_columns(pair=split.list.first(), shown=split.list.last())


def cost_of(without: Measured, with_: Measured, rung: str) -> dict[str, float]:
    """What ``with_`` takes more: cpu_s of the router or, for any other ``rung``, of all rungs; columns; keys."""

    def seconds(m: Measured) -> float:
        return m.seconds.get(rung, 0.0) if rung == ROUTER else sum(m.seconds.values())

    cpu_s, columns = seconds(with_) - seconds(without), with_.columns - without.columns
    return {"cpu_s": cpu_s, "columns": columns, "keys": float(keys(without, with_))}


def keys(one: Measured, other: Measured) -> int:
    """Configuration keys that ``other`` states and ``one`` does not, or states otherwise."""
    absent = object()
    a, b = (dict(_leaves(m.scenario.model_dump(mode="json", exclude_unset=True))) for m in (one, other))
    return sum(a.get(key, absent) != value for key, value in b.items() if value is not None)


def _leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a configuration with its dotted key; entries of a list go by their names, or positions."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _leaves(value, f"{path}.{key}")
    elif isinstance(tree, list) and tree and all(isinstance(entry, Mapping) for entry in tree):
        for n, entry in enumerate(tree):
            yield from _leaves(entry, f"{path}.{entry.get('name', n)}")
    else:
        yield path, tree


def _finding(study: Study, site: str, runs: Sequence[Measured], brief: bool) -> Finding:
    scenario, metric = runs[0].labels[SCENARIO], runs[0].scenario.decision.metric
    pairs = pairs_of(study, scenario)
    cells = partners(runs, pairs)
    out = Finding(site)
    if not cells:
        out.sentences.append(f"{NOT_ENOUGH}: no pair of runs is complete for {scenario}.")
        return out
    ladder = study.mode == "ladder"
    shown = ROUTER if ladder else BEST
    table = effects(study, runs)
    of_shown, of_rungs = table.filter(pl.col("shown") == shown), table.filter(pl.col("shown") != shown)
    all_effects = []
    for name, pair in cells.items():
        rows = of_shown.filter(pair=name, user_bucket=ALL).iter_rows(named=True)
        all_effects.append(Effect(name, pairs[name], {r["metric"]: r for r in rows}, metric, cost_of(*pair, shown)))
    in_order = ordered(all_effects) if ladder else all_effects
    out.sentences = verdicts(all_effects, ladder) + [e.sentence() for e in in_order if e.measurable or not brief]
    by_bucket = tables.by_bucket(of_shown, metric)
    if ladder:
        out.grids = [tables.parts(all_effects), by_bucket, *tables.other_aims(all_effects)]
        out.grids += tables.whole_lists(cells) + tables.impact(cells)
    else:
        out.grids = [tables.assets(all_effects), by_bucket, tables.by_rung(of_rungs, metric)]
    out.notes.append(
        "Differences are with - without, paired by user on the test period, with 95% bootstrap intervals over users; "
        "p by flipping signs, Holm-adjusted over the parts. CPU seconds: fit and recommend at the test origin, one "
        f"run, so differences below {CPU_NOISE:g} mean nothing. " + (BEST_NOTE if shown == BEST else "")
    )
    if missing := [n for n in pairs if n not in cells]:
        out.notes.append(f"Not measured: {', '.join(missing)}.")
    return out
