"""What to build next: measured gain, weighted by what the team says it is worth, against effort."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from recommender.compare.moves import gain
from recommender.compare.page_model import Section, Sentence
from recommender.compare.plan import PARTS, TRANSFER, VALUE, VOLUME
from recommender.compare.site import Site
from recommender.compare.wording import evidence
from recommender.names import ALL, PLAIN, ROUTER
from recommender.studies import ablation
from recommender.studies.ablation_sentences import OFF, SHIPS, status
from recommender.studies.charts import HEIGHT
from recommender.studies.engine.contrast import Contrast, significant
from recommender.studies.engine.finding import Chart, grid, interval
from recommender.studies.engine.plan import pairs_of

TITLE = "What to build next"
UNIT = 0.01  # of the metric: what business_value is stated for


@dataclass(frozen=True)
class Option:
    """Something that could be built or kept. gain: of the scenario's metric, with its 95% interval; cpu_s: what it adds
    to one fit and the lists of the test period; days: stated, None where they are not."""

    place: str
    what: str
    kind: str  # rung, data, part
    gain: float
    low: float
    high: float
    sure: bool  # shown to be above zero, and by no more luck than of users: see ``_rungs`` and ``Site.noticed``
    over: str  # what it is compared with
    ships: str  # whether it is in what ships today, as ``ablation_sentences.status``
    cpu_s: float
    days: tuple[float, float] | None
    value: float | None  # stated for ``UNIT`` of the metric
    evidence: tuple[str, ...]

    @property
    def impact(self) -> float:
        """Gain in hundredths of the metric, times what one is worth where that is stated."""
        return self.weigh(self.gain)

    def weigh(self, gain: float) -> float:
        return gain / UNIT * (self.value or 1.0)

    @property
    def per_day(self) -> float | None:
        """Impact by the middle of the stated person-days."""
        return self.impact / (sum(self.days) / 2) if self.days and sum(self.days) > 0 else None


def options(site: Site) -> list[Option]:
    """Rungs that ship against the simplest one, others against what ships; data assets and parts against the scenario
    without them."""
    return [*_rungs(site), *_pairs(site, site.worth, VALUE, "data"), *_pairs(site, site.parts, PARTS, "part")]


def ranked(found: Sequence[Option]) -> list[Option]:
    """Sure gains by impact per stated person-day, sure ones without stated days by impact, then the others."""
    return sorted(found, key=lambda o: (not o.sure, o.per_day is None, -(o.per_day or o.impact)))


def part(found: Sequence[Option], label: str) -> Section:
    """The part of the page, with the impact-ease chart."""
    out = Section(TITLE)
    order = ranked(found)
    for place in dict.fromkeys(o.place for o in order):
        out.sentences += _sentence([o for o in order if o.place == place], label)
    heads = ["what", "ships", "gain, 95%", "over", "impact", "days, stated", "per day", "CPU s more"]
    rows = [(o.sure, _row(n, o)) for n, o in enumerate(order, 1)]
    shown, others = ([row for sure, row in rows if sure is wanted] for wanted in (True, False))
    out.grids.append(grid("Shown to gain, ranked by impact per stated person-day.", heads, shown))
    out.more = [grid("Not shown to gain, or shown to lose.", heads, others)] if others else []
    if drawn := [(n, o) for n, o in enumerate(order, 1) if o.days and o.sure]:
        out.charts.append(_chart(drawn, label))
    stated = [o for o in order if o.value is not None]
    unit = (
        "hundredths of the metric times problem.business_value, what the team states that one is worth"
        if stated
        else "hundredths of the metric; no scenario states problem.business_value, so none is weighted"
    )
    out.notes.append(
        f"Impact: {unit}. All users. Rungs that ship: gain over the simplest rung; others: for everyone, over what "
        "ships. Data and parts: with it less without it; parts that do not ship may be measured in a set-up of their "
        "own. Gains overlap and do not add up. Person-days are what the configuration states (person_days)."
    )
    return out


def table(found: Sequence[Option]) -> pl.DataFrame:
    """The same for build.parquet, in the order of the ranking."""
    rows = [
        (
            n,
            o.place,
            o.kind,
            o.what,
            o.ships,
            o.over,
            o.gain,
            o.low,
            o.high,
            o.impact,
            *(o.days or (None, None)),
            o.per_day,
            o.cpu_s,
        )
        for n, o in enumerate(ranked(found), 1)
    ]
    names = ["rank", "place", "kind", "what", "ships", "over", "gain", "ci_low", "ci_high", "impact"]
    names += ["days_low", "days_high", "impact_per_day", "cpu_s"]
    types = [pl.Int64, *[pl.String] * 5, *[pl.Float64] * 8]
    return pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")


def _rungs(site: Site) -> list[Option]:
    """Those that ship over the simplest, by their curves, so over all seeds; others, for everyone, over what ships."""
    cell, made = site.today, site.curves
    if cell is None:
        return []
    simplest, *others = (r for r in cell.rungs if r not in (ROUTER, PLAIN))
    apart = [r for r in (simplest, *others) if site.decided and r not in site.serving]
    over_shipped = {rung: site.alone[rung] for rung in apart}
    over_simplest = site.gains([Contrast(r, cell, cell, simplest, r) for r in others if r not in apart])
    found = []
    for rung, row in {**over_simplest, **over_shipped}.items():
        ships = rung not in apart
        shipped = "what ships" + ", both without re-rankers" * (site.plain == PLAIN)
        over, base = (simplest, simplest) if ships else (shipped, ROUTER)
        over += ", in the test period only" * (rung in site.doubted)
        told = (row["difference"], row["ci_low"], row["ci_high"])
        if ships and made and rung in made.rungs:
            told = gain(made, rung, simplest, ALL, -1)
        sure = significant(row) and told[1] > 0 and rung not in site.doubted
        cpu_s = cell.seconds[rung] - cell.seconds.get(base, 0.0)
        study = TRANSFER if cell is site.decided else VOLUME
        found.append(_option(site, rung, "rung", (*told, sure, over, SHIPS if ships else OFF), cpu_s, (study,)))
    return found


def _pairs(site: Site, table: pl.DataFrame, study: str, kind: str) -> list[Option]:
    if table.is_empty():
        return []
    rows = table.filter(
        pl.col("user_bucket") == ALL, pl.col("metric") == site.metric, pl.col("shown").is_in(["best", ROUTER])
    )
    asked = pairs_of(site.studies[study], site.scenario.name)
    both = ablation.partners(site.runs[study], asked)
    found = []
    for row in rows.iter_rows(named=True):
        sure = row["difference"] > 0 and (site.noticed(row) if study == VALUE else significant(row))
        change, ships = (row["difference"], row["ci_low"], row["ci_high"]), status(asked[row["pair"]])
        told = (*change, sure, "lists without it", ships)
        cpu_s = ablation.cost_of(*both[row["pair"]], row["shown"])["cpu_s"]
        found.append(_option(site, row["pair"], kind, told, cpu_s, (study,)))
    return found


def _option(
    site: Site, what: str, kind: str, told: tuple[float, float, float, bool, str, str], cpu_s: float,
    studies: Sequence[str],
) -> Option:  # fmt: skip
    """told: gain, its interval, sure, over, ships."""
    days, value = site.scenario.person_days.get(what), site.scenario.problem.business_value
    cites = evidence(site, *(s for s in studies if s in site.runs))
    return Option(site.name, what, kind, *told, cpu_s, days, value, cites)


def _sentence(order: Sequence[Option], label: str) -> list[Sentence]:
    """At one place: what pays most per day of what ships, and of what does not yet."""
    told = []
    for ships, where, none in (
        (SHIPS, "Of what ships at", "nothing with stated person-days is shown to gain"),
        (OFF, "Of what does not ship yet at", "nothing with stated person-days is shown to gain over what ships"),
    ):
        place, among = order[0].place, [o for o in order if o.ships == ships]
        best = next((o for o in among if o.sure and o.days), None)
        cites = best.evidence if best else tuple(dict.fromkeys(e for o in among for e in o.evidence))
        text = none if best is None else f"{best.what} pays most per person-day: {_gain(best, label)}"
        if among:
            told.append(Sentence(f"{where} {place}, {text}.", cites))
    return told


def _gain(o: Option, label: str) -> str:
    low, high = o.days or (np.nan, np.nan)
    gained = f"{interval(o.gain, o.low, o.high, sign=True)} of {label} over {o.over}"
    return f"{gained}, for {low:g} to {high:g} stated person-days"


def _row(number: int, o: Option) -> list[str]:
    days = f"{o.days[0]:g} to {o.days[1]:g}" if o.days else "not stated"
    per_day = "–" if o.per_day is None or not o.sure else f"{o.per_day:.2f}"
    shown = interval(o.gain, o.low, o.high, sign=True)
    name, ships = f"{number}. {o.what} ({o.place})", o.ships
    return [name, ships, shown, o.over, f"{o.impact:+.2f}", days, per_day, f"{o.cpu_s:+.2f}"]


def _chart(drawn: Sequence[tuple[int, Option]], label: str) -> Chart:
    rows: list[dict[str, Any]] = [
        {
            "number": str(n), "what": o.what, "place": o.place, "kind": o.kind, "impact": o.impact,
            "impact_low": o.weigh(o.low), "impact_high": o.weigh(o.high), "days": float(np.mean(o.days or (0, 0))),
            "days_low": (o.days or (0, 0))[0], "days_high": (o.days or (0, 0))[1], "cpu_s": o.cpu_s,
        }
        for n, o in drawn
    ]  # fmt: skip
    alt_text = (
        "Scatter chart of impact against stated person-days; numbers as in the table. Upper left is best. Impact per "
        "person-day, best first: " + ", ".join(f"{o.what} at {o.place}" for _, o in drawn[:5]) + "."
    )
    places = list(dict.fromkeys(r["place"] for r in rows))
    x = alt.X("days:Q", title="person-days, stated (log scale)").scale(type="log", nice=False, padding=30)
    y = alt.Y("impact:Q", title=f"impact: hundredths of {label}" + ", weighted" * any(o.value for _, o in drawn))
    colour = alt.Color("place:N", title=None, sort=places).legend(orient="top", columns=1)
    base = alt.Chart(alt.InlineData(values=rows)).encode(color=colour)
    tips = [alt.Tooltip(f"{c}:N") for c in ("what", "place", "kind")]
    tips += [alt.Tooltip("impact:Q", format=".2f"), alt.Tooltip("days:Q"), alt.Tooltip("cpu_s:Q", format=".2f")]
    layers = [
        base.mark_rule().encode(x=alt.X("days_low:Q", title=x["title"]), x2="days_high:Q", y=y),
        base.mark_rule().encode(x=x, y=alt.Y("impact_low:Q", title=y["title"]), y2="impact_high:Q"),
        base.mark_point(filled=True, size=90, opacity=1).encode(
            x=x, y=y, shape=alt.Shape("kind:N", title=None).legend(orient="top"), tooltip=tips
        ),
        base.mark_text(align="left", dx=7, dy=-7, fontSize=12).encode(x=x, y=y, text="number:N"),
    ]
    made = alt.layer(*layers).properties(width="container", height=HEIGHT, description=alt_text)
    title = "What is shown to gain, numbered as in the table: upper left pays most. Bars: 95%, days stated."
    return Chart("impact-ease", title, dict(made.to_dict()), alt_text, pl.DataFrame(rows))
