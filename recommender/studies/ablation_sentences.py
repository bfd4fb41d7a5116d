"""What ``worth`` says in sentences: which way each part moves what it is there for, from what to what, at what cost,
and whether that part is in what ships."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recommender.evaluation.directions import LOWER, NEITHER, arrow, better
from recommender.evaluation.metrics import ACCURACY
from recommender.experiment.run_tables import LABELS, metric_label
from recommender.names import ROUTER
from recommender.studies.engine.contrast import significant
from recommender.studies.engine.finding import interval, not_enough
from recommender.studies.engine.plan import Pair

Row = Mapping[str, Any]  # of ``ablation.effects``
Rows = Mapping[str, Row]  # metric -> its row for all users

CPU_NOISE = 0.2  # CPU seconds that two runs of the same thing easily differ by
LARGE = 10  # values from which on one decimal is enough

# What a part may do to what it is there for.
IMPROVES, WORSENS, CHANGES, LEAVES, UNSURE = "improves", "worsens", "changes", "leaves", "no evidence that it changes"

# What is shown of a part: exactly one of them, in the order in which they are told.
RAISED = "shown to raise {metric}"
IMPROVED = "shown to improve what they are there for"
AT_A_LOSS = "shown to improve what they are there for, at a loss of {metric}"
MIXED = "shown to improve some of what they are there for and to worsen some"
WORSENED = "shown to worsen what they are there for"
CHANGED = "shown to change what they are there for, neither better nor worse in itself"
LOWERED = "shown to lower {metric} and to bring nothing else"
LOWERED_ALONE = "shown to lower {metric}, no other aim of theirs being measured"
NOTHING = "not shown to bring anything"
IDLE = "without any effect on {lists}, so not judged"
VERDICTS = (RAISED, IMPROVED, AT_A_LOSS, MIXED, WORSENED, CHANGED, LOWERED, LOWERED_ALONE, NOTHING, IDLE)
IN_BRIEF = {  # the same in a cell of a table
    RAISED: "raises {metric}",
    IMPROVED: "improves its aim",
    AT_A_LOSS: "improves its aim at a loss",
    MIXED: "mixed",
    WORSENED: "worsens its aim",
    CHANGED: "changes its aim",
    LOWERED: "lowers {metric}",
    LOWERED_ALONE: "lowers {metric}",
    NOTHING: "nothing shown",
    IDLE: "no effect",
}

# Is a part in what ships? As a cell of a table, and as the head of a sentence.
SHIPS, OFF, OWN = "yes", "off", "own set-up"
HEADS = {
    SHIPS: "In what ships",
    OFF: "Off by default",
    OWN: "Measured in a set-up of their own, as told below, whether they ship or not",
}


def status(pair: Pair) -> str:
    """Of a study of mode ladder. SHIPS: what ships by default has the part; OFF: it does not, and was measured with it;
    OWN: measured outside of what ships (one rung alone, an attack), as ``what`` says, be it in what ships or not."""
    if not pair.with_:
        return SHIPS
    return OWN if pair.without else OFF


def ordered(rows: Mapping[str, Rows], metric: str, pairs: Mapping[str, Pair]) -> list[str]:
    """Names by status, then verdict."""

    def place(name: str) -> tuple[int, int]:
        verdict = verdict_of(rows[name], metric, pairs[name])
        return list(HEADS).index(status(pairs[name])), VERDICTS.index(verdict)

    return sorted(rows, key=place)


def verdicts(rows: Mapping[str, Rows], metric: str, pairs: Mapping[str, Pair], ladder: bool) -> list[str]:
    """All of them by what is shown of them: of mode ladder a sentence for each status, else one.

    rows: pair -> metric -> row for all users.
    """
    if not ladder:
        return [f"In short: {_by_verdict(rows, metric, pairs, 'the best rung')}."]
    mine = {head: {n: r for n, r in rows.items() if status(pairs[n]) == which} for which, head in HEADS.items()}
    return [f"{head}: {_by_verdict(some, metric, pairs, 'the lists')}." for head, some in mine.items() if some]


def _by_verdict(rows: Mapping[str, Rows], metric: str, pairs: Mapping[str, Pair], lists: str) -> str:
    told: dict[str, list[str]] = {verdict: [] for verdict in VERDICTS}
    for name, row in rows.items():
        told[verdict_of(row, metric, pairs[name])].append(name + _aside(row, metric, pairs[name]))
    words = {"metric": label(metric), "lists": lists}
    return "; ".join(f"{verdict.format(**words)}: {', '.join(names)}" for verdict, names in told.items() if names)


def verdict_of(rows: Rows, metric: str, pair: Pair) -> str:
    """One of ``VERDICTS``: what raises the decision's metric first, then what moves what it is there for."""
    gain, aims = _gain(rows, metric), _aims(rows, metric, pair)
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
    return IDLE if metric in rows and _idle(rows, pair) else NOTHING


