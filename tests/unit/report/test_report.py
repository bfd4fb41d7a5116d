"""The report and the terminal table say what the files of an OUT folder say, and stay readable without some."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
import vl_convert
import yaml
from rich.console import Console

from recommender.errors import DataError
from recommender.experiment import run_tables
from recommender.experiment.consistency import contradictions
from recommender.experiment.facts import train_facts
from recommender.experiment.run_folder import read_run
from recommender.report import charts, decision_table
from recommender.report.document import write_report
from recommender.report.page import labels, plain_text
from recommender.report.terminal import print_result
from tests.helpers.out_folder import BUCKETS, RERANKED, RUNGS, decided, write_out

LADDER = "by earlier interactions of the user"  # in the caption of the ladder
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Checks that tags close in order; keeps attributes, table rows and the text of the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.captions: list[str] = []  # of the table of each row
        self.caption = ""
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))
        self.open += [tag] if tag not in VOID else []
        if dict(attrs).get("role") == "region":
            self.caption = dict(attrs)["aria-label"] or ""
        if tag == "tr":
            self.rows.append([])
            self.captions.append(self.caption)
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("script", "style"):
            return
        self.text += data
        if {"th", "td"} & set(self.open):
            self.rows[-1][-1] += data

    def row(self, name: str, caption: str = "") -> list[str]:
        """The first row of this name in a table whose caption holds these words."""
        pairs = zip(self.rows, self.captions, strict=True)
        return next([" ".join(c.split()) for c in r] for r, c in pairs if r[0].strip() == name and caption in c)


def test_metrics_in_sentences_have_the_names_that_readers_know() -> None:
    assert labels("beat als by .01 ndcg_at_10, not my_ndcg_at_10") == "beat als by .01 NDCG@10, not my_ndcg_at_10"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return decided(write_out(tmp_path_factory.mktemp("report") / "out"))


@pytest.fixture(scope="module")
def page(out: Path) -> Page:
    return Page(write_report(out).read_text())


def edit_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def edit_metrics(out: Path, *changes: pl.Expr) -> None:
    pl.read_parquet(out / "metrics.parquet").with_columns(*changes).write_parquet(out / "metrics.parquet")


def terminal(out: Path, width: int) -> str:
    text = io.StringIO()
    print_result(out, Console(file=text, width=width, color_system=None))
    return text.getvalue()


def test_report_loads_nothing_from_elsewhere_and_stays_small(out: Path, page: Page) -> None:
    for _, attributes in page.attributes:
        assert not {"src", "data", "action", "srcset"} & attributes.keys()
        assert (attributes.get("href") or "#").startswith("#")
    style = re.findall(r"<style>(.*?)</style>", (out / "report.html").read_text(), re.DOTALL)
    assert "url(" not in "".join(style)
    assert "@import" not in "".join(style)
    assert (out / "report.html").stat().st_size < 1_500_000


def test_every_chart_has_words_for_those_who_cannot_see_it_and_a_table(out: Path, page: Page) -> None:
    drawn = [a for tag, a in page.attributes if tag == "div" and (a.get("class") or "").startswith("chart")]
    specs = json.loads(re.search(r'id="specs">(.*?)</script>', (out / "report.html").read_text()).group(1))
    assert {a["id"] for a in drawn} == set(specs)
    assert len(drawn) == 2
    for a in drawn:
        assert a["role"] == "img"
        assert len(a["aria-label"]) > 40
        assert specs[a["id"]]["description"] == a["aria-label"]
    figures = re.findall(r"<figure.*?</figure>", (out / "report.html").read_text(), re.DOTALL)
    assert len(figures) == 2
    assert all("<details>" in f and "<tbody>" in f for f in figures)


def test_charts_are_vega_lite_that_draws_every_rung(out: Path) -> None:
    read = read_run(out)
    named = [*RUNGS[:-1], "what ships"]
    for chart, drawn in (
        (charts.effort_chart(read, train_facts(read)), named),
        (charts.history_chart(read), RUNGS[:-1]),
    ):
        assert chart is not None
        svg = vl_convert.vegalite_to_svg(chart.spec)
        assert all(f">{rung}</text>" in svg for rung in drawn)


def test_ladder_shows_every_rung_with_the_values_of_metrics_parquet(out: Path, page: Page) -> None:
    metrics = pl.read_parquet(out / "metrics.parquet").filter(
        split="test", metric="ndcg_at_10", item_bucket="all", slice="all"
    )
    for rung in RUNGS:
        of = {r["user_bucket"]: r for r in metrics.filter(rung=rung).iter_rows(named=True)}
        shown = page.row({"router": "what ships", "router-plain": "before re-ranking"}.get(rung, rung), LADDER)[1:]
        for cell, bucket in zip(shown, (*BUCKETS, "all"), strict=True):
            assert cell.startswith(f"{of[bucket]['value']:.3f}")
            assert f"{of[bucket]['ci_low']:.3f} to {of[bucket]['ci_high']:.3f}" in cell
    heads = page.row("Rung", LADDER)
    names = dict(zip((*BUCKETS, "all"), ("none", "1–2", "3–9", "10+", "all"), strict=True))
    assert heads[1:] == [f"{name} (n={of[bucket]['n_queries']})" for bucket, name in names.items()]


def test_decision_comes_first_and_names_whom_what_and_why(page: Page) -> None:
    top = " ".join(page.text[: page.text.rindex("Real lists")].split())
    assert "popularity for users with no history" in top
    assert "als for users with history" in top
    assert "it won on the validation periods: +0.031 [+0.012, +0.050] over popularity" in top
    assert "too few lists of its own: same as the larger group" in top
    assert "Items state no availability" in top


def test_repairs_and_roles_are_told_with_their_reason(page: Page) -> None:
    assert page.row("interactions: duplicates")[1:3] == ["12 rows", "keep_first"]
    assert "Rows with the user, item, event and time of an earlier row" in page.text
    assert page.row("users: gender") == ["users: gender", "protected"]


def test_best_of_a_column_is_the_highest_and_of_equals_the_simplest(out: Path) -> None:
    cells = pl.DataFrame(
        {
            "rung": ["a", "b", "c"] * 2,
            "column": ["0"] * 3 + ["1_2"] * 3,
            "value": [0.2, 0.3, 0.3, None, 0.1, None],
            "answered_share": [1.0, 1.0, 1.0, 1.0, None, 1.0],
        }
    )
    pairs = [("a", "b", "0", "m", 0.1, 0.0, 0.2, 0.2), ("b", "c", "0", "m", 0.0, 0.0, 0.0, 0.01)]
    comparisons = pl.DataFrame(pairs, schema=read_run(out).comparisons.schema, orient="row")
    marked = run_tables.mark(cells, comparisons, "m", alpha=0.05)
    assert marked["is_best"].to_list() == [False, True, False, False, True, False]
    assert marked["ties_best"].to_list() == [True, False, False, False, False, False]
    filled = run_tables.mark(cells.with_columns(answered_share=0.09), comparisons, "m", alpha=0.05)
    assert not filled["is_best"].any()  # nine tenths of the places are the fallback's


def test_thin_columns_are_marked_not_hidden(out: Path, page: Page) -> None:
    assert "n=3" in page.row("content", LADDER)[1]
    assert "n=47" not in page.row("content", LADDER)[5]
    assert any("n=3" in w for w in run_tables.warnings(read_run(out)))


def test_cell_filled_by_the_fallback_says_so(page: Page) -> None:
    assert "own 0%" in page.row("als", LADDER)[1]
    assert "own" not in page.row("als", LADDER)[2]


def test_seconds_are_fit_and_recommend_of_the_test_origin(out: Path) -> None:
    effort = pl.read_parquet(out / "effort.parquet").filter(pl.col("split") == "test", pl.col("rung") == "als")
    spent = run_tables.seconds(read_run(out)).filter(rung="als").row(0, named=True)
    assert spent["cpu_s"] == pytest.approx(effort.filter(pl.col("stage") != "evaluate")["cpu_s"].sum())
    assert spent["fit_cpu_s"] == pytest.approx(effort.filter(stage="fit")["cpu_s"].sum())


def test_router_that_was_not_fitted_is_charged_with_the_fits_that_it_serves_from(tmp_path: Path) -> None:
    out = decided(write_out(tmp_path / "out"))
    effort = pl.read_parquet(out / "effort.parquet")
    effort.filter(~((pl.col("rung") == "router") & (pl.col("stage") == "fit"))).write_parquet(out / "effort.parquet")
    fit = dict(run_tables.seconds(read_run(out)).select("rung", "fit_cpu_s").iter_rows())
    assert fit["router"] == pytest.approx(fit["popularity"] + fit["als"])  # the two that the decision ships


def test_names_from_data_and_configuration_are_escaped(tmp_path: Path) -> None:
    nasty = "<b>x</script>"
    ladder = "ladder=[{name: '" + nasty + "', recommender: popularity}, {name: '[red]als', recommender: content}]"
    out = write_out(tmp_path / "out", data="<i>d", ladder=ladder)
    edit_json(out / "data.json", warnings=["<u>w"])
    text = write_report(out).read_text()
    assert "what ships" in (out / "effort.svg").read_text()
    assert nasty in Page(text).text
    assert "<i>d" in Page(text).text
    assert "<u>w" in Page(text).text
    assert not re.search(r"<b>x|<i>d|<u>w", text)
    assert nasty in terminal(out, 100)
    assert "[red]als" in terminal(out, 100)


def test_undefined_values_and_absent_cells_become_dashes(tmp_path: Path) -> None:
    out = write_out(tmp_path / "out")
    als = (pl.col("rung") == "als") & (pl.col("user_bucket") == "0")
    edit_metrics(out, *(pl.when(als).then(float("nan")).otherwise(c).alias(c) for c in ("value", "ci_low", "ci_high")))
    metrics = pl.read_parquet(out / "metrics.parquet")
    metrics.filter(~((pl.col("rung") == "content") & (pl.col("user_bucket") == "1_2"))).write_parquet(
        out / "metrics.parquet"
    )
    page = Page(write_report(out).read_text())
    assert page.row("als", LADDER)[1].startswith("–")
    assert page.row("content", LADDER)[2].startswith("–")
    assert "nan" not in page.text.lower()
    assert "–" in terminal(out, 100)


def test_all_values_undefined_still_gives_a_report(tmp_path: Path) -> None:
    out = write_out(tmp_path / "out")
    edit_metrics(out, pl.lit(None, pl.Float64).alias("value"))
    assert "The ladder" in Page(write_report(out).read_text()).text
    assert charts.effort_chart(read_run(out), train_facts(read_run(out))) is None


def test_day_zero_without_any_evaluation_still_gives_a_report(tmp_path: Path) -> None:
    out = write_out(tmp_path / "out")
    for name in ("metrics", "per_query", "comparisons", "effort", "data_effort"):
        (out / f"{name}.parquet").unlink()
    edit_json(out / "decision.json", buckets={}, sentences=["Day zero: nothing was evaluated."])
    edit_json(out / "data.json", repairs=[], origins=[], warnings=[])
    page = Page(write_report(out).read_text())
    assert "Nothing was evaluated" in page.text
    assert "Nothing was dropped" in page.text
    assert "The ladder" not in page.text
    assert "Day zero" in terminal(out, 80)


def test_day_zero_never_gives_evidence_as_a_reason(tmp_path: Path) -> None:
    out = write_out(tmp_path / "out")
    (out / "metrics.parquet").unlink()
    edit_json(out / "decision.json", sentences=[], returning={})
    config = yaml.safe_load((out / "config.yaml").read_text())
    (out / "config.yaml").write_text(yaml.safe_dump({**config, "day_zero": True}))
    text = Page(write_report(out).read_text()).text
    assert "day zero: nothing was evaluated" in " ".join(text.split())
    assert "gained enough" not in text


def test_data_without_times_never_goes_unsaid(tmp_path: Path) -> None:
    out = write_out(tmp_path / "out")
    edit_json(out / "data.json", has_times=False, warnings=[])
    assert "not honest in time" in Page(write_report(out).read_text()).text
    assert "not honest in time" in terminal(out, 300)


def goal(out: Path, **changes: object) -> tuple[str, str]:
    """Verdict and reason of the goal with a changed configuration; problem keys as ``target``."""
    config = yaml.safe_load((out / "config.yaml").read_text())
    config["problem"] |= {k: v for k, v in changes.items() if k == "target"}
    config |= {k: v for k, v in changes.items() if k != "target"}
    (out / "config.yaml").write_text(yaml.safe_dump(config))
    (row,) = train_facts(read_run(out)).filter(topic="goal").to_dicts()
    return row["verdict"], row["reason"]


def test_a_goal_is_reached_or_missed_only_where_the_whole_interval_says_so(tmp_path: Path) -> None:
    out = write_out(tmp_path / "out")
    value = train_facts(read_run(out)).filter(topic="goal")["value"].item()
    assert goal(out, target=0.0001)[0] == "reached"
    assert goal(out, target=0.99)[0] == "missed"
    assert goal(out, target=value) == ("not testable", "the goal lies inside the interval")
    assert "Cannot be told" in Page(write_report(out).read_text()).text


def test_a_goal_that_few_users_a_control_or_the_future_would_reach_too_is_not_testable(tmp_path: Path) -> None:
    out = write_out(tmp_path / "out")
    assert goal(out, decision={"thin": 1000}) == ("not testable", goal(out)[1])
    assert "only 47 users were asked" in goal(out)[1]
    controlled = write_out(tmp_path / "controlled")
    ladder = yaml.safe_load((controlled / "config.yaml").read_text())["ladder"]
    easy = [{**r, "control": r["name"] == "popularity"} for r in ladder]
    assert goal(controlled, target=0.01, ladder=easy) == ("not testable", "popularity, a control, reaches it too")
    assert "models saw the future" in goal(controlled, split={"kind": "random"})[1]
    assert "a small part" in train_facts(read_run(controlled), reduced=True).filter(topic="goal")["reason"].item()


def test_the_page_shows_of_what_ships_the_numbers_of_what_ships(tmp_path: Path) -> None:
    out = decided(write_out(tmp_path / "out", changes=(RERANKED,)))
    page = Page(write_report(out).read_text())
    for bucket, who in {b: run_tables.users([b], 1) for b in BUCKETS}.items():
        cells = run_tables.ladder(read_run(out)).filter(column=bucket)
        before, after = (f"{cells.filter(rung=r)['value'].item():.3f}" for r in ("router-plain", "router"))
        assert before != after
        row = page.row(who[0].upper() + who[1:], "Why these")
        assert (row[3][:5], row[4][:5]) == (before, after)
        strip = " ".join(page.text[page.text.index("Who gets what, and what") :].split())
        assert f": {after} [" in strip


@pytest.mark.parametrize("width", [60, 100, 120])
def test_terminal_table_fits_and_drops_bucket_intervals_before_values(out: Path, width: int) -> None:
    shown = terminal(out, width)
    lines = [line.rstrip() for line in shown.splitlines() if not line.startswith(("Results", "Report"))]
    assert max(map(len, lines)) <= width
    als = next(line for line in lines if line.strip().startswith("als "))
    assert als.count("[") == {60: 0, 100: 1, 120: 5}[width]
    values = run_tables.ladder(read_run(out)).filter(rung="als")["value"]
    assert all(f"{v:.3f}"[1:] in als for v in values)
    assert "Users without history: ship popularity" in " ".join(shown.split())
    assert "⚠ Items state no availability" in shown


def test_a_folder_that_is_no_train_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"config\.yaml is missing"):
        write_report(tmp_path)


def with_visits(out: Path, back: dict[str, str]) -> None:
    """Those of a bucket who come back get another rung (bucket -> rung), and slots are reserved for new items."""
    buckets = json.loads((out / "decision.json").read_text())["buckets"]
    returning = {b: {**c, "rung": back.get(b, c["rung"]), "n_queries": 300} for b, c in buckets.items() if b != "0"}
    sizes = [(n, 0.3 - n / 100, n / 50) for n in (0, 1, 2)]
    rows = [
        {"n": n, "recall_at_20": a, "new_item_recall_at_20": b, "new_item_share_of_truth": 0.3,
         "loss": n / 30, "loss_high": n / 20, "rung": "content"}
        for n, a, b in sizes
    ]  # fmt: skip
    (out / "slots_at_test.json").write_text(json.dumps([rows[0], rows[2] | {"loss": 0.08, "loss_high": 0.12}]))
    slots = {"n": 2, "of": 20, "rung": "content", "max_loss": 0.1, "evidence": rows}
    edit_json(out / "decision.json", returning=returning, slots=slots)
    metrics = pl.read_parquet(out / "metrics.parquet").filter(pl.col("slice") != "visit")
    warm = metrics.filter(pl.col("user_bucket").is_in(["1_2", "3_9", "10_plus"]), pl.col("slice") == "all")
    parts = [
        warm.with_columns(slice=pl.lit("visit"), slice_value=pl.lit(value), value=pl.col("value") * times)
        for value, times in (("in_session", 2), ("returning", 0.5))
    ]
    pl.concat([metrics, *parts]).write_parquet(out / "metrics.parquet")


def test_users_who_get_another_rung_when_they_come_back_have_a_row_of_their_own(tmp_path: Path) -> None:
    out = decided(write_out(tmp_path / "out"))
    with_visits(out, {"3_9": "content"})
    page = Page(write_report(out).read_text())
    text = " ".join(page.text.split())
    assert "content for users with 3–9 earlier interactions who come back after 1 day or more" in text
    whole = {
        (r["user_bucket"], r["rung"]): r["value"]
        for r in run_tables.ladder(read_run(out)).rename({"column": "user_bucket"}).iter_rows(named=True)
    }
    staying = page.row("Users with 3–9 earlier interactions in the midst of a visit")
    back = page.row("Users with 3–9 earlier interactions who come back after 1 day or more")
    assert (staying[1], back[1]) == ("als", "content")
    assert staying[4].startswith(f"{2 * whole['3_9', 'router']:.3f}")
    assert back[4].startswith(f"{whole['3_9', 'router'] / 2:.3f}")
    few = page.row("Users with 10 or more earlier interactions")  # the same rung: one row, of the larger group
    assert "300 lists" in few[2]


def test_visits_are_shown_by_bucket_and_not_as_a_slice_of_the_scenario(tmp_path: Path) -> None:
    out = decided(write_out(tmp_path / "out"))
    with_visits(out, {})
    page = Page(write_report(out).read_text())
    assert "By visit" not in page.text
    section = page.text[page.text.rindex("In a visit, and back") :].partition("Effort\n")[0]
    assert "users with history, in a visit" in section
    assert "users with history, back after 1 day or more" in section
    assert "1–2 (n=" in section
    assert "none" not in section


def test_places_for_new_items_are_told_with_what_each_number_brought_and_cost(tmp_path: Path) -> None:
    out = decided(write_out(tmp_path / "out"))
    with_visits(out, {})
    page = Page(write_report(out).read_text())
    text = " ".join(page.text.split())
    assert "2 of the first 20 places are kept for new items, chosen by content." in text
    assert "New items, in these places or others, are" in text
    assert train_facts(read_run(out)).filter(topic="slots")["reason"].to_list() == ["30%"]
    assert "Simulated data: no real user has seen a list." in text
    assert page.row("2 ★")[1:] == ["content", "0.280", "6.7%, 10.0%", "0.040"]
    assert page.row("0")[1:] == ["", "0.300", "", "0.000"]
    assert page.row("2, test")[1:] == ["content", "0.280", "8.0%, 12.0%", "0.040"]
    plain = write_out(tmp_path / "plain")
    assert "kept for new items" not in Page(write_report(plain).read_text()).text


def test_what_is_blended_stands_with_the_rung_it_is_blended_into_and_what_the_router_then_gave(tmp_path: Path) -> None:
    out = decided(write_out(tmp_path / "out"))
    served = json.loads((out / "decision.json").read_text())["buckets"]["0"]["rung"]
    gained = {"gain": 0.0123, "ci_low": 0.01, "ci_high": 0.02, "p_holm": 0.002, "n_queries": 300}
    edit_json(out / "decision.json", blends={"0": {"rung": "lightfm", **gained}})
    write_report(out)
    shown = decision_table.decision(read_run(out)).row(by_predicate=pl.col("user_bucket") == "0", named=True)
    assert (shown["rung"], shown["blended"], shown["blend_gain"]) == (served, "lightfm", 0.0123)
    routed = pl.read_parquet(out / "metrics.parquet").filter(
        split="test", rung="router", metric="ndcg_at_10", user_bucket="0", item_bucket="all", slice="all"
    )
    assert shown["test_value"] == routed["value"].item()
    text = Page((out / "report.html").read_text()).text
    assert f"{served} + lightfm for users with no history" in " ".join(text.split())


def test_no_two_statements_of_a_page_contradict_each_other(tmp_path: Path) -> None:
    for seed in range(3):
        assert contradictions(train_facts(read_run(write_out(tmp_path / str(seed), seed=seed)))) == []


@pytest.mark.parametrize(
    ("where", "change", "fault"),
    [
        ({"topic": "goal"}, {"verdict": "reached", "target": 2.0}, "a goal reached below it"),
        ({"topic": "goal"}, {"verdict": "missed", "target": 0.0}, "a goal missed above it"),
        ({"topic": "goal"}, {"value": 0.123}, "two numbers for one thing"),
        ({"topic": "cheaper"}, {"extra": 1.5}, "cheaper, but not in person-days"),
        ({"topic": "cheaper"}, {"value": 0.123}, "two numbers for one thing"),
        ({"topic": "cheaper"}, {"target": 2.0}, "a goal reached below it"),
        ({"topic": "error cost", "what": "router"}, {"extra": 0.0, "value": 3.0}, "an error costs nothing a list"),
        ({"topic": "goal"}, {"verdict": "not testable", "reason": ""}, "without a reason"),
        ({"topic": "accuracy", "verdict": "best", "bucket": "all"}, {"extra": 0.09}, "a star for the fallback's lists"),
        ({"topic": "accuracy", "what": "random", "bucket": "0"}, {"verdict": "not measured"}, "called not measured"),
        ({"topic": "accuracy", "what": "random", "bucket": "all"}, {"verdict": "best"}, "two are best"),
    ],
)
def test_a_contradiction_is_found(out: Path, where: dict[str, str], change: dict[str, object], fault: str) -> None:
    facts = train_facts(read_run(out))
    hit = pl.all_horizontal(pl.col(c) == v for c, v in where.items())
    changed = facts.with_columns(pl.when(hit).then(pl.lit(v)).otherwise(c).alias(c) for c, v in change.items())
    assert any(fault in statement for statement in contradictions(changed))


def test_data_that_are_not_the_scenarios_own_get_no_words_of_its_problem(tmp_path: Path) -> None:
    out = write_out(tmp_path / "out", data="courses")
    edit_json(out / "data.json", source="my/courses")
    text = Page(write_report(out).read_text()).text
    assert "Which items of this catalog do we show?" in text
    assert "Show each visitor jobs" not in text.partition("How to read this")[0]
    edit_json(out / "data.json", problem={"what": "Which courses do we show?", "for_whom": "learners"})
    assert "Which courses do we show?" in Page(write_report(out).read_text()).text


def test_sentences_of_the_first_screen_are_short_and_free_of_internal_words(out: Path, page: Page) -> None:
    text = (out / "report.html").read_text()
    tiles = re.findall(r'<div class="tile.*?</div>', text, re.DOTALL)
    assert len(tiles) == 9
    for tile in tiles:
        for sentence in re.split(r"(?<=[a-z])\. |</p>|</h3>", plain_text(tile)):
            assert len(sentence.split()) <= 40, sentence
        assert not re.search(r"router-plain|_at_10|bucket|p_holm|ci_low", plain_text(tile))
    names = re.findall(r'<abbr class="rung"[^>]*title="([^"]*)"', text)
    assert names
    assert all(len(title) > 20 for title in names)  # a rung's name explains itself to who points at it


@pytest.mark.parametrize(
    ("bucket", "n", "over", "from_", "verdict"),
    [
        ("10_plus", 4, None, "with_history", "inherited"),
        ("10_plus", 2250, None, "with_history", "group"),  # enough lists: they spoke for no other rung
        ("0", 20, None, None, "few"),  # a group of new users needs three times as many, as its sentence says
        ("0", 350, None, None, "simplest"),
    ],
)
def test_reason_of_a_choice_says_too_few_only_where_lists_were_too_few(
    tmp_path: Path, bucket: str, n: int, over: str | None, from_: str | None, verdict: str
) -> None:
    run = decided(write_out(tmp_path / "out"))
    decision = json.loads((run / "decision.json").read_text())
    decision["buckets"][bucket] |= {"n_queries": n, "over": over, "inherited_from": from_}
    (run / "decision.json").write_text(json.dumps(decision))
    ships = train_facts(read_run(run)).filter(topic="ships", bucket=bucket)
    assert ships["verdict"].to_list() == [verdict]
