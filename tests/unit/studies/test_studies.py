"""Studies: what a grid is, what is measured once, what goes on after a failure, what is said of it."""

from __future__ import annotations

import dataclasses
import inspect
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from recommender import config
from recommender.config import Scenario
from recommender.data.dataset import Dataset
from recommender.data.operators import OPERATORS
from recommender.errors import ConfigError, DataError
from recommender.report.study import html, markdown
from recommender.studies import ablation, ablation_tables
from recommender.studies.analyses import ANALYSES, analysis_of
from recommender.studies.engine import plan
from recommender.studies.engine.cell import is_finished, key, put_aside_damaged
from recommender.studies.engine.contrast import Contrast, contrast
from recommender.studies.engine.finding import NOT_ENOUGH, Finding, grid
from recommender.studies.engine.measured import DONE, Measured
from recommender.studies.engine.plan import PAIR, STATE, Cell, cells, merged
from recommender.studies.engine.run import results_table, run
from tests.helpers.studies import GRID, measured, source, study, world

# --- plans


@pytest.mark.parametrize("name", plan.studies())
def test_every_study_that_ships_is_valid_for_its_scenarios_quick_or_not(name: str) -> None:
    given = plan.load(name)
    analysis_of(given)
    assert given.name == name
    scenarios = given.scenarios or config.scenarios()
    quick = cells(plan.load(name, quick=True), scenarios, None)
    whole = cells(given, scenarios if given.pairs else scenarios[:1], None)
    assert {c.labels["scenario"] for c in quick} == set(scenarios)
    assert whole


def test_cells_are_the_product_of_the_axes_with_their_changes() -> None:
    axes = {
        "size": {"small": {"data.train_differences": [{"volume": {"share": 0.5}}]}, "all": {}},
        "seed": {"0": {"seed": 0}, "1": {"seed": 1}},
    }
    plans = cells(study(grid=axes), ["catalog", "jobs"], None)
    assert len(plans) == 8
    assert [dict(c.labels) for c in plans[:2]] == [
        {"scenario": "catalog", "data": "simulated", "size": "small", "seed": s} for s in "01"
    ]
    assert plans[1].scenario.seed == 1
    assert plans[1].scenario.data.train_differences == [{"volume": {"share": 0.5}}]
    assert [r.name for r in plans[0].scenario.ladder] == ["popularity", "content", "item_knn"]  # the ladder's own order


def test_pairs_are_the_scenario_as_it_is_and_one_cell_without_each() -> None:
    pairs = {
        "all": {"slots": {"without": {"slots.n": 0}}},
        "jobs": {"x": {"with": {"seed": 3}, "without": {"seed": 4}}},
    }
    by_pair = {(c.labels[PAIR], c.labels[STATE]): c for c in cells(study(pairs=pairs), ["jobs"], None)}
    assert set(by_pair) == {("", "with"), ("slots", "without"), ("x", "with"), ("x", "without")}
    assert by_pair["slots", "without"].scenario.slots.n == 0
    assert by_pair["x", "with"].scenario.seed == 3
    assert len(cells(study(pairs=pairs), ["catalog"], None)) == 2


def test_data_differences_add_up_and_other_changes_replace() -> None:
    one = {"data.differences": [{"volume": {}}], "seed": 1}
    other = {"data.differences": [{"drift": {}}], "seed": 2}
    assert merged(one, other) == {"data.differences": [{"volume": {}}, {"drift": {}}], "seed": 2}


