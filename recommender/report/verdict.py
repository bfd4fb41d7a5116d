"""The top of the report: what to ship for whom, why, and what the test period then said."""

from __future__ import annotations

from html import escape
from typing import Any

import polars as pl

from recommender.evaluation.metric_table import metric_label
from recommender.experiment import run_tables
from recommender.experiment.run_folder import RunFolder
from recommender.experiment.run_tables import LABELS, USERS, interval, number
from recommender.names import IN_SESSION, RETURNING, ROUTER
from recommender.report import decision_table
from recommender.report.page import bullets, cell, details, paragraph, table

_GROUPS = {
    "with_history": "all users with history",
    "with_history" + RETURNING: "users with history who come back",
}


def verdict(out: RunFolder) -> str:
    """The framed box under the title, as HTML."""
    shipped = decision_table.decision(out)
    who = [_capital(decision_table.users(segment, out)) for segment in shipped["user_bucket"]]
    rows = [(name, _decided(r, out)) for name, r in zip(who, shipped.iter_rows(named=True), strict=True)]
    heads = ["Who", "Ship", "Why (validation periods)", f"Test {metric_label(out.metric)}"]
    sentences = bullets(escape(s) for s in out.decision.sentences)
    return (
        f'<section class="decision"><h2>What to ship</h2>\n<p class="ship">{_headline(shipped, out)}</p>\n'
        + table("By how much is known of the user:", heads, rows, css="stack")
        + details("The decision in sentences", sentences)
        + _slots(out)
        + "".join(paragraph(s, "dim") for s in (_target(out), _evidence(out)) if s)
        + "</section>"
    )


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _slots(out: RunFolder) -> str:
    """How many slots are reserved for new items, and what each number of them brought and cost on validation."""
    slots = out.decision.slots
    places = f"{slots.n} of the first {slots.of} slots are reserved for new items" if slots.n else ""
    heads = ["Slots", "Recall@20", "Recall@20 of new items"]
    rows = [
        (
            f"{r.n}{' ★' * (r.n == slots.n)}",
            [cell(number(r.recall_at_20)), cell(number(r.new_item_recall_at_20))],
        )
        for r in out.decision.slot_evidence
    ]
    caption = (
        f"Validation periods. ★ shipped: of the sizes that lose at most {slots.max_loss:.0%} of Recall@20, "
        "the one that finds most new items, if that is worth it."
    )
    shown = paragraph(f"{places}, chosen by {slots.rung}.") if places else ""
    return shown + details("How many places to keep for new items", table(caption, heads, rows))


def _headline(shipped: pl.DataFrame, out: RunFolder) -> str:
    """``Ship <b>content</b> to users with no history; <b>als</b> to ...``: HTML, escaped."""
    whole = shipped.drop_nulls("rung").group_by("rung", "blended", maintain_order=True).agg("user_bucket")
    groups = [
        (f"<b>{escape(rung)}</b>" + (f" blended with <b>{escape(second)}</b>" if second else ""), buckets)
        for rung, second, buckets in whole.rows()
    ]
    if not groups:
        return "Nothing was evaluated, so nothing was decided by evidence."
    if len(groups) == 1:
        return f"Ship {groups[0][0]} to all users."
    return f"Ship {'; '.join(f'{what} to {_audience(buckets, out)}' for what, buckets in groups)}."


def _audience(segments: list[str], out: RunFolder) -> str:
    kinds = {kind: [s.removesuffix(kind) for s in segments if s.endswith(kind)] for kind in (IN_SESSION, RETURNING)}
    whole = [s for s in segments if s in USERS]
    parts = [_warmth(whole)] if whole else []
    parts += [_warmth(buckets) + decision_table.in_visit(out, kind) for kind, buckets in kinds.items() if buckets]
    return ", and ".join(parts)


