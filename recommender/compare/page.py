"""Scenes -> the whole comparison, and the same numbers as tidy tables."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import polars as pl

from recommender.compare import build_next, side_by_side, site_section
from recommender.compare.moves import segments
from recommender.compare.page_model import Comparison, Evidence, Section
from recommender.compare.plan import TRANSFER
from recommender.compare.site import Site
from recommender.compare.tables import ladder
from recommender.models import RECOMMENDERS
from recommender.studies import data_volume, transfer
from recommender.studies.engine.cell import Measured
from recommender.studies.engine.curves import crossings
from recommender.studies.engine.plan import SCENARIO, Study
from recommender.studies.engine.run import results_table
from recommender.studies.transfer import RECIPE


def compare_sites(
    sites: Sequence[Site],
    again: Sequence[Measured],
    evidence: Sequence[Evidence],
    warnings: Sequence[str],
) -> Comparison:
    """again: the cells of every recipe at every place, their scenario named as by ``side_by_side.named``."""
    metric = sites[0].metric
    tests = [f for s in sites if s.curves for f in data_volume.back_test(s.name, s.curves)]
    widen = data_volume.widening(tests)
    trust = data_volume.trust(tests, widen, metric).sentences if tests else []
    options = [o for s in sites for o in build_next.options(s)]
    sides = [side_by_side.accuracy(sites), build_next.part(options, sites[0].label), side_by_side.assets(sites)]
    sides += [side_by_side.forecasts(trust, sites)] if trust else []
    if len(sites) > 1:
        sides.insert(1, side_by_side.recipes(sites[0].studies[TRANSFER], sites, again))
    return Comparison(
        title=f"Compared: {', '.join(s.name for s in sites)}",
        warnings=warnings,
        glance=site_section.glance(sites),
        sites=[site_section.site_section(s, widen) for s in sites],
        side_by_side=sides,
        evidence=evidence,
        glossary=glossary(sites),
    )


def glossary(sites: Sequence[Site]) -> dict[str, str]:
    """Rung -> what its recommender does, as its module says in its first sentence."""
    used = {r.name: r.recommender for s in sites for c in s.cells for r in c.scenario.ladder if r.name in c.rungs}
    found = {}
    for rung, name in used.items():
        text = sys.modules[RECOMMENDERS[name].__module__].__doc__ or ""
        found[rung] = text.split("\n\n")[0].strip()
    return found


def tables(
    sites: Sequence[Site], again: Sequence[Measured], studies: Mapping[str, Study], sections: Sequence[Section]
) -> dict[str, pl.DataFrame]:
    """File name -> tidy table: what the page shows, and every cell behind it."""
    cells = [results_table(studies[name], runs) for s in sites for name, runs in s.runs.items()]
    cells += [results_table(studies[TRANSFER], again)] if again else []
    made = {
        "cells": pl.concat(cells, how="diagonal"),
        "ladder": ladder(sites),
        "moves": _moves(sites),
        "data_value": _worth([(s, s.worth) for s in sites]),
        "parts": _worth([(s, s.parts) for s in sites]),
        "transfer": _transfer([*side_by_side.named(sites), *again]),
        "build": build_next.table([o for s in sites for o in build_next.options(s)]),
        "answers": _answers(sections),
    }
    return {name: table for name, table in made.items() if table.height}


def _moves(sites: Sequence[Site]) -> pl.DataFrame:
    """Where each rung overtakes the best simpler one; infinite: before, or not in, the range."""
    rows = [
        (s.name, c.bucket, c.rung, c.over, c.at, c.low, c.high, c.share)
        for s in sites
        if s.curves
        for bucket in segments(s.curves)
        for c in crossings(s.curves, bucket)
    ]
    names = ["place", "user_bucket", "rung", "over", "interactions", "ci_low", "ci_high", "ahead_share"]
    types = [*[pl.String] * 4, *[pl.Float64] * 4]
    return pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")


def _worth(found: Sequence[tuple[Site, pl.DataFrame]]) -> pl.DataFrame:
    frames = [
        table.select(pl.lit(site.name).alias("place"), "pair", pl.exclude("pair", "name", "shown"))
        for site, table in found
        if table.height
    ]
    return pl.concat(frames) if frames else pl.DataFrame()


def _transfer(runs: Sequence[Measured]) -> pl.DataFrame:
    places = {r.labels[SCENARIO] for r in runs if RECIPE not in r.labels}
    if len(places) < 2 or not any(RECIPE in r.labels for r in runs):
        return pl.DataFrame()
    rows = [
        (to, source, bucket, c.percent, c.low, c.high, c.n, ", ".join(c.lacking))
        for (to, source, bucket), c in transfer.matrix(runs).items()
        if c is not None
    ]
    names = ["used_in", "recipe_of", "user_bucket", "percent", "ci_low", "ci_high", "n_queries", "lacking"]
    types = [*[pl.String] * 3, *[pl.Float64] * 3, pl.Int64, pl.String]
    return pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")


def _answers(sections: Sequence[Section]) -> pl.DataFrame:
    rows = [
        (section.title, question, sentence.text, "; ".join(sentence.evidence))
        for section in sections
        for question, told in (*section.answers.items(), ("", section.sentences))
        for sentence in told
    ]
    names = ["place", "question", "sentence", "evidence"]
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
