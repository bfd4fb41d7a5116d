"""Results -> the files of an OUT folder; other tools read these, so names and columns are fixed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import polars as pl
import yaml

from recommender.config import Scenario
from recommender.data.dataset import FEATURE_ROLES, Dataset
from recommender.data.digest import digest
from recommender.data.summary import summarise
from recommender.evaluation.audit import audit_table, told
from recommender.evaluation.effort import EffortLog
from recommender.evaluation.evaluate import comparisons_table, metrics_table, per_query_table
from recommender.experiment.controls import controls_table, unbeaten
from recommender.experiment.decision import sentences
from recommender.experiment.hindsight import hindsight
from recommender.experiment.ladder import Results
from recommender.files import write_json, write_table, write_text
from recommender.names import PLAIN, RETURNING, ROUTER

DAY_ZERO = (
    "Day zero: nothing was evaluated. Everyone gets content recommendations from what they say of themselves, "
    "completed in editorial order, then newest first."
)


def write_decision(out: Path, scenario: Scenario, results: Results) -> None:
    """decision.json: per user bucket the rung, its gain over the champion it replaced, and why, in words."""
    rule = scenario.decision
    returning = [b for b in results.choices if b.endswith(RETURNING)]
    tree = {
        "metric": rule.metric,
        "alpha": rule.alpha,
        "min_gain": rule.min_gain,
        "decided_on": [o["origin"] for o in results.origins if o["split"] == "validation"],
        "buckets": {b: asdict(c) for b, c in results.choices.items() if b not in returning},
        "returning": {b.removesuffix(RETURNING): asdict(results.choices[b]) for b in returning},
        **({"blends": {group: asdict(b) for group, b in results.blends.items()}} if rule.blend else {}),
        "slots": {**results.slots.model_dump(), "evidence": [asdict(e) for e in results.slot_evidence]},
        "parameters": results.chosen,
        "stepped_aside": results.aside,
        "sentences": [DAY_ZERO]
        if scenario.day_zero
        else [*sentences(results.choices, rule, results.blends), *_told(results)],
    }
    write_json(out / "decision.json", tree)


def _told(results: Results) -> list[str]:
    """What slots for new items bring and cost, where validation sized them."""
    slots, rows = results.slots, results.slot_evidence
    if not rows:
        return []
    without, kept = rows[0], next(r for r in rows if r.n == slots.n)
    share = f"{without.new_item_share_of_truth:.0%} of what users took on validation was new"
    if not slots.n:
        return [f"No places are kept for new items: {share}, but no number of them found more at the cost allowed."]
    change = kept.recall_at_20 / without.recall_at_20 - 1 if without.recall_at_20 else 0.0
    return [
        f"{slots.n} of the first {slots.of} places are kept for new items, chosen by {slots.rung}: {share}; "
        f"recall_at_20 of new items goes from {without.new_item_recall_at_20:.4f} to "
        f"{kept.new_item_recall_at_20:.4f}, of all items by {change:+.1%}."
    ]


def write_hindsight(out: Path, results: Results, scenario: Scenario) -> None:
    """hindsight.json: rungs that beat the router on the test period, which came after the decision; else empty."""
    rungs = [r.name for r in scenario.ladder if r.name in results.chosen and not r.control]
    metric = scenario.decision.metric
    found = hindsight(results.groups, results.routes, rungs, metric, scenario.bootstrap, scenario.seed)
    write_json(out / "hindsight.json", [{**asdict(h), "sentence": h.sentence(metric)} for h in found])


def write_tables(out: Path, results: Results, scenario: Scenario) -> None:
    """metrics.parquet, per_query.parquet and, for the test origin, hindsight.json, comparisons.parquet and, where they
    were measured, controls.parquet and audit.parquet; spam.parquet and attack.parquet where there is a detector;
    nothing on day zero."""
    if not results.outcomes:
        return
    write_hindsight(out, results, scenario)
    groups, seed, resamples = results.groups, scenario.seed, scenario.bootstrap
    write_table(out / "metrics.parquet", pl.concat([metrics_table(g, resamples, seed) for g in groups]))
    write_table(out / "per_query.parquet", per_query_table(results.query_info, results.outcomes))
    test = next(g for g in groups if g.split == "test")
    ladder = [*results.chosen, *([PLAIN] if PLAIN in test.rungs else []), ROUTER]
    write_table(out / "comparisons.parquet", comparisons_table(test, ladder, resamples, seed).drop("n_queries"))
    if scenario.controls:
        write_table(out / "controls.parquet", controls_table(test, scenario))
    if results.judgements:
        write_table(out / "spam.parquet", pl.DataFrame([asdict(j) for j in results.judgements]))
    if results.attack is not None:
        write_table(out / "attack.parquet", results.attack)
    if scenario.audit is not None:
        write_table(out / "audit.parquet", audit_table(test, scenario.audit, resamples, seed))


def write_effort(out: Path, effort: EffortLog, data: Dataset, scenario: Scenario) -> None:
    write_table(out / "effort.parquet", effort.frame())
    write_table(out / "data_effort.parquet", data_effort(data, scenario, effort))


def data_effort(data: Dataset, scenario: Scenario, effort: EffortLog) -> pl.DataFrame:
    """What the data took: rows, rows repaired, feature columns used, configuration lines, trials of tuning."""
    columns = sum(len(t.columns(*FEATURE_ROLES)) for t in (data.items, data.users))
    repeats = data.interactions.height - data.interactions.select(pl.struct("user_id", "item_id").n_unique()).item()
    rows: list[tuple[str, float, str]] = [
        ("interactions", data.interactions.height, "rows"),
        ("items", len(data.items), "rows"),
        ("users", len(data.users), "rows"),
        ("signals", data.signals.height, "rows"),
        ("repeated_interactions", repeats, "rows"),
        ("feature_columns", columns, "columns"),
        ("matched_columns", len(data.match), "pairs"),
        ("configuration_lines", scenario.n_lines, "lines"),
        *((f"repaired/{r.table}/{r.rule}", r.count, "rows") for r in data.repairs),
        *effort.noted,
    ]
    return pl.DataFrame(rows, schema={"measure": pl.String, "value": pl.Float64, "unit": pl.String}, orient="row")


def write_data(out: Path, data: Dataset, source: str, results: Results, scenario: Scenario) -> None:
    """data.json: what the data is, what was dropped or repaired, what to keep in mind."""
    spam = [j.sentence() for j in results.judgements[-1:]]
    tree = {
        "name": data.name,
        "source": source,
        "digest": digest(data),
        "has_times": data.has_times,
        "summary": summarise(data),
        "repairs": [asdict(r) for r in data.repairs],
        "warnings": [*warnings(data, scenario, results), *_unbeaten(out, scenario), *_audited(out, scenario), *spam],
        "roles": {"items": dict(data.items.roles), "users": dict(data.users.roles)},
        "match": [asdict(m) for m in data.match],
        "origins": results.origins,
    }
    write_json(out / "data.json", tree)


def warnings(data: Dataset, scenario: Scenario, results: Results) -> list[str]:
    """What a reader of the numbers must know."""
    notes = []
    if scenario.day_zero:
        return ["Day zero: no rung was evaluated, and no number here tells how good the lists are."]
    if scenario.split.kind == "random":
        notes.append("The split is random, so models saw the future: this evaluation is not honest in time.")
    elif not data.states_availability:
        notes.append(
            "Items state no availability: the candidates of a query are all items used before the end of its "
            "period. That is hindsight: an item without interactions is a candidate only because someone takes it "
            "later, so rungs and slots that favour new items look better than they would be when serving."
        )
    notes += [f"{rung} stepped aside: {why}." for rung, why in results.aside.items()]
    if absent := [c for c in scenario.slices if c not in data.users.frame.columns]:
        notes.append(f"No slices by {', '.join(absent)}: users have no such column.")
    return notes


def _unbeaten(out: Path, scenario: Scenario) -> list[str]:
    path = out / "controls.parquet"
    return unbeaten(pl.read_parquet(path), scenario.decision.metric) if path.exists() else []


def _audited(out: Path, scenario: Scenario) -> list[str]:
    path = out / "audit.parquet"
    if scenario.audit is None or not path.exists():
        return []
    return [sentence for sentence, low in told(pl.read_parquet(path), scenario.audit) if low]


def write_config(out: Path, scenario: Scenario) -> None:
    """config.yaml: the scenario as it was run, overrides included."""
    write_text(out / "config.yaml", yaml.safe_dump(scenario.model_dump(mode="json"), sort_keys=False))
