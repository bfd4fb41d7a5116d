"""``report.html``: one self-contained file that says what to ship, for whom, why, and on what evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from recommender.evaluation.audit import FOUR_FIFTHS
from recommender.evaluation.metric_table import LOWER, better, glossary, metric_label
from recommender.experiment import facts as tables
from recommender.experiment import run_tables
from recommender.experiment.facts import train_facts
from recommender.experiment.run_folder import EFFORT_CHART, RunFolder, read_run
from recommender.experiment.run_tables import LABELS, USERS, number, users
from recommender.experiment.value import NOT_STATED
from recommender.files import write_text
from recommender.names import ALL, ORACLE, PLAIN, ROUTER
from recommender.planning import viability
from recommender.report import accuracy, audit, charts, costs, planning
from recommender.report.page import harm_label, picture, render, what_it_does, words
from recommender.report.spam import spam
from recommender.studies.engine.finding import Finding

CHANGES = "What the re-rankers change"
SECTIONS: list[Callable[[RunFolder], Finding]] = [
    accuracy.ladder,
    accuracy.history,
    accuracy.other_metrics,
    accuracy.new_items,
    accuracy.visits,
    accuracy.slices,
    audit.changes,
    spam,
    audit.audit,
    accuracy.controls,
    accuracy.regret,
    costs.effort,
    costs.data,
]
Row = dict[str, Any]


def write_report(out: Path) -> Path:
    """Writes ``out/report.html`` from the other files there and returns its path; its first chart also as SVG.

    Raises DataError where ``out`` is not the folder of a finished train.
    """
    run = read_run(out)
    facts = train_facts(run)
    findings = [f for f in (section(run) for section in SECTIONS) if f.sentences or f.grids or f.charts]
    effort = charts.effort_chart(run, facts)
    drawn = [c for c in (effort, *(c for f in findings for c in f.charts)) if c]
    first = [*["Why these"] * bool(run.decision.choices), *["Real lists"] * bool(run.examples), planning.VIABILITY]
    text = render(
        "train.html",
        {c.name: c.spec for c in drawn},
        s=(screen := first_screen(run, facts)),
        filters=screen["filters"] if effort else None,
        site=site_name(run),
        effort=effort,
        findings=findings,
        sheet=planning.sheet_html(viability.answers(run, facts)),
        viability=planning.VIABILITY,
        compare=_compare(run),
        contents=[*first, *(f.title for f in findings), "How to read this", "The whole configuration"],
        warnings=run_tables.warnings(run),
        sentences=run.decision.sentences,
        slot_grid=accuracy.slots(run),
        examples=run.examples,
        glossary=_rungs(run) | words("train") | glossary(run.metrics["metric"]),
        config=(out / "config.yaml").read_text(),
    )
    path = out / "report.html"
    write_text(path, text)
    if effort:
        write_text(out / EFFORT_CHART, picture(effort.spec, f"{site_name(run)}: {metric_label(run.metric)}, all users"))
    return path


def site_name(run: RunFolder) -> str:
    """``<scenario> on <data>``."""
    return f"{run.scenario.name} on {run.data.get('name', run.scenario.data.source)}"


def _compare(run: RunFolder) -> str:
    """The command that measures what one train cannot tell."""
    name, source = run.scenario.name, run.data.get("source", run.scenario.data.source)
    return f"make compare SCENARIO={name}" + (f" DATA={source}" if source != run.scenario.data.source else "")


def first_screen(run: RunFolder, facts: pl.DataFrame, source: str = "") -> dict[str, Any]:
    """What the tiles and strips of the first screen read, also a comparison's; all of it from ``facts``. source: where
    the data come from, where the run does not say."""
    ships = rows(facts, topic="ships")
    accuracy_ = {(r["what"], r["bucket"]): r for r in rows(facts, topic="accuracy", metric=run.metric)}
    gains = {(r["topic"], r["bucket"]): r for r in rows(facts, metric=run.metric, what=ROUTER)}
    listed = rows(facts, topic="lists", what=ROUTER)
    cheap = tables.simplest(run)
    strips = [
        {
            "who": users([r["bucket"]], run.scenario.decision.away_days), "what": r["what"], "second": r["reason"],
            "now": accuracy_.get((ROUTER, r["bucket"])), "simplest": accuracy_.get((cheap, r["bucket"])),
            "gain": gains.get(("gain", r["bucket"])), "plain": accuracy_.get((PLAIN, r["bucket"])),
        }
        for r in ships
    ]  # fmt: skip
    drawn = [s for s in strips if s["now"] and s["now"]["value"] is not None]
    ends = [end for s in drawn for r in (s["now"], s["simplest"]) if r for end in (r["high"], r["value"]) if end]
    back = rows(facts, topic="looking back")
    whole = gains.get(("gain", ALL))
    better = _better([s | {"bucket": r["bucket"], "gain": s["gain"] or r} for r, s in zip(ships, strips, strict=True)
                      if s["what"] != cheap or s["second"]], run.scenario.decision.away_days)  # fmt: skip
    some = any((g["gain"]["low"] or 0) > 0 for g in better)
    settled = next((v for v in (tables.GAIN, tables.LOSS) if _is(whole, v)), "some" if some else "open")
    titles = {"gain": "Better than the simplest", "loss": "Worse than the simplest"}
    titles |= {"some": "Better for some users", "open": "Not settled"}
    return {
        "problem": problem(run, source),
        "groups": _groups(ships, run),
        "shipped": [{**r, **s} for r, s in zip(ships, strips, strict=True)],
        "served": list(dict.fromkeys(rung for r in ships for rung in (r["what"], r["reason"]) if rung)),
        "slots": run.decision.slots,
        "rerankers": [r.name for r in run.scenario.rerank if r.enabled],
        "new": {"share": next((r["value"] for r in listed if r["metric"] == "new_item_share_at_10"), None)},
        "price": gains.get(("price", ALL)),
        "goal": rows(facts, topic="goal")[0],
        "harm": harm(facts),
        "worth": worth(run, facts),
        "cost": cost(run, facts),
        "sure": {
            "gain": whole, "simulated": run.data.get("source") == "simulated",
            "back": [{**r, "who": USERS[r["bucket"]]} for r in back[:2]],
            "groups": better if settled != tables.GAIN else [],
            "title": titles[settled] + ", but see below" * bool(back),
            "status": {"gain": "open" if back else "good", "some": "good", "loss": "bad"}.get(settled, "open"),
        },
        "strips": drawn,
        "top": max(ends, default=1.0),
        "metric": run.metric,
        "simplest": cheap,
        "filters": {
            "users": [{"id": b, "name": USERS[b]} for b in (ALL, *(b for b in LABELS if b != ALL))],
            "metrics": list(dict.fromkeys(r["metric"] for r in rows(facts, topic="accuracy"))),
            "rungs": [r for r in run.rungs if r not in (ROUTER, PLAIN, ORACLE)], "own": "",
        },
    }  # fmt: skip


def rows(facts: pl.DataFrame, **wanted: str) -> list[Row]:
    """Rows of the facts with these values."""
    return facts.filter(**wanted).to_dicts()


def _is(row: Row | None, verdict: str) -> bool:
    return row is not None and row["verdict"] == verdict


def _better(strips: Sequence[Row], away_days: float) -> list[Row]:
    """Gain over the simplest rung (on the test period; where it is not known there, on validation) -> who has it."""
    by_gain: dict[tuple[float, float, float], list[Row]] = {}
    for s in (s for s in strips if s["gain"]["value"] is not None):
        by_gain.setdefault((s["gain"]["value"], s["gain"]["low"], s["gain"]["high"]), []).append(s)
    return [
        {"who": users([s["bucket"] for s in same], away_days), "gain": same[0]["gain"]} for same in by_gain.values()
    ]


def _groups(ships: Iterable[Row], run: RunFolder) -> list[Row]:
    """Rung and blended rung -> who gets them, as words."""
    by_answer: dict[tuple[str, str], list[str]] = {}
    for r in ships:
        by_answer.setdefault((r["what"], r["reason"]), []).append(r["bucket"])
    days = run.scenario.decision.away_days
    return [{"rung": a, "second": b, "who": users(buckets, days)} for (a, b), buckets in by_answer.items()]


def problem(run: RunFolder, source: str = "") -> Row:
    """The scenario's problem; over data that are not its own, what their folder states, else a neutral one."""
    stated, configured, own = run.data.get("problem"), run.scenario.problem, run.scenario.data.source
    silent: Row = dict.fromkeys(("cost_of_error", "objective", "business_metric"), "")
    if stated:
        return silent | dict(stated)
    if run.data.get("source", source or own) == own:
        words = {
            "what": configured.what,
            "for_whom": configured.for_whom,
            "cost_of_error": configured.cost_of_error.what,
        }
        return words | {"objective": configured.objective, "business_metric": configured.business_metric}
    name = run.data.get("name", source)
    return silent | {"what": "Which items of this catalog do we show?", "for_whom": f"users of {name}"}


