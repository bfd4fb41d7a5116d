"""What an ablation says of one part or data asset: which way it moves its aim, from what to what, at what cost, and
whether the part is in what ships."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from recommender.evaluation.metric_table import LOWER, NEITHER, better, heading, metric_label, of_every_query
from recommender.evaluation.rounding import with_interval
from recommender.names import ROUTER
from recommender.studies.engine.contrast import significant
from recommender.studies.engine.finding import not_enough
from recommender.studies.engine.plan import Pair

Row = Mapping[str, Any]  # of ``ablation.effects``
CPU_NOISE = 0.2  # CPU seconds that two runs of the same thing easily differ by
LARGE = 10  # values from which on one decimal is enough

# What a part may do to an aim.
IMPROVES, WORSENS, CHANGES, LEAVES, UNSURE = "improves", "worsens", "changes", "leaves", "no evidence that it changes"

# Verdict on a part, exactly one of them, in the order in which they are listed; the same in a cell of a table.
RAISED = "raise {metric}"
IMPROVED = "improve their aim"
AT_A_LOSS = "improve their aim at a loss of {metric}"
MIXED = "improve some of their aims and worsen some"
WORSENED = "worsen their aim"
CHANGED = "change their aim, neither better nor worse in itself"
LOWERED = "lower {metric} and bring nothing else"
LOWERED_ALONE = "lower {metric}, no other aim of theirs being measured"
NOTHING = "no measurable benefit"
IDLE = "no effect on {lists}, so not judged"
IN_BRIEF = {
    RAISED: "raises {metric}",
    IMPROVED: "improves its aim",
    AT_A_LOSS: "improves its aim at a loss",
    MIXED: "mixed",
    WORSENED: "worsens its aim",
    CHANGED: "changes its aim",
    LOWERED: "lowers {metric}",
    LOWERED_ALONE: "lowers {metric}",
    NOTHING: "no measurable benefit",
    IDLE: "no effect",
}
VERDICTS = tuple(IN_BRIEF)

# Is a part in what ships? As a cell of a table, and as the head of a sentence.
SHIPS, OFF, OWN = "yes", "off", "own set-up"
HEADS = {
    SHIPS: "In what ships",
    OFF: "Off by default",
    OWN: "Measured in a set-up of their own, described below, whether they ship or not",
}


def status(pair: Pair) -> str:
    """Whether a part of a study of mode ladder ships.

    SHIPS: by default. OFF: not by default; it was switched on to be measured. OWN: measured in another set-up than what
    ships (one rung alone, an attack), which ``what`` describes.
    """
    if not pair.with_:
        return SHIPS
    return OWN if pair.without else OFF


@dataclass(frozen=True)
class Effect:
    """One part or data asset, measured with it and without it.

    rows: metric -> its row of ``ablation.effects`` for all users; metric: the decision's; cost: ``ablation.cost_of``.
    """

    name: str
    pair: Pair
    rows: Mapping[str, Row]
    metric: str
    cost: Mapping[str, float]

    @property
    def main(self) -> Row | None:
        """The row of the decision's metric; None where the two share no queries."""
        return self.rows.get(self.metric)

    @property
    def gain(self) -> float:
        """Gain of the decision's metric; 0 where no difference is significant."""
        return float(self.main["difference"]) if self.main and significant(self.main) else 0.0

    @cached_property
    def aims(self) -> dict[str, list[Row]]:
        """What the part is there for beside the decision's metric, by what it does to it."""
        by_verb: dict[str, list[Row]] = {verb: [] for verb in (IMPROVES, WORSENS, CHANGES, LEAVES, UNSURE)}
        for row in (self.rows[m] for m in self.pair.metrics if m in self.rows and m != self.metric):
            by_verb[_verb(row)].append(row)
        return by_verb

    @property
    def verdict(self) -> str:
        """One of ``VERDICTS``: a raised metric comes first, then what happens to the aims."""
        gain, aims = self.gain, self.aims
        if gain > 0:
            return RAISED
        if aims[WORSENS]:
            return MIXED if aims[IMPROVES] else WORSENED
        if aims[IMPROVES]:
            return AT_A_LOSS if gain < 0 else IMPROVED
        if aims[CHANGES]:
            return CHANGED
        if gain < 0:
            return LOWERED if any(aims.values()) else LOWERED_ALONE
        # The same lists, as far as accuracy (of new items too) and the aims tell. Other metrics, as diversity, are
        # measured by the very columns that some parts take away.
        telling = (r for m, r in self.rows.items() if m.partition(":")[0] in of_every_query() or m in self.pair.metrics)
        return IDLE if self.main and all(map(_same, telling)) else NOTHING

    @property
    def measurable(self) -> bool:
        """Whether any effect of the part is shown."""
        return self.verdict not in (NOTHING, IDLE)

    def in_brief(self) -> str:
        """The verdict in a few words, with what it leaves out: a worsened aim, or a loss."""
        text = IN_BRIEF[self.verdict].format(metric=metric_label(self.metric))
        if self.verdict == RAISED and self.aims[WORSENS]:
            text += ", worsens its aim"
        return text + " at a loss" * (self.verdict in (MIXED, WORSENED, CHANGED) and self.gain < 0)

    def in_list(self) -> str:
        """Its name, with what the verdict does not say: ``slots (improves this, worsens that, lowers NDCG@10)``."""
        details = []
        if self.aims[WORSENS]:
            verbs = [verb for verb in (IMPROVES, WORSENS) if self.aims[verb]]
            details = [f"{v} {' and '.join(metric_label(r['metric']) for r in self.aims[v])}" for v in verbs]
        if self.gain < 0 and self.verdict not in (AT_A_LOSS, LOWERED, LOWERED_ALONE):
            details.append(f"lowers {metric_label(self.metric)}")
        return self.name + (f" ({', '.join(details)})" if details else "")

    def sentence(self) -> str:
        """What the part does and costs; in mode ladder also whether it ships."""
        main = self.main
        ladder = main is not None and main["other_rung"] == ROUTER
        place = {SHIPS: "", OFF: "off by default", OWN: "own set-up"}[status(self.pair)] if ladder else ""
        details = ": ".join(filter(None, (place, self.pair.what)))
        name = f"{self.name} ({details})" if details else self.name
        if main is None:
            return f"{name}: {not_enough}, no common queries. It costs {price(self.cost)}."
        if all(map(_same, self.rows.values())):
            effect = f": the lists are the same without it{_idle(self.aims[LEAVES])}"
        else:
            effect = _main_effect(main) + self._aim_effects()
        rungs = "" if main["other_rung"] == ROUTER else f"Best rung: {_best_rungs(main)}. "
        return f"{name}{effect}. {rungs}It costs {price(self.cost)}."

    def aims_text(self) -> str:
        """``spam@10 ↓ 0.5713 → 0.1207 *; ...``: its aims beside the decision's metric, * where significant."""
        rows = (self.rows[m] for m in self.pair.metrics if m in self.rows and m != self.metric)
        return "; ".join(f"{heading(r['metric'])} {ends(r)}{' *' * significant(r)}" for r in rows)

    def _aim_effects(self) -> str:
        text = ""
        for verb in (v for v in (IMPROVES, WORSENS, CHANGES) if self.aims[v]):
            text += f"; it {verb} " + ", and ".join(map(_change, self.aims[verb]))
        if self.aims[LEAVES]:
            text += f"; it {LEAVES} " + ", and ".join(_at(r, "at") for r in self.aims[LEAVES])
        unsure = ", ".join(metric_label(r["metric"]) for r in self.aims[UNSURE])
        return text + (f"; {UNSURE} {unsure}" if unsure else "")