def test_the_data_and_overrides_given_stand_above_the_study() -> None:
    (cell,) = cells(study(), ["jobs"], "some-folder", ["bootstrap=333"])
    assert (cell.labels["data"], cell.scenario.bootstrap) == ("some-folder", 333)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"grids": {}}, "grids"),
        ({"set": {"splitt.test": 1}}, "Unknown configuration key 'splitt'"),
        ({"rungs": ["nothing"]}, "none of the rungs nothing"),
        ({"pairs": {"ugc": {"x": {}}}}, "has nothing for jobs"),
    ],
)
def test_a_wrong_plan_is_told(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        cells(study(**more), ["jobs"], None)


def test_an_unknown_study_or_analysis_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'parts'"):
        plan.load("part")
    with pytest.raises(ConfigError, match="did you mean 'ablation'"):
        analysis_of(study(analysis="ablatoin"))


# --- running


@pytest.mark.parametrize("mode", ["test", "ladder"])
def test_a_cell_is_measured_once_and_then_read(tmp_path: Path, mode: str) -> None:
    given = study(mode=mode)
    (first,) = measured(given, tmp_path)
    written = (first.folder / DONE).stat().st_mtime_ns
    (again,) = measured(given, tmp_path)
    assert again.folder == first.folder
    assert (again.folder / DONE).stat().st_mtime_ns == written
    assert first.rungs == ["popularity", "content", "item_knn"] + ["router"] * (mode == "ladder")
    assert set(first.seconds) >= set(first.rungs)
    assert first.values.filter("first")["user_id"].is_duplicated().sum() == first.values.filter("first").height
    assert [p.name for p in tmp_path.iterdir()] == [first.folder.name]  # no scratch folder is left


@pytest.fixture(scope="module")
def finished_cell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (cell,) = measured(study(), tmp_path_factory.mktemp("kept"))
    return cell.folder


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("metrics.parquet", lambda content: content[: len(content) // 2]),
        ("metrics.parquet", flipped),
        ("values.parquet", flipped),
        ("config.yaml", flipped),
        (DONE, lambda content: b""),
        (DONE, lambda content: content[:-20]),
        (DONE, lambda content: content.replace(b'"n_train"', b'"m_train"')),
        (DONE, lambda content: b"\xff\xfe" + content),
        (DONE, lambda content: b"[]"),
        ("effort.parquet", lambda content: b""),
        ("values.parquet", None),
        ("metrics.parquet", None),
    ],
)
def test_a_damaged_cell_is_named_and_put_aside(
    finished_cell: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, damage: Any
) -> None:
    folder = tmp_path / finished_cell.name
    shutil.copytree(finished_cell, folder)
    put_aside_damaged(folder)
    assert is_finished(folder)
    if damage is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(damage((folder / name).read_bytes()))
    put_aside_damaged(folder)
    assert not is_finished(folder)
    assert f"{folder} is damaged ({name} " in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == [f"{folder.name}.damaged"]


def test_a_study_measures_a_damaged_cell_again_with_the_same_result(tmp_path: Path) -> None:
    (first,) = measured(study(), tmp_path)
    before = first.metrics
    (first.folder / "metrics.parquet").write_bytes(b"")
    (again,) = measured(study(), tmp_path)
    assert again.folder == first.folder
    assert again.metrics.equals(before)
    assert (tmp_path / f"{first.folder.name}.damaged").is_dir()


def test_what_a_killed_study_had_begun_to_write_is_removed(tmp_path: Path) -> None:
    begun = tmp_path / f".{'0' * 16}-{2**22 + 1}"  # above the largest number of a process
    begun.mkdir()
    (begun / "metrics.parquet").write_bytes(b"PAR1")
    (cell,) = measured(study(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [cell.folder.name]


def test_a_cells_key_follows_what_its_numbers_depend_on_and_nothing_else() -> None:
    (cell,) = cells(study(), ["catalog"], None)
    one = key(cell.scenario, cell.mode, world())
    assert one == key(cell.scenario, cell.mode, world())
    assert one != key(cell.scenario, cell.mode, world(499))
    assert one != key(cell.scenario, "ladder", world())
    assert one != key(cell.scenario.model_copy(update={"seed": 1}), cell.mode, world())
    problem = cell.scenario.problem.model_copy(update={"what": "else"})
    assert one == key(cell.scenario.model_copy(update={"problem": problem}), cell.mode, world())


def test_one_cell_that_fails_stops_no_other_and_is_tried_again(tmp_path: Path) -> None:
    given = study(grid={"n": {"few": {"split.min_train": 10**6}, "enough": {}}})
    messages: list[str] = []
    cells_measured, failures = run(
        cells(given, ["catalog"], None), tmp_path, source(), lambda _: None, failed=lambda f: messages.append(str(f))
    )
    assert [m.labels["n"] for m in cells_measured] == ["enough"]
    assert isinstance(failures[0].error, DataError)
    assert not failures[0].is_bug
    assert messages == [str(failures[0])]
    assert "n=few" in messages[0]


def test_a_bug_is_kept_as_one(tmp_path: Path) -> None:
    def broken(name: str, scenario: Scenario) -> Dataset:
        raise ZeroDivisionError("oh")

    _, (failure,) = run(cells(study(), ["catalog"], None), tmp_path, broken, lambda _: None)
    assert failure.is_bug


def test_training_differences_leave_the_queries_and_the_truth(tmp_path: Path) -> None:
    axes = {"size": {"half": {"data.train_differences": [{"volume": {"share": 0.5}}]}, "all": {}}}
    half, whole = measured(study(grid=axes), tmp_path)
    assert half.origin["n_train"] < 0.7 * whole.origin["n_train"]
    columns = ("user_id", "as_of", "user_bucket", "first", "rung")
    assert half.values.select(columns).equals(whole.values.select(columns))


def test_results_are_one_row_per_cell_rung_and_metric(tmp_path: Path) -> None:
    given = study(grid={"seed": {"0": {"seed": 0}, "1": {"seed": 1}}})
    table = results_table(given, measured(given, tmp_path))
    rows = table.filter(pl.col("metric") == "ndcg_at_10", pl.col("user_bucket") == "all", pl.col("slice") == "all")
    assert rows.select("seed", "rung").n_unique() == rows.height == 6
    assert set(table["metric"]) >= {"cpu_s", "n_train", "recall_at_20"}


# --- comparing


def cell_with(tmp_path: Path, name: str, gain: float, users: int = 200) -> Measured:
    """A cell whose only rung has ndcg_at_10 of .3 + noise + gain for every user."""
    rng = np.random.default_rng(1)
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    values = pl.DataFrame({
        "user_id": [f"u{n}" for n in range(users)], "as_of": [None] * users,
        "user_bucket": ["0", "1_2"] * (users // 2), "first": [True] * users, "rung": ["als"] * users,
        "ndcg_at_10": (0.3 + rng.normal(0, 0.1, users) + gain * rng.uniform(0.5, 1.5, users)).astype(np.float32),
    })  # fmt: skip
    values.write_parquet(folder / "values.parquet")
    scenario = cells(study(), ["catalog"], None)[0].scenario
    return Measured({"scenario": "catalog", "data": "simulated"}, scenario, folder)


def test_a_contrast_is_the_mean_of_paired_differences_and_finds_what_is_there(tmp_path: Path) -> None:
    base, better, same = (cell_with(tmp_path, n, g) for n, g in (("a", 0.0), ("b", 0.05), ("c", 0.0)))
    pairs = [Contrast("b", base, better, "als", "als"), Contrast("c", base, same, "als", "als")]
    table = contrast(pairs, ["ndcg_at_10", "absent"], 200, 0)
    rows = {(r["name"], r["user_bucket"]): r for r in table.iter_rows(named=True)}
    b = rows["b", "all"]
    assert b["difference"] == pytest.approx(b["other"] - b["base"])
    assert 0 < b["ci_low"] < b["difference"] < b["ci_high"]
    assert b["p"] <= b["p_holm"] < 0.05
    assert rows["c", "all"]["difference"] == 0
    assert rows["b", "0"]["n_queries"] == 100
    assert ("b", "3_9") not in rows


def test_configuration_keys_count_what_a_part_states_beyond_the_scenario_without_it() -> None:
    def at(changes: dict[str, Any]) -> Measured:
        (cell,) = cells(study(set=changes), ["jobs"], None)
        return Measured(cell.labels, cell.scenario, Path())

    plain = at({})
    assert ablation.keys(plain, plain) == 0
    assert ablation.keys(at({"slots.n": 0}), plain) == 1
    assert ablation.keys(plain, at({"ladder.item_knn.params": {"K": 5, "weighting": "bm25", "shrink": 1}})) == 2


def test_worth_says_what_a_part_brings_in_sentences_and_when_it_cannot_tell(tmp_path: Path) -> None:
    pairs = {
        "history": {"without": {"ladder.drop": ["item_knn", "content"]}},
        "nothing": {"without": {"seed": 1}},
        "genre": {"what": "the genre", "without": {"data.differences": [{"metadata": {"drop": ["genre"]}}]}},
    }
    given = study(pairs={"all": pairs})
    metrics = measured(given, tmp_path)
    (finding,) = ANALYSES["ablation"].findings(given, metrics)
    short, *each = finding.sentences
    assert short.startswith("In short: raise NDCG@10: history; ")
    assert short.count("nothing") == 1
    by_pair = dict(zip(pairs, each, strict=True))
    assert re.search(r"raises NDCG@10 from 0\.\d+ to 0\.\d+, \+", by_pair["history"])
    assert "Best rung: popularity without it, " in by_pair["history"]
    assert "the lists are the same without it" in by_pair["nothing"]
    assert "genre (the genre)" in by_pair["genre"]
    assert "1 column" in by_pair["genre"]
    (brief,) = ablation.analyse(given, metrics, brief=True)
    assert brief.sentences == [short, by_pair["history"]]
    assert brief.grids[0].frame["part"].to_list() == [*pairs], "the table has them all"
    lost = [m for m in metrics if m.labels[PAIR] != "history"]
    (finding,) = ANALYSES["ablation"].findings(given, lost)
    assert any("Not measured: history" in n for n in finding.notes)
    (finding,) = ANALYSES["ablation"].findings(given, [m for m in metrics if not m.labels[PAIR]])
    assert finding.sentences[0].startswith(NOT_ENOUGH)


# --- reports


def test_a_report_holds_every_sentence_and_number_and_escapes_names() -> None:
    finding = Finding("A <b>", ["It <rises>."], [grid("Table", ["part", "NDCG"], [["x|y", "+.1"]])], notes=["Note."])
    page = html("study", "Why?", [finding], ["careful"])
    assert "It &lt;rises&gt;." in page
    assert "<b>" not in page.replace("<body>", "")
    assert "careful" in page
    text = markdown("study", "Why?", [finding], ["careful"])
    assert "- It <rises>." in text
    assert "| x\\|y | +.1 |" in text


def test_a_cell_names_its_labels() -> None:
    (cell,) = cells(study(grid={"size": {"half": {}}}), ["jobs"], None)
    assert cell.name == "jobs data=simulated size=half"
    assert dataclasses.replace(cell, labels={}).name == ""
    assert isinstance(cell, Cell)


# --- documentation


def test_the_page_names_every_study_and_every_operator_with_its_parameters() -> None:
    page = (config.CONFIGS.parent / "docs/studies.md").read_text()
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| `")]
    meanings = {name: row[2] for row in rows for name in re.findall(r"`(\w+)`", row[1])}
    assert set(meanings) == {*plan.studies(), *OPERATORS}
    for name, operator in OPERATORS.items():
        parameters = [*inspect.signature(operator).parameters][2:]
        if name not in ("shuffled_features", "shuffled_times"):
            assert set(re.findall(r"`(\w+)`", meanings[name])) == set(parameters)


def test_the_pages_own_study_is_valid() -> None:
    page = (config.CONFIGS.parent / "docs/studies.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    given = plan.parse(yaml.safe_load(example))
    assert len(cells(given, given.scenarios, None)) == 2


def test_worth_of_parts_of_a_whole_train_is_told_of_the_lists_that_are_shipped(tmp_path: Path) -> None:
    pairs = {"slots": {"metrics": ["new_item_share_at_10"], "with": {"slots.n": 4}, "without": {"slots.n": 0}}}
    given = study(mode="ladder", pairs={"all": pairs}, set={**GRID["set"], "slots.rung": "content"})  # type: ignore[dict-item]
    (finding,) = ANALYSES["ablation"].findings(given, measured(given, tmp_path))
    assert finding.sentences[0].startswith("Measured in a set-up of their own, ")
    assert finding.sentences[1].startswith("slots (own set-up)")
    assert finding.grids[0].frame.columns[:3] == ["part", "in what ships", "verdict"]
    assert finding.grids[2].frame.columns == ["part", "new item share@10"]


def test_what_all_lists_reach_is_told_of_the_parts_that_change_it() -> None:
    def reaching(coverage: float, survival: float) -> Any:
        rows = [("router", "item_coverage_at_10", coverage), ("router", "new_item_survival_at_20", survival)]
        rows += [("random", "item_coverage_at_10", 1.0), ("router", "ndcg_at_10", 0.5)]
        return SimpleNamespace(metrics=pl.DataFrame(rows, schema=["rung", "metric", "value"], orient="row"))

    outcomes = {"slots": (reaching(0.1, 0.2), reaching(0.15, 0.4)), "same": (reaching(0.1, 0.2), reaching(0.1, 0.2))}
    (whole,) = ablation_tables.whole_lists(outcomes)
    assert whole.frame.columns == ["part", "item coverage@10 ↑", "new item survival@20 ↑"]
    assert whole.frame.rows() == [("slots", "10.0% → 15.0%", "20.0% → 40.0%")]
    assert ablation_tables.whole_lists({"same": outcomes["same"]}) == []
