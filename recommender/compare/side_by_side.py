"""Places side by side: accuracy and effort, who wins for whom, recipes taken elsewhere, what data are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from recommender.compare.moves import segments
from recommender.compare.page_model import Section, Sentence
from recommender.compare.plan import TRANSFER, VOLUME
from recommender.compare.site import Site
from recommender.compare.tables import ladder
from recommender.compare.wording import evidence
from recommender.experiment.run_tables import USERS
from recommender.names import ALL, ROUTER, USER_BUCKETS
from recommender.studies import transfer
from recommender.studies.engine.cell import Measured
from recommender.studies.engine.finding import Grid, grid, interval
from recommender.studies.engine.plan import SCENARIO, Study


def accuracy(sites: Sequence[Site]) -> Section:
    out = Section("Accuracy, effort and winners side by side")
    table = ladder(sites).filter(pl.col("user_bucket") == ALL)
    cells = {(r["rung"], r["place"]): r for r in table.iter_rows(named=True)}
    names = [s.name for s in sites]
    rows = []
    rungs = table["rung"].unique(maintain_order=True).to_list()
    for rung in sorted(rungs, key=lambda r: r == ROUTER):  # it is made of the others, so it stands last
        rows.append([rung, *(_told(cells.get((rung, name))) for name in names)])
    caption = f"{sites[0].label} of all users with 95% intervals, and CPU seconds of one fit and all lists."
    out.grids.append(grid(caption, ["rung", *names], rows))
    out.grids.append(_who(sites))
    tops: dict[str, list[Site]] = {}
    for site in sites:
        if site.curves is not None:
            tops.setdefault(site.moves()[0][-1].rung, []).append(site)
    told = "; ".join(f"{rung} at {', '.join(s.name for s in where)}" for rung, where in tops.items())
    if told:
        cites = tuple(e for where in tops.values() for s in where for e in evidence(s, VOLUME))
        out.sentences.append(Sentence(f"With all of today's data, these win for all users: {told}.", cites))
    out.notes.append(
        "Router: what validation ships, with places for new items and re-rankers, one seed. Single rungs: mean over "
        "the seeds measured, without re-rankers. Between columns the data differ, so compare who wins."
    )
    return out


def _told(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "–"
    return f"{interval(row['value'], row['ci_low'], row['ci_high'])}, {row['cpu_s']:.2f} s"


def _who(sites: Sequence[Site]) -> Grid:
    rows = []
    for bucket in (ALL, *USER_BUCKETS):
        shown = []
        for site in sites:
            made = site.curves
            if made is None or bucket not in segments(made):
                shown.append("too few queries")
                continue
            shown.append(", then ".join(_since(s.rung, s.at) for s in site.moves(bucket)[0]))
        rows.append([USERS[bucket], *shown])
    caption = "Who wins for whom, and from how many interactions on; no number: from the least data measured."
    return grid(caption, ["users", *(s.name for s in sites)], rows)


def _since(rung: str, at: float) -> str:
    return f"{rung} from {at:,.0f}" if np.isfinite(at) else rung


def recipes(study: Study, sites: Sequence[Site], again: Sequence[Measured]) -> Section:
    """again: the cells of every recipe in every place, labelled by place."""
    runs = [*named(sites), *again]
    (found,) = transfer.analyse(study, runs) if runs else (None,)
    out = Section("Can one scenario's recipe be used in another?")
    if found is not None:
        cites = tuple(e for s in sites for e in evidence(s, TRANSFER))
        out.sentences = [Sentence(sentence, cites) for sentence in found.sentences]
        out.grids, out.more, out.notes = found.grids[:1], found.grids[1:], found.notes
    return out


def named(sites: Sequence[Site]) -> list[Measured]:
    """The decided cells, their scenario named by its place where one scenario stands at several."""
    names = [s.scenario.name for s in sites]
    return [
        replace(s.decided, labels={**s.decided.labels, SCENARIO: s.name if names.count(n) > 1 else n})
        for n, s in zip(names, sites, strict=True)
        if s.decided is not None
    ]


def forecasts(trust: Sequence[str], sites: Sequence[Site]) -> Section:
    """How far the forecasts of all places can be trusted. trust: sentences of the back-test."""
    cites = tuple(e for s in sites for e in evidence(s, VOLUME))
    return Section("How far forecasts can be trusted", sentences=[Sentence(sentence, cites) for sentence in trust])


def assets(sites: Sequence[Site]) -> Section:
    """What each data asset is worth at each place."""
    out = Section("What the data are worth")
    cells: dict[tuple[str, str], str] = {}
    for site in sites:
        if site.worth.is_empty():
            continue
        best = site.worth.filter(pl.col("shown") == "best", pl.col("user_bucket") == ALL)
        for r in best.iter_rows(named=True):
            shown = interval(r["difference"], r["ci_low"], r["ci_high"], sign=True)
            cells[r["pair"], site.name] = shown + " *" * site.noticed(r)
    names = [s.name for s in sites]
    rows = [[pair, *(cells.get((pair, n), "–") for n in names)] for pair in dict.fromkeys(p for p, _ in cells)]
    caption = (
        f"{sites[0].label} of all users, best rung with it less best rung without it; * significant, and more than "
        "another seed changes."
    )
    out.grids = [grid(caption, ["data", *names], rows)] if rows else []
    return out
