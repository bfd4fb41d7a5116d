"""Pictures of a finished train for the documentation: its report and its page in MLflow, as PNG.

python -m pipelines.pictures [--out artifacts/latest] [--to docs/pictures]

The train is logged again into a store of its own, so that MLflow shows this train and no other.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image  # comes with MLflow, by way of matplotlib

from pipelines import cli
from pipelines.chromium import BINARY, Page
from recommender.errors import UserError
from recommender.report.tables import read_out
from recommender.tracking import Tracker
from recommender.tracking_views import EFFORT, view_url

LARGEST = 200_000  # bytes of one picture: a clone downloads them all
WIDTH, HEIGHT = 1120, 1600  # of the window, pixels
CHARTS = (1500, 1050)  # of the picture of MLflow
MARGIN = 16
# Picture -> the headings of the report between which it lies (None: from the top).
PARTS = {
    "report-decision.png": (None, "The ladder, by how much is known of the user"),
    "report-ladder.png": ("The ladder, by how much is known of the user", "Accuracy against effort"),
    "report-effort.png": ("Accuracy against effort", "Accuracy by history length"),
    "report-history.png": ("Accuracy by history length", "Other metrics"),
}
TOP_OF = """(title => {
  const found = [...document.querySelectorAll('h2')].find(e => e.textContent === title);
  return found ? found.getBoundingClientRect().top + scrollY : null;
})"""
DRAWN = "[...document.querySelectorAll('.js-plotly-plot')].filter(e => e.data && (e.data[0].x || []).length)"
# MLflow opens a chat panel at a profile's first visit; Plotly shows buttons over each chart where no mouse is.
NO_ASSISTANT = "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')"
TIDY = "document.head.insertAdjacentHTML('beforeend', '<style>.modebar{display:none}</style>')"


def main(argv: list[str]) -> None:
    args = _parser().parse_args(argv)
    if BINARY is None:
        raise UserError("There is no chromium here. Debian, Ubuntu: bash tests/browser/install_chromium.sh")
    read = read_out(args.out)
    args.to.mkdir(parents=True, exist_ok=True)
    made = report(args.out, args.to)
    with tempfile.TemporaryDirectory() as folder:
        uri = f"sqlite:///{folder}/mlflow.db"
        with Tracker(read.scenario.name, str(read.data["name"]), uri) as tracker:
            tracker.log(args.out)
        with serving(uri) as base:
            made.append(charts(view_url(base, str(tracker.experiment_id), EFFORT), args.to / "mlflow.png"))
    for picture in made:
        shrink(picture)
        size = picture.stat().st_size
        cli.console.print(f"{picture}: {size / 1000:,.0f} kB", markup=False)
        if size > LARGEST:
            raise UserError(
                f"{picture}: {size:,} bytes, more than {LARGEST:,}. Show less on it (pipelines/pictures.py)."
            )


def report(out: Path, to: Path) -> list[Path]:
    """Pictures of ``out/report.html``, one for each of ``PARTS``."""
    with Page(WIDTH, HEIGHT) as page:
        page.open((out / "report.html").resolve().as_uri())
        page.wait_for("document.readyState === 'complete' && document.querySelector('h2') !== null")
        tops: dict[str | None, Any] = {
            title: page.evaluate(f"{TOP_OF}({title!r})") for part in PARTS.values() for title in part if title
        }
        if missing := [title for title, top in tops.items() if top is None]:
            raise UserError(f"{out}/report.html has no section '{missing[0]}'. Take a train that evaluated something.")
        page.wait_for("document.querySelectorAll('.chart svg').length >= 2")
        tops = {title: page.evaluate(f"{TOP_OF}({title!r})") for title in tops} | {None: MARGIN}  # charts take room
        return [page.picture(to / name, _between(tops[a], tops[b])) for name, (a, b) in PARTS.items()]


def charts(url: str, path: Path) -> Path:
    """Picture of MLflow's chart view, when everything in it is drawn."""
    width, height = CHARTS
    with Page(width, 2 * height) as page:  # MLflow draws only what is in the window
        page.send("Page.enable")  # else the script is not run
        page.send("Page.addScriptToEvaluateOnNewDocument", source=NO_ASSISTANT)
        page.open(url)
        page.wait_for(f"{DRAWN}.length >= 7")
        page.evaluate(TIDY)
        return page.picture(path, {"x": 0, "y": 0, "width": width, "height": height})


def shrink(picture: Path) -> None:
    """Keeps 128 colours, which text and bars need no more of: a third of the bytes."""
    with Image.open(picture) as image:
        few = image.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    few.save(picture, optimize=True)


@contextmanager
def serving(uri: str) -> Iterator[str]:
    """Address of ``make ui`` over the store ``uri``, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "pipelines.ui", "--port", str(port)]
    env = {**os.environ, "MLFLOW_TRACKING_URI": uri}
    process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
    try:
        told = ""
        for line in process.stderr or ():
            told += line
            if "Ctrl-C" in line:
                break
        else:
            raise UserError(f"make ui did not start:\n{told}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=60)


def _between(top: float, bottom: float) -> dict[str, Any]:
    return {"x": 0, "y": top - MARGIN, "width": WIDTH, "height": bottom - top}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipelines.pictures", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("artifacts/latest"), help="OUT of a finished train")
    parser.add_argument("--to", type=Path, default=Path("docs/pictures"), help="folder to write")
    return parser


if __name__ == "__main__":
    cli.run(main)
