"""A run's folder: written by a train or a study's cell, read by report, tracking, studies and SQL.

Other tools read these files too, so their names and columns are fixed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from recommender.config import Scenario, parse
from recommender.data.dataset import FEATURE_ROLES, Dataset
from recommender.data.digest import digest
from recommender.data.folder import stated_problem
from recommender.data.kernels import first_of_pairs
from recommender.data.summary import summarise
from recommender.errors import DataError
from recommender.evaluation import audit
from recommender.evaluation.audit import audit_sentences, audit_table
from recommender.evaluation.effort import EffortLog, charged
from recommender.evaluation.evaluate import Group, comparisons_table, metrics_table, per_query_table
from recommender.experiment.controls import controls_table, unbeaten
from recommender.experiment.decision import FILE, Decision
from recommender.experiment.hindsight import hindsight
from recommender.experiment.ladder import Results
from recommender.experiment.rungs import lacking
from recommender.experiment.slots import SlotEvidence
from recommender.files import write_json, write_table, write_text
from recommender.names import ALL, PLAIN, ROUTER

EXAMPLES = "examples.json"
EFFORT_CHART = "effort.svg"  # the report's first chart by itself
_METRICS = {
    **dict.fromkeys(("split", "origin", "rung", "user_bucket", "item_bucket"), pl.String),
    **dict.fromkeys(("slice", "slice_value", "metric"), pl.String),
    **dict.fromkeys(("value", "ci_low", "ci_high"), pl.Float64),
    "n_queries": pl.Int64,
    "answered_share": pl.Float64,
    "seed_count": pl.Int64,
}
_ALL_USERS = {name: kind for name, kind in _METRICS.items() if name != "seed_count"}
_COMPARISONS = {
    **dict.fromkeys(("rung_a", "rung_b", "user_bucket", "metric"), pl.String),
    **dict.fromkeys(("difference", "ci_low", "ci_high", "p_holm"), pl.Float64),
}
_CONTROLS = {
    **dict.fromkeys(("rung", "control", "user_bucket", "metric"), pl.String),
    **dict.fromkeys(("difference", "ci_low", "ci_high", "p_holm"), pl.Float64),
}
_EFFORT = {
    **dict.fromkeys(("rung", "stage", "split", "origin"), pl.String),
    **dict.fromkeys(("wall_s", "cpu_s", "peak_mb"), pl.Float64),
    "threads": pl.Int64,
}
_SPAM = {
    **dict.fromkeys(("split", "origin"), pl.String),
    **dict.fromkeys(("n_judged", "n_violating", "n_flagged", "n_confirmed"), pl.Int64),
    "average_precision": pl.Float64,
}
_ATTACK = {
    "model": pl.String,
    **dict.fromkeys(("seed", "rank_before", "rank_after", "n_available"), pl.Int64),
}
_DATA_EFFORT = {"measure": pl.String, "value": pl.Float64, "unit": pl.String}


def _table(name: str, schema: dict[str, Any]) -> cached_property[pl.DataFrame]:
    def read(run: RunFolder) -> pl.DataFrame:
        path = run.path / f"{name}.parquet"
        return pl.read_parquet(path).cast(schema) if path.exists() else pl.DataFrame(schema=schema)  # type: ignore[arg-type]

    return cached_property(read)


@dataclass(frozen=True)
class RunFolder:
    """What a run left in ``path``, each file read when it is first asked for. A table that was not written is empty."""

    path: Path
    all_metrics = _table("metrics", _METRICS)
    all_users = _table("all_users", _ALL_USERS)  # of the test, where the queries of ``metrics`` are those of a sample
    comparisons = _table("comparisons", _COMPARISONS)
    controls = _table("controls", _CONTROLS)
    audit = _table("audit", audit.SCHEMA)
    spam = _table("spam", _SPAM)
    attack = _table("attack", _ATTACK)
    effort = _table("effort", _EFFORT)
    data_effort = _table("data_effort", _DATA_EFFORT)

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario that ran: with overrides, without the parts that the data do not support."""
        return parse(yaml.safe_load((self.path / "config.yaml").read_text()))

    @cached_property
    def decision(self) -> Decision:
        return Decision.read(self.path)

    @cached_property
    def data(self) -> dict[str, Any]:
        return dict(self._json("data.json", {}))

    @cached_property
    def hindsight(self) -> list[dict[str, Any]]:
        return list(self._json("hindsight.json", []))

    @cached_property
    def examples(self) -> dict[str, Any]:
        """Real lists of the test origin (``examples.describe``); empty where none were written."""
        return dict(self._json(EXAMPLES, {}))

    @cached_property
    def slots_at_test(self) -> list[SlotEvidence]:
        """Without and with the slots that validation sized; empty where it chose none."""
        return [SlotEvidence(**row) for row in self._json("slots_at_test.json", [])]

    @cached_property
    def metrics(self) -> pl.DataFrame:
        """Without rungs on shuffled data, which nobody could ship: they belong to ``controls`` only."""
        shuffled = set(self.controls["control"]) - {r.name for r in self.scenario.ladder}
        return self.all_metrics.filter(~pl.col("rung").is_in(list(shuffled)))

    @cached_property
    def spent(self) -> pl.DataFrame:
        """``effort``, the router charged with the fits of the rungs that it serves from."""
        return charged(self.effort, self.decision.served)

    @property
    def metric(self) -> str:
        """The metric that decided."""
        return self.decision.metric

    @property
    def rungs(self) -> list[str]:
        """Every rung, in the order of the ladder; those made of others (the router) last."""
        known = [rung.name for rung in self.scenario.ladder if rung.name != ROUTER]
        return list(dict.fromkeys([*known, *self.metrics["rung"].unique(maintain_order=True)]))

    def _json(self, name: str, lacking: Any) -> Any:
        path = self.path / name
        return json.loads(path.read_text()) if path.exists() else lacking


