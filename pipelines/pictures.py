"""Pictures for the documentation, as PNG: of a finished train or comparison, its report and its views in MLflow.

python -m pipelines.pictures [--out artifacts/latest] [--compare artifacts/compare-TIME] [--to docs/pictures]

A program of the extra `dev`: Playwright drives the system's Chromium. A train is logged again into a store of its own,
so that MLflow shows this train and no other. Views of a comparison are those of the latest one in the store at hand.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image  # comes with MLflow, by way of matplotlib
from playwright.sync_api import Page, sync_playwright

from pipelines import cli
from recommender.compare import page_model
from recommender.errors import UserError
from recommender.experiment.run_folder import read_run
from recommender.report.planning import ROADMAP
from recommender.tracking.comparison import EXPERIMENT as COMPARISONS
from recommender.tracking.runs import Tracker
from recommender.tracking.store import prepare, tracking_uri
from recommender.tracking.views import EFFORT, HISTORY, LEARNING, TRANSFER, VALUE, view_url

BINARY = shutil.which("chromium") or shutil.which("chromium-browser")
LARGEST = 200_000  # bytes of one picture: a clone downloads them all
LATEST = Path("artifacts/latest")
WIDTH, HEIGHT = 1120, 1600  # of the window, pixels
TALLEST = 2200  # a picture of a page ends there
CHARTS = (1500, 1050)  # of the picture of MLflow
MARGIN = 16
# Picture -> the headings of the report between which it lies (None: from the top).
Parts = Mapping[str, tuple[str | None, str]]
PARTS: Parts = {
    "report-decision.png": (None, "Why these"),
    "report-ladder.png": ("The ladder, by how much is known of the user", "Accuracy by history length"),
    "report-history.png": ("Accuracy by history length", "Other metrics"),
}
COMPARED: Parts = {
    "compare-answers.png": (None, page_model.DAY_ONE),
    "compare-move.png": (page_model.WHEN, page_model.MORE),
    "compare-build.png": (page_model.BUILD, ROADMAP),
}
VIEWS = {
    "mlflow-compare.png": EFFORT,
    "mlflow-learning.png": LEARNING,
    "mlflow-history.png": HISTORY,
    "mlflow-value.png": VALUE,
    "mlflow-transfer.png": TRANSFER,
}
UNFOLD = "document.querySelectorAll('main > section > details').forEach(d => { d.open = true; })"
TOP_OF = """(title => {
  const heading = [...document.querySelectorAll('section h2')].find(e => e.textContent === title);
  return heading ? heading.getBoundingClientRect().top + scrollY : null;
})"""
DRAWN = "[...document.querySelectorAll('.js-plotly-plot')].filter(e => (e.data || []).some(t => (t.x || []).length))"
# MLflow opens a chat panel at a profile's first visit; Plotly shows buttons over each chart where no mouse is.
NO_ASSISTANT = "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')"
TIDY = "document.head.insertAdjacentHTML('beforeend', '<style>.modebar{display:none}</style>')"


def main(argv: list[str]) -> None:
    args = _parser().parse_args(argv)
    if BINARY is None:
        raise UserError("There is no chromium here. Debian, Ubuntu: bash tests/browser/install_chromium.sh")
    args.to.mkdir(parents=True, exist_ok=True)
    store = tracking_uri()  # before a train is logged elsewhere, which changes it for the process
    pictures = of_train(args.out or LATEST, args.to) if args.out or not args.compare else []
    pictures += of_comparison(args.compare, store, args.to) if args.compare else []
    for picture in pictures:
        shrink(picture)
        size = picture.stat().st_size
        cli.console.print(f"{picture}: {size / 1000:,.0f} kB", markup=False)
        if size > LARGEST:
            raise UserError(
                f"{picture}: {size:,} bytes, more than {LARGEST:,}. Show less on it (pipelines/pictures.py)."
            )


def of_train(out: Path, to: Path) -> list[Path]:
    read = read_run(out)
    sections = report(out, PARTS, to)
    with tempfile.TemporaryDirectory() as folder:
        uri = f"sqlite:///{folder}/mlflow.db"
        with Tracker(read.scenario.name, str(read.data["name"]), uri) as tracker:
            tracker.log(out)
        with serving(uri) as base:
            url = view_url(base, str(tracker.experiment_id), EFFORT)
            return [*sections, charts(url, 7, to / "mlflow.png")]


def of_comparison(out: Path, uri: str, to: Path) -> list[Path]:
    """Takes one of two places or more, for the views of a transfer; uri: of the store that it was logged to."""
    sections = report(out, COMPARED, to)
    experiment = prepare(uri, COMPARISONS)
    with serving(uri) as base:
        return sections + [charts(view_url(base, experiment, view), 4, to / name) for name, view in VIEWS.items()]


def report(out: Path, parts: Parts, to: Path) -> list[Path]:
    """Pictures of ``out/report.html``: file name -> the headings between which it lies."""
    if not (out / "report.html").is_file():
        raise UserError(f"{out}: no report.html there. Take the OUT of a finished train or comparison.")
    with browser(WIDTH, HEIGHT) as page:
        page.goto((out / "report.html").resolve().as_uri())
        page.evaluate(UNFOLD)
        tops: dict[str | None, Any] = {
            title: page.evaluate(f"{TOP_OF}({title!r})") for part in parts.values() for title in part if title
        }
        if missing := [title for title, top in tops.items() if top is None]:
            raise UserError(f"{out}/report.html has no section '{missing[0]}'. Take a run that evaluated something.")
        page.wait_for_function("document.querySelectorAll('.chart svg').length >= 2")
        tops = {title: page.evaluate(f"{TOP_OF}({title!r})") for title in tops} | {None: MARGIN}  # charts take room
        for name, (a, b) in parts.items():
            clip = {"x": 0, "y": tops[a] - MARGIN, "width": WIDTH, "height": min(tops[b] - tops[a], TALLEST)}
            page.screenshot(path=to / name, clip=clip, full_page=True)  # type: ignore[arg-type]
    return [to / name for name in parts]


def charts(url: str, least: int, path: Path) -> Path:
    """Picture of MLflow's chart view, when so many charts are drawn."""
    width, height = CHARTS
    with browser(width, 3 * height) as page:  # MLflow draws only what is in the window
        page.goto(url)
        page.wait_for_function(f"{DRAWN}.length >= {least}")
        page.evaluate(TIDY)
        before = b""
        while (drawn := page.screenshot(path=path, clip={"x": 0, "y": 0, "width": width, "height": height})) != before:
            before = drawn  # until nothing moves any longer
            time.sleep(0.5)
        return path


