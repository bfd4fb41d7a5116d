"""What to build next: measured gain, weighted by what the team says it is worth, against effort."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import polars as pl

from recommender.compare.answers import headline
from recommender.compare.page_model import Section, Sentence
from recommender.compare.plan import PARTS, TRANSFER, VALUE, VOLUME
from recommender.compare.site import Site, Value
from recommender.compare.wording import evidence
from recommender.names import PLAIN, ROUTER
from recommender.studies import ablation
from recommender.studies.ablation_sentences import OFF, SHIPS, status
from recommender.studies.charts import finish
from recommender.studies.engine.contrast import Contrast, significant
from recommender.studies.engine.finding import Chart, grid, interval
from recommender.studies.engine.plan import pairs_of

TITLE = "What to build next"
UNIT = 0.01  # of the metric: what business_value is stated for
_TABLE = {
    "rank": pl.Int64,
    **dict.fromkeys(("place", "kind", "what", "ships", "over"), pl.String),
    **dict.fromkeys(("gain", "ci_low", "ci_high", "impact", "days_low", "days_high", "impact_per_day"), pl.Float64),
    "cpu_s": pl.Float64,
}


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
    sure: bool  # shown to be above zero, and by more than the luck of a seed or of the test period
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
        """A gain as an impact."""
        return gain / UNIT * (self.value or 1.0)

    @property
    def per_day(self) -> float | None:
        """Impact by the middle of the stated person-days."""
        return self.impact / (sum(self.days) / 2) if self.days and sum(self.days) > 0 else None

    @property
    def interval(self) -> str:
        """The gain with its interval."""
        return interval(self.gain, self.low, self.high, sign=True)


def options(site: Site) -> list[Option]:
    """Rungs that ship against the simplest one, others against what ships; data assets and parts against the scenario
    without them."""
    return [*_rungs(site), *_pairs(site, VALUE, "data"), *_pairs(site, PARTS, "part")]


def ranked(found: Sequence[Option]) -> list[Option]:
    """Sure gains by impact per stated person-day, sure ones without stated days by impact, then the others."""
    return sorted(found, key=lambda o: (not o.sure, o.per_day is None, -(o.per_day or o.impact)))


def section(found: Sequence[Option], label: str) -> Section:
    """The section of the page, with the impact-ease chart."""
    order = list(enumerate(ranked(found), 1))
    out = Section(TITLE)
    for place in dict.fromkeys(o.place for _, o in order):
        out.sentences += _sentences(place, [o for _, o in order if o.place == place], label)
    heads = ["what", "ships", "gain, 95%", "over", "impact", "days, stated", "per day", "CPU s more"]
    shown, others = ([_row(n, o) for n, o in order if o.sure is sure] for sure in (True, False))
    out.grids = [grid("Shown to gain, ranked by impact per stated person-day.", heads, shown)]
    out.more = [grid("Not shown to gain, or shown to lose.", heads, others)] if others else []
    if drawn := [(n, o) for n, o in order if o.days and o.sure]:
        out.charts = [_chart(drawn, label)]
    unit = (
        "hundredths of the metric times problem.business_value, what the team states that one is worth"
        if any(o.value is not None for o in found)
        else "hundredths of the metric; no scenario states problem.business_value, so none is weighted"
    )
    out.notes = [
        f"Impact: {unit}. All users. Rungs that ship: gain over the simplest rung; others: for everyone, over what "
        "ships. Data and parts: with it less without it; parts that do not ship may be measured in a set-up of their "
        "own. Gains overlap and do not add up. Person-days are what the configuration states (person_days)."
    ]
    return out


def table(found: Sequence[Option]) -> pl.DataFrame:
    """The options in the order of the ranking, for build.parquet."""
    rows = [
        (n, o.place, o.kind, o.what, o.ships, o.over, o.gain, o.low, o.high, o.impact, *(o.days or (None, None)),
         o.per_day, o.cpu_s)
        for n, o in enumerate(ranked(found), 1)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=_TABLE, orient="row")


def _rungs(site: Site) -> Iterator[Option]:
    """Rungs that ship over the simplest, by their curves, so over all seeds; others, for everyone, over what ships."""
    cell, curve = site.today, site.curves
    if cell is None:
        return
    simplest, *others = site.single_rungs
    apart = {r: site.against_shipped[r] for r in site.single_rungs if site.decided and r not in site.shipped_rungs}
    over_simplest = site.gains([Contrast(r, cell, cell, simplest, r) for r in others if r not in apart])
    shipped = "what ships" + ", both without re-rankers" * (site.unranked == PLAIN)
    for rung, row in {**over_simplest, **apart}.items():
        ships = rung not in apart
        over, base = (simplest, simplest) if ships else (shipped, ROUTER)
        over += ", in the test period only" * (rung in site.doubted)
        gain = (row["difference"], row["ci_low"], row["ci_high"])
        if ships and curve and rung in curve.rungs:
            gain = curve.gain(rung, simplest)
        sure = significant(row) and gain[1] > 0 and rung not in site.doubted
        cpu_s = cell.seconds[rung] - cell.seconds.get(base, 0.0)
        study = TRANSFER if cell is site.decided else VOLUME
        yield _option(site, rung, "rung", gain, sure, over, SHIPS if ships else OFF, cpu_s, study)


def _pairs(site: Site, study: str, kind: str) -> Iterator[Option]:
    """Data assets or parts, with and without them."""
    pairs = pairs_of(site.studies[study], site.scenario.name)
    for row in headline(site.data_value if study == VALUE else site.part_effects, site.metric):
        name = row["pair"]
        sure = row["difference"] > 0 and (site.beyond_noise(row) if study == VALUE else significant(row))
        gain = (row["difference"], row["ci_low"], row["ci_high"])
        cells = ablation.partners(site.runs[study], pairs)[name]
        cpu_s = ablation.cost_of(*cells, row["shown"])["cpu_s"]
        yield _option(site, name, kind, gain, sure, "lists without it", status(pairs[name]), cpu_s, study)


def _option(
    site: Site, what: str, kind: str, gain: Value, sure: bool, over: str, ships: str, cpu_s: float, study: str
) -> Option:
    days, value = site.scenario.person_days.get(what), site.scenario.problem.business_value
    cites = evidence(site, study) if study in site.runs else ()
    return Option(site.name, what, kind, *gain, sure, over, ships, cpu_s, days, value, cites)


def _sentences(place: str, found: Sequence[Option], label: str) -> Iterator[Sentence]:
    """What pays most per day of what ships at one place, and of what does not yet."""
    nothing = "nothing with stated person-days is shown to gain"
    for ships, where, none in (
        (SHIPS, "Of what ships at", nothing),
        (OFF, "Of what does not ship yet at", f"{nothing} over what ships"),
    ):
        among = [o for o in found if o.ships == ships]
        best = next((o for o in among if o.sure and o.days), None)
        if best and best.days:
            days = f"for {best.days[0]:g} to {best.days[1]:g} stated person-days"
            text = f"{best.what} pays most per person-day: {best.interval} of {label} over {best.over}, {days}"
            yield Sentence(f"{where} {place}, {text}.", best.evidence)
        elif among:
            yield Sentence(f"{where} {place}, {none}.", tuple(dict.fromkeys(e for o in among for e in o.evidence)))


def _row(number: int, o: Option) -> list[str]:
    days = f"{o.days[0]:g} to {o.days[1]:g}" if o.days else "not stated"
    per_day = "–" if o.per_day is None or not o.sure else f"{o.per_day:.2f}"
    name = f"{number}. {o.what} ({o.place})"
    return [name, o.ships, o.interval, o.over, f"{o.impact:+.2f}", days, per_day, f"{o.cpu_s:+.2f}"]


def _chart(drawn: Sequence[tuple[int, Option]], label: str) -> Chart:
    rows: list[dict[str, Any]] = []
    for n, o in drawn:
        low, high = o.days or (0, 0)
        rows.append({
            "number": str(n), "what": o.what, "place": o.place, "kind": o.kind, "impact": o.impact,
            "impact_low": o.weigh(o.low), "impact_high": o.weigh(o.high), "days": (low + high) / 2,
            "days_low": low, "days_high": high, "cpu_s": o.cpu_s,
        })  # fmt: skip
    alt_text = (
        "Scatter chart of impact against stated person-days; numbers as in the table. Upper left is best. Impact per "
        "person-day, best first: " + ", ".join(f"{o.what} at {o.place}" for _, o in drawn[:5]) + "."
    )
    places = list(dict.fromkeys(r["place"] for r in rows))
    x = alt.X("days:Q", title="person-days, stated (log scale)").scale(type="log", nice=False, padding=30)
    y = alt.Y("impact:Q", title=f"impact: hundredths of {label}" + ", weighted" * any(o.value for _, o in drawn))
    colour = alt.Color("place:N", title=None, sort=places).legend(orient="top", columns=1)
    shape = alt.Shape("kind:N", title=None).legend(orient="top")
    base = alt.Chart(alt.InlineData(values=rows)).encode(color=colour)
    tips = [*map(alt.Tooltip, ("what:N", "place:N", "kind:N")), alt.Tooltip("impact:Q", format=".2f")]
    tips += [alt.Tooltip("days:Q"), alt.Tooltip("cpu_s:Q", format=".2f")]
    layers = [
        base.mark_rule().encode(x=alt.X("days_low:Q", title=x["title"]), x2="days_high:Q", y=y),
        base.mark_rule().encode(x=x, y=alt.Y("impact_low:Q", title=y["title"]), y2="impact_high:Q"),
        base.mark_point(filled=True, size=90, opacity=1).encode(x=x, y=y, shape=shape, tooltip=tips),
        base.mark_text(align="left", dx=7, dy=-7, fontSize=12).encode(x=x, y=y, text="number:N"),
    ]
    spec = finish(alt.layer(*layers), alt_text)
    title = "What is shown to gain, numbered as in the table: upper left pays most. Bars: 95%, days stated."
    return Chart("impact-ease", title, spec, alt_text, pl.DataFrame(rows))
