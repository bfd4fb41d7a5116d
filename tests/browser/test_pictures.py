"""make pictures, over a finished train and a finished comparison; what a reader sees of a page at three widths."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl
import pytest
from axe_playwright_python.sync_playwright import Axe

from pipelines import pictures
from recommender.compare import page_model
from recommender.report.document import write_report
from recommender.report.planning import ROADMAP
from recommender.report.study import html
from recommender.studies.charts import lines
from recommender.studies.engine.finding import Finding
from recommender.tracking import store
from recommender.tracking.studies import log_report
from tests.helpers.compared import written_page
from tests.helpers.out_folder import write_out
from tests.helpers.summaries import PLACES, summaries_of

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(pictures.BINARY is None, reason="no chromium: run tests/browser/install_chromium.sh"),
]
FIVE = ("catalog", "jobs", "ugc", "skills")
DRAWN = {
    "train": {"effort-chart", "history-chart"},
    "comparison": {"effort-jobs-on-simulated", "climb-jobs-on-simulated", "transfer"},
}
ALL_DRAWN = "[...document.querySelectorAll('.chart')].every(c => c.clientWidth === 0 || c.querySelector('svg'))"
POINTS = "[id^=effort] svg .mark-symbol path"
# Tiles whose words are wider than they are.
CUT = "[...document.querySelectorAll('.tile')].filter(t => t.scrollWidth > t.clientWidth + 1).map(t => t.innerText)"
# Of every drawn chart: its id, how many marks it has, and pairs of texts whose boxes lie on each other.
SEEN = """[...document.querySelectorAll('.chart')].filter(c => c.clientWidth > 0).map(c => {
  const texts = [...c.querySelectorAll('svg text')].filter(t => t.textContent.trim() && t.getBBox().width > 0
    && getComputedStyle(t).opacity !== '0').map(t => [t.textContent, t.getBoundingClientRect()]);
  const on = ([, a], [, b]) => a.left < b.right - 1 && b.left < a.right - 1
    && a.top < b.bottom - 3 && b.top < a.bottom - 3;
  const pairs = texts.flatMap((a, i) => texts.slice(i + 1).filter(b => on(a, b)).map(b => [a[0], b[0]]));
  const marks = c.querySelectorAll('svg .mark-symbol path, svg .mark-rect path, svg .mark-line path').length;
  return [c.id, marks, pairs]; })"""


def test_a_finished_train_gives_every_picture_that_the_readme_shows(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_report(write_out(out))
    pictures.main(["--out", str(out), "--to", str(tmp_path / "pictures")])
    files = {path.name: path.read_bytes() for path in (tmp_path / "pictures").iterdir()}
    assert set(files) == {*pictures.PARTS, "mlflow.png"}
    assert all(content.startswith(b"\x89PNG") for content in files.values())


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page of a train, and one of a comparison that was measured on a small world."""
    folder = tmp_path_factory.mktemp("pages")
    return {"train": write_report(write_out(folder / "out")), "comparison": written_page(folder, FIVE)}


@pytest.mark.parametrize("of", DRAWN)
@pytest.mark.parametrize("width", [390, 1050, 1400])
def test_no_chart_is_empty_and_no_two_texts_of_it_overlap(pages: dict[str, Path], of: str, width: int) -> None:
    report = pages[of]
    with pictures.browser(width, 1000) as page:
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(report.resolve().as_uri())
        page.evaluate(pictures.UNFOLD)
        page.wait_for_function(ALL_DRAWN)
        seen = page.evaluate(SEEN)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CUT) == []
    assert {name for name, *_ in seen} >= DRAWN[of]
    assert all(marks > 0 for _, marks, _ in seen), seen
    assert not [pairs for *_, pairs in seen if pairs], seen
    assert not faults


