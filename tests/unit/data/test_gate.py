"""The gate: what it accepts, what it refuses and says, what it repairs, and that it drops nothing silently."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.data.gate import Spec, as_ids, build, from_frames, guess_roles, tables_of
from recommender.errors import ConfigError, DataError

GOOD = {
    "user_id": ["u1", "u2", "u3", "u1"],
    "item_id": ["a", "b", "a", "c"],
    "timestamp": ["2024-01-03", "2024-01-02 10:00:00", "2024-01-02T10:00:00Z", "2024-01-01 00:00:00 UTC"],
}
ITEMS = {"item_id": ["c", "a", "b"], "title": ["an old good film", "a new good film", "some other bad film"]}


def frame(columns: dict[str, Any], **changed: Any) -> pl.DataFrame:
    return pl.DataFrame({k: v for k, v in {**columns, **changed}.items() if v is not ...}, strict=False)


def refused(**kwargs: Any) -> str:
    with pytest.raises(DataError) as caught:
        from_frames(**{"interactions": frame(GOOD), "items": frame(ITEMS), **kwargs})
    return str(caught.value)


def test_good_tables_pass_sorted_by_time_with_defaults() -> None:
    data = from_frames(frame(GOOD), frame(ITEMS))
    assert data.interactions["item_id"].to_list() == ["c", "b", "a", "a"]  # equal times keep their order
    assert data.interactions["timestamp"].dtype == pl.Datetime("us", "UTC")
    assert data.interactions["event"].unique().to_list() == ["interaction"]
    assert data.interactions["weight"].to_list() == [1, 1, 1, 1]
    assert data.items.roles == {"title": "text"}
    assert data.repairs == ()


def test_order_of_items_tells_nothing_of_the_order_in_the_file() -> None:
    assert from_frames(frame(GOOD), frame(ITEMS)).items.ids.to_list() == ["a", "b", "c"]


DAY = "2024-01-02"
# rule, interactions changed, items changed, text that the message must hold
BAD: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    ("missing_column", {"user_id": ..., "usr_id": [1] * 4}, {}, ["interactions.user_id", "did you mean 'usr_id'"]),
    ("missing_column", {}, {"item_id": ..., "itemid": ["a", "b", "c"]}, ["items.item_id", "did you mean 'itemid'"]),
    ("missing_times", {"timestamp": [DAY, None, DAY, DAY]}, {}, ["interactions.timestamp", "1 row", "history"]),
    ("null_ids", {"user_id": ["u1", None, "u3", "u1"]}, {}, ["interactions.user_id", "1 row", "row 2"]),
    ("null_ids", {"item_id": ["a", "", "a", "c"]}, {}, ["interactions.item_id", "1 row", "row 2"]),
    ("null_ids", {}, {"item_id": ["a", "b", None, "c"], "title": ["x"] * 4}, ["items.item_id", "1 row", "row 3"]),
    ("duplicate_ids", {}, {"item_id": ["a", "b", "c", "a"], "title": ["x"] * 4}, ["items.item_id", "'a' in row 4"]),
    ("wrong_type", {"user_id": [1.5, 2.5, 3.5, 4.5]}, {}, ["interactions.user_id", "Float64", "1.5"]),
    ("wrong_type", {"timestamp": [True] * 4}, {}, ["interactions.timestamp", "Boolean"]),
    ("bad_weights", {"weight": ["1", "much", "2", "3"]}, {}, ["interactions.weight", "1 row", "'much' in row 2"]),
    ("unparsable_times", {"timestamp": [DAY, "12.1.24", "?", DAY]}, {}, ["2 rows", "'12.1.24' in row 2", "%d/%m/%Y"]),
    ("unparsable_times", {}, {"available_from": ["soon", None, None]}, ["items.available_from", "'soon' in row 1"]),
    ("future_times", {"timestamp": [DAY, "2999-01-01", DAY, DAY]}, {}, ["interactions.timestamp", "2999-01-01"]),
    ("sentinel_times", {"timestamp": [DAY, "1970-01-01", DAY, DAY]}, {}, ["1970-01-01", "row 2", "unknown"]),
    ("sentinel_times", {"timestamp": [1704190000, 0, 1704190001, 1704190002]}, {}, ["1970-01-01", "row 2"]),
    ("sentinel_times", {"timestamp": [DAY, "1980-01-01 08:00:00", DAY, DAY]}, {}, ["1980-01-01", "row 2"]),
    ("sentinel_times", {}, {"expires_at": ["1980-01-01", None, None]}, ["items.expires_at", "1980-01-01"]),
    (
        "mixed_time_units",
        {"timestamp": [1704190000, 1704190001, 1704190002, 1704190003000]},
        {},
        ["1704190003000", "s)"],
    ),
    ("duplicates", {k: [*v, v[0]] for k, v in GOOD.items()}, {}, ["interactions", "1 row", "row 5 (user u1, item a)"]),
    ("unknown_items", {"item_id": ["a", "b", "x", "y"]}, {}, ["interactions.item_id", "2 rows", "'x' in row 3"]),
    (
        "expires_before_start",
        {},
        {"available_from": ["2024-02-01", None, None], "expires_at": ["2024-01-01", DAY, None]},
        ["items.expires_at", "1 row"],
    ),
    ("bad_weights", {"weight": [1.0, float("nan"), float("inf"), -1.0]}, {}, ["interactions.weight", "3 rows", "inf"]),
    ("bad_weights", {"weight": [1.0, None, 1.0, 1.0]}, {}, ["interactions.weight", "1 row", "row 2"]),
    ("bad_numbers", {}, {"price": [1.0, float("inf"), None]}, ["items.price", "1 row", "inf"]),
    ("bad_embeddings", {}, {"e": [[1.0, float("nan")], [1.0, 2.0], None]}, ["items.e", "1 row", "nan"]),
    ("ragged_embeddings", {}, {"e": [[1.0], [1.0, 2.0], [3.0, 4.0]]}, ["items.e", "1 row", "2 numbers"]),
    ("empty_table", {k: [] for k in GOOD}, {}, ["interactions", "day_zero=true"]),
    ("empty_table", {}, {"item_id": [], "title": []}, ["items: empty_table"]),
]


@pytest.mark.parametrize(
    ("rule", "interactions", "items", "messages"), BAD, ids=[f"{b[0]}-{i}" for i, b in enumerate(BAD)]
)
def test_bad_input_is_refused_naming_table_column_count_examples_and_advice(
    rule: str, interactions: dict[str, Any], items: dict[str, Any], messages: list[str]
) -> None:
    message = refused(interactions=frame(GOOD, **interactions), items=frame(ITEMS, **items))
    assert rule in message
    for text in messages:
        assert text in message


def test_all_problems_are_reported_at_once() -> None:
    bad = frame(GOOD, timestamp=[DAY, "?", "2999-01-01", DAY], weight=[-5, 1, 1, 1], item_id=["a", "b", "a", "x"])
    message = refused(interactions=bad, items=frame(ITEMS, item_id=["a", "a", "b"]))
    for rule in ("unparsable_times", "future_times", "bad_weights", "unknown_items", "duplicate_ids"):
        assert message.count(f": {rule},") == 1


def test_a_row_is_reported_for_its_first_fault_only() -> None:
    message = refused(interactions=frame(GOOD, timestamp=[DAY, "?", DAY, DAY]))
    assert "missing_times" not in message


def test_examples_are_at_most_three() -> None:
    with pytest.raises(DataError) as caught:
        from_frames(frame(GOOD, item_id=["w", "x", "y", "z"]), frame(ITEMS))
    (problem,) = caught.value.problems
    assert problem.count == 4
    assert len(problem.examples) == 3


REPAIRS: list[tuple[str, str, dict[str, Any], dict[str, Any], int, int]] = [
    ("null_ids", "drop", {"user_id": ["u1", None, "u3", "u1"]}, {}, 1, 3),
    ("duplicate_ids", "keep_last", {}, {"item_id": ["a", "b", "c", "a"], "title": list("pqrs")}, 1, 4),
    ("unparsable_times", "drop", {"timestamp": [DAY, "?", DAY, DAY]}, {}, 1, 3),
    ("future_times", "drop", {"timestamp": [DAY, "2999-01-01", DAY, DAY]}, {}, 1, 3),
    ("sentinel_times", "drop", {"timestamp": [DAY, "1970-01-01", DAY, DAY]}, {}, 1, 3),
    ("sentinel_times", "keep", {"timestamp": [DAY, "1980-01-01", DAY, DAY]}, {}, 1, 4),
    ("missing_times", "history", {"timestamp": [DAY, DAY, None, DAY]}, {}, 1, 4),
    ("missing_times", "drop", {"timestamp": [DAY, DAY, None, DAY]}, {}, 1, 3),
    ("missing_times", "history", {"timestamp": ...}, {}, 4, 4),
    ("mixed_time_units", "convert", {"timestamp": [1704190000, 1704190001, 1704190002, 1704190003000]}, {}, 1, 4),
    ("duplicates", "keep_first", {k: [*v, v[0]] for k, v in GOOD.items()}, {}, 1, 4),
    ("duplicates", "keep_all", {k: [*v, v[0]] for k, v in GOOD.items()}, {}, 1, 5),
    ("unknown_items", "drop", {"item_id": ["a", "b", "x", "y"]}, {}, 2, 2),
    ("bad_weights", "drop", {"weight": [1.0, -1.0, 1.0, 1.0]}, {}, 1, 3),
    ("bad_weights", "set_one", {"weight": [1.0, float("nan"), 1.0, 1.0]}, {}, 1, 4),
    ("bad_embeddings", "set_null", {}, {"e": [[1.0, float("nan")], [1.0, 2.0], None]}, 1, 4),
    ("ragged_embeddings", "set_null", {}, {"e": [[1.0], [1.0, 2.0], [3.0, 4.0]]}, 1, 4),
    ("bad_numbers", "set_null", {}, {"price": [1.0, float("inf"), None]}, 1, 4),
    (
        "expires_before_start",
        "set_null",
        {},
        {"available_from": ["2024-02-01", None, None], "expires_at": ["2024-01-01", DAY, None]},
        1,
        4,
    ),
]


@pytest.mark.parametrize(("rule", "action", "interactions", "items", "count", "left"), REPAIRS)
def test_named_repair_is_done_counted_and_recorded(
    rule: str, action: str, interactions: dict[str, Any], items: dict[str, Any], count: int, left: int
) -> None:
    tables = {"interactions": frame(GOOD, **interactions), "items": frame(ITEMS, **items)}
    data = from_frames(**tables, spec={"repairs": {rule: action}})
    (repair,) = data.repairs
    assert (repair.rule, repair.action, repair.count) == (rule, action, count)
    assert repair.examples
    assert repair.reason
    assert data.interactions.height == left
    assert data.interactions["weight"].is_finite().all()
    assert from_frames(**tables, extra_repairs={rule: action}).repairs == data.repairs


def test_keep_last_keeps_the_last_of_equal_ids() -> None:
    items = frame(ITEMS, item_id=["a", "b", "c", "a"], title=["first", "x", "y", "last"])
    data = from_frames(frame(GOOD), items, extra_repairs={"duplicate_ids": "keep_last"})
    assert data.items.frame.filter(item_id="a")["title"].to_list() == ["last"]


def test_history_without_times_comes_first_in_the_order_of_the_file() -> None:
    table = frame(GOOD, timestamp=["2024-01-02", None, "2024-01-01", None])
    data = from_frames(table, frame(ITEMS), spec={"repairs": {"missing_times": "history"}})
    assert data.interactions["item_id"].to_list() == ["b", "c", "a", "a"]


def test_data_without_any_time_passes_the_gate() -> None:
    data = from_frames(frame(GOOD, timestamp=[None] * 4), frame(ITEMS))
    assert not data.has_times
    assert data.repairs == ()


@pytest.mark.parametrize(
    "times",
    [
        [1704189600, 1704189601],
        [1704189600000, 1704189601000],
        [1704189600000000, 1704189601000000],
        [1704189600.0, 1704189601.0],
        ["2024-01-02 10:00:00 UTC", "2024-01-02T12:00:01+02:00"],
        ["1704189600", "1704189601"],
        [datetime(2024, 1, 2, 10), datetime(2024, 1, 2, 10, 0, 1)],
        [datetime(2024, 1, 2, 10, tzinfo=UTC), datetime(2024, 1, 2, 10, 0, 1, tzinfo=UTC)],
    ],
)
def test_times_in_any_common_form_are_the_same_moment(times: list[Any]) -> None:
    data = from_frames(pl.DataFrame({"user_id": [1, 2], "item_id": ["a", "b"], "timestamp": times}), frame(ITEMS))
    assert data.interactions["timestamp"].to_list() == [
        datetime(2024, 1, 2, 10, 0, second, tzinfo=UTC) for second in (0, 1)
    ]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_naive_datetimes_of_any_unit_are_utc(unit: Any) -> None:
    times = pl.Series([datetime(2024, 1, 2)] * 4).cast(pl.Datetime(unit))
    data = from_frames(frame(GOOD, timestamp=times), frame(ITEMS))
    assert data.interactions["timestamp"][0] == datetime(2024, 1, 2, tzinfo=UTC)


def test_availability_may_lie_in_the_future() -> None:
    data = from_frames(frame(GOOD), frame(ITEMS, expires_at=["2999-01-01", None, None]))
    assert data.states_availability


def test_ids_are_integers_only_where_every_table_has_integers() -> None:
    numbers = frame(GOOD, user_id=[1, 2, 3, 1], item_id=[10, 11, 10, 12])
    whole = from_frames(numbers, pl.DataFrame({"item_id": [10.0, 11.0, 12.0]}), pl.DataFrame({"user_id": [1, 9]}))
    assert whole.users.ids.to_list() == [1, 2, 3, 9]
    assert whole.items.ids.dtype == pl.Int64
    mixed = from_frames(numbers, pl.DataFrame({"item_id": ["10", "11", "12"]}))
    assert mixed.interactions["item_id"].dtype == pl.String
    assert mixed.users.ids.dtype == pl.Int64
    assert mixed.items.lookup(mixed.interactions["item_id"]).min() >= 0


def test_ids_of_other_files_take_the_type_of_the_data_set() -> None:
    assert as_ids(pl.Series([1, 2]), pl.String()).to_list() == ["1", "2"]
    assert as_ids(pl.Series(["1", "x"]), pl.Int64()).to_list() == [1, None]


def test_new_users_are_no_error_and_get_a_row_without_features() -> None:
    data = from_frames(frame(GOOD), frame(ITEMS), pl.DataFrame({"user_id": ["u9", "u1"], "city": ["Oslo", "Bergen"]}))
    assert data.users.frame.rows() == [("u1", "Bergen"), ("u2", None), ("u3", None), ("u9", "Oslo")]


def test_other_events_become_signals_and_the_scenario_has_the_last_word() -> None:
    table = frame(GOOD, event=["click", "hate", "click", "like"])
    data = from_frames(table, frame(ITEMS), spec={"positive": ["click"]})
    assert data.interactions["event"].to_list() == ["click", "click"]
    assert data.signals.height == 2
    assert from_frames(table, frame(ITEMS), spec={"positive": ["click"]}, positive=["like"]).signals.height == 3
    with pytest.raises(DataError, match="did you mean 'click'"):
        from_frames(table, frame(ITEMS), positive=["clik"])


@pytest.mark.parametrize("interactions", [None, frame({k: [] for k in GOOD})])
def test_day_zero_needs_no_interactions(interactions: pl.DataFrame | None) -> None:
    data = from_frames(interactions, frame(ITEMS), pl.DataFrame({"user_id": ["u"]}), require_interactions=False)
    assert data.interactions.height == 0
    assert len(data.items) == 3
    assert len(data.users) == 1
    assert data.item_counts.tolist() == [0, 0, 0]


def test_columns_are_renamed_as_the_spec_says() -> None:
    renamed = frame(GOOD).rename({"user_id": "Applicant", "item_id": "Job", "timestamp": "ViewedAt"})
    names = {"user_id": "Applicant", "item_id": "Job", "timestamp": "ViewedAt"}
    data = from_frames(renamed, frame(ITEMS).rename({"item_id": "Job"}), spec={"columns": names})
    assert data.interactions.equals(from_frames(frame(GOOD), frame(ITEMS)).interactions)
    assert "ambiguous_column" in refused(interactions=renamed.with_columns(user_id=1), spec={"columns": names})
    message = refused(interactions=renamed, spec={"columns": {**names, "timestamp": "ViewdAt"}}, items=frame(ITEMS))
    assert "interactions.ViewdAt: missing_column" in message
    assert "did you mean 'ViewedAt'" in message
    assert "missing_times" not in message


def test_a_mapped_column_that_no_table_has_is_a_problem_even_where_the_standard_name_is_there() -> None:
    users = pl.DataFrame({"user_id": ["u1"], "Applicant": ["u1"]}).drop("user_id")
    message = refused(spec={"columns": {"timestamp": "ViewedAt"}})
    assert "interactions.ViewedAt: missing_column" in message
    assert "maps timestamp to 'ViewedAt'" in message
    message = refused(users=pl.DataFrame({"user_id": ["u1"]}), spec={"columns": {"user_id": "Aplicant"}})
    assert message.count("missing_column") == 1
    mapped = from_frames(frame(GOOD), frame(ITEMS), users, spec={"columns": {"user_id": "Applicant"}})
    assert mapped.users.ids.to_list() == from_frames(frame(GOOD), frame(ITEMS)).users.ids.to_list()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"colums": {}}, "did you mean 'columns'"),
        ({"columns": {"usr_id": "x"}}, "did you mean 'user_id'"),
        ({"features": {"items": {"title": "txt"}}}, "did you mean 'text'"),
        ({"features": {"item": {}}}, "did you mean 'items'"),
        ({"repairs": {"duplicate": "keep_first"}}, "did you mean 'duplicates'"),
        ({"repairs": {"duplicates": "keepfirst"}}, "did you mean 'keep_first'"),
        ({"match": [{"user": "a", "itm": "b"}]}, "did you mean 'item'"),
    ],
)
def test_unknown_name_in_the_spec_is_refused_with_the_nearest_valid_one(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Spec.parse(spec)


def test_unknown_repair_of_the_caller_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'unknown_items'"):
        from_frames(frame(GOOD), frame(ITEMS), extra_repairs={"unknown_item": "drop"})


USERS = pl.DataFrame({"user_id": ["u1"], "past": ["a good film"], "gender": ["f"]})


@pytest.mark.parametrize(
    ("spec", "messages"),
    [
        ({"match": [{"user": "pst", "item": "title"}]}, ["users.pst: missing_column", "did you mean 'past'"]),
        ({"match": [{"user": "past", "item": "titel"}]}, ["items.titel: missing_column", "did you mean 'title'"]),
        ({"features": {"users": {"gendr": "protected"}}}, ["users.gendr", "protected", "did you mean 'gender'"]),
        (
            {"features": {"users": {"gender": "protected"}}, "match": [{"user": "gender", "item": "title"}]},
            ["users.gender: protected_in_match"],
        ),
        ({"features": {"items": {"item_id": "category"}}}, ["items.item_id: reserved_column"]),
        ({"features": {"items": {"title": "numeric"}}}, ["items.title: wrong_type", "numeric"]),
    ],
)
def test_stated_column_that_is_absent_or_unfit_is_refused(spec: dict[str, Any], messages: list[str]) -> None:
    message = refused(users=USERS, spec=spec)
    for text in messages:
        assert text in message


def test_protected_names_are_guessed_protected_and_guesses_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        data = from_frames(frame(GOOD), frame(ITEMS), USERS)
    assert data.users.roles["gender"] == "protected"
    assert "guessed roles of users" in caplog.text
    assert "gender=protected" in caplog.text


def test_roles_are_guessed_from_name_type_and_values() -> None:
    n = 40
    table = pl.DataFrame(
        {
            "plot": [f"a story of {i} brave people" for i in range(n)],
            "genres": ["Drama|War", "Comedy"] * (n // 2),
            "skills": [["python", "sql"], ["java"]] * (n // 2),
            "city": ["Oslo", "Bergen"] * (n // 2),
            "price": [1.5] * n,
            "zip_code": [1234] * n,
            "vector": [[0.1, 0.2]] * n,
            "vector_csv": ["[0.1, 0.2]"] * n,
            "place": ["59.9,10.7"] * n,
            "remote": [True] * n,
            "token": [f"x{i}" for i in range(n)],
            "seen": [datetime(2024, 1, 1)] * n,
            "empty": [None] * n,
        }
    )
    guesses = guess_roles(table, {"price": "ignore"})
    assert {column: guess.role for column, guess in guesses.items()} == {
        "plot": "text",
        "genres": "multi",
        "skills": "multi",
        "city": "category",
        "zip_code": "category",
        "vector": "embedding",
        "vector_csv": "embedding",
        "place": "location",
        "remote": "category",
        "token": "ignore",
        "seen": "ignore",
        "empty": "ignore",
    }


def test_features_come_out_in_the_form_of_their_roles() -> None:
    items = frame(
        ITEMS,
        genres=["a| b|", None, "c"],
        vec=["[1, 2]", "[3,4]", None],
        year=["1999", None, " 2001"],
        code=[1.0, 2.0, None],
    )
    roles = {"genres": "multi", "vec": "embedding", "year": "numeric", "code": "category"}
    out = from_frames(frame(GOOD), items, spec={"features": {"items": roles}}).items.frame
    assert out["genres"].to_list() == [None, ["c"], ["a", "b"]]
    assert out["vec"].to_list() == [[3, 4], None, [1, 2]]
    assert out["year"].to_list() == [None, 2001, 1999]
    assert out["code"].to_list() == ["2", None, "1"]


def test_pandas_and_arrow_frames_give_the_same_data() -> None:
    users = pl.DataFrame({"user_id": ["u1"], "skills": [["a", "b"]]})
    expected = from_frames(frame(GOOD), frame(ITEMS), users)
    for data in (
        from_frames(frame(GOOD).to_pandas(), frame(ITEMS).to_pandas(), users.to_pandas()),
        from_frames(frame(GOOD).to_arrow(), frame(ITEMS).to_arrow(), users.to_arrow()),
        from_frames(frame(GOOD).lazy(), frame(ITEMS).lazy(), users.lazy()),
    ):
        assert data.interactions.equals(expected.interactions)
        assert data.items.frame.equals(expected.items.frame)
        assert data.users.frame.equals(expected.users.frame)


def test_pandas_column_of_mixed_types_is_refused_with_advice() -> None:
    mixed = frame(GOOD).to_pandas().astype({"user_id": object})
    mixed.loc[0, "user_id"] = 7
    assert "interactions" in refused(interactions=mixed)


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["u1", "u2", "u3", None]),
        st.sampled_from(["a", "b", "c", "unknown"]),
        st.sampled_from([0, 1704190000, 1704190001, 1704190002, 1704190003, 1704190003000, 99999999999, None]),
        st.sampled_from(["view", "hate"]),
        st.sampled_from([1.0, 2.5, -1.0, float("nan")]),
    ),
    min_size=1,
    max_size=25,
)
ALL_REPAIRS = {
    "null_ids": "drop",
    "mixed_time_units": "convert",
    "sentinel_times": "drop",
    "future_times": "drop",
    "missing_times": "drop",
    "bad_weights": "drop",
    "unknown_items": "drop",
    "duplicates": "keep_first",
}


def gated(rows: list[tuple[Any, ...]], positive: list[str] | None = None) -> Any:
    names = ["user_id", "item_id", "timestamp", "event", "weight"]
    types = [pl.String, pl.String, pl.Int64, pl.String, pl.Float64]
    table = pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")
    spec = {"repairs": ALL_REPAIRS, "positive": positive}
    return from_frames(table, frame(ITEMS), spec=spec, require_interactions=False)


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_no_row_is_dropped_without_a_recorded_repair(rows: list[tuple[Any, ...]]) -> None:
    data = gated(rows)
    dropped = sum(r.count for r in data.repairs if r.action in ("drop", "keep_first"))
    assert data.interactions.height + data.signals.height + dropped == len(rows)


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_the_gate_is_idempotent(rows: list[tuple[Any, ...]]) -> None:
    once = gated(rows)
    twice = build(tables_of(once), require_interactions=False)
    assert twice.interactions.equals(once.interactions)
    assert not twice.repairs
    assert twice.items.frame.equals(once.items.frame)
    assert dict(twice.items.roles) == dict(once.items.roles)
    assert twice.users.frame.equals(once.users.frame)


@settings(max_examples=40, deadline=None)
@given(ROWS.flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
def test_the_order_of_rows_matters_only_among_equal_times(pair: tuple[list[Any], list[Any]]) -> None:
    one, other = (gated(rows) for rows in pair)
    by = ["timestamp", "user_id", "item_id", "event"]
    assert one.interactions.select(by).sort(by).equals(other.interactions.select(by).sort(by))
    assert one.interactions["timestamp"].equals(other.interactions["timestamp"])
    assert one.users.frame.equals(other.users.frame)