def harm(facts: pl.DataFrame, shown: int = 3) -> Row:
    """The tile on harm: rules broken and unequal treatment of what ships, the worst first, and before re-ranking."""
    harms = rows(facts, topic="harm")
    before = {(r["metric"], r["over"]): r for r in harms if r["what"] == PLAIN}
    lines = []
    for r in (r for r in harms if r["what"] == ROUTER and r["value"] is not None):
        ratio = r["metric"] == "impact ratio"
        low = r["verdict"] == "unequal" and r["value"] < FOUR_FIFTHS
        bad = low if ratio else better(r["metric"]) == LOWER and r["value"] > 0
        name = f"Impact ratio by {r['over']}, {r['reason']}" if ratio else harm_label(r["metric"])
        then = before.get((r["metric"], r["over"]))
        form = number if ratio else _share
        lines.append({
            "name": name, "now": form(r["value"], 2), "before": form(then["value"], 2) if then else "", "bad": bad,
            "size": 1 - r["value"] if ratio else r["value"],
        })  # fmt: skip
    bad = sorted((line for line in lines if line["bad"]), key=lambda line: -line["size"])
    title = f"{len(bad)} of {len(lines)} to watch" if bad else "None of those measured" if lines else "Not measured"
    status = "bad" if any(line["size"] >= 0.1 for line in bad) else "open" if bad or not lines else "good"
    return {
        "title": title, "status": status, "lines": (bad or lines)[:shown], "more": len((bad or lines)[shown:]),
        "where": "Other metrics",
    }  # fmt: skip