def in_brief(rows: Rows, metric: str, pair: Pair) -> str:
    """``verdict_of`` in a few words, with what it does not say: a worsened aim, or a loss."""
    verdict = verdict_of(rows, metric, pair)
    told = IN_BRIEF[verdict].format(metric=label(metric))
    if verdict == RAISED and _aims(rows, metric, pair)[WORSENS]:
        told += ", worsens its aim"
    return told + " at a loss" * (verdict in (MIXED, WORSENED, CHANGED) and _gain(rows, metric) < 0)


def shown(rows: Rows, metric: str, pair: Pair) -> bool:
    """Whether anything is shown of the part."""
    return verdict_of(rows, metric, pair) not in (NOTHING, IDLE)


def _aside(rows: Rows, metric: str, pair: Pair) -> str:
    """`` (improves this, worsens that)`` behind a name: what its verdict does not say of what it worsens or lowers."""
    aims, told = _aims(rows, metric, pair), []
    if aims[WORSENS]:
        told = [f"{v} {' and '.join(label(r['metric']) for r in aims[v])}" for v in (IMPROVES, WORSENS) if aims[v]]
    if _gain(rows, metric) < 0 and verdict_of(rows, metric, pair) not in (AT_A_LOSS, LOWERED, LOWERED_ALONE):
        told.append(f"lowers {label(metric)}")
    return f" ({', '.join(told)})" if told else ""


def _gain(rows: Rows, metric: str) -> float:
    """Of the decision's metric; 0 where none is shown."""
    return float(rows[metric]["difference"]) if metric in rows and significant(rows[metric]) else 0.0


def sentence(name: str, pair: Pair, rows: Rows, metric: str, cost: Mapping[str, float]) -> str:
    """What one part does and costs; of the router's lists also whether it ships. cost: of ``ablation.cost_of``."""
    main = rows.get(metric)
    told = named(name, pair, main is not None and main["other_rung"] == ROUTER)
    if main is None:
        return f"{told}: {not_enough}, no common queries. It costs {price(cost)}."
    aims = _aims(rows, metric, pair)
    if all(_same(row) for row in rows.values()):
        what = f": the lists are the same without it{_nothing_to_do(aims[LEAVES])}"
    else:
        what = _of_main(main) + _of_aims(aims)
    return f"{told}{what}. {_rungs(main)}It costs {price(cost)}."


def named(name: str, pair: Pair, ladder: bool = False) -> str:
    """``pins (off by default: what the editors rank)``; of mode ladder with the status of what is not in what ships."""
    place = {SHIPS: "", OFF: "off by default", OWN: "own set-up"}[status(pair)] if ladder else ""
    told = ": ".join(filter(None, (place, pair.what)))
    return f"{name} ({told})" if told else name


def aims_of(rows: Rows, metric: str, pair: Pair) -> str:
    """``spam@10 ↓ 0.5713 → 0.1207 *; ...``: what it is there for beside the decision's metric, * where significant."""
    found = (rows[m] for m in pair.metrics if m in rows and m != metric)
    told = (f"{label(r['metric'])}{arrow(r['metric'])} {ends(r)}{' *' * significant(r)}" for r in found)
    return "; ".join(told)


def ends(row: Row) -> str:
    """``0.5713 → 0.1207``, without it and with it."""
    n = places(row)
    return f"{row['base']:.{n}f} → {row['other']:.{n}f}"


def _aims(rows: Rows, metric: str, pair: Pair) -> dict[str, list[Row]]:
    """What the part is there for, beside the decision's metric, by what it does to it."""
    found: dict[str, list[Row]] = {verb: [] for verb in (IMPROVES, WORSENS, CHANGES, LEAVES, UNSURE)}
    for row in (rows[m] for m in pair.metrics if m in rows and m != metric):
        found[_verb(row)].append(row)
    return found


