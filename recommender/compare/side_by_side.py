"""Sites side by side: accuracy and effort, who wins for whom, recipes used elsewhere, what data are worth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from recommender.compare.answers import headline
from recommender.compare.page_model import Section, Sentence
from recommender.compare.plan import TRANSFER, VOLUME
from recommender.compare.site import Site
from recommender.compare.wording import evidence
from recommender.experiment.run_tables import USERS
from recommender.names import ALL, PLAIN, ROUTER, USER_BUCKETS
from recommender.studies import transfer
from recommender.studies.engine.finding import Grid, grid, interval
from recommender.studies.engine.measured import Measured
from recommender.studies.engine.plan import SCENARIO, Study


def accuracy(sites: Sequence[Site]) -> Section:
    """Every rung at every site, with its CPU seconds, and who wins."""
    out = Section("Accuracy, effort and winners side by side")
    rungs = dict.fromkeys(r for s in sites if s.today for r in s.today.rungs if r != PLAIN)
    ordered = sorted(rungs, key=lambda r: r == ROUTER)  # it is made of the others, so it stands last
    rows = [[rung, *(_value(site, rung) for site in sites)] for rung in ordered]
    caption = f"{sites[0].label} of all users with 95% intervals, and CPU seconds of one fit and all lists."
    out.grids = [grid(caption, ["rung", *(s.name for s in sites)], rows), _winners(sites)]
    winners: dict[str, list[Site]] = {}
    for site in (s for s in sites if s.curves):
        winners.setdefault(site.serves_today, []).append(site)
    if winners:
        text = "; ".join(f"{rung} at {', '.join(s.name for s in where)}" for rung, where in winners.items())
        out.sentences = _cited_all([f"With all of today's data, these win for all users: {text}."], sites, VOLUME)
    out.notes = [
        "Router: what validation ships, with places for new items and re-rankers, one seed. Single rungs: mean over "
        "the seeds measured, without re-rankers. Between columns the data differ, so compare who wins."
    ]
    return out


def _value(site: Site, rung: str) -> str:
    value = site.value(rung)
    if site.today is None or rung not in site.today.rungs or value is None or value[0] is None:
        return "–"
    return f"{interval(*value)}, {site.today.seconds.get(rung, 0.0):.2f} s"


def _winners(sites: Sequence[Site]) -> Grid:
    rows = []
    for bucket in (ALL, *USER_BUCKETS):
        cells = []
        for site in sites:
            read = site.curves is not None and bucket in site.curves.buckets()
            path = site.moves(bucket)[0] if read else []
            steps = [m.rung + (f" from {m.at:,.0f}" if np.isfinite(m.at) else "") for m in path]
            cells.append(", then ".join(steps) or "too few queries")
        rows.append([USERS[bucket], *cells])
    caption = "Who wins for whom, and from how many interactions on; no number: from the least data measured."
    return grid(caption, ["users", *(s.name for s in sites)], rows)


def recipes(study: Study, sites: Sequence[Site], again: Sequence[Measured]) -> Section:
    """again: the cells of every recipe at every site, their scenario ``named``."""
    out = Section("Can one scenario's recipe be used in another?")
    if runs := [*named(sites), *again]:
        (finding,) = transfer.analyse(study, runs)
        out.sentences = _cited_all(finding.sentences, sites, TRANSFER)
        out.grids, out.more, out.notes = finding.grids[:1], finding.grids[1:], finding.notes
    return out


def named(sites: Sequence[Site]) -> list[Measured]:
    """The decided cells, their scenario named by its site where one scenario stands at several."""
    names = [s.scenario.name for s in sites]
    return [
        replace(s.decided, labels={**s.decided.labels, SCENARIO: s.name if names.count(n) > 1 else n})
        for n, s in zip(names, sites, strict=True)
        if s.decided is not None
    ]


def forecasts(trust: Sequence[str], sites: Sequence[Site]) -> Section:
    """How far the forecasts of all sites can be trusted. trust: sentences of the back-test."""
    return Section("How far forecasts can be trusted", sentences=_cited_all(trust, sites, VOLUME))


def assets(sites: Sequence[Site]) -> Section:
    """What each data asset is worth at each site."""
    cells: dict[tuple[str, str], str] = {}
    for site in sites:
        for r in headline(site.data_value, site.metric):
            gain = interval(r["difference"], r["ci_low"], r["ci_high"], sign=True)
            cells[r["pair"], site.name] = gain + " *" * site.beyond_noise(r)
    rows = [[pair, *(cells.get((pair, s.name), "–") for s in sites)] for pair in dict.fromkeys(p for p, _ in cells)]
    caption = (
        f"{sites[0].label} of all users, best rung with it less best rung without it; * significant, and more than "
        "another seed changes."
    )
    heads = ["data", *(s.name for s in sites)]
    return Section("What the data are worth", grids=[grid(caption, heads, rows)] if rows else [])


def _cited_all(texts: Iterable[str], sites: Sequence[Site], study: str) -> list[Sentence]:
    """Sentences that rest on a study at all sites."""
    return [Sentence(text, tuple(e for s in sites for e in evidence(s, study))) for text in texts]
