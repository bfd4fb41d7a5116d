"""What the tiles of a first screen read: of a train, and of each site of a comparison; all of it from the facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from recommender.evaluation.audit import FOUR_FIFTHS
from recommender.evaluation.metric_table import LOWER, better
from recommender.experiment import facts as tables
from recommender.experiment.run_folder import RunFolder
from recommender.experiment.run_tables import LABELS, USERS, number, users
from recommender.experiment.value import worth as value_of
from recommender.names import ALL, IN_SESSION, ORACLE, PLAIN, RETURNING, ROUTER, USER_BUCKETS, WITH_HISTORY
from recommender.report.page import harm_label, money

Row = dict[str, Any]
SMALL = 0.05  # of the simplest rung's value: a gain below it is called small
FOUND = "hit_rate_at_10"  # what a gain means to a reader: so many of 100 users find something
# Topics of facts that the tiles read.
TOPICS = (
    *("rate", "serves", "open", "ships", "goal", "left out", "twice", "asset", "part", "cost", "build", "enough"),
    *("due", "option", "days", "blend", "slots", "price"),
)


def compared(run: RunFolder, facts: pl.DataFrame) -> tuple[pl.DataFrame, str] | tuple[None, str]:
    """Facts of this site from the latest comparison beside the run's folder that read this very train, and the link to
    its page; else None."""
    mine = facts.filter(topic="accuracy").select("site", "what", "bucket", "metric", "n", "value")
    comparisons = run.path.parent.glob("compare-*/facts.parquet")
    for path in sorted(comparisons, key=lambda p: p.stat().st_mtime, reverse=True):
        table = pl.read_parquet(path).filter(site=facts["site"][0])
        if table.filter(topic="accuracy").select(mine.columns).equals(mine):
            return table, f"../{path.parent.name}/report.html"
    return None, ""


def topics(table: pl.DataFrame, run: RunFolder | None, mine: pl.DataFrame, **more: Any) -> dict[str, Any]:
    """What the macros of compare_words.html read: rows of one site by topic, and rungs that ship (served; used: with
    those that only choose new items), were measured alone, or replaced the simplest (moved). mine: facts of the run,
    also where ``table`` has them; more: further names."""
    command = f"make study STUDY=parts SCENARIO={run.scenario.name}" if run else ""
    blank = {"measure": command, "measuring": 0, "compare": "", "used": run.decision.served if run else []}
    blank["metric"] = run.metric if run else ""
    blank["rerankers"] = [r.name for r in run.scenario.rerank if r.enabled] if run else []
    by_topic: dict[str, Any] = {topic: rows(table, topic=topic) for topic in TOPICS}
    ships = by_topic["ships"]
    served = list(dict.fromkeys(rung for r in ships for rung in (r["what"], r["reason"]) if rung))
    alone = rows(mine, topic="accuracy", bucket=ALL, metric=run.metric) if run else []
    alone = [r for r in alone if r["verdict"] not in ("control", "bound") and r["what"] not in (ROUTER, PLAIN)]
    cheap = tables.simplest(run) if run else ""
    moved = [r for r in ships if r["reason"] or r["what"] != cheap]
    who = users(list(dict.fromkeys(_group(r["bucket"]) for r in moved)), 0)
    left = list(dict.fromkeys(rung for r in moved for rung in (r["what"], r["reason"]) if rung))
    gone = {"rungs": left, "who": who, "everyone": len(moved) == len(ships)}
    for r in by_topic["blend"]:
        part = r["bucket"].removeprefix(WITH_HISTORY)
        each = [b + part for b in USER_BUCKETS[1:]] if r["bucket"].startswith(WITH_HISTORY) else [r["bucket"]]
        r["who"] = users(each, run.scenario.decision.away_days if run else 0)
    harms = {(r["what"], r["metric"]): r["value"] for r in rows(mine, topic="harm") if not r["over"]}
    blank["mended"] = [
        {"name": harm_label(m), "before": was, "now": harms[ROUTER, m]}
        for (what, m), was in harms.items()
        if what == PLAIN and was is not None and harms.get((ROUTER, m)) is not None and was - harms[ROUTER, m] > 0.001
    ]
    away = run.scenario.decision.away_days if run else 0
    by_gain: dict[tuple[str, str], list[Row]] = {}
    for r in (r for r in ships if r["over"] and r["value"] is not None):
        by_gain.setdefault((r["what"], r["over"]), []).append(r)
    blank["wins"] = [{**same[0], "who": users([r["bucket"] for r in same], away)} for same in by_gain.values()]
    blank["max_loss"] = run.decision.slots.max_loss if run else 0
    return {**by_topic, **blank, "served": served, "alone": alone, "moved": gone, **more}


def _group(segment: str) -> str:
    """The user bucket that a segment is, or is a part of by visit."""
    return segment.removesuffix(IN_SESSION).removesuffix(RETURNING)


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
    hits = {r["what"]: r for r in rows(facts, topic="accuracy", bucket=ALL, metric=FOUND) if r["value"] is not None}
    extra_hits = hits[ROUTER]["value"] - hits.get(cheap, hits[ROUTER])["value"] if ROUTER in hits else 0.0
    small = whole and whole["value"] < SMALL * ((accuracy_.get((cheap, ALL)) or {}).get("value") or 0)
    titles = {"gain": f"Sure{', but small' * bool(small)}: better than {cheap}", "loss": f"Sure: worse than {cheap}"}
    titles |= {"some": "Sure for some users", "open": f"Not shown to beat {cheap}"}
    return {
        "problem": problem(run, source),
        "groups": _groups(ships, run),
        "shipped": [{**r, **s} for r, s in zip(ships, strips, strict=True)],
        "served": list(dict.fromkeys(rung for r in ships for rung in (r["what"], r["reason"]) if rung)),
        "slots": run.decision.slots,
        "rerankers": [r.name for r in run.scenario.rerank if r.enabled],
        "new": {"share": next((r["value"] for r in listed if r["metric"] == "new_item_share_at_10"), None)},
        "price": gains.get(("price", ALL)),
        "found": {"now": hits.get(ROUTER), "simplest": hits.get(cheap), "gain": extra_hits},
        "goal": rows(facts, topic="goal")[0],
        "cheaper": next(iter(rows(facts, topic="cheaper")), None),
        "dearer": next(iter(_priced(run, rows(facts, topic="dearer"))), None),
        "harm": harm(run, facts),
        "worth": worth(run, facts),
        "cost": cost(run, facts),
        "sure": {
            "gain": whole, "simulated": run.data.get("source", source) == "simulated",
            "back": [{**r, "who": USERS[r["bucket"]]} for r in back[:2]],
            "groups": better if settled != tables.GAIN else [],
            "title": titles[settled],
            "status": {"gain": "good", "some": "good", "loss": "bad"}.get(settled, "open"),
        },
        "strips": drawn,
        "top": max(ends, default=1.0),
        "metric": run.metric,
        "simplest": cheap,
        "filters": {
            "users": [{"id": b, "name": USERS[b]} for b in (ALL, *(b for b in LABELS if b != ALL))],
            "metrics": list(dict.fromkeys(r["metric"] for r in rows(facts, topic="accuracy"))),
            "rungs": [r for r in run.rungs if r not in (ROUTER, PLAIN, ORACLE)], "headline": "",
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
    return [
        {"rung": a, "second": second, "who": users(buckets, days), "later": any(not b.startswith("0") for b in buckets)}
        for (a, second), buckets in by_answer.items()
    ]


def problem(run: RunFolder, source: str = "") -> Row:
    """The scenario's problem; over data that are not its own, what their folder states, else a neutral one."""
    stated, configured, default = run.data.get("problem"), run.scenario.problem, run.scenario.data.source
    silent: Row = dict.fromkeys(("cost_of_error", "objective", "business_metric"), "")
    if stated:
        return silent | dict(stated)
    if run.data.get("source", source or default) == default:
        words = {
            "what": configured.what,
            "for_whom": configured.for_whom,
            "cost_of_error": configured.cost_of_error.what,
        }
        return words | {"objective": configured.objective, "business_metric": configured.business_metric}
    name = run.data.get("name", source)
    return silent | {"what": "Which items of this catalog do we show?", "for_whom": f"users of {name}"}


