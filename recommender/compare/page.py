"""Sites -> the whole page of a comparison."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from recommender.compare import build_next, side_by_side
from recommender.compare.page_model import Comparison, Evidence
from recommender.compare.plan import TRANSFER
from recommender.compare.site import Site
from recommender.compare.site_section import glance, site_section
from recommender.models import RECOMMENDERS
from recommender.studies import data_volume
from recommender.studies.engine.measured import Measured


def compare_sites(
    sites: Sequence[Site], again: Sequence[Measured], evidence: Sequence[Evidence], warnings: Sequence[str]
) -> Comparison:
    """again: the cells of every recipe at every site, their scenario named as by ``side_by_side.named``."""
    tests = [f for s in sites if s.curves for f in data_volume.back_test(s.name, s.curves)]
    widen = data_volume.widening(tests)
    options = [o for s in sites for o in build_next.options(s)]
    sections = [side_by_side.accuracy(sites)]
    if len(sites) > 1:
        sections.append(side_by_side.recipes(sites[0].studies[TRANSFER], sites, again))
    sections += [build_next.section(options, sites[0].label), side_by_side.assets(sites)]
    if tests:
        trust = data_volume.trust(tests, widen, sites[0].metric).sentences
        sections.append(side_by_side.forecasts(trust, sites))
    return Comparison(
        title=f"Compared: {', '.join(s.name for s in sites)}",
        warnings=warnings,
        glance=glance(sites),
        sites=[site_section(s, widen) for s in sites],
        side_by_side=sections,
        evidence=evidence,
        glossary=glossary(sites),
    )


def glossary(sites: Sequence[Site]) -> dict[str, str]:
    """Rung -> what its recommender does, as its module says in its first sentence."""
    used = {r.name: r.recommender for s in sites for c in s.cells for r in c.scenario.ladder if r.name in c.rungs}
    docs = {rung: sys.modules[RECOMMENDERS[name].__module__].__doc__ or "" for rung, name in used.items()}
    return {rung: text.split("\n\n")[0].strip() for rung, text in docs.items()}
