"""Sites -> the whole page of a comparison."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import polars as pl

from recommender.compare import build_next, charts, page_model
from recommender.compare.facts import site_facts
from recommender.compare.page_model import Comparison, Evidence
from recommender.compare.plan import TRANSFER
from recommender.compare.site import Site, named
from recommender.compare.tables import ladder
from recommender.evaluation.metric_table import metric_labels
from recommender.models import RECOMMENDERS
from recommender.names import ALL
from recommender.studies import data_volume, transfer
from recommender.studies.engine.curves import crossings
from recommender.studies.engine.finding import Chart, Finding, grid
from recommender.studies.engine.measured import Measured


def compare_sites(
    sites: Sequence[Site], again: Sequence[Measured], evidence: Sequence[Evidence], warnings: Sequence[str],
    reduced: bool = False,
) -> Comparison:  # fmt: skip
    """again: the cells of every recipe at every site, their scenario named as by ``site.named``; reduced: the data are
    a part of what the goals were made for."""
    tests = [f for s in sites if s.curves for f in data_volume.back_test(s.name, s.curves)]
    widen = data_volume.widening(tests)
    facts = [site_facts(s, widen, reduced) for s in sites]
    order = list(enumerate(build_next.ranked([o for s in sites for o in build_next.options(s)]), 1))
    by_site = list(zip(sites, facts, strict=True))
    metrics = [s.metric for s in sites]
    drawn: dict[str, list[Chart | None]] = {
        page_model.DAY_ONE: [charts.effort(s.name, ladder([s]), f) for s, f in by_site],
        page_model.WHEN: [charts.climb(s.name, f, s.curves.per_week) for s, f in by_site if s.curves],
        page_model.MORE: [
            *(charts.curves(s.name, f, s.label, s.scenario.problem.target) for s, f in by_site),
            *(charts.bars(s.name, f, "asset", s.label) for s, f in by_site),
        ],
        page_model.PARTS: [charts.bars(s.name, f, "part", s.label) for s, f in by_site],
        page_model.BUILD: [charts.plan(order, metric_labels(metrics))],
    }
    findings = []
    if len(sites) > 1 and (runs := [*named(sites), *again]):
        (finding,) = transfer.analyse(sites[0].studies[TRANSFER], runs)
        finding.title = "Can one scenario's recipe be used in another?"
        finding.charts = [c for c in [charts.transfer(transfer.matrix(runs))] if c]
        findings.append(finding)
    if tests:
        findings.append(data_volume.trust(tests, widen, metrics))
    return Comparison(
        title=f"Compared: {', '.join(s.name for s in sites)}",
        warnings=warnings,
        sites=sites,
        facts=pl.concat(facts),
        charts={question: [c for c in several if c] for question, several in drawn.items()},
        tables={page_model.BUILD: [_options(order)], page_model.WHEN: [_crossings(sites)]},
        findings=findings,
        evidence=evidence,
        glossary=glossary(sites),
    )


def _options(order: Sequence[tuple[int, build_next.Option]]) -> Finding:
    heads = ["what", "gain, 95%", "over", "impact", "days, stated", "CPU s more"]
    rows = [
        [
            f"{n}. {o.what} ({o.site})", o.interval + "" * o.sure, o.over, f"{o.impact:+.2f}",
            f"{o.days[0]:g} to {o.days[1]:g}" if o.days else "not stated",
            f"{o.cpu_s:+.2f}",
        ]
        for n, o in order
    ]  # fmt: skip
    caption = (
        "What does not ship yet, those shown to gain first. Impact: hundredths of the metric. Gains overlap and do not "
        "add up."
    )
    return Finding("", grids=[grid(caption, heads, rows)] if rows else [])


def _crossings(sites: Sequence[Site]) -> Finding:
    grids = []
    for site in (s for s in sites if s.curves):
        curve = site.curves
        assert curve is not None
        crossed = [c for bucket in curve.buckets() for c in crossings(curve, bucket)]
        table = data_volume.crossing_grid(crossed, curve)
        grids += [grid(f"{site.name}: {table.caption}", table.frame.columns, table.frame.rows())]
        values = data_volume.curve_grid(curve, site.metric, site.seconds)
        grids += [grid(f"{site.name}: {values.caption}", values.frame.columns, values.frame.rows())]
    return Finding("", grids=grids)


def glossary(sites: Sequence[Site]) -> dict[str, str]:
    """Rung -> what its recommender does, as its module says in its first sentence."""
    used = {r.name: r.recommender for s in sites for c in s.cells for r in c.scenario.ladder if r.name in c.rungs}
    docs = {rung: sys.modules[RECOMMENDERS[name].__module__].__doc__ or "" for rung, name in used.items()}
    return {rung: text.split("\n\n")[0].strip() for rung, text in docs.items()}


__all__ = ["ALL", "compare_sites", "glossary"]