def harm(run: RunFolder, facts: pl.DataFrame, shown: int = 3) -> Row:
    """The tile on errors: what they cost, rules broken and unequal treatment of what ships, the worst first."""
    stated, harms = run.scenario.problem, rows(facts, topic="harm")
    before = {(r["metric"], r["over"]): r for r in harms if r["what"] == PLAIN}
    costs = {r["metric"]: r for r in rows(facts, topic="error cost", what=ROUTER) if r["value"] is not None}
    lines = []
    for r in (r for r in harms if r["what"] == ROUTER and r["value"] is not None):
        ratio = r["metric"] == "impact ratio"
        low = r["verdict"] == "unequal" and r["value"] < FOUR_FIFTHS
        bad = low if ratio else better(r["metric"]) == LOWER and r["value"] > 0
        name = f"Unequal treatment by {r['over'].replace('_', ' ')}" if ratio else harm_label(r["metric"])
        name += f", {r['reason']}" * (ratio and bad)
        then = before.get((r["metric"], r["over"]))
        form = number if ratio else _share
        priced = costs.get(r["metric"])
        lines.append({
            "name": name, "now": form(r["value"], 2), "before": form(then["value"], 2) if then else "", "bad": bad,
            "size": 1 - r["value"] if ratio else r["value"], "cost": priced,
            "list": number(priced["extra"], 2) if priced else "",
            "price": stated.cost_of_error.per_1000.get(r["metric"]),
        })  # fmt: skip
    bad = sorted((line for line in lines if line["bad"]), key=lambda line: -line["size"])
    sums = [sum(r[end] for r in costs.values()) for end in ("value", "low", "high")]
    title = "0 today: no priced error" if costs else "No price stated"
    week = money(dict(zip(("value", "low", "high"), sums, strict=True)), stated.currency) + " a week"
    value = next((r["low"] for r in rows(facts, topic="value") if r["low"] is not None), 0.0)
    unpriced = any(line["size"] >= 0.1 and not line["cost"] for line in bad)
    status = "bad" if unpriced or sums[2] > value else "open" if bad or not costs else "good"
    others = [line for line in lines if line["cost"] and not line["bad"]]
    return {
        "title": week if sums[0] else title, "status": status,
        "watch": f"Of {len(lines)} harms measured, {len(bad)} to watch" if lines else "Harms: not measured",
        "lines": [*bad[:shown], *others],
        "fine": [line["name"].lower() for line in lines if not line["bad"] and not line["cost"]],
    }  # fmt: skip