@pytest.mark.parametrize("of", DRAWN)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screen_reader_finds_no_serious_fault(
    pages: dict[str, Path], of: str, scheme: Literal["light", "dark"]
) -> None:
    """axe-core over the whole page, all folds open; its script comes with axe-playwright-python."""
    report = pages[of]
    with pictures.browser(1050, 1000) as page:
        page.emulate_media(color_scheme=scheme)
        page.goto(report.resolve().as_uri())
        page.evaluate(pictures.UNFOLD)
        page.wait_for_function(ALL_DRAWN)
        violations = Axe().run(page).response["violations"]
    serious = [v for v in violations if v["impact"] in ("serious", "critical")]
    assert not [(v["id"], v["help"], [n["html"][:200] for n in v["nodes"][:3]]) for v in serious]


@pytest.mark.parametrize("of", DRAWN)
def test_a_page_prints_on_a4_with_every_fold_open_and_every_chart_drawn(
    pages: dict[str, Path], of: str, tmp_path: Path
) -> None:
    report = pages[of]
    with pictures.browser(703, 1000) as page:  # pixels of 210 mm less the margins
        page.goto(report.resolve().as_uri())
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.wait_for_function(ALL_DRAWN)
        page.emulate_media(media="print")
        wide = page.evaluate("document.documentElement.scrollWidth")
        closed = page.evaluate("document.querySelectorAll('main > section > details:not([open])').length")
        pdf = page.pdf(format="A4", path=tmp_path / "report.pdf")
    assert wide <= 703
    assert closed == 0
    assert pdf.startswith(b"%PDF")
    assert b"/MediaBox [0 0 594" in pdf or b"/MediaBox [0 0 595" in pdf


@pytest.mark.parametrize("of", DRAWN)
def test_a_chosen_rung_stands_out_in_charts_and_its_rows_stay_in_tables(pages: dict[str, Path], of: str) -> None:
    with pictures.browser(1050, 1000) as page:
        page.goto(pages[of].resolve().as_uri())
        page.evaluate(pictures.UNFOLD)
        page.wait_for_function(ALL_DRAWN)
        page.select_option("[data-signal=rung]", "content")
        page.wait_for_timeout(500)
        marks = (
            "[...document.querySelectorAll('[id^=effort] svg .mark-symbol path')].map(p => p.getAttribute('opacity'))"
        )
        opacities = page.evaluate(marks)
        rows = page.evaluate("[...document.querySelectorAll('tr[data-rung=popularity]')].map(r => r.hidden)")
        page.select_option("[data-signal=metric]", "recall_at_20")
        page.wait_for_timeout(500)
        after = page.evaluate(f"document.querySelectorAll('{POINTS}').length")
    assert {"0.12"} < set(opacities)
    assert rows
    assert all(rows)
    assert after > 1


def test_a_comparison_gives_a_picture_of_its_answers_and_of_each_of_its_views(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    out = tmp_path / "compare-1"
    out.mkdir()
    (out / "report.html").write_text(compared())
    uri = store.tracking_uri()
    log_report(uri, store.prepare(uri, "compare"), "test", "report", [], "", summaries_of(PLACES), "http://ui")
    pictures.main(["--compare", str(out), "--to", str(tmp_path / "pictures")])
    files = {path.name: path.read_bytes() for path in (tmp_path / "pictures").iterdir()}
    assert set(files) == {*pictures.COMPARED, *pictures.VIEWS}
    assert len(set(files.values())) == len(files)


def compared() -> str:
    """A page with the headings of a comparison and two charts."""
    table = pl.DataFrame({"rung": ["a", "a"], "n": [1, 2], "value": [0.1, 0.2], "low": [0.1, 0.2], "high": [0.1, 0.2]})
    titles = [*page_model.QUESTIONS, ROADMAP]
    findings = [Finding(t, [t]) for t in titles]
    findings[0].charts += [lines(name, name, name, table, x="n", label="value") for name in ("one", "two")]
    return html("Compared", "", findings, [])
