"""Comparisons: which cells they need, who wins from when on, what is said of it with which evidence, and the page."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import vl_convert
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender import config
from recommender.compare import build_next, charts, page_model, plan
from recommender.compare.build_next import Option, ranked
from recommender.compare.facts import BY_SEED, site_facts
from recommender.compare.moves import moves
from recommender.compare.page import compare_sites
from recommender.compare.page_model import Comparison
from recommender.compare.site import Site, finished_trains, named, read_sites
from recommender.compare.tables import ladder, tables
from recommender.errors import ConfigError
from recommender.experiment.climb import Choice
from recommender.experiment.consistency import contradictions
from recommender.experiment.decision import Decision
from recommender.names import ALL, USER_BUCKETS
from recommender.planning.facts import contradictions as plan_contradictions
from recommender.report import comparison as report
from recommender.report.document import write_report
from recommender.studies.charts import frontier
from recommender.studies.engine.measured import Measured
from recommender.studies.engine.plan import DATA, SCENARIO
from recommender.studies.engine.run import run, with_chosen_settings
from recommender.studies.engine.workers import Source
from recommender.studies.transfer import Ratio
from tests.helpers.compared import SMALL, STUDIES, compared, measured_recipes, measured_sites, planned
from tests.helpers.out_folder import decided, write_out
from tests.helpers.studies import curves_of, source


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="module")
def cells(folder: Path) -> dict[str, list[Measured]]:
    """What a quick comparison of two scenarios measures, on a small world."""
    return measured_sites(folder)


@pytest.fixture(scope="module")
def read(cells: dict[str, list[Measured]]) -> list[Site]:
    return read_sites(cells, STUDIES)


@pytest.fixture(scope="module")
def again(read: list[Site], folder: Path) -> list[Measured]:
    return measured_recipes(read, folder)


@pytest.fixture(scope="module")
def comparison(read: list[Site], again: list[Measured]) -> Comparison:
    return compared(read, again)


# --- which cells


@pytest.mark.parametrize("quick", [False, True])
def test_the_levels_of_a_comparison_are_levels_of_its_studies(quick: bool) -> None:
    grid = plan.QUICK_GRID if quick else plan.GRID
    study = plan.load(plan.VOLUME, quick)
    assert all(set(levels) <= set(study.grid[axis]) for axis, levels in grid.items())
    assert set(plan.QUICK_PAIRS) - {""} <= set(plan.load(plan.VALUE, False).pairs["all"])
    (site,) = plan.site_specs(["jobs"], [])
    wanted = [c for c in plan.needed(study, site, quick, []) if not c.only_cached]
    assert len(wanted) == np.prod([len(levels) for levels in grid.values()])


def test_the_sizes_of_a_comparison_suffice_for_a_back_test() -> None:
    sizes = sorted(map(float, plan.GRID["size"]))
    assert sum(s <= sizes[-1] / 2 for s in sizes) >= 3


def test_a_recipe_that_cannot_be_used_is_a_grey_cell_of_the_heatmap_at_its_place() -> None:
    places = ("jobs", "ugc", "people")
    matrix: dict[tuple[str, str, str], Ratio | None] = {
        (to, of, "all"): Ratio(100.0 - 40 * (to != of), 50.0, 110.0, 500, ()) for to in places for of in places
    }
    matrix["jobs", "people", "all"] = Ratio(np.nan, np.nan, np.nan, 500, ("contacts",))
    drawn = charts.transfer(matrix)
    assert drawn is not None
    grey, coloured, words = drawn.spec["layer"]
    assert grey["mark"]["fill"] == charts.GREY
    assert [layer["encoding"]["x"]["scale"]["domain"] for layer in (grey, coloured, words)] == [list(places)] * 3
    lacking = drawn.table.filter(pl.col("lacks") != "")
    assert lacking.select("used in", "recipe of", "percent", "text").rows() == [("jobs", "people", None, "–")]
    assert "people in jobs: lacks contacts" in drawn.alt


def test_no_two_places_share_a_colour_in_the_chart_of_options() -> None:
    option = build_next.Option("", "als", "rung", 0.02, 0.01, 0.03, True, "what ships", 1.0, (1, 2), None)
    drawn = charts.plan([(n, replace(option, site=f"site {n}")) for n in range(5)], "NDCG@10")
    assert drawn is not None
    scales = [layer["encoding"]["color"]["scale"]["range"] for layer in drawn.spec["layer"][:3]]
    assert all(len(set(scale)) == 5 for scale in scales)


def test_parts_are_read_where_they_are_kept_and_never_measured() -> None:
    (site,) = plan.site_specs(["jobs"], [])
    assert all(c.only_cached for c in plan.needed(plan.load(plan.PARTS, False), site, False, []))


def test_what_a_full_study_measured_is_read_beside_what_is_needed(
    folder: Path, cells: dict[str, list[Measured]]
) -> None:
    (site, _) = plan.site_specs(["catalog", "jobs"], [])
    study = STUDIES[plan.VOLUME]
    shorter = study.model_copy(update={"grid": {**study.grid, "size": {"0.15": study.grid["size"]["0.15"]}}})
    deciding = [c for c in cells[site.name] if c.folder.parent.name == plan.TRANSFER]

    def read(where: Path, *more: str) -> list[Path]:
        unneeded = (replace(c, only_cached=True) for c in plan.needed(shorter, site, True, [*SMALL, *more]))
        cells_measured, failures = run(with_chosen_settings(list(unneeded), deciding), where, source(), lambda _: None)
        assert not failures
        return [f.folder for f in cells_measured]

    (whole,) = read(folder)
    damaged = folder.with_name("damaged") / plan.VOLUME / whole.name
    shutil.copytree(whole, damaged)
    assert read(damaged.parents[1]) == [damaged]
    (damaged / "metrics.parquet").write_bytes(b"half of it")
    assert read(damaged.parents[1]) == []  # not to be read
    assert read(folder, "seed=77") == []


def test_a_rung_has_one_setting_and_with_all_data_one_number_in_every_section(read: list[Site]) -> None:
    for site in read:
        assert site.decided is not None
        (full,) = (c for c in site.runs[plan.VOLUME] if c.labels["size"] == "1")
        base = next(c for c in site.runs[plan.VALUE] if not c.labels["pair"])
        chosen = site.decided.decision.parameters
        assert len(chosen) >= 5
        for cell in (*site.runs[plan.VOLUME], base):
            assert cell.done["parameters"] == chosen
        for rung in chosen:
            measured = [
                c.metrics.filter(split="test", metric=site.metric, rung=rung) for c in (site.decided, full, base)
            ]
            values = [t.filter(slice=ALL, item_bucket=ALL).sort("user_bucket")["value"].to_list() for t in measured]
            assert values[0] == values[1] == values[2]


def test_more_data_come_with_their_scenario() -> None:
    assert [p.name for p in plan.site_specs(["jobs", "ugc"], ["jobs:a/b"])] == [
        "jobs on simulated",
        "ugc on simulated",
        "jobs on a/b",
    ]
    assert plan.site_specs(["jobs"], ["mine"])[1].data == "mine"
    assert plan.site_specs(["jobs"], [], ["data.source=mine"])[0].name == "jobs on mine"
    with pytest.raises(ConfigError, match="DATA=jobs:mine"):
        plan.site_specs(["jobs", "ugc"], ["mine"])
    with pytest.raises(ConfigError, match="did you mean 'jobs'"):
        plan.site_specs(["job"], [])


# --- who wins from when on


def test_a_rung_serves_until_one_above_overtakes_it_for_good() -> None:
    curve = curves_of(popularity=[0.1] * 5, content=[0.08, 0.11, 0.12, 0.12, 0.12], als=[0.02, 0.06, 0.1, 0.14, 0.18])
    path, unsure = moves(curve, ALL)
    assert [s.rung for s in path] == ["popularity", "content", "als"]
    assert path[0].at == -np.inf
    assert path[1].at < path[2].at
    assert not unsure


def test_a_rung_that_is_overtaken_before_it_leads_is_left_out() -> None:
    path, _ = moves(curves_of(popularity=[0.1] * 5, content=[0.05, 0.05, 0.09, 0.12, 0.12], als=[0.2] * 5), ALL)
    assert [(s.rung, s.at) for s in path] == [("als", -np.inf)]


def test_a_lead_that_is_chance_moves_nobody_and_is_told_as_open() -> None:
    path, unsure = moves(curves_of(popularity=[0.1] * 5, als=[0.1] * 4 + [0.1005]), ALL)
    assert [s.rung for s in path] == ["popularity"]
    assert [c.rung for c in unsure] == ["als"]


@given(st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=2, max_size=5))
@settings(max_examples=50, deadline=None)
def test_steps_go_up_the_ladder_and_never_back_in_size(curves: list[list[float]]) -> None:
    curve = curves_of(resamples=50, **{f"rung{n}": values for n, values in enumerate(curves)})
    path, _ = moves(curve, ALL)
    order = [curve.rungs.index(s.rung) for s in path]
    assert order == sorted(order)
    assert [s.at for s in path] == sorted(s.at for s in path)
    assert path[0].at == -np.inf


def test_nothing_cheaper_on_the_frontier_is_as_accurate() -> None:
    points = pl.DataFrame({"rung": ["a", "b", "c", "d"], "value": [0.1, 0.3, 0.2, 0.4], "cpu_s": [1.0, 2, 3, 4]})
    assert frontier(points) == ["a", "b", "d"]


# --- what to build


def option(what: str, gain: float, low: float) -> Option:
    return Option("jobs", what, "rung", gain, low, gain + 0.01, low > 0, "popularity", 1.0, None)


def test_what_is_shown_to_gain_comes_first_then_the_larger_gain() -> None:
    unsure, large, small = option("unsure", 0.5, -0.1), option("large", 0.1, 0.05), option("small", 0.05, 0.01)
    assert [o.what for o in ranked([unsure, small, large])] == ["large", "small", "unsure"]
    assert small.impact == pytest.approx(5)


def test_nothing_that_ships_is_an_option(read: list[Site]) -> None:
    for site in read:
        assert not {o.what for o in build_next.options(site)} & {*site.decision.served}


GAIN = {"difference": 0.0, "ci_low": -0.01, "ci_high": 0.01, "p_holm": 1.0, "n_queries": 99, "other_rung": ""}
LESS = GAIN | {"difference": -0.05, "ci_low": -0.06, "ci_high": -0.04, "p_holm": 0.001}
WON = GAIN | {"difference": 0.05, "ci_low": 0.04, "ci_high": 0.06, "p_holm": 0.001}


def chose(site: Site, alone: dict[str, dict[str, object]], hindsight: Sequence[dict[str, object]] = ()) -> Site:
    """Validation chose popularity and ranker; single rungs compare with that as stated."""
    warm = dict.fromkeys(USER_BUCKETS[1:], Choice("ranker"))
    decided = replace(site.decided)
    vars(decided).update(decision=Decision(choices={"0": Choice("popularity"), **warm}), hindsight=list(hindsight))
    days = {"popularity": (1, 2), "ease": (2, 4), "als": (3, 6), "ranker": (10, 20)}
    dearer = replace(
        site,
        scenario=site.scenario.model_copy(update={"person_days": days}),
        runs={**site.runs, plan.TRANSFER: [decided]},
    )
    vars(dearer)["against_shipped"] = alone
    return dearer


def test_the_rung_of_least_person_days_that_is_not_shown_to_be_worse_is_enough(read: list[Site]) -> None:
    site = chose(read[0], {"popularity": LESS, "als": GAIN, "ease": GAIN, "ranker": GAIN | {"difference": 0.005}})
    assert site.enough == "ease"
    equal = chose(read[0], {"popularity": LESS, "ease": GAIN, "item_knn": GAIN})  # of whom no days are stated come last
    assert equal.enough == "ease"
    assert chose(read[0], {"popularity": LESS, "ease": LESS}).enough is None
    corrected = LESS | {"p_holm": 0.5, "p": 0.04}  # an interval below zero says worse, whatever a correction does
    assert chose(read[0], {"popularity": corrected, "ease": GAIN}).enough == "ease"


def test_a_rung_that_won_in_the_test_period_only_is_neither_enough_nor_shown_to_gain(read: list[Site]) -> None:
    row = {"rung": "ease", "user_bucket": ALL, "mean_low": -0.1, "sentence": "Looking back, ease."}
    for hindsight in ([], [row]):
        rungs = dict.fromkeys(("popularity", "content", "item_knn", "als"), LESS) | {"ease": WON}
        site = chose(read[0], rungs, hindsight)
        assert (site.enough == "ease") is (not hindsight)
        (ease,) = (o for o in build_next.options(site) if o.what == "ease")
        over = "what ships" + ", in the test period only" * bool(hindsight)
        assert (ease.sure, ease.over.replace(", both without re-rankers", "")) == (not hindsight, over)


# --- the facts


@pytest.fixture(scope="module")
def facts(comparison: Comparison) -> pl.DataFrame:
    return comparison.facts


def test_no_two_statements_of_a_comparison_contradict_each_other(facts: pl.DataFrame) -> None:
    assert facts["site"].n_unique() == 2
    assert contradictions(facts) == []


def test_no_statement_of_the_plans_contradicts_what_was_measured(read: list[Site], comparison: Comparison) -> None:
    _, facts = planned(comparison)
    assert plan_contradictions(facts) == []
    for site in read:
        mine = facts.filter(site=site.name)
        assert mine.filter(topic="option").height > 3
        assert mine.filter(topic="viability").height > 4
        assert {r["what"] for r in mine.filter(topic="ahead").to_dicts()} <= set(site.single_rungs)


@pytest.mark.slow  # two minutes; test_compare_program.py reads the facts of other data
def test_no_two_statements_contradict_each_other_in_any_scenario(tmp_path: Path) -> None:
    settings = ["seed=1", "data.options.simulated.n_interactions=6000"]
    data = Source(None)
    sites = read_sites(measured_sites(tmp_path, config.scenarios(), data, settings), STUDIES)
    _, facts = planned(compared(sites, measured_recipes(sites, tmp_path, data)))
    assert facts["site"].n_unique() == len(config.scenarios())
    assert facts.filter(pl.col("topic").is_in(["curve", "asset", "ahead", "option"]))["topic"].n_unique() == 4
    assert plan_contradictions(facts) == []


ASSET = {"topic": "asset", "what": "x", "value": 0.1, "high": 1.0}


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([{"topic": "build", "what": "SHIPS", "verdict": "next", "low": 0.1}], "to be built next, and ships"),
        ([{"topic": "build", "what": "x", "verdict": "next", "low": -0.1}], "to be built next, without a gain"),
        ([{"topic": "serves", "bucket": "x", "verdict": v} for v in ("stays", "moves")], "stays and moves"),
        ([{"topic": "part", "what": "text", "verdict": "not measured", "value": 0.1}], "called not measured"),
        ([{**ASSET, "verdict": "gain", "low": -1.0}], "says something else"),
        ([{**ASSET, "verdict": "open", "low": 0.05}], "says something else"),
    ],
)
def test_a_contradiction_between_statements_is_found(
    facts: pl.DataFrame, rows: list[dict[str, object]], fault: str
) -> None:
    site = facts["site"][0]
    ships = facts.filter(topic="ships", site=site)["what"][0]
    blank = {c: "" if t == pl.String else None for c, t in facts.schema.items()} | {"site": site}
    added = [{**blank, **row} | ({"what": ships} if row.get("what") == "SHIPS" else {}) for row in rows]
    pairs = contradictions(pl.concat([facts, pl.DataFrame(added, schema=facts.schema)]))
    assert any(fault in t for t in pairs)


def test_a_place_that_only_stays_never_moves(read: list[Site]) -> None:
    site = replace(read[0])
    for curve, verdict in (
        (curves_of(popularity=[0.1] * 5, als=[0.05] * 5), {"stays"}),
        (curves_of(popularity=[0.1] * 5, als=[0.2] * 5), {"always"}),
        (curves_of(popularity=[0.1] * 5, als=[0.05, 0.09, 0.12, 0.14, 0.15]), {"moves"}),
    ):
        vars(site)["curves_or_error"] = curve
        assert set(site_facts(site, 1.0).filter(topic="serves", bucket=ALL)["verdict"]) == verdict


def test_a_rung_that_wins_on_the_test_period_only_is_open_and_serves_nobody(read: list[Site]) -> None:
    row = {"rung": "als", "user_bucket": ALL, "sentence": "Looking back, als gains ndcg_at_10."}
    for mean_low, proven in ((-0.1, False), (0.1, True)):
        decided = replace(read[0].decided)
        vars(decided)["hindsight"] = [row | {"mean_low": mean_low}]
        site = replace(read[0], runs={**read[0].runs, plan.TRANSFER: [decided]})
        vars(site)["curves_or_error"] = curves_of(popularity=[0.1] * 5, als=[0.05, 0.09, 0.12, 0.14, 0.15])
        facts = site_facts(site, 1.0)
        assert facts.filter(topic="serves", bucket=ALL)["what"].to_list() == ["popularity", "als"][: 1 + proven]
        doubted = facts.filter(topic="open", bucket=ALL, what="als")["reason"].to_list()
        assert doubted == ([] if proven else ["ahead in the test period only"])


class Noisy(Site):
    """Where another seed changes any rung by more than anything else does."""

    def seed_noise(self, rung: str) -> float:
        return 1.0


def test_what_a_data_asset_brings_is_no_finding_where_another_seed_changes_as_much(read: list[Site]) -> None:
    fields = {f: getattr(read[1], f) for f in read[1].__dataclass_fields__}
    gain = {"difference": 0.1, "ci_low": 0.05, "ci_high": 0.15, "p_holm": 0.01}
    lines = []
    for kind in (Site, Noisy):
        site = kind(**fields)
        vars(site)["data_value"] = read[1].data_value.with_columns(
            **{name: pl.lit(value) for name, value in gain.items()}
        )
        lines.append(
            site_facts(site, 1.0).filter(topic="asset", what="all metadata").select("verdict", "reason").row(0)
        )
    assert lines == [("gain", ""), ("open", BY_SEED)]


def test_what_is_not_measured_is_called_so_and_the_command_that_measures_it_is_told(
    read: list[Site], comparison: Comparison
) -> None:
    assert set(comparison.facts.filter(topic="part")["verdict"]) == {"not measured"}
    site = replace(read[1], variables=["QUICK=1", "SET='bootstrap=100'"])
    assert site.measure_parts == "make study STUDY=parts SCENARIO=jobs QUICK=1 SET='bootstrap=100'"
    answer = report.answers(comparison)["jobs on simulated"][page_model.PARTS][0]
    assert "Not measured" in answer
    assert "not enough evidence" not in answer.lower()


def test_a_quick_run_does_not_hold_small_data_to_goals_made_for_all_of_it(read: list[Site]) -> None:
    goals = compare_sites(read, [], [], [], reduced=True).facts.filter(topic="goal")
    assert set(goals["verdict"]) == {"not testable"}


def test_rungs_that_a_train_would_measure_too_are_named(read: list[Site], comparison: Comparison) -> None:
    left = comparison.facts.filter(topic="left out", site="jobs on simulated")["what"].to_list()
    assert left == ["bpr", "lightfm"]
    assert read[1].full is not None


def test_what_ships_is_what_a_kept_train_of_the_same_data_decided(read: list[Site], tmp_path: Path) -> None:
    site = read[1]
    assert site.decided is not None
    train = decided(write_out(tmp_path / "artifacts/train"))
    data_facts = json.loads((train / "data.json").read_text())
    (train / "data.json").write_text(json.dumps({**data_facts, "digest": site.decided.done["digest"]}))
    with_trains = replace(site, trains=finished_trains(tmp_path / "artifacts"))
    assert with_trains.ships is not None
    assert with_trains.ships.path == train
    assert {"als"} <= set(site_facts(with_trains, 1.0).filter(topic="ships")["what"])
    (train / "data.json").write_text(json.dumps({**data_facts, "digest": "of other data"}))
    other = replace(site, trains=finished_trains(tmp_path / "artifacts"))
    assert other.ships == site.decided.run


def test_a_train_that_a_comparison_read_shows_what_it_adds_and_its_chart_the_trains_numbers(
    read: list[Site], tmp_path: Path
) -> None:
    train = decided(write_out(tmp_path / "train"))
    site = replace(read[1])
    vars(site)["ships"] = (run := finished_trains(tmp_path)[0])
    facts = site_facts(site, 1.0)
    routed = facts.filter(topic="accuracy", what="router", metric=site.metric, bucket=ALL)
    drawn = charts.effort(site.name, ladder([site]), facts)
    assert drawn is not None
    assert drawn.table.filter("ships")["value"].to_list() == routed["value"].to_list()
    cost = dict(facts.filter(topic="cost", metric="cpu_s").select("what", "value").drop_nulls().iter_rows())
    shown = dict(drawn.table.select("rung", "cpu_s").iter_rows())  # one figure for a rung on a page
    assert len(cost.keys() & shown.keys()) > 2
    assert all(shown[rung] == seconds for rung, seconds in cost.items() if rung in shown)
    where = {"rung_a": "popularity", "rung_b": site.unranked, "user_bucket": ALL, "metric": site.metric}
    (gain,) = run.comparisons.filter(**where)["difference"]
    assert site.against_shipped["popularity"]["difference"] == -gain
    assert not {o.what for o in build_next.options(site)} & {*run.decision.served}
    assert "make compare SCENARIO=jobs" in write_report(train).read_text()
    (tmp_path / "compare-1").mkdir()
    facts.write_parquet(tmp_path / "compare-1/facts.parquet")
    text = write_report(train).read_text()
    assert "../compare-1/report.html" in text
    assert "make compare" not in text
    first = routed["value"][0]
    facts.with_columns(value=pl.when(pl.col("value") == first).then(0.5).otherwise("value")).write_parquet(
        tmp_path / "compare-1/facts.parquet"
    )  # of another train
    assert "make compare SCENARIO=jobs" in write_report(run.path).read_text()


def test_a_place_without_curves_or_decision_says_so(read: list[Site]) -> None:
    bare = replace(read[0], runs={plan.VALUE: read[0].runs[plan.VALUE]})
    answers = report.answers(compare_sites([bare], [], [], []))[bare.name]
    assert all("ot measured" in answers[q][0] for q in page_model.QUESTIONS[:2])
    assert ladder([bare]).is_empty()


def test_a_transfer_of_one_place_is_left_out_and_of_two_compares_both_ways(
    read: list[Site], again: list[Measured]
) -> None:
    title = "Can one scenario's recipe be used in another?"
    assert title not in [f.title for f in compare_sites(read[:1], [], [], []).findings]
    (part,) = [f for f in compare_sites(read, again, [], []).findings if f.title == title]
    assert len([s for s in part.sentences if "recipe of" in s]) == 2
    assert [c.name for c in part.charts] == ["transfer"]


def test_places_of_one_scenario_are_told_apart_in_a_transfer(read: list[Site]) -> None:
    labels = {SCENARIO: "catalog", DATA: "mine"}
    assert read[0].decided is not None
    other = replace(read[0], name="catalog on mine", runs={plan.TRANSFER: [replace(read[0].decided, labels=labels)]})
    assert [r.labels[SCENARIO] for r in named([read[0], other])] == ["catalog on simulated", "catalog on mine"]


# --- the page


@pytest.fixture(scope="module")
def html(comparison: Comparison, tmp_path_factory: pytest.TempPathFactory) -> str:
    return report.html(comparison, tmp_path_factory.mktemp("out"))


def test_the_page_loads_nothing_escapes_names_and_keeps_its_own_links(html: str) -> None:
    assert "&lt;b&gt;mind" in html
    assert "<b>mind" not in html
    assert not re.findall(r'(?:src|<link[^>]*href)="https?:', html)
    anchors = set(re.findall(r'id="([^"]+)"', html))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= anchors


def test_every_site_has_the_same_tiles_and_an_answer_to_every_question(html: str, comparison: Comparison) -> None:
    assert "How they differ." in html
    assert html.count('<div class="tile ') == 9 * len(comparison.sites)
    for answer in report.answers(comparison).values():
        assert tuple(answer) == page_model.QUESTIONS
        assert all(t and t[0] for t in answer.values())


def test_every_chart_has_its_text_and_its_numbers(html: str, comparison: Comparison) -> None:
    charts = [c for drawn_chart in comparison.charts.values() for c in drawn_chart]
    charts += [c for f in comparison.findings for c in f.charts]
    assert len({c.name for c in charts}) == len(charts) > 6
    for chart in charts:
        assert re.search(rf'id="{chart.name}" role="img" aria-label="[^"]{{20,}}"', html)
        assert vl_convert.vegalite_to_svg(chart.spec).count("<path") > 3
    assert html.count("The numbers of this chart") == len(charts)


def test_evidence_links_to_the_folder_of_each_cell_and_its_run(comparison: Comparison, tmp_path: Path) -> None:
    out = tmp_path / "artifacts/compare-1"
    page = report.html(comparison, out)
    for cell in (c for e in comparison.evidence for c in e.cells):
        (link,) = set(re.findall(rf'href="([^"]*{cell.folder.parent.name}/{cell.folder.name})"', page))
        assert (out / link).resolve() == cell.folder.resolve()
    assert 'href="http://ui/run"' in page


def test_page_markdown_and_tables_tell_the_same(
    comparison: Comparison, read: list[Site], again: list[Measured], tmp_path: Path
) -> None:
    text = report.markdown(comparison, tmp_path)
    read_tables = tables(read, again, STUDIES, comparison.facts)
    assert {"facts", "cells", "ladder", "moves", "data_value", "transfer", "build"} <= set(read_tables)
    for sentence in report.answers_table(comparison)["sentence"]:
        assert sentence in text


def test_a_glossary_tells_what_each_rung_does(comparison: Comparison) -> None:
    assert set(comparison.glossary) >= {"popularity", "content", "item_knn"}
    assert all(len(text) > 20 for text in comparison.glossary.values())
