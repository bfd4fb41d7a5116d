"""``python -m pipelines.recommend`` as a user meets it: who is served with what, and what is refused."""

from __future__ import annotations

import json
import logging
import resource
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines import recommend, train
from tests.helpers.folders import DAYS, N_ITEMS, SMALL, START, Done, NoTracker, Trained, run, shop

END = START + timedelta(days=DAYS)


def ask(model: Path, queries: pl.DataFrame, *args: object, to: str = "lists.parquet") -> Done:
    queries.write_parquet("queries.parquet")
    return run(recommend.main, "--model", model, "--queries", "queries.parquet", "--to", to, *args)


def lists(model: Path, users: Sequence[object], *args: object, as_of: datetime | None = None) -> pl.DataFrame:
    """The lists that these users get, all of one time."""
    queries = pl.DataFrame({"user_id": users})
    done = ask(model, queries if as_of is None else queries.with_columns(as_of=pl.lit(as_of)), *args)
    assert done.code == 0, done.err
    return pl.read_parquet("lists.parquet")


def table(file: str, /, **columns: object) -> str:
    """A file of rows to add; its name."""
    pl.DataFrame(columns).write_parquet(f"{file}.parquet")
    return f"{file}.parquet"


@pytest.fixture
def history(trained: Trained) -> pl.DataFrame:
    return pl.read_parquet(trained.data / "interactions.parquet")


def taken_by(user: str, rows: pl.DataFrame) -> set[str]:
    return set(rows.filter(pl.col("user_id") == user)["item_id"])


# What comes back


def test_lists_have_exactly_the_columns_that_other_tools_read(trained: Trained, workplace: Path) -> None:
    shown = lists(trained.out, ["u0"])
    assert shown.columns == ["user_id", "rank", "item_id", "score", "source"]
    assert shown["user_id"].dtype == pl.String
    assert shown["rank"].dtype.is_integer()


def test_every_list_is_complete_and_without_repeats(trained: Trained, workplace: Path, history: pl.DataFrame) -> None:
    users = [f"u{i}" for i in range(60)]
    shown = lists(trained.out, users, "--k", 7)
    for user in users:
        shown_to_user = shown.filter(pl.col("user_id") == user)
        assert shown_to_user["rank"].to_list() == [*range(1, 8)]
        assert shown_to_user["item_id"].n_unique() == 7
        assert not taken_by(user, history) & set(shown_to_user["item_id"])
        personal_scores = shown_to_user["score"].drop_nulls()
        assert personal_scores.is_sorted(descending=True)


def test_csv_in_and_out_says_the_same(trained: Trained, workplace: Path) -> None:
    expected = lists(trained.out, ["u0", "u1"])
    Path("queries.csv").write_text("user_id\nu0\nu1\n")
    done = run(recommend.main, "--model", trained.out, "--queries", "queries.csv", "--to", "lists.csv")
    assert done.code == 0, done.err
    assert_frame_equal(pl.read_csv("lists.csv"), expected, check_dtypes=False)


def test_order_and_company_of_queries_change_nothing(trained: Trained, workplace: Path) -> None:
    users = [f"u{i}" for i in range(20)]
    together = lists(trained.out, users)
    backwards = lists(trained.out, users[::-1])
    assert_frame_equal(together.sort("user_id", "rank"), backwards.sort("user_id", "rank"), abs_tol=1e-6)
    assert_frame_equal(lists(trained.out, ["u3"]), together.filter(pl.col("user_id") == "u3"), abs_tol=1e-6)


def test_unknown_user_is_served_and_the_source_told(trained: Trained, workplace: Path) -> None:
    shown = lists(trained.out, ["nobody"])
    assert shown.height == 10
    assert set(shown["source"]) <= {"popularity", "content", "als", "fallback"}
    assert shown["source"].null_count() == 0


