"""The saved views, as a reader sees them: what MLflow keeps of a view is internal to it, so look at the page."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.chromium import BINARY, Page
from recommender import tracking
from recommender.tracking_views import EFFORT, HISTORY, LATEST, view_url
from tests.out_folder import RUNGS, write_out

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BINARY is None, reason="no chromium: run tests/browser/install_chromium.sh"),
]
REPOSITORY = Path(__file__).parents[2]
DRAWN = "[...document.querySelectorAll('.js-plotly-plot')].filter(e => e.data && (e.data[0].x || []).length)"


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Address of a running page and the experiment's id; two trains, more runs than MLflow draws by default."""
    folder = tmp_path_factory.mktemp("ui")
    uri = f"sqlite:///{folder}/mlflow.db"
    for number, data in enumerate(("simulated", "job-views")):
        with tracking.Tracker("jobs", data, uri) as tracker:
            tracker.log(write_out(folder / data, seed=number, data=data))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "pipelines.ui", "--port", str(port)]
    env = {**os.environ, "MLFLOW_TRACKING_URI": uri}
    process = subprocess.Popen(command, cwd=REPOSITORY, env=env, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    for line in process.stderr:
        if "Ctrl-C" in line:
            break
    yield f"http://127.0.0.1:{port}", str(tracker.experiment_id)
    process.terminate()
    process.communicate(timeout=60)


@pytest.mark.parametrize(
    ("view", "title", "charts"), [(EFFORT, "Effort vs accuracy", 7), (HISTORY, "Recall by warmth of the item", 8)]
)
def test_a_view_draws_every_run_in_every_chart(
    experiment: tuple[str, str], view: str, title: str, charts: int, tmp_path: Path
) -> None:
    with Page(1900, 2600) as page:
        page.open(view_url(*experiment, view))
        page.wait_for(f"{DRAWN}.length >= {charts}")
        points = page.evaluate(f"{DRAWN}.map(e => Math.max(...e.data.map(t => t.x.length)))")
        text = page.evaluate("document.body.innerText")
        page.picture(tmp_path / f"{view}.png")
    assert points == [2 * len(RUNGS)] * charts
    assert title in text


def test_the_view_of_the_latest_train_shows_its_runs_alone(experiment: tuple[str, str]) -> None:
    base, number = experiment
    with Page(1900, 2600) as page:
        page.open(view_url(base, number, LATEST))
        page.wait_for(f"{DRAWN}.length >= 7")
        points = page.evaluate(f"{DRAWN}.map(e => Math.max(...e.data.map(t => t.x.length)))")
    assert points == [len(RUNGS)] * 7