@contextmanager
def browser(width: int, height: int) -> Iterator[Page]:
    """An empty page of a fresh profile in the system's Chromium, a window of so many pixels."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BINARY)
        page = chromium.new_page(viewport={"width": width, "height": height}, bypass_csp=True)
        page.set_default_timeout(60_000)
        page.add_init_script(NO_ASSISTANT)
        yield page
        chromium.close()


def shrink(picture: Path) -> None:
    """Keeps 256 colours, which text and bars need no more of: half of the bytes. Small areas keep theirs too."""
    with Image.open(picture) as image:
        few = image.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
    few.save(picture, optimize=True)


@contextmanager
def serving(uri: str) -> Iterator[str]:
    """Address of ``make ui`` over the store ``uri``, on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "pipelines.ui", "--port", str(port)]
    env = {**os.environ, "MLFLOW_TRACKING_URI": uri}
    process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
    try:
        printed = ""
        for line in process.stderr or ():
            printed += line
            if "Ctrl-C" in line:
                break
        else:
            raise UserError(f"make ui did not start:\n{printed}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=60)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipelines.pictures", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="OUT of a finished train (default, without --compare: the latest)")
    parser.add_argument("--compare", type=Path, help="OUT of a comparison, the latest in the store")
    parser.add_argument("--to", type=Path, default=Path("docs/pictures"), help="folder to write")
    return parser


if __name__ == "__main__":
    cli.run(main)