def ordered(effects: Sequence[Effect]) -> list[Effect]:
    """Effects sorted by status, then verdict."""
    return sorted(effects, key=lambda e: (list(HEADS).index(status(e.pair)), VERDICTS.index(e.verdict)))


def verdicts(effects: Sequence[Effect], ladder: bool) -> list[str]:
    """All effects by their verdict: one sentence, or in mode ladder one for each status."""
    if not ladder:
        return [f"In short: {_by_verdict(effects, 'the best rung')}."]
    by_status = {head: [e for e in effects if status(e.pair) == which] for which, head in HEADS.items()}
    return [f"{head}: {_by_verdict(some, 'the lists')}." for head, some in by_status.items() if some]


def _by_verdict(effects: Sequence[Effect], lists: str) -> str:
    names: dict[str, list[str]] = {verdict: [] for verdict in VERDICTS}
    for effect in effects:
        names[effect.verdict].append(effect.in_list())
    words = {"metric": metric_label(effects[0].metric), "lists": lists}
    return "; ".join(f"{verdict.format(**words)}: {', '.join(some)}" for verdict, some in names.items() if some)


def price(cost: Mapping[str, float]) -> str:
    """``1.5 CPU seconds, 6 configuration keys``: what it takes, without what it does not."""
    seconds = cost["cpu_s"]
    parts = [f"{seconds:.1f} CPU seconds"] if seconds >= CPU_NOISE else []
    for key, what in (("columns", "column"), ("keys", "configuration key")):
        n = round(cost[key])
        parts += [f"{n} {what}{'s' * (n != 1)}"] if n else []
    return (", ".join(parts) or "next to nothing") + f" and saves {-seconds:.1f} CPU seconds" * (seconds <= -CPU_NOISE)


