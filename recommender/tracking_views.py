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
from typing import Any

from recommender.evaluate import WITH_HISTORY
from recommender.query import USER_BUCKETS

TAG = "mlflow.sharedViewState."
EFFORT = "effort-vs-accuracy"
HISTORY = "by-history-length"
LATEST = "latest-train"
STUDY = "study-"  # begins the name of a study's experiment
LEARNING = "learning-curves"
CELLS_OF_STUDY = "by-cell"
HEADLINE = "ndcg_at_10"
LONGEST = 5000  # characters that a tag's value may have on every server
CREATED = 1_767_225_600_000  # any fixed time (ms): equal views are equal tags
# MLflow adds a section for each path of a metric's name; these ship folded, or hundreds of charts follow ours.
CELLS = (*(f"user_{b}" for b in (*USER_BUCKETS, WITH_HISTORY)), *(f"item_{b}" for b in USER_BUCKETS))
FOLDED = (
    *("acc", "beyond", "effort", "data", "val/acc", "val/beyond"),
    *(f"{section}/{cell}" for section in ("acc", "beyond", "data", "val/acc", "val/beyond") for cell in CELLS),
)

Card = dict[str, Any]


def views() -> dict[str, str]:
    """Tag -> value of every view that ships. MLflow titles a chart by its metric; the words are in the sections."""
    by_item = {"Recall by warmth of the item": [_bar(f"acc/item_{b}/recall_at_20") for b in USER_BUCKETS]}
    return dict([
        _tag(EFFORT, "Effort vs accuracy", _effort_sections()),
        _tag(HISTORY, "By history length", {**_history_section(), **by_item}),
    ])  # fmt: skip


def study_views() -> dict[str, str]:
    """As ``views``, of an experiment whose name begins with ``STUDY``: its runs are cells of a grid, one per rung."""
    bucketed = [_scatter("data/log10_n_train", f"acc/user_{b}/{HEADLINE}") for b in USER_BUCKETS]
    learning = {"Accuracy by interactions to learn from": [_scatter("data/log10_n_train", f"acc/{HEADLINE}")]}
    cells = {"Every cell and rung": [_bar(f"acc/{HEADLINE}"), _bar("effort/total_cpu_s")]}
    return dict([
        _tag(LEARNING, "Learning curves", {**learning, "By length of the user's history": bucketed}),
        _tag(CELLS_OF_STUDY, "By cell", {**cells, **_history_section()}),
        _tag(EFFORT, "Effort vs accuracy", _effort_sections()),
    ])  # fmt: skip


def latest_view(train: str) -> tuple[str, str]:
    """Tag and value of the view with the runs of one train only (those with its id as the tag ``train``).

    The filter lies in the view: with a filter in the link, MLflow ignores the view.
    """
    return _tag(LATEST, "Latest train", _effort_sections(), f"tags.train = '{train}'")


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


def _tag(view: str, name: str, sections: dict[str, list[Card]], search: str = "") -> tuple[str, str]:
    state = json.dumps(_state(sections) | ({"searchFilter": search} if search else {}), separators=(",", ":"))
    packed = base64.b64encode(zlib.compress(state.encode(), 9)).decode()
    value = {"name": name, "createdAt": CREATED, "updatedAt": CREATED, "state": f"deflate;{packed}"}
    return f"{TAG}{view}", json.dumps(value)


def _state(sections: dict[str, list[Card]]) -> dict[str, Any]:
    """State of the runs page: our sections open, every run drawn (by default only the first ten are)."""
    cards = [{**card, "metricSectionId": name} for name, section in sections.items() for card in section]
    return {
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": [{**card, "uuid": f"card-{number}"} for number, card in enumerate(cards)],
        "compareRunSections": [*(_section(s, display=True) for s in sections), *(_section(s, False) for s in FOLDED)],
        "isAccordionReordered": True,  # else MLflow sorts sections by name
        "hideEmptyCharts": True,
    }


def _section(name: str, display: bool) -> dict[str, Any]:
    return {"uuid": name, "name": name, "display": display, "isReordered": False}


def _bar(metric: str) -> Card:
    return {**_card("BAR"), "metricKey": metric}


def _scatter(x: str, y: str) -> Card:
    axes = {"xaxis": {"key": x, "type": "METRIC"}, "yaxis": {"key": y, "type": "METRIC"}}
    return {**_card("SCATTER"), **axes}


def _card(kind: str) -> Card:
    return {"type": kind, "runsCountToCompare": 100, "deleted": False, "isGenerated": False}
