"""Scenes -> the whole comparison, and the same numbers as tidy tables."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import polars as pl

from recommender.compare import across, build, part
from recommender.compare.places import Scene
from recommender.compare.plan import TRANSFER
from recommender.compare.said import Comparison, Evidence, Part
from recommender.compare.steps import segments
from recommender.compare.table import ladder
from recommender.models import RECOMMENDERS
from recommender.studies import data_volume, transfer
from recommender.studies.engine.cell import Measured
from recommender.studies.engine.curves import crossings
from recommender.studies.engine.plan import SCENARIO, Study
from recommender.studies.engine.tables import tidy
from recommender.studies.transfer import RECIPE


def compared(
    scenes: Sequence[Scene],
    again: Sequence[Measured],
    evidence: Sequence[Evidence],
    warnings: Sequence[str],
) -> Comparison:
    """again: the cells of every recipe at every place, their scenario named as by ``across.named``."""
    metric = scenes[0].metric
    tests = [f for s in scenes if s.curves for f in data_volume.back_test(s.name, s.curves)]
    widen = data_volume.widening(tests)
    trust = data_volume.trust(tests, widen, metric).sentences if tests else []
    options = [o for s in scenes for o in build.options(s)]
    sides = [across.accuracy(scenes), build.part(options, scenes[0].label), across.assets(scenes)]
    sides += [across.forecasts(trust, scenes)] if trust else []
    if len(scenes) > 1:
        sides.insert(1, across.recipes(scenes[0].studies[TRANSFER], scenes, again))
    return Comparison(
        title=f"Compared: {', '.join(s.name for s in scenes)}",
        warnings=warnings,
        glance=part.glance(scenes),
        places=[part.place(s, widen) for s in scenes],
        across=sides,
        evidence=evidence,
        glossary=glossary(scenes),
    )


def glossary(scenes: Sequence[Scene]) -> dict[str, str]:
    """Rung -> what its recommender does, as its module says in its first sentence."""
    used = {r.name: r.recommender for s in scenes for c in s.cells for r in c.scenario.ladder if r.name in c.rungs}
    found = {}
    for rung, name in used.items():
        text = sys.modules[RECOMMENDERS[name].__module__].__doc__ or ""
        found[rung] = text.split("\n\n")[0].strip()
    return found


def tables(
    scenes: Sequence[Scene], again: Sequence[Measured], studies: Mapping[str, Study], parts: Sequence[Part]
) -> dict[str, pl.DataFrame]:
    """File name -> tidy table: what the page shows, and every cell behind it."""
    cells = [tidy(studies[name], runs) for s in scenes for name, runs in s.runs.items()]
    cells += [tidy(studies[TRANSFER], again)] if again else []
    made = {
        "cells": pl.concat(cells, how="diagonal"),
        "ladder": ladder(scenes),
        "moves": _moves(scenes),
        "data_value": _worth([(s, s.worth) for s in scenes]),
        "parts": _worth([(s, s.parts) for s in scenes]),
        "transfer": _transfer([*across.named(scenes), *again]),
        "build": build.table([o for s in scenes for o in build.options(s)]),
        "answers": _answers(parts),
    }
    return {name: table for name, table in made.items() if table.height}


def _moves(scenes: Sequence[Scene]) -> pl.DataFrame:
    """Where each rung overtakes the best simpler one; infinite: before, or not in, the range."""
    rows = [
        (s.name, c.bucket, c.rung, c.over, c.at, c.low, c.high, c.share)
        for s in scenes
        if s.curves
        for bucket in segments(s.curves)
        for c in crossings(s.curves, bucket)
    ]
    names = ["place", "user_bucket", "rung", "over", "interactions", "ci_low", "ci_high", "ahead_share"]
    types = [*[pl.String] * 4, *[pl.Float64] * 4]
    return pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")


def _worth(found: Sequence[tuple[Scene, pl.DataFrame]]) -> pl.DataFrame:
    frames = [
        table.select(pl.lit(scene.name).alias("place"), "pair", pl.exclude("pair", "name", "shown"))
        for scene, table in found
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


def _answers(parts: Sequence[Part]) -> pl.DataFrame:
    rows = [
        (part.title, question, said.text, "; ".join(said.evidence))
        for part in parts
        for question, told in (*part.answers.items(), ("", part.said))
        for said in told
    ]
    names = ["place", "question", "sentence", "evidence"]
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
