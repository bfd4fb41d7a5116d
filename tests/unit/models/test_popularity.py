"""Popularity: windows, decay, segments that borrow from wider ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from recommender.errors import ConfigError
from recommender.models import RECOMMENDERS
from tests.helpers.small import Row, ask, dataset, table, times

Popularity = RECOMMENDERS["popularity"]
DAY = 24
ROWS: list[Row] = [("u", "a", 0), ("v", "a", 0), ("w", "a", 5 * DAY), ("u", "b", 9 * DAY), ("v", "b", 10 * DAY)]
ITEMS = table("item_id", ["a", "b", "c"])


def scores(rows: list[Row], users: Any = None, asking: Any = None, **params: Any) -> np.ndarray:
    model = Popularity(**params).fit(dataset(rows, table("item_id", ["a", "b"]), users))
    n = 1 if asking is None else len(asking)
    return model.score(ask([[]] * n, ITEMS, asking), ITEMS)


def test_all_time_counts_and_unseen_items_are_unknown() -> None:
    np.testing.assert_allclose(scores(ROWS), [[3 / 5, 2 / 5, np.nan]], rtol=1e-6)


def test_a_window_counts_only_its_last_days() -> None:
    np.testing.assert_allclose(scores(ROWS, window_days=5), [[1 / 3, 2 / 3, np.nan]], rtol=1e-6)
    np.testing.assert_allclose(scores(ROWS, window_days=4.9), [[0, 1, np.nan]], rtol=1e-6)


def test_a_half_life_halves_the_worth_of_an_interaction() -> None:
    a, b = 2 * 0.5**2 + 0.5, 0.5**0.2 + 1
    np.testing.assert_allclose(scores(ROWS, half_life_days=5)[0, :2], [a / (a + b), b / (a + b)], rtol=1e-6)


def test_rows_without_a_time_count_as_the_oldest() -> None:
    untimed: list[Row] = [("x", "a", None), *ROWS]
    np.testing.assert_allclose(scores(untimed, window_days=5), scores(ROWS, window_days=5))
    assert scores(untimed)[0, 0] == pytest.approx(4 / 6)
    a, b = 3 * 0.5**2 + 0.5, 0.5**0.2 + 1
    np.testing.assert_allclose(scores(untimed, half_life_days=5)[0, 0], a / (a + b), rtol=1e-6)


USERS = table(
    "user_id", ["u", "v", "w"], {"state": "category", "city": "category", "gender": "protected"},
    state=["N", "N", "S"], city=["x", "y", None], gender=["f", "m", "f"], place=[{"lat": 0.0, "lon": 0.0}] * 3,
)  # fmt: skip


def people(**columns: Any) -> Any:
    return table("user_id", [f"q{n}" for n in range(len(next(iter(columns.values()))))], USERS.roles, **columns)


def test_a_segment_borrows_prior_interactions_from_everyone() -> None:
    values = scores(ROWS, USERS, people(state=["N", "S", "W", None]), segment=["state"], prior=5)
    everyone = np.array([3 / 5, 2 / 5])
    north, south = (np.array([2, 2]) + 5 * everyone) / (4 + 5), (np.array([1, 0]) + 5 * everyone) / (1 + 5)
    np.testing.assert_allclose(values[:, :2], [north, south, everyone, everyone], rtol=1e-6)


def test_a_narrow_segment_borrows_from_the_wider_one_and_falls_back_to_it() -> None:
    asking = people(state=["N", "N", "N"], city=["x", "elsewhere", None])
    values = scores(ROWS, USERS, asking, segment=["state", "city"], prior=5)
    state = (np.array([2, 2]) + 5 * np.array([3 / 5, 2 / 5])) / 9
    city = (np.array([1, 1]) + 5 * state) / 7
    np.testing.assert_allclose(values[:, :2], [city, state, state], rtol=1e-6)


def test_values_of_two_columns_do_not_run_together() -> None:
    users = table("user_id", ["u", "v"], {"p": "category", "q": "category"}, p=["a", "ab"], q=["bc", "c"])
    rows: list[Row] = [("u", "a", 0), ("v", "b", 0)]
    values = scores(rows, users, users, segment=["p", "q"], prior=1)
    assert values[0, 0] > values[0, 1]
    assert values[1, 0] < values[1, 1]


def test_users_that_come_as_bare_ids_get_what_is_popular_with_everyone() -> None:
    values = scores(ROWS, USERS, table("user_id", ["q"]), segment=["state"])
    np.testing.assert_allclose(values[:, :2], [[3 / 5, 2 / 5]], rtol=1e-6)


def test_a_list_stands_for_its_first_value() -> None:
    jobs = [["nurse", "cook"], ["nurse"], ["cook", "nurse"], [], None]
    users = table("user_id", list("uvwxy"), jobs=jobs)
    rows: list[Row] = [("u", "a", 0), ("v", "a", 0), ("w", "b", 0)]
    values = scores(rows, users, users, segment=["jobs"], prior=1e-6)
    np.testing.assert_allclose(values[:, 0], [1, 1, 0, 2 / 3, 2 / 3], atol=1e-5)


def test_weighted_interactions_count_their_weight_over_the_mean_weight() -> None:
    data = dataset(ROWS, table("item_id", ["a", "b"]))
    stars = pl.Series("weight", [1, 2, 2, 5, 5], dtype=pl.Float32)
    rated = replace(data, interactions=data.interactions.with_columns(stars))
    queries = ask([[]], ITEMS)
    values = Popularity(weighted=True).fit(rated).score(queries, ITEMS)
    np.testing.assert_allclose(values[0, :2], [5 / 15, 10 / 15], rtol=1e-6)
    np.testing.assert_allclose(Popularity().fit(rated).score(queries, ITEMS), scores(ROWS))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("gender", "protected and can never be"),
        ("stat", "no column 'stat'; did you mean 'state'"),
        ("place", "a segment needs one value per user"),
    ],
)
def test_columns_that_make_no_segment_are_an_error(column: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        scores(ROWS, USERS, segment=[column])


def test_fake_accounts_hardly_move_trusted_popularity() -> None:
    rng = np.random.default_rng(0)
    items = table("item_id", [f"i{n}" for n in range(30)])
    honest: list[Row] = [
        (f"u{n}", f"i{i}", 24.0 * k + n / 4) for n in range(60) for k, i in enumerate(rng.choice(30, 3))
    ]
    fake: list[Row] = [(f"f{n}", "i8", 71.0) for n in range(100)]

    def of_pushed(rows: list[Row], **params: Any) -> float:
        accounts = sorted({r[0] for r in rows})
        opened = [71.0 if a[0] == "f" else 0.0 for a in accounts]
        users = table("user_id", accounts, signed_up_at=times(opened))
        model = Popularity(**params).fit(dataset(rows, items, users))
        return float(model.score(ask([[]], items), items)[0, 8])

    plain, trusted = of_pushed(honest), of_pushed(honest, trusted=True)
    assert of_pushed([*honest, *fake]) > 5 * plain
    assert of_pushed([*honest, *fake], trusted=True) < 2 * trusted


def test_times_are_needed_only_for_a_window_or_decay() -> None:
    assert not Popularity().needs_times
    assert Popularity(window_days=3).needs_times
    assert Popularity(half_life_days=3).needs_times
    assert Popularity(trusted=True).needs_times


def test_who_comes_back_gets_what_is_popular_since_and_who_is_in_a_visit_the_rest() -> None:
    train = dataset(
        [(f"u{n}", "old", 0) for n in range(9)] + [(f"v{n}", "new", 99) for n in range(3)] + [("w", "x", 100)]
    )
    model = RECOMMENDERS["popularity"](half_life_share=1.0, returning_share=0.05).fit(train)
    query_rows = ask([["x"], ["x"], []], train.items)  # the last interaction an hour before
    queries = replace(query_rows, as_of=query_rows.as_of + np.array([0, 30, 30]) * 3_600_000_000)
    scores = model.score(queries, train.items)
    old, new = train.items.lookup(pl.Series(["old", "new"]))
    assert (scores[:, old] > scores[:, new]).tolist() == [True, False, True]
    plain = RECOMMENDERS["popularity"](half_life_share=0.05).fit(train).score(queries, train.items)
    np.testing.assert_array_equal(scores[1], plain[1])


def test_a_hyperbolic_fade_halves_at_the_half_life_and_keeps_a_third_at_twice_the_age() -> None:
    data = dataset([("u", "old", 0.0), ("v", "mid", 5.0), ("w", "new", 10.0)])
    queries = ask([[]], data.items)
    (row,) = Popularity(half_life_share=0.5, fade="hyperbolic").fit(data).score(queries, data.items)
    by_item = dict(zip(data.items.ids, row / row.max(), strict=True))
    assert by_item == pytest.approx({"new": 1, "mid": 1 / 2, "old": 1 / 3})
    with pytest.raises(ConfigError, match="hyperbolic"):
        Popularity(fade="hyperbola")  # type: ignore[arg-type]