def read_run(path: Path) -> RunFolder:
    """The folder of a finished train. Raises DataError where it is none."""
    for name in ("config.yaml", "data.json", FILE):
        if not (path / name).is_file():
            raise DataError(f"{path}: no finished train here ({name} is missing). Give the OUT of `make train`.")
    return RunFolder(path)


def write_hindsight(out: Path, results: Results, scenario: Scenario) -> None:
    """hindsight.json: rungs that beat the router on the test period, which came after the decision; else empty."""
    rungs = [r.name for r in scenario.ladder if r.name in results.parameters and not r.control]
    metric, decision = scenario.decision.metric, results.decision
    routed = decision.routes, decision.blended
    winners = hindsight(results.groups, *routed, rungs, metric, scenario.bootstrap, scenario.seed)
    write_json(out / "hindsight.json", [{**asdict(h), "sentence": h.sentence(metric)} for h in winners])


def write_tables(out: Path, results: Results, scenario: Scenario) -> None:
    """metrics.parquet, per_query.parquet and, for the test origin, hindsight.json, examples.json, comparisons.parquet
    and, where they were measured, controls.parquet and audit.parquet; spam.parquet and attack.parquet where there is a
    detector; all_users.parquet where queries are those of a sample; nothing on day zero."""
    if not results.outcomes:
        return
    write_hindsight(out, results, scenario)
    over_all = [
        o.over_all.with_columns(rung=pl.lit(r)) for r, o in results.outcomes[-1].items() if o.over_all is not None
    ]
    if over_all:
        held = {"split": "test", "origin": results.query_info[-1].origin, "slice": ALL, "slice_value": ALL}
        write_table(
            out / "all_users.parquet", pl.concat(over_all).with_columns(**{k: pl.lit(v) for k, v in held.items()})
        )
    if results.slots_at_test:
        write_json(out / "slots_at_test.json", [asdict(e) for e in results.slots_at_test])
    groups, seed, resamples = results.groups, scenario.seed, scenario.bootstrap
    write_table(out / "metrics.parquet", pl.concat([metrics_table(g, resamples, seed) for g in groups]))
    write_table(out / "per_query.parquet", per_query_table(results.query_info, results.outcomes))
    write_json(out / EXAMPLES, results.examples)
    test = next(g for g in groups if g.split == "test")
    write_comparisons(out, results, test, scenario)
    if scenario.controls:
        write_table(out / "controls.parquet", controls_table(test, scenario))
    if results.judgements:
        write_table(out / "spam.parquet", pl.DataFrame([asdict(j) for j in results.judgements]))
    if results.attack is not None:
        write_table(out / "attack.parquet", results.attack)
    if scenario.audit is not None:
        write_table(out / "audit.parquet", audit_table(test, scenario.audit, resamples, seed))


def write_comparisons(out: Path, results: Results, test: Group, scenario: Scenario) -> None:
    """comparisons.parquet: every two rungs, and what ships before and after re-ranking, on the test origin."""
    ladder = [*results.parameters, *([PLAIN] if PLAIN in test.rungs else []), ROUTER]
    table = comparisons_table(test, ladder, scenario.bootstrap, scenario.seed)
    write_table(out / "comparisons.parquet", table.drop("n_queries"))


