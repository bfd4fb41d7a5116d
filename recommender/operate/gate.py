"""Whether a candidate may replace the champion: each check of the scenario's ``promote`` as a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from recommender.config import Promote, Scenario
from recommender.evaluation.metric_table import LOWER, METRICS, metric_label
from recommender.experiment.run_folder import RunFolder
from recommender.names import ROUTER
from recommender.operate.paired import CANDIDATE, CHAMPION, Pairing, means

NEW_ITEMS = "recall_at_20:0"
LOAD = "top_load_at_10"


@dataclass(frozen=True)
class Check:
    """One condition. difference: candidate - champion with its 95% interval (None: not resampled)."""

    name: str
    champion: float | None
    candidate: float | None
    difference: float | None
    low: float | None
    high: float | None
    holds: bool
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a candidate."""

    checks: tuple[Check, ...]
    n_queries: int = 0
    origin: str = ""
    incomparable: str = ""  # why the champion could not be asked

    @property
    def holds(self) -> bool:
        return not self.incomparable and all(check.holds for check in self.checks)

    @property
    def sentence(self) -> str:
        """One line for the audit row and the terminal."""
        if self.incomparable:
            return f"The champion cannot be compared: {self.incomparable}"
        if not self.checks:
            return "There is no champion yet: nothing to compare with."
        failed = [check.sentence for check in self.checks if not check.holds]
        where = f"on {self.n_queries:,} users' lists since {self.origin[:10]}"
        if failed:
            return f"The gate does not hold {where}: {' '.join(failed)}"
        return f"The gate holds {where}. {self.checks[0].sentence}"

    def tree(self) -> dict[str, Any]:
        """Plain values, for the audit row and scripts."""
        checks = [asdict(check) for check in self.checks]
        return {"holds": self.holds, "n_queries": self.n_queries, "origin": self.origin, "checks": checks}


def judge_pair(pairing: Pairing, scenario: Scenario, champion: RunFolder, candidate: RunFolder) -> Verdict:
    """Accuracy, new items, harms and cost, in this order."""
    rule = scenario.promote
    checks = [
        _accuracy(pairing, scenario.decision.metric, rule.max_loss, rule),
        *([_accuracy(pairing, NEW_ITEMS, rule.max_new_item_loss, rule)] if _defined(pairing, NEW_ITEMS) else []),
        *_harms(pairing, scenario, rule),
        *_ratios(pairing, rule),
        *_cost(champion, candidate, rule),
    ]
    return Verdict(tuple(checks), pairing.n_queries, pairing.origin)


def _defined(pairing: Pairing, metric: str) -> bool:
    return _row(pairing, metric)["difference"] is not None


def _row(pairing: Pairing, metric: str) -> dict[str, Any]:
    values = pairing.table.filter(pl.col("metric") == metric)
    empty = dict.fromkeys(("difference", "ci_low", "ci_high"))
    return values.row(0, named=True) if values.height else {**empty, "n_queries": 0}


def _accuracy(pairing: Pairing, metric: str, max_loss: float, rule: Promote) -> Check:
    """Non-inferiority: the lower bound of the paired difference is above minus ``max_loss`` of the champion's."""
    row, now, then = _row(pairing, metric), means(pairing, CANDIDATE, metric), means(pairing, CHAMPION, metric)
    label = metric_label(metric)
    label = label[:1].upper() + label[1:]
    difference, low, high = row["difference"], row["ci_low"], row["ci_high"]
    if difference is None or low is None or then is None or row["n_queries"] < rule.least:
        few = f"{label}: {row['n_queries']:,} lists are too few, promote.least asks for {rule.least:,}."
        return Check(metric, then, now, difference, low, high, metric == NEW_ITEMS, few)
    floor = -max_loss * then
    change = f"{label} {difference:+.4f} [{low:+.4f}, {high:+.4f}] from {then:.4f}"
    sentence = f"{change}; a loss of {-floor:.4f} is allowed ({max_loss:.0%})."
    return Check(metric, then, now, difference, low, high, low >= floor, sentence)


def _harms(pairing: Pairing, scenario: Scenario, rule: Promote) -> Iterator[Check]:
    """Places in the first ten that break a rule, and the load on the most suggested members."""
    zero = ["blocked_at_10"] + ["unavailable_at_10"] * (not scenario.eligibility.expired)
    listed = [m.name for m in METRICS.values() if m.section in ("rules", "spam") and m.better == LOWER]
    for metric in (m for m in (*listed, LOAD) if _measured(pairing, m)):
        row, now, then = _row(pairing, metric), means(pairing, CANDIDATE, metric), means(pairing, CHAMPION, metric)
        if now is None or then is None:
            continue
        difference = now - then
        high = difference if row["ci_high"] is None else row["ci_high"]
        holds = now == 0 if metric in zero else high <= rule.max_harm
        bound = "it must be 0" if metric in zero else f"a rise of {rule.max_harm:.1%} is allowed"
        sentence = f"{metric_label(metric).capitalize()} {now:.2%}, before {then:.2%}; {bound}."
        yield Check(metric, then, now, difference, row["ci_low"], row["ci_high"], holds, sentence)


def _measured(pairing: Pairing, metric: str) -> bool:
    both = pairing.group.outcomes[0].values()
    return all(metric in outcome.values or metric in outcome.shares for outcome in both)


def _ratios(pairing: Pairing, rule: Promote) -> Iterator[Check]:
    """Impact ratios of selection, by protected column."""
    now, then = (pairing.ratios.get(name, {}) for name in (CANDIDATE, CHAMPION))
    for name in (n for n in now if n in then and n.startswith("impact_ratio/")):
        difference = now[name] - then[name]
        words = f"Impact ratio by {name.partition('/')[2]} {now[name]:.2f}, before {then[name]:.2f}"
        sentence = f"{words}; a fall of {rule.max_ratio_loss:.2f} is allowed."
        yield Check(name, then[name], now[name], difference, None, None, -difference <= rule.max_ratio_loss, sentence)


def _cost(champion: RunFolder, candidate: RunFolder, rule: Promote) -> Iterator[Check]:
    """CPU seconds of fitting and recommending at the test origin, as each train measured them."""
    then, now = (_cpu_seconds(run) for run in (champion, candidate))
    if then and now:
        holds = now <= max(rule.max_cost * then, rule.free_cpu_s)
        sentence = f"CPU seconds {now:.1f}, before {then:.1f}; {rule.max_cost:g} times as many are allowed."
        yield Check("cpu_s", then, now, now - then, None, None, holds, sentence)


def _cpu_seconds(run: RunFolder) -> float:
    stages = pl.col("stage").is_in(["fit", "recommend"])
    return float(run.spent.filter(stages, rung=ROUTER, split="test")["cpu_s"].sum())
