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
from recommender.studies.summary import DATA, PART, RECIPE, RUNG, charted

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
HEADLINE = "ndcg_at_10"
LONGEST = 5000  # characters that a tag's value may have on every server
CREATED = 1_767_225_600_000  # any fixed time (ms): equal views are equal tags
# MLflow adds a section for each path of a metric's name; these ship folded, or hundreds of charts follow ours.
CELLS = (*(f"user_{b}" for b in (*USER_BUCKETS, WITH_HISTORY)), *(f"item_{b}" for b in USER_BUCKETS))
FOLDED = (
    *("acc", "beyond", "effort", "data", "val/acc", "val/beyond"),
    *(f"data/repaired/{table}" for table in ("interactions", "items", "users")),
    *(f"{section}/{cell}" for section in ("acc", "beyond", "data", "val/acc", "val/beyond") for cell in CELLS),
)

Card = dict[str, Any]


def views() -> dict[str, str]:
    """Tag -> value of every view that ships. MLflow titles a chart by its metric; the words are in the sections."""
    by_item = {"Recall by warmth of the item": [_bar(f"acc/item_{b}/recall_at_20") for b in USER_BUCKETS]}
    return dict([
        _tag(EFFORT, _effort_sections()),
        _tag(HISTORY, {**_history_section(), **by_item}),
    ])  # fmt: skip


def study_views() -> dict[str, str]:
    """Views of an experiment whose name begins with ``STUDY``: its runs are cells of a grid, one per rung."""
    cells = {"Every cell and rung": [_bar(f"acc/{HEADLINE}"), _bar("effort/total_cpu_s")]}
    return dict([_tag(CELLS_OF_STUDY, {**cells, **_history_section()})])


def report_views(report: str, shown: Mapping[str, Sequence[tuple[str, str]]]) -> dict[str, str]:
    """Views of the runs behind one report, every place (a scenario on its data) in charts of its
    own. report: id of the run that carries it; shown: kind of the runs -> places with their metric.
    """
    tags: list[tuple[str, str]] = []
    for kind, places in shown.items():
        search = f"tags.{REPORT} = '{report}' and tags.{KIND} = '{kind}'"
        paths = {charted(kind, "", metric, b)[:-1] for _, metric in places for b in (None, *USER_BUCKETS)}
        bounds = {f"{path}_{end}" for path in paths for end in ("ci_low", "ci_high") if kind != RUNG}
        folded = [*(FOLDED if kind == RUNG else ()), "worth", *sorted(paths | bounds)]
        for view in _REPORTED[kind]:
            sections = {view.words.format(place): view.cards(kind, place, metric) for place, metric in places}
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


def _effort_sections() -> dict[str, list[Card]]:
    return {
        "Effort vs accuracy": [
            _scatter("effort/log10_total_cpu_s", f"acc/{HEADLINE}"),
            _bar(f"acc/{HEADLINE}"),
            _bar("effort/total_cpu_s"),
        ],
        **_history_section(),
    }


def _history_section() -> dict[str, list[Card]]:
    return {"Accuracy by length of the user's history": [_bar(f"acc/user_{b}/{HEADLINE}") for b in USER_BUCKETS]}


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
    return {"uuid": name, "name": name, "display": display, "isReordered": False}


def _bar(metric: str) -> Card:
    return {**_card("BAR"), "metricKey": metric}


def _line(metric: str) -> Card:
    """By step, on a logarithmic scale."""
    scale = {"xAxisKey": "step", "useGlobalXaxisKey": False, "xAxisScaleType": "log"}
    drawn = {"displayPoints": True, "lineSmoothness": 0, "useGlobalLineSmoothing": False}
    return {**_card("LINE"), "metricKey": metric, "selectedMetricKeys": [metric], **scale, **drawn}


def _scatter(x: str, y: str) -> Card:
    axes = {"xaxis": {"key": x, "type": "METRIC"}, "yaxis": {"key": y, "type": "METRIC"}}
    return {**_card("SCATTER"), **axes}


def _card(kind: str) -> Card:
    return {"type": kind, "runsCountToCompare": 100, "deleted": False, "isGenerated": False}


@dataclass(frozen=True)
class _View:
    """Views of the runs of a report. words: the heading of a place's charts, short, since MLflow cuts it off; whole:
    charts of all users; by_bucket: a chart for each length of the users' history."""

    key: str
    words: str
    whole: Sequence[Callable[[str], Card]] = ()
    by_bucket: Callable[[str], Card] | None = None

    def cards(self, kind: str, place: str, metric: str) -> list[Card]:
        of_all = [drawn(charted(kind, place, metric)) for drawn in self.whole]
        return of_all + [self.by_bucket(charted(kind, place, metric, b)) for b in USER_BUCKETS if self.by_bucket]


_SPENT = partial(_scatter, "effort/log10_total_cpu_s")
_MORE = partial(_scatter, "worth/cpu_s")
_REPORTED: Mapping[str, Sequence[_View]] = {
    RUNG: (
        _View(EFFORT, "{}", (_SPENT, _bar)),
        _View(LEARNING, "{}: accuracy by interactions", (_line,), _line),
        _View(HISTORY, "{}: accuracy by history", (), _bar),
    ),
    DATA: (_View(VALUE, "{}: with it less without it", (_bar, _MORE), _bar),),
    PART: (_View(PARTS, "{}: with it less without it", (_bar, _MORE), _bar),),
    RECIPE: (_View(TRANSFER, "{}: percent of its own recipe", (_bar,), _bar),),
}