def write_effort(out: Path, effort: EffortLog, data: Dataset, scenario: Scenario) -> None:
    """Writes what each stage took, and what the data asked for."""
    write_table(out / "effort.parquet", effort.frame())
    write_table(out / "data_effort.parquet", data_effort(data, scenario, effort))


def data_effort(data: Dataset, scenario: Scenario, effort: EffortLog) -> pl.DataFrame:
    """What the data took: rows, rows repaired, feature columns used, configuration lines, trials of tuning."""
    columns = sum(len(t.columns(*FEATURE_ROLES)) for t in (data.items, data.users))
    first = first_of_pairs(data.user_idx, data.item_idx, len(data.users), len(data.items))
    rows: list[tuple[str, float, str]] = [
        ("interactions", data.interactions.height, "rows"),
        ("items", len(data.items), "rows"),
        ("users", len(data.users), "rows"),
        ("signals", data.signals.height, "rows"),
        ("repeated_interactions", int((~first).sum()), "rows"),
        ("feature_columns", columns, "columns"),
        ("matched_columns", len(data.match), "pairs"),
        ("configuration_lines", scenario.n_lines, "lines"),
        *((f"repaired/{r.table}/{r.rule}", r.count, "rows") for r in data.repairs),
        *effort.noted,
    ]
    return pl.DataFrame(rows, schema={"measure": pl.String, "value": pl.Float64, "unit": pl.String}, orient="row")


def write_data(out: Path, data: Dataset, source: str, results: Results, scenario: Scenario) -> None:
    """data.json: what the data is, what was dropped or repaired, what to keep in mind."""
    run, spam = RunFolder(out), [j.sentence() for j in results.judgements[-1:]]
    lost = unbeaten(run.controls, scenario.decision.metric)
    audited = audit_sentences(run.audit, scenario.audit) if scenario.audit else []
    unequal = [sentence for sentence, low in audited if low]
    tree = {
        "name": data.name,
        "source": source,
        "problem": stated_problem(source),
        "digest": digest(data),
        "has_times": data.has_times,
        "summary": summarise(data) | {"notes": [_without_examples(n) for n in data.notes]},
        "repairs": [_without_examples(r) for r in data.repairs],
        "warnings": [*warnings(data, scenario, results.skipped), *_generated(results), *lost, *unequal, *spam],
        "roles": {"items": dict(data.items.roles), "users": dict(data.users.roles)},
        "match": [asdict(m) for m in data.match],
        "origins": results.origins,
    }
    write_json(out / "data.json", tree)


def _generated(results: Results) -> list[str]:
    """What the generator of candidates misses at the test origin, where there are too many to score all."""
    recall = [origin["generated_recall"] for origin in results.origins[-1:] if "generated_recall" in origin]
    return [
        f"Not every candidate was scored (scoring.full_up_to): {share:.1%} of what users took on the test was among "
        "the candidates that were generated for them; the rest no rung could find."
        for share in recall
    ]


def _without_examples(entry: Any) -> dict[str, Any]:
    """Fields of a repair or note but its examples: they are values of the data, such as users' ids."""
    return {key: value for key, value in asdict(entry).items() if key != "examples"}


def warnings(data: Dataset, scenario: Scenario, skipped: Mapping[str, str]) -> list[str]:
    """What a reader of the numbers must know."""
    notes = [data.sample] if data.sample else []
    if scenario.day_zero:
        return ["Day zero: no rung was evaluated, and no number here tells how good the lists are."]
    if scenario.split.kind == "random":
        notes.append("The split is random, so models saw the future: this evaluation is not honest in time.")
    elif not data.states_availability:
        notes.append(
            "Items state no availability: the candidates of a query are all items used before the end of its "
            "period. That is hindsight: an item without interactions is a candidate only because someone takes it "
            "later. So rungs and slots that favour new items look better than they would be when serving."
        )
    notes += [f"{part} is off: {reason}." for part, reason in lacking(skipped).items()]
    if absent := [c for c in scenario.slices if c not in data.users.frame.columns]:
        notes.append(f"No slices by {', '.join(absent)}: users have no such column.")
    return notes


def write_config(out: Path, scenario: Scenario) -> None:
    """config.yaml: the scenario as it was run, overrides included."""
    write_text(out / "config.yaml", yaml.safe_dump(scenario.model_dump(mode="json"), sort_keys=False))
