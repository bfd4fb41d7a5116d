"""make pictures, over a finished train and a finished comparison."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines import pictures
from recommender.compare import page_model
from recommender.compare.build_next import TITLE
from recommender.report.document import write_report
from recommender.report.page import chart, page, section
from recommender.tracking import store
from recommender.tracking.studies import log_report
from tests.helpers.out_folder import write_out
from tests.helpers.summaries import PLACES, told

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(pictures.BINARY is None, reason="no chromium: run tests/browser/install_chromium.sh"),
]


def test_a_finished_train_gives_every_picture_that_the_readme_shows(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_report(write_out(out))
    pictures.main(["--out", str(out), "--to", str(tmp_path / "pictures")])
    made = {path.name: path.read_bytes() for path in (tmp_path / "pictures").iterdir()}
    assert set(made) == {*pictures.PARTS, "mlflow.png"}
    assert all(content.startswith(b"\x89PNG") for content in made.values())


def test_a_comparison_gives_a_picture_of_its_answers_and_of_each_of_its_views(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    out = tmp_path / "compare-1"
    out.mkdir()
    (out / "report.html").write_text(compare_sites())
    uri = store.tracking_uri()
    log_report(uri, store.prepare(uri, "compare"), "test", "report", [], "", told(PLACES), "http://ui")
    pictures.main(["--compare", str(out), "--to", str(tmp_path / "pictures")])
    made = {path.name: path.read_bytes() for path in (tmp_path / "pictures").iterdir()}
    assert set(made) == {*pictures.COMPARED, *pictures.VIEWS}
    assert len(set(made.values())) == len(made)


def compare_sites() -> str:
    """A page with the headings of a comparison and two charts."""
    spec = {"mark": "point", "data": {"values": [{"x": 1}]}, "encoding": {"x": {"field": "x", "type": "quantitative"}}}
    body = [f"<h3>{page_model.MORE}</h3>", section(TITLE, chart("one", "One", "One", ""))]
    body.append(section("What the data are worth", chart("two", "Two", "Two", "")))
    return page("Compared", "\n".join(body), {"one": spec, "two": spec})