def _share(value: float | None, _: int) -> str:
    return "–" if value is None else f"{value:.1%}"


def worth(run: RunFolder, facts: pl.DataFrame) -> Row:
    """What the gain of what ships is worth a week, and what its harms cost."""
    stated = run.scenario.problem
    errors = [r for r in rows(facts, topic="error cost", what=ROUTER) if r["verdict"] != NOT_STATED]
    low, high = stated.value_per_point or (0.0, 0.0)
    value = next(iter(rows(facts, topic="value")), None)
    return {
        "value": value,
        "errors": errors,
        "currency": stated.currency,
        "point": (low, high),
        "users": stated.users_per_week or 0,
        "harms": len(stated.cost_of_error.per_1000),
    }


def cost(run: RunFolder, facts: pl.DataFrame) -> Row:
    """The tile on cost, of what ships and beside it of the simplest rung."""
    seconds = {r["what"]: r["value"] for r in rows(facts, topic="cost", metric="cpu_s")}
    days = next(iter(rows(facts, topic="cost", metric="person_days", what=ROUTER)), None)
    cheap = tables.simplest(run)
    return {
        "seconds": f"{seconds[ROUTER]:.1f} CPU seconds" if ROUTER in seconds else "Not measured",
        "simplest": f"{seconds[cheap]:.1f} s" if cheap in seconds else "", "simplest_name": cheap,
        "days": f"{days['low']:g} to {days['high']:g}" if days else "",
    }  # fmt: skip


def _rungs(run: RunFolder) -> dict[str, str]:
    used = {r.name: r.recommender for r in run.scenario.ladder if r.name in run.rungs}
    return {rung: text for rung, name in used.items() if (text := what_it_does(rung, name))}
