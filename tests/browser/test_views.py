"""The saved views, as a reader sees them: what MLflow keeps of a view is internal to it, so look at the page.

Pictures of all that is looked at lie in pytest's folder of the test (``--basetemp`` says where).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient
from playwright.sync_api import Page

from pipelines.pictures import BINARY, DRAWN, browser, serving
from recommender.report.document import write_report
from recommender.tracking import store, views
from recommender.tracking.runs import Tracker
from recommender.tracking.studies import log_report
from recommender.tracking.views import view_url
from tests.helpers.out_folder import RUNGS, write_out
from tests.helpers.summaries import ASSETS, LADDER, PLACES, SCENARIOS, summaries_of

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BINARY is None, reason="no chromium: run tests/browser/install_chromium.sh"),
]
# Of every chart, the points of its runs: MLflow draws one trace for a scatter or bars, one per run for lines.
READ = f"""{DRAWN}.map(e => {{
  const boxes = [...e.querySelectorAll('.xtick text, .ytick text, .bartext, .xtitle, .ytitle')]
    .map(t => [t.textContent, t.getBoundingClientRect()]).filter(([t, b]) => t && b.width);
  const apart = (a, b) => a.right <= b.left + 1 || b.right <= a.left + 1
    || a.bottom <= b.top + 1 || b.bottom <= a.top + 1;
  const overlaps = boxes.flatMap(([t, a], i) =>
    boxes.slice(i + 1).filter(([, b]) => !apart(a, b)).map(([u]) => t + ' over ' + u));
  const marks = [...e.querySelectorAll('.point path, path.point, .points path')].filter(p => {{
    const b = p.getBoundingClientRect(); return b.width > 0 && b.height > 0; }}).length;
  return {{marks, overlaps, titles: [...e.querySelectorAll('.xtitle, .ytitle')].map(t => t.textContent)}}; }})"""
POINTS = f"{DRAWN}.map(e => e.data.map(t => (t.x || []).length).filter(n => n))"


@dataclass(frozen=True)
class Served:
    """Address of a running MLflow, the experiments of trains and of comparisons, the run with the train's report."""

    base: str
    trains: str
    compared: str
    train: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two trains, more runs than MLflow draws by default, and two comparisons of which the first is an older one."""
    folder = tmp_path_factory.mktemp("ui")
    uri = f"sqlite:///{folder}/mlflow.db"
    for number, data in enumerate(("simulated", "job-views")):
        with Tracker("jobs", data, uri) as tracker:
            out = write_out(folder / data, seed=2 * number, data=data)  # 1 has no answers of two warmths
            report = write_report(out)
            tracker.log(out)
    compared = store.prepare(uri, "compare")
    for places in (PLACES[:1], PLACES):
        log_report(uri, compared, "test", "report", [report], "a note", summaries_of(places), "http://ui")
    with serving(uri) as base:
        yield Served(base, str(tracker.experiment_id), compared, str(tracker.run_id))


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browser(1900, 4400) as page:  # MLflow draws only what is in the window
        yield page


def looked_at(page: Page, url: str, charts: int, picture: Path) -> tuple[list[list[int]], str]:
    """Points of every trace of every chart, when ``charts`` of them are drawn, and the text of the page."""
    page.goto("about:blank")  # else a link that differs after the # leaves the former charts in place
    page.goto(url)
    page.wait_for_function(f"{DRAWN}.length >= {charts}")
    points, text = page.evaluate(POINTS), page.evaluate("document.body.innerText")
    page.screenshot(path=picture)
    return points, text


def drawn_for(runs: int, charts: int, first_has_intervals: bool) -> list[list[int]]:
    """Points of every trace: bars are one trace of all runs, an error bar is a line and its three points per run."""
    bars: list[list[int]] = [[runs]] * charts
    return [[3] * 2 * runs, *bars[1:]] if first_has_intervals else bars


def assert_readable(page: Page) -> None:
    """Every chart has marks, no two labels of one overlap, and titles and axes are words."""
    charts = page.evaluate(READ)
    assert charts
    for chart in charts:
        assert chart["marks"], chart
        assert not chart["overlaps"], chart
        assert not [t for t in chart["titles"] if "_" in t or t == "Step"], chart


@pytest.mark.parametrize(
    ("view", "title", "charts"),
    [
        (views.EFFORT, "Accuracy against effort, with 95% intervals", 7),
        (views.HISTORY, "Recall by what is known of the item", 8),
    ],
)
def test_a_view_of_trains_draws_every_run_in_every_chart(
    served: Served, page: Page, view: str, title: str, charts: int, tmp_path: Path
) -> None:
    points, text = looked_at(page, view_url(served.base, served.trains, view), charts, tmp_path / f"{view}.png")
    assert points == drawn_for(2 * len(RUNGS), charts, view == views.EFFORT)
    assert title in text
    assert_readable(page)


def test_the_view_of_the_latest_train_shows_its_runs_alone(served: Served, page: Page, tmp_path: Path) -> None:
    points, _ = looked_at(page, view_url(served.base, served.trains, views.LATEST), 7, tmp_path / f"{views.LATEST}.png")
    assert points == drawn_for(len(RUNGS), 7, True)


@pytest.mark.parametrize(
    ("view", "charts", "runs", "drawn"),
    [
        (views.EFFORT, 2, len(LADDER), [len(LADDER)]),
        (views.LEARNING, 5, len(LADDER), [3] * 2 * len(LADDER)),
        (views.HISTORY, 4, len(LADDER), [len(LADDER)]),
        (views.VALUE, 6, len(ASSETS), [len(ASSETS)]),
        (views.PARTS, 6, len(ASSETS), [len(ASSETS)]),
        (views.TRANSFER, 5, len(SCENARIOS), [len(SCENARIOS)]),
    ],
)
def test_a_view_of_a_comparison_draws_the_runs_of_the_latest_report_place_by_place(
    served: Served, page: Page, view: str, charts: int, runs: int, drawn: list[int], tmp_path: Path
) -> None:
    """charts: of each place; runs: of each place; drawn: points of each trace of a chart."""
    points, text = looked_at(page, view_url(served.base, served.compared, view), 2 * charts, tmp_path / f"{view}.png")
    # An error bar is a line of three points per run, and these points.
    bars = {views.EFFORT: 0, views.VALUE: 1, views.PARTS: 1}.get(view)
    expected = [[3] * 2 * runs if n % charts == bars else drawn for n in range(2 * charts)]
    assert points == expected
    assert_readable(page)
    assert views.TITLES[view] in text
    assert f"{2 * runs} matching runs" in text
    assert all(place in text for place in (SCENARIOS if view == views.TRANSFER else PLACES))


def test_the_report_of_a_run_opens_in_mlflow_with_its_charts(served: Served, page: Page, tmp_path: Path) -> None:
    assert "report.html" in [a.path for a in MlflowClient(served.base).list_artifacts(served.train)]
    page.goto("about:blank")
    page.goto(f"{served.base}/#/experiments/{served.trains}/runs/{served.train}/artifacts/report.html")
    report = page.frame_locator("iframe")
    report.locator(".chart svg").first.wait_for()  # further charts lie in folds
    assert "What do we ship, for whom?" in report.locator("body").text_content()
    page.screenshot(path=tmp_path / "report.png")