def _verb(row: Row) -> str:
    if _same(row):
        return LEAVES
    if not significant(row):
        return UNSURE
    way = better(row["metric"])
    if way == NEITHER:
        return CHANGES
    return IMPROVES if row["difference"] * way > 0 else WORSENS


def _same(row: Row) -> bool:
    """The same value for every user."""
    return bool(row["ci_low"] == row["ci_high"] == 0)


def _idle(rows: Rows, pair: Pair) -> bool:
    """The same lists, as far as accuracy (of new items too) and the part's aims tell. Other metrics, as diversity, are
    measured by the very columns that some parts take away."""
    return all(_same(row) for m, row in rows.items() if m.partition(":")[0] in ACCURACY or m in pair.metrics)


def _of_main(row: Row) -> str:
    if _same(row):
        return f" leaves {_at(row, 'as it is, at')}"
    if significant(row):
        return f" {'raises' if row['difference'] > 0 else 'lowers'} {_change(row)}"
    return f": {not_enough} of a change in {_change(row)}, adjusted p {row['p_holm']:.2f}"


def _of_aims(aims: Mapping[str, Sequence[Row]]) -> str:
    told = [f"{verb} {_and([_change(r) for r in aims[verb]])}" for verb in (IMPROVES, WORSENS, CHANGES) if aims[verb]]
    told += [f"{LEAVES} {_and([_at(r, 'at') for r in aims[LEAVES]])}"] if aims[LEAVES] else []
    also = f"; it {'; it '.join(told)}" if told else ""
    unsure = ", ".join(label(r["metric"]) for r in aims[UNSURE])
    return also + (f"; {UNSURE} {unsure}" if unsure else "")


def _nothing_to_do(same: Sequence[Row]) -> str:
    """Why the lists are the same, where the part's own metrics tell: a guard finds nothing to guard against."""
    if not same:
        return ""
    idle = all(better(row["metric"]) == LOWER and row["base"] == 0 for row in same)
    told = f"{_and([_at(row, 'is') for row in same])} without it too"
    return f": nothing for it to do on these data, {told}" if idle else f": {told}"


def _rungs(row: Row) -> str:
    """Whose lists are compared, where it is not the router's."""
    without, with_ = row["base_rung"], row["other_rung"]
    if with_ == ROUTER:
        return ""
    return (
        f"Best rung: {with_}, with it and without it. "
        if with_ == without
        else (f"Best rung: {without} without it, {with_} with it. ")
    )


def price(cost: Mapping[str, float]) -> str:
    """``1.5 CPU seconds, 6 configuration keys``: what it takes, without what it does not."""
    seconds = cost["cpu_s"]
    parts = [f"{seconds:.1f} CPU seconds"] if seconds >= CPU_NOISE else []
    for key, what in (("columns", "column"), ("keys", "configuration key")):
        n = round(cost[key])
        parts += [f"{n} {what}{'s' * (n != 1)}"] if n else []
    return (", ".join(parts) or "next to nothing") + f" and saves {-seconds:.1f} CPU seconds" * (seconds <= -CPU_NOISE)


def label(metric: str) -> str:
    """``recall_at_20:0`` -> ``recall@20 of new items``."""
    name, _, bucket = metric.partition(":")
    items = f" of {'new items' if bucket == '0' else f'items with {LABELS[bucket]} interactions'}" if bucket else ""
    return metric_label(name) + items


def _change(row: Row) -> str:
    """``spam@10 from 0.3921 to 0.0002, -0.3919 [-0.3939, -0.3900] (n=2,961)``."""
    n = places(row)
    told = interval(row["difference"], row["ci_low"], row["ci_high"], n, sign=True)
    ends = f"from {row['base']:.{n}f} to {row['other']:.{n}f}"
    return f"{label(row['metric'])} {ends}, {told} (n={row['n_queries']:,})"


def _at(row: Row, verb: str) -> str:
    return f"{label(row['metric'])} {verb} {row['base']:.{places(row)}f}"


def places(row: Row) -> int:
    """Decimals."""
    return 1 if max(abs(row["base"]), abs(row["other"])) >= LARGE else 4


def _and(told: Sequence[str]) -> str:
    return ", and ".join(told)
