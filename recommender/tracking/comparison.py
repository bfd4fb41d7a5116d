"""A comparison in MLflow: its cells in the experiments of their studies, and in ``compare`` the flat runs that its
views chart (rungs, data assets, parts, recipes, site by site), and one that carries the report."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from recommender.compare.page_model import Evidence
from recommender.compare.plan import PARTS, TRANSFER, VALUE
from recommender.compare.site import Site, named
from recommender.names import PLAIN, USER_BUCKETS
from recommender.studies import summary, transfer
from recommender.studies.engine.measured import Measured
from recommender.studies.engine.run import Failure
from recommender.studies.summary import RUNG, Summary, charted
from recommender.tracking import store, values
from recommender.tracking.studies import StudyTracker, log_report

EXPERIMENT = "compare"
SOURCE = "make compare"
BUCKETS = (None, *USER_BUCKETS)  # None: all users


class Trackers:
    """A ``StudyTracker`` for each study that cells come from. A server that fails stops nothing; ``finish`` raises."""

    def __init__(self, studies: Sequence[str]) -> None:
        self.uri = store.tracking_uri()
        self.of = {name: StudyTracker(name, self.uri) for name in studies}

    def cell(self, measured: Measured) -> None:
        self.of[measured.folder.parent.name].cell(measured)

    def failed(self, failure: Failure) -> None:
        self.of[failure.cell.study].failed(failure)

    def evidence(self, sites: Sequence[Site], again: Mapping[str, Sequence[Measured]], ui: str) -> list[Evidence]:
        """Per site and study. again: site -> its cells of every recipe; ui: address of MLflow's pages."""
        evidence = []
        for site in sites:
            for study, runs in site.runs.items():
                cells = [*runs, *(again.get(site.name, []) if study == TRANSFER else [])]
                links = {c.folder: self._links(c, ui) for c in cells}
                evidence.append(Evidence(f"{study}, {site.name}", cells, links))
        return evidence

    def finish(
        self, sites: Sequence[Site], again: Sequence[Measured], artifacts: Sequence[Path], note: str, ui: str
    ) -> dict[str, str]:
        """The runs of the experiment ``compare``; title -> link of their charts in MLflow at ``ui``. again: see
        ``page.compare_sites``. Raises TrackingError, also what failed before."""
        for tracker in self.of.values():
            if tracker.error:
                raise tracker.error
        experiment = store.prepare(self.uri, EXPERIMENT)
        return log_report(self.uri, experiment, SOURCE, "report", artifacts, note, summaries(sites, again), ui)

    def _links(self, cell: Measured, ui: str) -> dict[str, str]:
        """Rung -> its run's page, from the mark that the tracker left in the cell's folder."""
        tracker = self.of[cell.folder.parent.name]
        for path in sorted(cell.folder.glob("mlflow-*.json")):
            mark = json.loads(path.read_text())
            if mark["uri"] == self.uri and mark["labels"] == dict(cell.labels):
                base = f"{ui}/#/experiments/{tracker.experiment_id}/runs"
                return {rung: f"{base}/{run}" for rung, run in zip(cell.rungs, mark["runs"], strict=True)}
        return {}


def summaries(sites: Sequence[Site], again: Sequence[Measured]) -> list[Summary]:
    """All that the views of a comparison chart."""
    runs: list[Summary] = []
    for site in sites:
        runs += rungs(site)
        for study, table in ((VALUE, site.data_value), (PARTS, site.part_effects)):
            if table.height:
                runs += summary.of_effects(site.name, site.studies[study], site.runs[study], table)
    if again:
        runs += summary.of_transfer(transfer.matrix([*named(sites), *again]), sites[0].metric)
    return runs


def rungs(site: Site) -> list[Summary]:
    """A run per rung, with all of today's data, and its learning curve; the router has none, but a point of it."""
    label, metric = summary.named(site.name), site.metric
    curves = {s.what: s for s in summary.of_curves(site.name, site.curves, metric)} if site.curves else {}
    cell, runs = site.today, []
    for rung in [r for r in cell.rungs if r != PLAIN] if cell else []:
        assert cell is not None
        numbers = values.evaluation(cell.metrics, rung)
        metrics = {k: v for k, v in numbers.items() if v is not None and math.isfinite(v)}
        for name, days in zip(("low", "high"), site.scenario.person_days.get(rung, ()), strict=False):
            metrics[f"effort/stated_person_days_{name}"] = days
        curve = curves.get(rung)
        metrics |= {"data/n_train": float(cell.origin["n_train"])}
        metrics |= curve.metrics if curve else summary.effort(cell.seconds.get(rung, 0.0))
        points = curve.curves if curve else _point(site, rung, metrics)
        runs.append(Summary(RUNG, rung, label, metric, *values.logged(metrics, metric, points)))
    return runs


def _point(site: Site, rung: str, metrics: Mapping[str, float]) -> summary.Points:
    """The accuracy of a rung without a learning curve, with all of today's data."""
    label, metric, step = summary.named(site.name), site.metric, round(metrics["data/n_train"])
    names = {charted(RUNG, label, metric, b): f"acc/{f'user_{b}/' if b else ''}{metric}" for b in BUCKETS}
    points = {name: [(step, summary.HUNDREDTHS * metrics[key])] for name, key in names.items() if key in metrics}
    ends = [metrics.get(f"acc/{metric}{end}") for end in ("", "_ci_low", "_ci_high")]
    spent = summary.against_effort(charted(RUNG, label, metric), ends, metrics["effort/total_cpu_s"])
    return {**points, summary.LEARNT: [(step, float(step))], **spent}
