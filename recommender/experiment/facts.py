"""What a finished train says, as one table of rows from which every tile, sentence and chart of its page reads.

A row: site (scenario on data), topic, bucket (user bucket or segment of the decision), what (rung, or ``router``: what
ships), over (what it is compared with), metric, split, n (lists), value with its 95% interval (low, high), target,
extra (another number; where the topic names none, the share of places that the rung itself filled), verdict and, where
that needs words, reason. Topics:

accuracy   a metric of one rung for one group of users; verdicts best, level, below, fallback, control, bound
ships      what validation gives a segment; verdicts won, inherited, group, simplest, few, day zero
gain       what ships less the simplest rung; verdicts gain, loss, open
blend      what merging in a second rung's lists gave a group on validation; verdicts gain, loss, open
slots      what n places for new items gave on validation: recall of new items with (value) and without them (target);
           extra: share of the recall of all items that they cost; reason: share of what users took that was new
price      what ships less its lists before re-ranking; verdicts gain, loss, open
goal       verdicts reached, missed, not testable
harm       a rule, spam or unequal treatment: of what ships, and (what: ``router-plain``) before re-ranking
cost       CPU seconds, stated person-days (low, high)
value      what the gain is worth a week, in the stated currency; verdicts of gain, or not stated
error cost what a harm costs a week, in the stated currency (extra: for 1,000 lists); not stated
cheaper    the rung of least stated person-days, fewer than what ships, that alone reaches the goal too; extra: its days
           over those of what ships
dearer     what ships less that cheaper rung; verdicts gain, loss, open
looking back   rungs that beat what ships on the test period, validation included; verdicts holds, open
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from recommender.config import ProblemStatement
from recommender.evaluation.evaluate import VISIT
from recommender.evaluation.metric_table import NEITHER, better, named
from recommender.evaluation.rounding import percent
from recommender.experiment.climb import needed
from recommender.experiment.run_folder import RunFolder
from recommender.experiment.run_tables import FALLBACK_SHARE, cells, mark, seconds
from recommender.experiment.value import value_rows
from recommender.names import ALL, IN_SESSION, ORACLE, PLAIN, RETURNING, ROUTER

KEY = ("site", "topic", "bucket", "what", "over", "metric", "split")
SCHEMA = {
    **dict.fromkeys(KEY, pl.String),
    "n": pl.Int64,
    **dict.fromkeys(("value", "low", "high", "extra", "target"), pl.Float64),
    **dict.fromkeys(("verdict", "reason"), pl.String),
}
Row = dict[str, Any]
GAIN, LOSS, OPEN, UNKNOWN = "gain", "loss", "open", "not measured"
REACHED, MISSED, NOT_TESTABLE = "reached", "missed", "not testable"
ACROSS = "the goal lies inside the interval"
VISITS = (IN_SESSION, RETURNING)


def train_facts(
    run: RunFolder, site: str = "", reduced: bool = False, problem: ProblemStatement | None = None
) -> pl.DataFrame:
    """All rows of a run's folder. reduced: the data are a part of what the goal was made for, so it is not tested;
    problem: what is stated of value and cost, where that is not as when the run was made."""
    site = site or f"{run.scenario.name} on {run.data.get('name', run.scenario.data.source)}"
    makers = (
        _accuracy(run),
        _ships(run),
        _gains(run),
        _merged(run),
        [goal(run, reduced)],
        _harms(run),
        _costs(run),
        _back(run),
    )
    rows = [row for topic_rows in makers for row in topic_rows]
    rows += [*value_rows(problem or run.scenario.problem, rows), *_cheaper(run, rows)]
    rows = [{"site": site, **row} for row in rows]
    blank = dict.fromkeys(("bucket", "what", "over", "metric", "split", "verdict", "reason"), "")
    return pl.DataFrame([{**dict.fromkeys(SCHEMA), **blank, **row} for row in rows], schema=SCHEMA)


def verdict(low: float | None, high: float | None, metric: str = "") -> str:
    """What the 95% interval of a difference says; less is a gain where less is better."""
    if low is None or high is None:
        return UNKNOWN
    if better(metric) < 0:
        low, high = -high, -low
    return GAIN if low > 0 else LOSS if high < 0 else OPEN


def simplest(run: RunFolder) -> str:
    """The first measured rung of the ladder that is no control; empty without any."""
    controls = {r.name for r in run.scenario.ladder if r.control}
    return next((r for r in run.rungs if r not in (*controls, ROUTER, PLAIN, ORACLE)), "")


def _accuracy(run: RunFolder) -> Iterator[Row]:
    controls = {r.name for r in run.scenario.ladder if r.control}
    for metric in (run.metric, *(m for m in named("accuracy") if m != run.metric)):
        table = cells(run.metrics, run.rungs, metric, "user_bucket")
        if metric == run.metric:  # of visits: who comes back may get another rung
            parts = [(kind, cells(run.metrics, run.rungs, metric, "user_bucket", VISIT, kind[1:])) for kind in VISITS]
            of_visits = [part.with_columns(pl.col("column") + kind) for kind, part in parts]
            table = pl.concat([table, *of_visits]).filter(pl.col("n_queries") > 0)
        for r in mark(table, run.comparisons, metric, run.decision.alpha).iter_rows(named=True):
            filled = r["answered_share"] is not None and r["answered_share"] < FALLBACK_SHARE
            outcome = "bound" if r["rung"] == ORACLE else "control" if r["rung"] in controls else ""
            stood = "best" if r["is_best"] else "level" if r["ties_best"] else "below"
            outcome = outcome or ("fallback" if filled else stood)
            yield {
                "topic": "accuracy", "bucket": r["column"], "what": r["rung"], "metric": metric, "split": "test",
                "n": r["n_queries"], "value": r["value"], "low": r["ci_low"], "high": r["ci_high"],
                "extra": r["answered_share"], "verdict": UNKNOWN if r["value"] is None else outcome,
            }  # fmt: skip


def _ships(run: RunFolder) -> Iterator[Row]:
    for segment, (choice, blend) in run.decision.shipped().items():
        few = choice.n_queries < needed(segment, run.scenario.decision)
        outcome = "few" if few and choice.over is None else "won" if choice.over else "simplest"
        if choice.inherited_from:
            outcome = "inherited" if few else "group"
        outcome = "day zero" if run.scenario.day_zero else outcome
        yield {
            "topic": "ships", "bucket": segment, "what": choice.rung, "over": choice.over or "", "metric": run.metric,
            "split": "validation", "n": choice.n_queries, "value": choice.gain, "low": choice.ci_low,
            "high": choice.ci_high, "verdict": outcome, "reason": blend.rung if blend else "",
        }  # fmt: skip


def _gains(run: RunFolder) -> Iterator[Row]:
    """Gains of what ships over the simplest rung and over its own lists before re-ranking."""
    for topic, over in (("gain", simplest(run)), ("price", PLAIN)):
        for r in run.comparisons.filter(rung_a=over, rung_b=ROUTER).iter_rows(named=True):
            yield {
                "topic": topic, "bucket": r["user_bucket"], "what": ROUTER, "over": over, "metric": r["metric"],
                "split": "test", "value": r["difference"], "low": r["ci_low"], "high": r["ci_high"],
                "verdict": verdict(r["ci_low"], r["ci_high"], r["metric"]),
            }  # fmt: skip


def _merged(run: RunFolder) -> Iterator[Row]:
    """Second rungs, and places for new items."""
    same = {"metric": run.metric, "split": "validation"}
    for group, b in run.decision.blends.items():
        ends: Row = {"n": b.n_queries, "value": b.gain, "low": b.ci_low, "high": b.ci_high}
        yield {
            "topic": "blend",
            "bucket": group,
            "what": b.rung,
            **same,
            **ends,
            "verdict": verdict(b.ci_low, b.ci_high),
        }
    slots = run.decision.slots
    sized = {e.n: e for e in run.decision.slot_evidence if not e.n or e.rung in ("", slots.rung)}
    if slots.n and {0, slots.n} <= set(sized):
        chosen = sized[int(slots.n)]
        ends = {"value": chosen.new_item_recall_at_20, "target": sized[0].new_item_recall_at_20, "extra": chosen.loss}
        yield {"topic": "slots", "bucket": ALL, "what": slots.rung, **same, "metric": "recall_at_20", **ends,
               "n": int(slots.n), "reason": percent(chosen.new_item_share_of_truth)}  # fmt: skip


def goal(run: RunFolder, reduced: bool = False) -> Row:
    """Whether what ships (where nothing does, the best rung) reaches the goal for all users of the test period."""
    problem, split = run.scenario.problem, run.scenario.split.kind
    table = cells(run.metrics, run.rungs, problem.metric, "user_bucket")
    table = table.filter(pl.col("column") == ALL, pl.col("rung") != ORACLE).drop_nulls("value")
    row: Row = {"topic": "goal", "bucket": ALL, "metric": problem.metric, "split": "test", "target": problem.target}
    if table.is_empty():
        return row | {"verdict": NOT_TESTABLE, "reason": "nothing was measured", "n": 0}
    routed = table.filter(rung=ROUTER)
    r = (routed if routed.height else table.sort("value", descending=True)).row(0, named=True)
    row |= {"what": r["rung"], "n": r["n_queries"], "value": r["value"], "low": r["ci_low"], "high": r["ci_high"]}
    controls = [c.name for c in run.scenario.ladder if c.control]
    easy = table.filter(pl.col("rung").is_in(controls), pl.col("value") >= problem.target)["rung"].to_list()
    few = run.scenario.decision.thin
    crosses = r["ci_low"] is None or r["ci_low"] < problem.target <= r["ci_high"]
    reasons = {
        "the data are a small part of what the goal was made for": reduced,
        "the split is random, so models saw the future": split == "random" or run.data.get("has_times") is False,
        f"only {r['n_queries']:,} users were asked, fewer than {few}": r["n_queries"] < few,
        f"{', '.join(easy)}, a control, reaches it too": bool(easy),
        ACROSS: crosses,
    }
    if stops := [reason for reason, holds in reasons.items() if holds]:
        return row | {"verdict": NOT_TESTABLE, "reason": "; ".join(stops)}
    return row | {"verdict": REACHED if r["ci_low"] >= problem.target else MISSED}


def _cheaper(run: RunFolder, rows: Sequence[Row]) -> Iterator[Row]:
    days = {r["what"]: r["low"] + r["high"] for r in rows if r["topic"] == "cost" and r["metric"] == "person_days"}
    whole = next(r for r in rows if r["topic"] == "goal")
    if whole["verdict"] != REACHED or ROUTER not in days:
        return
    alone = [
        r for r in rows
        if r["topic"] == "accuracy" and (r["bucket"], r["metric"]) == (ALL, whole["metric"])
        and r["verdict"] in ("best", "level", "below") and r["what"] in days and r["what"] != ROUTER
        and r["low"] is not None and r["low"] >= whole["target"] and days[r["what"]] < days[ROUTER]
    ]  # fmt: skip
    for r in sorted(alone, key=lambda r: (days[r["what"]], -r["value"]))[:1]:
        share = days[r["what"]] / days[ROUTER]
        yield r | {"topic": "cheaper", "target": whole["target"], "extra": share, "verdict": REACHED}
        pair = {"user_bucket": ALL, "metric": whole["metric"], "rung_a": r["what"], "rung_b": ROUTER}
        for c in run.comparisons.filter(**pair).iter_rows(named=True):
            ends = {"value": c["difference"], "low": c["ci_low"], "high": c["ci_high"]}
            yield {"topic": "dearer", "bucket": ALL, "what": ROUTER, "over": r["what"], "metric": whole["metric"],
                   "split": "test", **ends, "verdict": verdict(c["ci_low"], c["ci_high"])}  # fmt: skip


def untestable(goal: Mapping[str, Any]) -> bool:
    """Whether a row of the goal is not testable for another reason than an interval across the goal."""
    return bool(goal["verdict"] == NOT_TESTABLE and goal["reason"] != ACROSS)


def _harms(run: RunFolder) -> Iterator[Row]:
    """Rules, spam and what else the lists of all users show, before and after re-ranking."""
    tested = run.metrics.filter(split="test", user_bucket=ALL, item_bucket=ALL, slice=ALL)
    shown = [*named("rules", "spam"), *(m for m in named("lists") if better(m) != NEITHER), "new_item_share_at_10"]
    for r in tested.filter(pl.col("rung").is_in([ROUTER, PLAIN]), pl.col("metric").is_in(shown)).iter_rows(named=True):
        topic = "harm" if r["metric"] in named("rules", "spam") else "lists"
        yield {
            "topic": topic, "bucket": ALL, "what": r["rung"], "metric": r["metric"], "split": "test",
            "n": r["n_queries"], "value": r["value"], "low": r["ci_low"], "high": r["ci_high"],
            "verdict": UNKNOWN if r["value"] is None else "",
        }  # fmt: skip
    ratios = run.audit.filter("counted", outcome="selection").drop_nulls("ratio").sort("ratio")
    for r in ratios.unique(["rung", "grouping"], keep="first", maintain_order=True).iter_rows(named=True):
        if r["rung"] in (ROUTER, PLAIN):
            yield {
                "topic": "harm", "bucket": ALL, "what": r["rung"], "metric": "impact ratio", "split": "test",
                "n": r["n_users"], "value": r["ratio"], "low": r["ratio_low"], "high": r["ratio_high"],
                "over": r["grouping"], "reason": r["group"], "verdict": "unequal" if r["differs"] else OPEN,
            }  # fmt: skip


def _costs(run: RunFolder) -> Iterator[Row]:
    for r in seconds(run).drop_nulls("cpu_s").iter_rows(named=True):
        yield {"topic": "cost", "what": r["rung"], "metric": "cpu_s", "split": "test", "value": r["cpu_s"]}
    stated = run.scenario.person_days
    for rung in (r for r in (*run.rungs, *stated) if r in stated):
        low, high = stated[rung]
        yield {"topic": "cost", "what": rung, "metric": "person_days", "low": low, "high": high}
    served = run.decision.served
    if served and all(rung in stated for rung in served):
        low, high = (sum(stated[rung][end] for rung in served) for end in (0, 1))
        yield {"topic": "cost", "what": ROUTER, "metric": "person_days", "low": low, "high": high}


def _back(run: RunFolder) -> Iterator[Row]:
    for r in run.hindsight:
        yield {
            "topic": "looking back", "bucket": r["user_bucket"], "what": r["rung"], "over": ROUTER,
            "metric": run.metric, "split": "test", "n": r["n_queries"], "value": r["gain"], "low": r["ci_low"],
            "high": r["ci_high"], "verdict": "holds" if r["mean_low"] > 0 else OPEN, "reason": r["sentence"],
        }  # fmt: skip