def ends(row: Row) -> str:
    """``0.5713 → 0.1207``, without it and with it."""
    n = decimals(row)
    return f"{row['base']:.{n}f} → {row['other']:.{n}f}"


def decimals(row: Row) -> int:
    """1 for large values, else 4."""
    return 1 if max(abs(row["base"]), abs(row["other"])) >= LARGE else 4


def _verb(row: Row) -> str:
    if _same(row):
        return LEAVES
    if not significant(row):
        return UNSURE
    way = better(row["metric"])
    return CHANGES if way == NEITHER else IMPROVES if row["difference"] * way > 0 else WORSENS


def _same(row: Row) -> bool:
    """Whether both give every user one value."""
    return bool(row["ci_low"] == row["ci_high"] == 0)


def _main_effect(row: Row) -> str:
    if _same(row):
        return f" leaves {_at(row, 'as it is, at')}"
    if significant(row):
        return f" {'raises' if row['difference'] > 0 else 'lowers'} {_change(row)}"
    return f": {not_enough} of a change in {_change(row)}, adjusted p {row['p_holm']:.2f}"


def _idle(same: Sequence[Row]) -> str:
    """Why the lists are the same, where the part's own metrics tell: a guard finds nothing to guard against."""
    if not same:
        return ""
    nothing = all(better(row["metric"]) == LOWER and row["base"] == 0 for row in same)
    text = ", and ".join(_at(row, "is") for row in same) + " without it too"
    return f": nothing for it to do on these data, {text}" if nothing else f": {text}"


def _best_rungs(row: Row) -> str:
    without, with_ = row["base_rung"], row["other_rung"]
    return f"{with_}, with it and without it" if with_ == without else f"{without} without it, {with_} with it"


def _change(row: Row) -> str:
    """``spam@10 from 0.3921 to 0.0002, -0.3919 [-0.3939, -0.3900] (n=2,961)``."""
    difference = with_interval(row["difference"], row["ci_low"], row["ci_high"], decimals(row), sign=True)
    return f"{metric_label(row['metric'])} from {ends(row).replace('→', 'to')}, {difference} (n={row['n_queries']:,})"


def _at(row: Row, verb: str) -> str:
    return f"{metric_label(row['metric'])} {verb} {row['base']:.{decimals(row)}f}"
