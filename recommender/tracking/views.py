"""Saved chart views of an MLflow experiment: one link opens "effort vs accuracy".

MLflow keeps a view as the experiment tag ``mlflow.sharedViewState.<id>``: JSON with name, createdAt,
updatedAt and state, the state being ``deflate;`` + base64(zlib(JSON of the runs page's state)). This is
internal to MLflow (read from its 3.17 page code: "SavedView", "RunsChartsCardConfig"), hence the minor
version is pinned and ``tests/browser`` looks at the page.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from recommender.names import USER_BUCKETS, WITH_HISTORY
from recommender.studies.summary import CPU, DATA, LEARNT, MORE_CPU, PART, RECIPE, RUNG, charted
from recommender.tracking.values import HEADLINE, of_items

TAG = "mlflow.sharedViewState."
EFFORT = "effort-vs-accuracy"
HISTORY = "by-history-length"
LATEST = "latest-train"
STUDY = "study-"  # begins the name of a study's experiment
LEARNING = "learning-curves"
VALUE = "data-value"
PARTS = "parts"
TRANSFER = "transfer"
CELLS_OF_STUDY = "by-cell"
REPORT, KIND = "report", "kind"  # tags of such runs; the first names the run with the report
TITLES = {
    EFFORT: "Effort vs accuracy",
    LEARNING: "Learning curves",
    HISTORY: "By history length",
    VALUE: "Data value",
    PARTS: "Parts",
    TRANSFER: "Transfer",
    CELLS_OF_STUDY: "By cell",
    LATEST: "Latest train",
}
LONGEST = 5000  # characters that a tag's value may have on every server
CREATED = 1_767_225_600_000  # any fixed time (ms): equal views are equal tags
UNNAMED = "Model metrics"  # MLflow's section of metrics without a path
COLUMNS, CARD_HEIGHT = 2, 440  # of three side by side the titles are cut off; of low ones the numbers at a dozen bars
# MLflow adds a section for each path of a metric's name; these ship folded, or dozens of charts follow ours.
CELLS = (*(f"user_{b}" for b in (*USER_BUCKETS, WITH_HISTORY)), *(f"item_{b}" for b in USER_BUCKETS))
HARMS = ("", *(f"/impact_ratio{kind}" for kind in ("", "_exposure", "_hits", "_taken")))
FOLDED = (
    *(UNNAMED, "acc", "beyond", "effort", "data", "val/acc"),
    *(f"harm{path}" for path in HARMS),
    *(f"{section}/{cell}" for section in ("acc", "data") for cell in CELLS),
)

Card = dict[str, Any]


def views() -> dict[str, str]:
    """Tag -> value of every view that ships. MLflow titles a chart and its axes by the names of their metrics."""
    by_item = {"Recall by what is known of the item": [_bar(of_items(b)) for b in USER_BUCKETS]}
    return dict([
        _tag(EFFORT, _effort_sections()),
        _tag(HISTORY, {**_history_section(), **by_item}),
    ])  # fmt: skip


def study_views() -> dict[str, str]:
    """Views of an experiment whose name begins with ``STUDY``: its runs are cells of a grid, one per rung."""
    cells = {"Every cell and rung": [_bar(_all()), _bar("effort/total_cpu_s")]}
    return dict([_tag(CELLS_OF_STUDY, {**cells, **_history_section()})])


def report_views(report: str, shown: Mapping[str, Sequence[tuple[str, str]]]) -> dict[str, str]:
    """Views of the runs behind one report, every site (a scenario on its data) in charts of its
    own. report: id of the run that carries it; shown: kind of the runs -> sites with their metric.
    """
    tags: list[tuple[str, str]] = []
    for kind, sites in shown.items():
        search = f"tags.{REPORT} = '{report}' and tags.{KIND} = '{kind}'"
        folded = FOLDED if kind == RUNG else (UNNAMED, "worth")
        for view in _REPORTED[kind]:
            sections = {view.words.format(site): view.cards(kind, site, metric) for site, metric in sites}
            tags.append(_tag(view.key, sections, search, folded))
    return dict(tags)


def latest_view(train: str) -> tuple[str, str]:
    """Tag and value of the view with the runs of one train only (those with its id as the tag ``train``).

    The filter lies in the view: with a filter in the link, MLflow ignores the view.
    """
    return _tag(LATEST, _effort_sections(), f"tags.train = '{train}'")


def view_url(base: str, experiment_id: str, view: str = EFFORT) -> str:
    """Link that opens a view in MLflow at ``base``; without workflowType the page opens in its GenAI mode."""
    runs = f"{base.rstrip('/')}/#/experiments/{experiment_id}/runs"
    return f"{runs}?workflowType=machine_learning&compareRunsMode=CHART&viewStateShareKey={view}"


def artifact_url(base: str, experiment_id: str, run_id: str, name: str) -> str:
    """Link that opens a file of a run in MLflow at ``base``; with an empty base, from another page of MLflow."""
    return f"{base.rstrip('/')}{'/' * bool(base)}#/experiments/{experiment_id}/runs/{run_id}/artifacts/{name}"


def _effort_sections() -> dict[str, list[Card]]:
    return {
        "Accuracy against effort, with 95% intervals": [_against(CPU, _all()), _bar(_all()), _bar(CPU)],
        **_history_section(),
    }


def _history_section() -> dict[str, list[Card]]:
    cards = [_bar(charted(RUNG, "", HEADLINE, b)) for b in USER_BUCKETS]
    return {"Accuracy by the user's earlier interactions": cards}


def _all() -> str:
    """The charted accuracy of all users, of the runs of a train or a study's cell."""
    return charted(RUNG, "", HEADLINE)


