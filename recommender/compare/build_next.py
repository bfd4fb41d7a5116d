"""What does not ship yet, with its measured gain and stated effort; ``planning`` draws what to build next of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from recommender.compare.plan import PARTS, TRANSFER, VALUE, VOLUME
from recommender.compare.site import Site, Value
from recommender.evaluation.rounding import with_interval
from recommender.experiment.value import POINT
from recommender.names import ALL, PLAIN, ROUTER
from recommender.studies import ablation
from recommender.studies.ablation_sentences import OFF, status
from recommender.studies.engine.contrast import significant
from recommender.studies.engine.plan import pairs_of

_TABLE = {
    "rank": pl.Int64,
    **dict.fromkeys(("site", "kind", "what", "over"), pl.String),
    "sure": pl.Boolean,
    **dict.fromkeys(("gain", "ci_low", "ci_high", "impact", "days_low", "days_high"), pl.Float64),
    "cpu_s": pl.Float64,
}


@dataclass(frozen=True)
class Option:
    """Something that does not ship yet. gain: of the scenario's metric, with its 95% interval; cpu_s: what it adds to
    one fit and the lists of the test period; days: stated, None where they are not."""

    site: str
    what: str
    kind: str  # rung or part
    gain: float
    low: float
    high: float
    sure: bool  # shown to be above zero, and not in the test period only
    over: str  # what it is compared with
    cpu_s: float
    days: tuple[float, float] | None
    evidence: tuple[str, ...] = ()

    @property
    def impact(self) -> float:
        """Gain in hundredths of the metric."""
        return self.gain / POINT

    @property
    def interval(self) -> str:
        """The gain with its interval."""
        return with_interval(self.gain, self.low, self.high, sign=True)


def options(site: Site) -> list[Option]:
    """Rungs that lead nobody's lists, for everyone, over what ships; parts that are off, with them less without."""
    return [*_rungs(site), *_parts(site)]


def ranked(options: Sequence[Option]) -> list[Option]:
    """Sure gains first, then by gain."""
    return sorted(options, key=lambda o: (not o.sure, -o.gain))


def table(options: Sequence[Option]) -> pl.DataFrame:
    """The options in the order of the ranking, for build.parquet."""
    rows = [
        (n, o.site, o.kind, o.what, o.over, o.sure, o.gain, o.low, o.high, o.impact, *(o.days or (None, None)),
         o.cpu_s)
        for n, o in enumerate(ranked(options), 1)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=_TABLE, orient="row")


def _rungs(site: Site) -> Iterator[Option]:
    cell = site.decided
    decisions = [site.ships.decision if site.ships else site.decision]
    leading = {rung for d in decisions for rung in (*d.routes.values(), *d.blended.values())}
    served = {rung for d in decisions for rung in d.served}
    over = "what ships" + ", both without re-rankers" * (site.unranked == PLAIN)
    for rung, row in site.against_shipped.items():
        if cell is None or rung in leading:
            continue
        sure = significant(row) and row["difference"] > 0 and rung not in site.doubted
        cpu_s = site.seconds[rung] - site.seconds.get(ROUTER, 0.0)
        gain = (row["difference"], row["ci_low"], row["ci_high"])
        mind = ", where it only chooses new items" * (rung in served)
        mind += ", in the test period only" * (rung in site.doubted)
        yield _option(site, rung, "rung", gain, sure, over + mind, cpu_s, TRANSFER)


def _parts(site: Site) -> Iterator[Option]:
    pairs = pairs_of(site.studies[PARTS], site.scenario.name)
    table_ = site.part_effects
    shown = pl.col("shown").is_in([ablation.BEST, ROUTER])
    for row in table_.filter(shown, user_bucket=ALL, metric=site.metric).iter_rows(named=True) if table_.height else ():
        if status(pairs[row["pair"]]) != OFF:
            continue
        gain = (row["difference"], row["ci_low"], row["ci_high"])
        cells = ablation.partners(site.runs[PARTS], pairs)[row["pair"]]
        cpu_s = ablation.cost_of(*cells, row["shown"])["cpu_s"]
        sure = row["difference"] > 0 and significant(row)
        yield _option(site, row["pair"], "part", gain, sure, "lists without it", cpu_s, PARTS)


def _option(site: Site, what: str, kind: str, gain: Value, sure: bool, over: str, cpu_s: float, study: str) -> Option:
    days = site.scenario.person_days.get(what)
    return Option(site.name, what, kind, *gain, sure, over, cpu_s, days, (f"{study}, {site.name}",))


__all__ = ["VALUE", "VOLUME", "Option", "options", "ranked", "table"]