def _share(value: float | None, _: int) -> str:
    return "–" if value is None else f"{value:.1%}"


def worth(run: RunFolder, facts: pl.DataFrame) -> Row:
    """What the gain of what ships is worth a week."""
    stated = run.scenario.problem
    return {
        "value": next(iter(rows(facts, topic="value")), None), "currency": stated.currency,
        "point": stated.value_per_point or (0.0, 0.0), "users": stated.users_per_week or 0,
        "harms": len(stated.cost_of_error.per_1000),
    }  # fmt: skip


def _priced(run: RunFolder, gains: Iterable[Row]) -> Iterable[Row]:
    """Rows of gains with what they are worth a week, None where that is not stated."""
    for r in gains:
        span = value_of(run.scenario.problem, (r["value"], r["low"], r["high"]))
        yield r | {"worth": span and dict(zip(("value", "low", "high"), span, strict=True))}


def cost(run: RunFolder, facts: pl.DataFrame) -> Row:
    """The tile on cost, of what ships and beside it of the simplest rung."""
    seconds = {r["what"]: r["value"] for r in rows(facts, topic="cost", metric="cpu_s")}
    days = {r["what"]: f"{r['low']:g} to {r['high']:g}" for r in rows(facts, topic="cost", metric="person_days")}
    cheap = tables.simplest(run)
    return {
        "seconds": f"{two_digits(seconds[ROUTER])} CPU seconds" if ROUTER in seconds else "Not measured",
        "simplest": f"{two_digits(seconds[cheap])} s" if cheap in seconds else "", "simplest_name": cheap,
        "each": days, "days": days.get(ROUTER, ""), "simplest_days": days.get(cheap, ""),
    }  # fmt: skip


def two_digits(value: float) -> str:
    """``"350"``, ``"4.1"``, ``"0.0097"``."""
    return f"{float(f'{value:.2g}'):g}"