def test_terminal_says_how_much_came_from_where(trained: Trained, workplace: Path) -> None:
    done = ask(trained.out, pl.DataFrame({"user_id": ["u0", "nobody"]}), "--k", 5)
    assert done.out == ""
    assert "2 users, 10 rows" in done.err
    assert "lists.parquet" in done.err


def test_integer_ids_come_back_as_integers(untracked: Path) -> None:
    data = shop(ids=int).write(untracked / "numbers")
    assert run(train.main, "--scenario", "jobs", "--data", data, "--out", "out", *SMALL).code == 0
    shown = lists(Path("out"), [7, 8, 9_999])
    assert shown["user_id"].to_list() == [7] * 10 + [8] * 10 + [9_999] * 10
    assert shown["item_id"].dtype == pl.Int64
    as_text = lists(Path("out"), ["7", "8", "a text"])  # no integer, so nobody known
    assert as_text["user_id"].to_list() == ["7"] * 10 + ["8"] * 10 + ["a text"] * 10
    assert_frame_equal(as_text.drop("user_id"), shown.drop("user_id"))


# Time


def test_rows_after_as_of_are_neither_history_nor_seen(
    trained: Trained, workplace: Path, history: pl.DataFrame
) -> None:
    user = "u1"
    times = history.filter(pl.col("user_id") == user)["timestamp"].sort()
    middle = times[len(times) // 2]
    before = taken_by(user, history.filter(pl.col("timestamp") <= middle))
    shown = set(lists(trained.out, [user], "--k", N_ITEMS, as_of=middle)["item_id"])
    everything = {f"i{i}" for i in range(N_ITEMS)}
    assert shown == everything - before  # what was taken exactly at as_of counts as seen


def test_without_as_of_all_rows_are_seen(trained: Trained, workplace: Path, history: pl.DataFrame) -> None:
    shown = set(lists(trained.out, ["u1"], "--k", N_ITEMS)["item_id"])
    assert shown == {f"i{i}" for i in range(N_ITEMS)} - taken_by("u1", history)


def test_missing_as_of_in_some_rows_means_all_rows_there(trained: Trained, workplace: Path) -> None:
    queries = pl.DataFrame({"user_id": ["u1", "u1"], "as_of": [START, None]})
    assert ask(trained.out, queries, "--k", 3).code == 0
    both = pl.read_parquet("lists.parquet")
    alone = lists(trained.out, ["u1"], "--k", 3)
    assert_frame_equal(both.tail(3), alone, abs_tol=1e-6)


def test_before_the_first_interaction_a_user_is_served_like_one_without_history(
    trained: Trained, workplace: Path
) -> None:
    early = lists(trained.out, ["u1"], as_of=START - timedelta(days=1))
    decision = json.loads((trained.out / "decision.json").read_text())
    assert set(early["source"]) <= {decision["buckets"]["0"]["rung"], "fallback"}


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """OUT of a train whose items are published and expire: i0-i4 expire at day 50, i5-i9 start at day 150."""
    place = tmp_path_factory.mktemp("lived")
    row = pl.int_range(pl.len())
    folder = shop().change(
        "items",
        available_from=pl.when(row.is_between(5, 9)).then(START + timedelta(days=150)).otherwise(START),
        expires_at=pl.when(row < 5).then(START + timedelta(days=50)).otherwise(None),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr(train, "Tracker", NoTracker)
        done = run(train.main, "--scenario", "jobs", "--data", folder.write(place / "lived"), "--out", "out", *SMALL)
    assert done.code == 0, done.err
    return place / "out"


@pytest.mark.parametrize(
    ("day", "closed"),
    [(10, range(5, 10)), (50, range(10)), (100, range(10)), (149, range(10)), (150, range(5)), (200, range(5))],
)
def test_item_not_published_or_expired_at_as_of_is_never_shown(
    lived: Path, workplace: Path, day: int, closed: range
) -> None:
    when = START + timedelta(days=day)
    shown = lists(lived, ["nobody", "u0", "u30"], "--k", N_ITEMS, as_of=when)
    assert not {f"i{i}" for i in closed} & set(shown["item_id"])
    assert shown.filter(pl.col("user_id") == "nobody").height == N_ITEMS - len(closed)


def test_metrics_of_a_train_with_lifetimes_show_nothing_unavailable(lived: Path) -> None:
    shown = pl.read_parquet(lived / "metrics.parquet").filter(pl.col("metric") == "unavailable_at_10")
    assert shown["value"].drop_nulls().max() == 0


# What may be shown


def test_candidates_bound_what_is_shown(trained: Trained, workplace: Path) -> None:
    some = [f"i{i}" for i in range(0, 40, 2)]
    shown = lists(trained.out, ["u0", "u30", "nobody"], "--candidates", table("candidates", item_id=some))
    assert set(shown["item_id"]) <= set(some)
    assert shown.filter(pl.col("user_id") == "nobody").height == 10


def test_all_are_shown_with_a_warning_where_fewer_than_k_are_eligible(
    trained: Trained, workplace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        shown = lists(
            trained.out, ["nobody"], "--k", 10, "--candidates", table("candidates", item_id=["i1", "i2", "i3"])
        )
    assert sorted(shown["item_id"]) == ["i1", "i2", "i3"]
    assert shown["rank"].to_list() == [1, 2, 3]
    assert "fewer than 10 eligible items" in caplog.text


def test_k_above_the_catalogue_shows_all_with_a_warning(
    trained: Trained, workplace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        shown = lists(trained.out, ["nobody"], "--k", 1000)
    assert shown["item_id"].n_unique() == shown.height == N_ITEMS
    assert "fewer than 1000 eligible items" in caplog.text


# Rows that the model has not seen


def test_new_item_can_be_shown_and_alone_is_the_whole_list(trained: Trained, workplace: Path) -> None:
    new = table("items", item_id=["new"], title=["nurse wanted for shift 99"], city=["north"])
    assert "new" in set(lists(trained.out, ["u0"], "--k", N_ITEMS + 1, "--items", new)["item_id"])
    only = lists(trained.out, ["u0"], "--items", new, "--candidates", table("candidates", item_id=["new"]))
    assert only["item_id"].to_list() == ["new"]


def test_new_row_of_a_known_item_replaces_it(trained: Trained, workplace: Path) -> None:
    gone = table("items", item_id=["i0"], title=["x"], expires_at=[START + timedelta(days=1)])
    shown = lists(trained.out, ["nobody"], "--k", N_ITEMS, "--items", gone, as_of=END)
    assert set(shown["item_id"]) == {f"i{i}" for i in range(1, N_ITEMS)}


def test_new_interactions_are_history_and_seen(trained: Trained, workplace: Path) -> None:
    when = END + timedelta(days=1)
    taken = ["i0", "i5", "i10", "i15"]
    rows = table("interactions", user_id=["nobody"] * 4, item_id=taken, timestamp=[when] * 4)
    shown = lists(trained.out, ["nobody"], "--k", N_ITEMS, "--interactions", rows)
    assert set(shown["item_id"]) == {f"i{i}" for i in range(N_ITEMS)} - set(taken)
    before = lists(trained.out, ["nobody"], "--k", N_ITEMS, "--interactions", rows, as_of=when - timedelta(seconds=1))
    assert before.height == N_ITEMS


def test_new_interactions_without_an_event_are_positive(untracked: Path) -> None:
    folder = shop().change("interactions", event=pl.Series(["click", "skip"] * 400))
    data = folder.write(untracked / "clicks")
    small = [*SMALL, "--set", "data.positive_events=[click]", "--set", "split.min_train=50"]
    assert run(train.main, "--scenario", "jobs", "--data", data, "--out", "out", *small).code == 0
    rows = table("interactions", user_id=["nobody"], item_id=["i3"], timestamp=[END])
    assert "i3" not in set(lists(Path("out"), ["nobody"], "--k", N_ITEMS, "--interactions", rows)["item_id"])


def test_new_user_with_features_gets_a_full_list(trained: Trained, workplace: Path) -> None:
    users = table("users", user_id=["new"], wants=["pilot by trade"], city=["west"])
    assert lists(trained.out, ["new"], "--users", users).height == 10


def test_new_rows_with_wider_text_numbers_and_times_as_text_are_understood(trained: Trained, workplace: Path) -> None:
    Path("interactions.csv").write_text("user_id,item_id,timestamp\nnobody,i0,2024-05-01 10:00:00\n")
    Path("items.csv").write_text("item_id,title,salary\nnew,baker wanted,50\n")
    shown = lists(trained.out, ["nobody"], "--k", 99, "--interactions", "interactions.csv", "--items", "items.csv")
    assert set(shown["item_id"]) == {f"i{i}" for i in range(1, N_ITEMS)} | {"new"}


# Data without times, and day zero


def test_model_of_data_without_times_serves_at_any_time(untracked: Path) -> None:
    folder = shop()
    known = taken_by("u1", folder.interactions)
    folder.interactions = folder.interactions.drop("timestamp")
    args = ["--data", folder.write(untracked / "timeless"), "--out", "out", *SMALL, "--set", "split.kind=random"]
    assert run(train.main, "--scenario", "jobs", *args).code == 0
    for as_of in (None, START):
        shown = lists(Path("out"), ["u1", "nobody"], "--k", N_ITEMS, as_of=as_of)
        shown_to_user = set(shown.filter(pl.col("user_id") == "u1")["item_id"])
        assert shown_to_user == {f"i{i}" for i in range(N_ITEMS)} - known


def test_day_zero_model_serves_users_by_what_they_say_of_themselves(untracked: Path) -> None:
    data = shop().write(untracked / "newborn")
    (data / "interactions.parquet").unlink()
    assert (
        run(train.main, "--scenario", "jobs", "--data", data, "--out", "out", *SMALL, "--set", "day_zero=true").code
        == 0
    )
    shown = lists(Path("out"), ["u0", "nobody"], "--k", 5)
    titles = pl.read_parquet(data / "items.parquet").select("item_id", "title")
    shown_to_user = shown.filter(pl.col("user_id") == "u0").join(titles, on="item_id")
    assert shown_to_user["title"].str.contains("nurse").mean() > 0.5  # a fifth by chance; u0 is a nurse by trade
    assert shown.filter(pl.col("user_id") == "nobody").height == 5


# What is refused


@pytest.mark.parametrize(
    ("queries", "wanted"),
    [
        (pl.DataFrame({"user": ["u1"]}), ["queries", "no column user_id", "found user"]),
        (pl.DataFrame({"user_id": ["u1", None]}), ["queries.user_id", "1 row", "null"]),
        (pl.DataFrame({"user_id": ["u1"], "as_of": ["soon"]}), ["queries.as_of", "soon", "UTC times"]),
        (pl.DataFrame({"user_id": ["u1"], "as_of": [True]}), ["queries.as_of", "UTC times"]),
        (pl.DataFrame({"user_id": [["u1"]]}), ["queries.user_id", "List", "integers or strings"]),
        (pl.DataFrame({"user_id": [START]}), ["queries.user_id", "Datetime", "integers or strings"]),
        (pl.DataFrame({"user_id": []}, schema={"user_id": pl.String}), ["queries", "no rows"]),
    ],
)
def test_malformed_queries_are_refused(
    trained: Trained, workplace: Path, queries: pl.DataFrame, wanted: list[str]
) -> None:
    refused(ask(trained.out, queries), wanted)


@pytest.mark.parametrize(
    ("option", "columns", "wanted"),
    [
        ("--candidates", {"item": ["i1"]}, ["candidates.parquet", "no column item_id"]),
        ("--candidates", {"item_id": ["i1", "i999"]}, ["candidates", "1 of 2", "i999", "ITEMS=<file>"]),
        ("--candidates", {"item_id": pl.Series([], dtype=pl.String)}, ["candidates", "no rows"]),
        ("--candidates", {"item_id": [["i1"]]}, ["candidates.item_id", "List"]),
        ("--items", {"title": ["a"]}, ["items", "no column item_id"]),
        ("--items", {"item_id": ["a"], "salary": ["much"]}, ["items", "salary"]),
        ("--items", {"item_id": [None, "a"]}, ["items.item_id", "null_ids"]),
        ("--items", {"item_id": ["a"], "vector": [[0.5]]}, ["items.vector", "ragged_embeddings"]),
        ("--users", {"name": ["a"]}, ["users", "no column user_id"]),
        ("--interactions", {"user_id": ["a"]}, ["interactions", "no column item_id"]),
        ("--interactions", {"user_id": ["a"], "item_id": ["i999"], "timestamp": [END]}, ["unknown_items", "i999"]),
        ("--interactions", {"user_id": ["a"], "item_id": ["i1"], "timestamp": ["soon"]}, ["timestamp", "soon"]),
    ],
)
def test_malformed_rows_are_refused(
    trained: Trained, workplace: Path, option: str, columns: dict[str, object], wanted: list[str]
) -> None:
    file = table(option.removeprefix("--"), **columns)
    refused(ask(trained.out, pl.DataFrame({"user_id": ["u1"]}), option, file), wanted)


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        (["--model", "nowhere"], ["nowhere: no such folder", "OUT folder of a finished train"]),
        (["--model", "."], ["no saved model"]),
        (["--queries", "none.csv"], ["none.csv", "no such file"]),
        (["--to", "lists.txt"], ["TO=lists.txt", ".parquet or .csv"]),
        (["--to", "nowhere/lists.csv"], ["TO=nowhere/lists.csv", "not there"]),
        (["--k", "0"], ["K=0"]),
        (["--model", "models:/nothing@champion"], ["models:/nothing@champion", "coldstart-jobs"]),
    ],
)
def test_wrong_arguments_are_refused(trained: Trained, workplace: Path, changed: list[str], wanted: list[str]) -> None:
    Path("queries.csv").write_text("user_id\nu1\n")
    given = ["--model", trained.out, "--queries", "queries.csv", "--to", "lists.parquet"]
    refused(run(recommend.main, *given, *changed), wanted)


@pytest.mark.parametrize("to", ["lists.csv", "lists.parquet"])
def test_full_disk_is_told_and_leaves_nothing(trained: Trained, workplace: Path, to: str) -> None:
    Path("queries.csv").write_text("user_id\nu1\n")
    bound = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, bound[1]))  # files of ten bytes stand for a full disk
    try:
        done = run(recommend.main, "--model", trained.out, "--queries", "queries.csv", "--to", to)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, bound)
    refused(done, [f"TO={to}: cannot be written (File too large)", "Free space"])
    assert not list(Path().glob(".lists*"))


def test_interrupted_train_is_no_model(trained: Trained, workplace: Path) -> None:
    shutil.copytree(trained.out, "half")  # the model is written before the report
    Path("half/INCOMPLETE").write_text("")
    refused(ask(Path("half"), pl.DataFrame({"user_id": ["u1"]})), ["half", "has not finished", "Train again"])


def test_registered_model_answers_like_the_folder(trained: Trained, workplace: Path) -> None:
    expected = lists(trained.out, ["u0", "nobody"])
    done = run(recommend.main, "--model", trained.model, "--queries", "queries.parquet", "--to", "other.csv")
    assert done.code == 0, done.err
    assert_frame_equal(pl.read_csv("other.csv"), expected, check_dtypes=False, abs_tol=1e-6)


def refused(done: Done, wanted: Sequence[str]) -> None:
    """Exit code 2, one message that holds every ``wanted`` text, nothing written."""
    shown = " ".join(done.err.split())
    assert done.code == 2, shown
    assert shown.startswith("Error:")
    for text in wanted:
        assert text in shown
    assert not list(Path().glob("lists*"))
