"""The example notebooks run from top to bottom, as Jupyter runs them."""

from __future__ import annotations

from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "examples/notebooks"


@pytest.mark.parametrize("name", sorted(p.stem for p in NOTEBOOKS.glob("*.py")))
def test_a_notebook_runs_and_shows_frames_and_charts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    book = jupytext.read(NOTEBOOKS / f"{name}.py")
    NotebookClient(book, timeout=300, resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()
    shown = [output for cell in book.cells for output in cell.get("outputs", [])]
    pages = [output["data"]["text/html"] for output in shown if "text/html" in output.get("data", {})]
    assert any("<table" in page for page in pages)  # frames
    assert any("vega" in page for page in pages) == ("run.charts" in (NOTEBOOKS / f"{name}.py").read_text())
