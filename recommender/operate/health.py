"""The health of a model in use: five parts in a fixed order, each with sentences and pictures, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from recommender.data.dataset import Dataset
from recommender.data.drift import drift
from recommender.data.drift_levels import OK, levels
from recommender.data.queries import bucket
from recommender.evaluation.metric_table import metric_label
from recommender.names import ALL, ROUTER, USER_BUCKETS
from recommender.operate import service
from recommender.operate.advice import Advice, advise, sentence
from recommender.operate.aging import Aging, aging, whole_period
from recommender.operate.answering import Contender
from recommender.operate.daily import Span, data_streams
from recommender.operate.pictures import picture, rates_grid, streams_grid
from recommender.operate.shadow import Shadow, shadow
from recommender.operate.stream import Watched, threshold, watch
from recommender.studies.engine.finding import Finding, grid

ALIVE, USED, RIGHT, REASONS, DO = "Alive", "Used", "Still right", "Reasons", "What to do"
_PART = {"interactions": ALIVE, "lists": ALIVE, "short_lists": ALIVE, "fallback": ALIVE, "take_rate": USED,
         "item_take_rates": USED}  # fmt: skip
_DRAWN = ("interactions", "lists", "fallback", "take_rate", "popularity", "new_users", "new_items")


@dataclass(frozen=True)
class Health:
    """What ``check`` found. findings: the five parts, in their order."""

    span: Span
    watched: tuple[Watched, ...]
    aging: Aging
    shadow: Shadow | None
    advice: Advice
    findings: tuple[Finding, ...]

    @property
    def alarms(self) -> list[Watched]:
        return [w for w in self.watched if w.alarm is not None]

    @property
    def age_days(self) -> int:
        return self.span.until - self.span.shipped + 1

    def tree(self) -> dict[str, Any]:
        """The content of health.json."""
        streams = {w.stream.name: _entry(w) for w in self.watched}
        return {
            "from": day(self.span.shipped), "to": day(self.span.until), "age_days": self.age_days,
            "advice": asdict(self.advice), "alarms": [w.stream.name for w in self.alarms], "streams": streams,
            "older": self.aging.older and asdict(self.aging.older),
            "again": self.aging.again and asdict(self.aging.again),
            "shadow": [] if self.shadow is None else list(self.shadow.changes),
            "parts": {f.title: f.sentences for f in self.findings},
        }  # fmt: skip


def check(
    data: Dataset, shipped: Contender, served: pl.DataFrame | None = None, feedback: pl.DataFrame | None = None,
    until: int | None = None, quick: bool = False,
) -> Health:  # fmt: skip
    """data: what the train read, with everything that came since. served, feedback: of the service's log. until: the
    last whole day (None: the one before the latest interaction). quick: without fitting anything."""
    scenario = shipped.run.scenario
    span = Span.of(data, shipped.last, scenario.monitor.baseline_days, until)
    known = shipped.bundle.known.dataset()
    aged = Aging(None, None, None, None) if quick else aging(data, shipped, span)
    streams = data_streams(data, known, span) + ([aged.stream] if aged.stream else [])
    rows = None
    if served is not None and served.height:
        rows = service.answered(served, pl.DataFrame() if feedback is None else feedback, data.reading.events)
        streams += service.service_streams(rows, span)
    small = scenario.monitor.smallest
    bound = threshold(len(streams), scenario.monitor.false_alarms_per_month)
    watched = tuple(watch(replace(s, smallest=small.get(s.name, s.smallest)), bound) for s in streams)
    again = None if quick else shadow(data, shipped, span)
    advice = advise(watched, aged, again)
    findings = (
        _alive(watched, rows, span), _used(watched, rows, data, scenario.slices),
        _right(watched, aged, again, data, shipped, span, quick), _reasons(watched, data, known, aged, span),
        Finding(DO, [f"{advice.action.capitalize()}. {advice.reason}"]),
    )  # fmt: skip
    return Health(span, watched, aged, again, advice, findings)


def day(number: int) -> str:
    """A whole day since 1970 as text."""
    return str(date(1970, 1, 1) + timedelta(days=int(number)))


def _entry(w: Watched) -> dict[str, Any]:
    numbers = {"before": w.before, "since": w.since, "evidence": float(w.evidence.max(initial=0))}
    known = {k: v if np.isfinite(v) else None for k, v in numbers.items()}
    days = {"alarm": w.alarm, "began": w.began}
    return {**known, "threshold": w.threshold, **{k: v and day(v) for k, v in days.items()}}


def _part(title: str, watched: Sequence[Watched], sentences: list[str]) -> Finding:
    """The part with its alarms first, and a picture of what is drawn always and of what is an alarm."""
    mine = [w for w in watched if _PART.get(w.stream.name, REASONS) == title]
    alarms = [sentence(w, day(w.alarm), day(w.began or w.alarm)) for w in mine if w.alarm is not None]
    drawn = [w for w in mine if w.alarm is not None or w.stream.name in _DRAWN]
    charts = [picture(w) for w in drawn]
    grids = [streams_grid(mine)] if mine else []
    return Finding(title, [*(f"ALARM: {a}" for a in alarms), *sentences], grids, charts)


def _alive(watched: Sequence[Watched], rows: pl.DataFrame | None, span: Span) -> Finding:
    per_day = next(w for w in watched if w.stream.name == "interactions")
    lines = [f"{per_day.since:,.0f} interactions a day since {day(span.shipped)}, {per_day.before:,.0f} before."]
    if rows is None:
        return _part(ALIVE, watched, [*lines, "No log of lists was given (SERVED=), so nothing is known of them."])
    lists = rows["list_id"].n_unique()
    sources = rows["source"].value_counts(sort=True).head(5)
    shares = ", ".join(f"{row['source']} {row['count'] / rows.height:.0%}" for row in sources.to_dicts())
    lines.append(f"{lists:,} lists were shown; their places by source: {shares}.")
    if "latency_ms" in rows.columns:
        half, most = np.quantile(rows["latency_ms"].to_numpy(), [0.5, 0.99])
        lines.append(f"Half of the lists took up to {half:.0f} ms, 99% up to {most:.0f} ms.")
    else:
        lines.append("The log has no column latency_ms; the server's /metrics has the latency.")
    return _part(ALIVE, watched, lines)


def _used(watched: Sequence[Watched], rows: pl.DataFrame | None, data: Dataset, slices: Sequence[str]) -> Finding:
    if rows is None:
        return Finding(USED, ["No log of lists and feedback was given (SERVED=, FEEDBACK=): whether lists are taken is "
                              "not known."])  # fmt: skip
    described, warmth = _described(rows, data, slices)
    rates = service.rates(described, warmth, slices)
    whole = float(rows["taken"].mean() or 0)  # type: ignore[arg-type]
    lines = [f"Of the {rows.height:,} places shown, {whole:.2%} were taken."]
    if service.examination(rows) is None:
        lines.append("Rates are not adjusted for the place in the list: too few places were drawn by exploration.")
    if warmth is None:
        lines.append("Users of the log are pseudonyms, so rates by warmth and slice are left out.")
    finding = _part(USED, watched, lines)
    finding.grids.insert(0, rates_grid(rates))
    return finding


def _described(rows: pl.DataFrame, data: Dataset, slices: Sequence[str]) -> tuple[pl.DataFrame, pl.Series | None]:
    """The rows with user columns of the slices, and warmth at the list; None where ids are pseudonyms."""
    lists = rows.select("list_id", "user_id", "as_of").unique("list_id").sort("as_of")
    number = data.users.lookup(lists["user_id"])
    if (number >= 0).mean() < 0.2:
        return rows, None
    span = int(data.timestamps.max()) + 1
    start = int(data.timestamps.min())
    key = np.sort(data.user_idx.astype(np.int64) * (span - start) + (data.timestamps - start))
    at = np.clip(lists["as_of"].dt.epoch("us").to_numpy() - start, 0, span - start - 1)
    n = np.searchsorted(key, number * (span - start) + at) - np.searchsorted(key, number * (span - start))
    warm = pl.Series("warmth", np.array(USER_BUCKETS)[bucket(np.where(number >= 0, n, 0))])
    row = pl.Series(number).set(pl.Series(number < 0), None)
    columns = [data.users.frame[c].gather(row) for c in slices if c in data.users.frame.columns]
    joined = rows.join(lists.select("list_id").with_columns(warm, *columns), on="list_id", how="left")
    return joined.drop("warmth"), joined["warmth"]


def _right(
    watched: Sequence[Watched], aged: Aging, again: Shadow | None, data: Dataset, shipped: Contender, span: Span,
    quick: bool,
) -> Finding:  # fmt: skip
    metric = shipped.run.metric
    label, lines = metric_label(metric), []
    mine = [w for w in watched if w.stream.name == metric]
    lines += [f"ALARM: {sentence(w, day(w.alarm), day(w.began or w.alarm))}" for w in mine if w.alarm is not None]
    promised = shipped.run.metrics.filter(
        rung=ROUTER, split="test", metric=metric, user_bucket=ALL, item_bucket=ALL, slice=ALL
    )
    now = None if quick else whole_period(data, shipped, span)
    if now is not None and promised.height:
        p = promised.row(0, named=True)
        lines.append(f"{label} since shipping is {now[0]:.3f} [{now[1]:.3f}, {now[2]:.3f}] on {now[3]:,} users; "
                     f"the train promised {p['value']:.3f} [{p['ci_low']:.3f}, {p['ci_high']:.3f}].")  # fmt: skip
    if quick:
        lines.append("QUICK=1: accuracy was not measured, nothing was fitted.")
    elif aged.since is None:
        lines.append("Less than a week has passed since shipping, so accuracy is not measured yet.")
    if again is not None:
        same = "On the newest period the same rungs would be chosen, as far as its lists tell."
        lines += list(again.changes) or [again.thin or same]
    return Finding(RIGHT, lines, [streams_grid(mine)] if mine else [], [picture(w) for w in mine])


def _reasons(watched: Sequence[Watched], data: Dataset, known: Dataset, aged: Aging, span: Span) -> Finding:
    lines, age = [], span.until - span.shipped + 1
    if aged.older is not None and aged.older.days:
        gap, scale = aged.older, age / aged.older.days
        lines.append(f"The model is {age} days old. One that is {gap.days:.0f} days older does {gap.share:+.1%} "
                     f"[{gap.low:+.1%}, {gap.high:+.1%}] on the same lists; at that pace its age has cost "
                     f"{-gap.share * scale:.1%} [{-gap.high * scale:.1%}, {-gap.low * scale:.1%}].")  # fmt: skip
    if aged.again is not None:
        gain = aged.again
        lines.append(f"Fitted again {gain.days:.0f} days later, the same decision does {gain.share:+.1%} "
                     f"[{gain.low:+.1%}, {gain.high:+.1%}] on the {gain.n:,} lists after that.")  # fmt: skip
    since = data.timestamps // 86_400_000_000 >= span.shipped
    finding = _part(REASONS, watched, lines)
    if since.any() and known.interactions.height:
        newer = data.only(since, np.zeros(len(data.items), bool))
        moved = [m for m in levels(drift(known, newer)) if m["level"] != OK]
        rows = [[m["measure"], m["level"], m["sentence"], m["do"]] for m in moved]
        if rows:
            finding.grids.append(
                grid(
                    "What came since, against what the model learned from",
                    ["measure", "level", "what it means", "what to do"],
                    rows,
                )
            )
    return finding


def series(health: Health) -> Mapping[str, list[tuple[int, float]]]:
    """Per stream its days since shipping and values, for MLflow."""
    return {
        f"health/{w.stream.name.replace('.', '/')}": [
            (int(d - health.span.shipped), float(v))
            for d, v in zip(w.stream.days, w.stream.shown, strict=True) if np.isfinite(v)
        ]
        for w in health.watched
    }  # fmt: skip