def _warmth(buckets: list[str]) -> str:
    if len(buckets) < 3:
        return ", and ".join(USERS[b] for b in buckets)
    words = ["no" if b == "0" else LABELS[b] for b in buckets]
    return f"users with {', '.join(words[:-1])} or {words[-1]} earlier interactions"


def _decided(row: dict[str, Any], out: RunFolder) -> list[str]:
    reason, evidence = _reason(row, out)
    rungs = " + ".join(x for x in (row["rung"], row["blended"]) if x)
    return [
        cell(rungs or "–", css="text", head="Ship"),
        cell(reason, evidence, css="text", head="Why"),
        cell(number(row["test_value"]), interval(row["test_low"], row["test_high"]), head="Test period"),
    ]


def _reason(row: dict[str, Any], out: RunFolder) -> tuple[str, str]:
    """The reason for one row of ``decision_table.decision`` in words, and its numbers."""
    if out.scenario.day_zero:
        return "day zero: nothing was evaluated", ""
    few = row["n_queries"] < out.scenario.decision.thin
    n = "" if row["inherited_from"] else f"{row['n_queries']:,} queries"
    reason, evidence = "no higher rung gained enough to replace it", n
    if row["over"] is not None:
        reason = f"gains {row['gain']:+.3f} {metric_label(out.metric)} over {row['over']}"
        p = "p < 0.001" if row["p_holm"] < 0.001 else f"p = {row['p_holm']:.3f}"
        around = f"95% interval {interval(row['ci_low'], row['ci_high'])}"
        evidence = ", ".join(x for x in (around, p, n) if x)
    elif few:
        reason = "too few queries to climb, so the simplest rung stands"
    if row["inherited_from"]:
        alone = (
            f"too few queries to decide alone (n={row['n_queries']}), so"
            if few
            else (f"nothing in its own queries (n={row['n_queries']:,}) is against it:")
        )
        here = ", in a visit" if row["user_bucket"].endswith(IN_SESSION) else ""
        reason = f"{alone} as for {_GROUPS[row['inherited_from']]}{here}: {reason}"
    if row["blended"]:
        reason += f"; to blend in {row['blended']} by rank gains {row['blend_gain']:+.3f} more"
    return reason, evidence


def _target(out: RunFolder) -> str:
    """Whether the target is reached on the test period by the router, or without one by the best rung."""
    problem = out.scenario.problem
    found = run_tables.cells(out.metrics, out.rungs, problem.metric, "user_bucket")
    found = found.filter(pl.col("column") == "all").drop_nulls(["value", "ci_low", "ci_high"])
    if found.is_empty():
        return ""
    routed = found.filter(pl.col("rung") == ROUTER)
    row = (found.sort("value", descending=True) if routed.is_empty() else routed).row(0, named=True)
    if row["ci_low"] >= problem.target:
        verdict = "reached"
    elif row["ci_high"] < problem.target:
        verdict = "not reached"
    else:
        verdict = "within the interval, so it cannot be told whether it is reached"
    return (
        f"Target {problem.target:g}: {verdict}. {row['rung']} gives {metric_label(problem.metric)} "
        f"{number(row['value'])} ({interval(row['ci_low'], row['ci_high'])}) for all users of the test period."
    )


def _evidence(out: RunFolder) -> str:
    tests = [o for o in out.data.get("origins", []) if o.get("split") == "test"]
    if not tests:
        return ""
    test = tests[0]
    end = str(test.get("end") or out.data.get("summary", {}).get("last_time", ""))
    span = f" from {test['origin'][:10]} to {end[:10]}" if out.scenario.split.kind == "time" else ""
    counts = [("n_queries", "queries"), ("n_truth", "items taken"), ("n_candidates", "candidate items")]
    shown = [f"{test[key]:,} {word}" for key, word in counts if test.get(key) is not None]
    outside = (
        f"; {test['n_truth_outside']:,} items taken were not among the candidates"
        if test.get("n_truth_outside")
        else ""
    )
    return f"Test period{span}: {', '.join(shown)}{outside}."