def _tag(
    view: str, sections: dict[str, list[Card]], search: str = "", folded: Sequence[str] = FOLDED
) -> tuple[str, str]:
    view_state = _state(sections, folded) | ({"searchFilter": search} if search else {})
    state = json.dumps(view_state, separators=(",", ":"))
    packed = base64.b64encode(zlib.compress(state.encode(), 9)).decode()
    value = {"name": TITLES[view], "createdAt": CREATED, "updatedAt": CREATED, "state": f"deflate;{packed}"}
    return f"{TAG}{view}", json.dumps(value)


def _state(sections: dict[str, list[Card]], folded: Sequence[str]) -> dict[str, Any]:
    """State of the runs page: our sections open, every run drawn (by default only the first ten are)."""
    cards = [{**card, "metricSectionId": name} for name, section in sections.items() for card in section]
    return {
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": [{**card, "uuid": f"card-{number}"} for number, card in enumerate(cards)],
        "compareRunSections": [*(_section(s, display=True) for s in sections), *(_section(s, False) for s in folded)],
        "isAccordionReordered": True,  # else MLflow sorts sections by name
        "hideEmptyCharts": True,
    }


def _section(name: str, display: bool) -> dict[str, Any]:
    section = {"uuid": name, "name": name, "display": display, "isReordered": False}
    return {**section, "columns": COLUMNS, "cardHeight": CARD_HEIGHT} if display else section


def _bar(metric: str) -> Card:
    return {**_card("BAR"), "metricKey": metric}


def _line(metric: str, x: str) -> Card:
    """Over another metric, matched by step, whose name is the title of the axis. A logarithmic axis MLflow draws over
    steps only, and calls it "Step"."""
    scale = {"xAxisKey": "metric", "selectedXAxisMetricKey": x, "useGlobalXaxisKey": False, "xAxisScaleType": "linear"}
    drawn = {"displayPoints": True, "lineSmoothness": 0, "useGlobalLineSmoothing": False}
    return {**_card("LINE"), "metricKey": metric, "selectedMetricKeys": [metric], **scale, **drawn}


def _against(x: str, metric: str) -> Card:
    """A point with its interval for each run (``summary.against_effort``)."""
    return _line(f"{metric} with interval", x)


def _card(kind: str) -> Card:
    return {"type": kind, "runsCountToCompare": 100, "deleted": False, "isGenerated": False}


@dataclass(frozen=True)
class _View:
    """Views of the runs of a report. words: the heading of a site's charts, short, since MLflow cuts it off; whole:
    charts of all users; by_bucket: a chart for each length of the users' history."""

    key: str
    words: str
    whole: Sequence[Callable[[str], Card]] = ()
    by_bucket: Callable[[str], Card] | None = None

    def cards(self, kind: str, site: str, metric: str) -> list[Card]:
        of_all = [drawn(charted(kind, site, metric)) for drawn in self.whole]
        return of_all + [self.by_bucket(charted(kind, site, metric, b)) for b in USER_BUCKETS if self.by_bucket]


_SPENT = partial(_against, CPU)
_MORE = partial(_against, MORE_CPU)
_CURVE = partial(_line, x=LEARNT)
_REPORTED: Mapping[str, Sequence[_View]] = {
    RUNG: (
        _View(EFFORT, "{}", (_SPENT, _bar)),
        _View(LEARNING, "{}: accuracy by interactions", (_CURVE,), _CURVE),
        _View(HISTORY, "{}: accuracy by history", (), _bar),
    ),
    DATA: (_View(VALUE, "{}: with it less without it", (_bar, _MORE), _bar),),
    PART: (_View(PARTS, "{}: with it less without it", (_bar, _MORE), _bar),),
    RECIPE: (_View(TRANSFER, "{}: percent of its own recipe", (_bar,), _bar),),
}
