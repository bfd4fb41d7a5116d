"""The public API, used as from a notebook: frames in, frames out."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import recommender
from recommender.api.frames import Frame
from recommender.data.contact_keys import LEAST_SECRET, hashed
from tests.helpers.folders import SPEC, Trained, run, shop

ROOT = Path(__file__).parents[2]
FORMS: dict[str, Callable[[pl.DataFrame], Any]] = {
    "polars": lambda frame: frame,
    "lazy": lambda frame: frame.lazy(),
    "pandas": lambda frame: frame.to_pandas(),
    "arrow": lambda frame: frame.to_arrow(),
    "duckdb": lambda frame: pytest.importorskip("duckdb").sql("SELECT * FROM frame"),
}
FEW = {"bootstrap": 100, "decision.thin": 10, "ladder": [
    {"name": "popularity", "recommender": "popularity"},
    {"name": "content", "recommender": "content"},
]}  # fmt: skip


def data_of(form: str = "polars", ids: type = str, **stated: Any) -> recommender.Dataset:
    source, as_form = shop(ids=ids), FORMS[form]
    tables: list[Frame] = [as_form(table) for table in (source.interactions, source.items, source.users)]
    return recommender.dataset(*tables, name="shop", **{**SPEC, **stated})


@pytest.fixture(scope="module")
def data() -> recommender.Dataset:
    return data_of()


def test_interactions_alone_imply_the_items() -> None:
    taken = shop().interactions.drop("event", strict=False)
    data = recommender.dataset(taken)
    assert set(data.items.ids) == set(taken["item_id"])
    assert len(recommender.fit(data, "popularity").recommend(["nobody"], k=3)) == 3


def test_links_with_blocks_and_contacts_make_members_of_one_table() -> None:
    links = pl.DataFrame({"user_id": ["a", "b"], "item_id": ["b", "c"], "timestamp": ["2026-01-01", "2026-01-02"]})
    members = pl.DataFrame({"user_id": list("abcd")})
    pair = pl.DataFrame({"user_id": ["a"], "item_id": ["d"]})
    book = hashed(pl.DataFrame({"user_id": ["d"], "email": ["a@b.example"]}), "email", "s" * LEAST_SECRET)
    tables: dict[str, Frame] = {"blocks": pair, "contacts": book}
    data = recommender.dataset(links, users=members, relation={"symmetric": True}, **tables)
    assert data.items.ids.to_list() == data.users.ids.to_list() == list("abcd")
    assert data.interactions.height == 4
    for alone in tables:
        with pytest.raises(recommender.ConfigError, match="relation"):
            recommender.dataset(links, **{alone: tables[alone]})


@pytest.fixture(scope="module")
def ladder(data: recommender.Dataset) -> recommender.Run:
    return recommender.train(data, "jobs", overrides=FEW)


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_dataset_is_the_same_from_every_kind_of_frame(data: recommender.Dataset, form: str) -> None:
    small = data_of(form)
    assert_frame_equal(small.interactions, data.interactions)
    assert_frame_equal(small.items.frame, data.items.frame)
    assert small.users.roles == data.users.roles


def test_frames_pass_the_same_gate_as_files() -> None:
    source = shop()
    doubled = pl.concat([source.interactions, source.interactions.head(3)])
    with pytest.raises(recommender.DataError, match=r"duplicates, 3 rows") as raised:
        recommender.dataset(doubled, source.items, source.users, **SPEC)
    assert raised.value.problems[0].table == "interactions"
    repaired = recommender.dataset(
        doubled, source.items, source.users, **{**SPEC, "repairs": {"duplicates": "keep_first"}}
    )
    assert repaired.interactions.height == source.interactions.height
    assert [(r.rule, r.count) for r in repaired.repairs] == [("duplicates", 3)]


def test_columns_of_other_names_and_guessed_roles() -> None:
    source = shop()
    renamed = (
        source.interactions.rename({"user_id": "Applicant"}),
        source.items,
        source.users.rename({"user_id": "Applicant"}),
    )
    small = recommender.dataset(*renamed, columns={"user_id": "Applicant"}, match=SPEC["match"])
    assert small.items.roles["vector"] == "embedding"
    assert small.users.roles["gender"] == "protected"


def test_a_scenarios_events_and_weights_apply_to_frames() -> None:
    source = shop()
    events = source.interactions.with_columns(
        event=pl.when(pl.int_range(pl.len()) % 4 == 0).then(pl.lit("save")).otherwise(pl.lit("view"))
    )
    stated = {"data.positive_events": ["save"], "data.event_weights": {"save": 2.0}}
    small = recommender.dataset(events, source.items, scenario=recommender.scenario("jobs", stated))
    assert small.interactions["event"].unique().to_list() == ["save"]
    assert small.signals["event"].unique().to_list() == ["view"]
    assert small.event_weights == {"save": 2.0}


def test_day_zero_has_no_interactions() -> None:
    source = shop()
    model = recommender.fit(recommender.dataset(None, source.items, source.users, **SPEC), "content")
    lists = model.recommend(source.users.head(2), k=3)
    assert lists.height == 6


@pytest.mark.parametrize("ids", [str, int])
def test_lists_for_known_and_new_users(ids: type) -> None:
    model = recommender.fit(data_of(ids=ids), "als", factors=4, iterations=2)
    known, stranger = (7, 999_999) if ids is int else ("u7", "stranger")
    lists = model.recommend([known, stranger], k=5)
    assert lists.columns == ["user_id", "rank", "item_id", "score", "source"]
    assert lists["user_id"].to_list() == [known] * 5 + [stranger] * 5
    assert lists.filter(user_id=known)["source"].unique().to_list() == ["als"]
    assert lists.filter(user_id=stranger)["source"].unique().to_list() == ["fallback"]
    taken = data_of(ids=ids).interactions.filter(user_id=known)["item_id"]
    assert not lists.filter(user_id=known)["item_id"].is_in(taken.implode()).any()


def test_new_rows_candidates_and_times(data: recommender.Dataset) -> None:
    model = recommender.fit(data, "content")
    item = pl.DataFrame({"item_id": ["brand new"], "title": ["nurse wanted at once"], "city": ["north"]})
    frame = pl.DataFrame({"user_id": ["u0"], "as_of": ["2024-06-01"]}).to_pandas()
    lists = model.recommend(frame, k=2, new_items=item, candidates=["brand new", "i1"])
    assert "brand new" in lists["item_id"]
    with pytest.raises(recommender.DataError, match="candidates: 1 of 1 item_ids are unknown"):
        model.recommend(["u0"], candidates=["brand new"])
    with pytest.raises(ValueError, match="k=0"):
        model.recommend(["u0"], k=0)


def test_a_saved_model_answers_the_same(data: recommender.Dataset, tmp_path: Path) -> None:
    model = recommender.fit(data, {"name": "small-als", "recommender": "als", "params": {"factors": 4}})
    model.save(tmp_path / "model")
    again = recommender.load_model(tmp_path / "model")
    assert again.routes["0"] == "small-als"
    assert_frame_equal(again.recommend(["u1", "u2"]), model.recommend(["u1", "u2"]))


def test_a_shipped_model_by_folder_and_by_registered_name(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", trained.store)
    by_folder = recommender.load_model(trained.out).recommend(["u1", "new"])
    assert_frame_equal(recommender.load_model(trained.model).recommend(["u1", "new"]), by_folder)


def test_an_unknown_rung_or_parameter_offers_the_nearest(data: recommender.Dataset) -> None:
    with pytest.raises(recommender.ConfigError, match="did you mean 'popularity'"):
        recommender.fit(data, "popularit")
    with pytest.raises(recommender.ConfigError, match="did you mean 'factors'"):
        recommender.fit(data, "als", factor=3)


def test_a_rung_of_a_scenario_has_its_parameters(data: recommender.Dataset) -> None:
    mine = recommender.scenario("jobs", {"ladder": [{"name": "mine", "recommender": "als", "params": {"factors": 3}}]})
    model = recommender.fit(data, "mine", scenario=mine, iterations=2)
    als = model.bundle.router.rungs["mine"]
    assert (als.factors, als.iterations) == (3, 2)


def test_several_rungs_are_measured_after_the_origin_only(
    data: recommender.Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    small = {"name": "small", "recommender": "als", "params": {"factors": 2}}
    with caplog.at_level(logging.WARNING, "recommender"):
        metrics = recommender.evaluate(data, ["popularity", small, "social"], overrides={"bootstrap": 100})
    assert "social left out" in caplog.text  # users have no column for it
    headline = metrics.filter(metric="ndcg_at_10", user_bucket="all", item_bucket="all", slice="all")
    assert headline["rung"].to_list() == ["popularity", "small"]
    assert headline["split"].unique().to_list() == ["test"]
    assert (headline["ci_low"] <= headline["value"]).all()
    assert (headline["value"] <= headline["ci_high"]).all()


def test_a_ladder_and_its_decision_are_read_as_frames(ladder: recommender.Run, data: recommender.Dataset) -> None:
    assert set(ladder.metrics["split"]) == {"validation", "test"}
    assert set(ladder.decision["rung"]) <= {"popularity", "content"}
    assert ladder.decision["user_bucket"].str.replace("_(in_session|returning)$", "").n_unique() == 4
    assert {"fit", "recommend", "refit"} <= set(ladder.effort["stage"])
    assert ladder.comparisons.height
    assert all(isinstance(sentence, str) for sentence in ladder.sentences)
    assert ladder.report.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert {name: type(chart).__name__ for name, chart in ladder.charts.items()} == {
        "effort": "LayerChart", "history": "LayerChart",
    }  # fmt: skip
    assert ladder.charts["effort"].to_dict()["layer"]
    assert ladder.model.recommend(["u1"]).height == 10


def test_a_train_from_python_is_that_of_the_program(ladder: recommender.Run, tmp_path: Path, untracked: Path) -> None:
    """One implementation: the same data and overrides give the same numbers."""
    from pipelines import train

    folder = shop().write(tmp_path / "shop")
    given = [f"--set={key}={value}" for key, value in FEW.items()]
    done = run(train.main, "--scenario", "jobs", "--data", folder, "--out", tmp_path / "out", *given)
    assert done.code == 0, done.err
    assert_frame_equal(recommender.load_run(tmp_path / "out").metrics, ladder.metrics)
    assert recommender.load_run(tmp_path / "out").sentences == ladder.sentences


def test_an_engine_that_is_none_is_refused_before_anything_is_done(data: recommender.Dataset, tmp_path: Path) -> None:
    with pytest.raises(recommender.ConfigError, match="expected local-spark"):
        recommender.train(data, "jobs", overrides=FEW, out=tmp_path / "out", engine="spark")
    assert not (tmp_path / "out").exists()


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(Exception, match=r"(no finished train here|no such folder)") as raised:
            recommender.load_run(folder)
        assert raised.type.__module__ == "recommender.errors"


def test_a_temporary_run_goes_with_its_object(data: recommender.Dataset) -> None:
    results = recommender.train(data, "jobs", overrides={**FEW, "day_zero": True})
    folder = results.folder
    assert folder.is_dir()
    del results
    assert not folder.exists()


def test_every_public_name_is_there_and_documented() -> None:
    for name in recommender.__all__:
        value = getattr(recommender, name)
        assert value.__doc__, name
        assert name in dir(recommender)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        recommender.nothing  # noqa: B018


def test_importing_the_package_imports_no_library() -> None:
    code = (
        "import sys, recommender; print(sorted({'numpy', 'polars', 'pandas', 'mlflow', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


# What the gate refuses as an id: words for "no id", and numbers that a spreadsheet or pandas has changed.
REFUSED = re.compile(
    r"\s*(nan|null|none|nil|na|n/a|#n/a|<na>|nat|undefined)\s*|[+-]?\d+[.,]0*|[+-]?\d([.,]\d*)?e\+\d+", re.IGNORECASE
)
CHARACTERS = st.characters(codec="utf-8", exclude_categories=["Cs"])
STRINGS = st.text(CHARACTERS, min_size=1, max_size=8).filter(lambda text: not REFUSED.fullmatch(text))
INTEGERS = st.integers(-(2**62), 2**62)
SOME_IDS = st.one_of(*(st.lists(one, min_size=6, max_size=12, unique=True) for one in (STRINGS, INTEGERS)))


@settings(max_examples=25, deadline=None)
@given(SOME_IDS, st.sampled_from(["polars", "pandas", "arrow"]))
def test_ids_come_back_as_they_were_given(ids: list[Any], form: str) -> None:
    """Byte for byte: with spaces at their ends, leading zeros, signs, and beyond what a float holds."""
    rng = np.random.default_rng(0)
    taken = pl.DataFrame({
        "user_id": [ids[i] for i in range(5) for _ in range(2)],
        "item_id": [ids[(i + j) % 5] for i in range(5) for j in (1, 2)],
        "timestamp": [f"2026-01-{d:02d}" for d in rng.permutation(10) + 1],
    })  # fmt: skip
    as_form = FORMS[form]
    model = recommender.fit(recommender.dataset(as_form(taken), as_form(pl.DataFrame({"item_id": ids}))), "popularity")
    lists = model.recommend(ids, k=len(ids))
    assert lists["user_id"].unique(maintain_order=True).to_list() == ids
    assert set(lists["item_id"]) == set(ids)
    assert lists["item_id"].dtype == lists["user_id"].dtype == pl.DataFrame({"x": ids})["x"].dtype


@pytest.mark.parametrize(
    ("module", "not_needed"),
    [
        ("pipelines.train", "altair mlflow optuna scipy.stats sklearn"),
        ("pipelines.recommend", "altair implicit lightfm mlflow pandas pyarrow sklearn"),
    ],
)
def test_what_a_program_may_not_need_is_imported_when_it_is_used(module: str, not_needed: str) -> None:
    code = f"import sys, {module}; print(sorted(set('{not_needed}'.split()) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
