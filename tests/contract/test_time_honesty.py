"""No future reaches a model, a decision or a list."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recommender import config
from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.queries import Queries
from recommender.data.split import Fold, available, folds, time_fold
from recommender.data.stated import Match
from recommender.data.times import to_microseconds
from recommender.evaluation.effort import EffortLog
from recommender.evaluation.metrics import ndcg
from recommender.evaluation.shown import Judged
from recommender.experiment import ladder
from recommender.experiment.decision import Decision
from recommender.models import RECOMMENDERS
from recommender.names import USER_BUCKETS
from recommender.ranking.candidates import Candidates
from recommender.ranking.lists import Lists
from recommender.ranking.recommend import recommend
from recommender.ranking.router import Router
from recommender.serving import persistence
from tests.helpers.small import START, TIME, at, times

FAST = {"iterations": 3, "epochs": 2, "factors": 6, "no_components": 6, "min_df": 1}
WORDS = ("river", "stone", "cloud", "forest", "ember")
SCENARIO: dict[str, Any] = {
    "name": "small",
    "problem": {"what": "", "for_whom": "", "target": 0.1, "cost_of_error": ""},
    "split": {"min_train": 20},
    "ladder": [
        {"name": "random", "recommender": "random", "control": True},
        {
            "name": "popularity",
            "recommender": "popularity",
            "candidates": [{}, {"window_days": 1}, {"half_life_days": 1}],
        },
        {"name": "content", "recommender": "content"},
        {"name": "item_knn", "recommender": "item_knn"},
    ],
    "decision": {"alpha": 0.5, "thin": 5},
    "bootstrap": 100,
}


def world(stated: bool = True, seed: int = 0) -> Dataset:
    """900 interactions of 60 users with 50 items in 100 hours; items appear one by one and may expire."""
    rng = np.random.default_rng(seed)
    born = np.concatenate([np.zeros(15), np.sort(rng.uniform(0, 95, 35))])
    hour = np.sort(rng.uniform(0, 100, 900))
    weight = np.where(born[None] <= hour[:, None], np.exp(-(hour[:, None] - born[None]) / 20) + 0.05, 0)
    item = np.array([rng.choice(50, p=w / w.sum()) for w in weight])
    user = rng.integers(0, 60, 900)
    rows = pl.DataFrame({
        "user_id": [f"u{n}" for n in user],
        "item_id": [f"i{n:02}" for n in item],
        "timestamp": times(hour.tolist()),
    }).with_columns(event=pl.lit("take"), weight=pl.lit(1, pl.Float32))  # fmt: skip
    start, stop = (
        (born.tolist(), [b + 60 if n % 3 else None for n, b in enumerate(born)]) if stated else ([None] * 50,) * 2
    )
    items = pl.DataFrame({
        "item_id": [f"i{n:02}" for n in range(50)],
        "title": [f"{WORDS[n % 5]} number {n}" for n in range(50)],
        "available_from": times(start),
        "expires_at": times(stop),
    })  # fmt: skip
    users = pl.DataFrame({"user_id": [f"u{n}" for n in range(60)], "likes": [WORDS[n % 5] for n in range(60)]})
    return Dataset(
        "world",
        rows,
        Table(items, {"title": "text"}, "item_id"),
        Table(users, {"likes": "text"}, "user_id"),
        (Match("likes", "title"),),
    )


def another_future(data: Dataset, origin: Any) -> Dataset:
    """Everything from the origin on is different: who, what, when, and the features of whoever appears only then."""
    rng = np.random.default_rng(9)
    past = data.interactions.filter(pl.col("timestamp") < origin)
    future = data.interactions.filter(pl.col("timestamp") >= origin)
    first = future["timestamp"][0]
    changed = future.with_columns(
        timestamp=first + (pl.col("timestamp") - first) / 2,  # the first row keeps the quantile where it was
        item_id=pl.Series(rng.choice(data.items.ids.to_numpy(), future.height)),
        user_id=pl.Series([f"later{n}" for n in range(future.height)]),
        weight=pl.lit(7, pl.Float32),
    )
    strangers = changed.slice(5)
    changed = pl.concat([returning(data, past, changed.head(5)), strangers])
    known = pl.col("item_id").is_in(past["item_id"].implode()) | (pl.col("available_from") < origin).fill_null(False)
    items = data.items.frame.with_columns(title=pl.when(known).then("title").otherwise(pl.lit("something else")))
    users = data.users.frame.with_columns(
        likes=pl.when(pl.col("user_id").is_in(past["user_id"].implode())).then("likes").otherwise(pl.lit("nothing"))
    )
    late = strangers.select("user_id", likes=pl.lit("flood"))
    return replace(
        data,
        interactions=pl.concat([past, changed.cast({"timestamp": TIME})]),
        items=replace(data.items, frame=pl.concat([items, more_items(items)])),
        users=replace(data.users, frame=pl.concat([users, late])),
    )


def returning(data: Dataset, past: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows as those of known users who take a known item that they have not taken yet and that never expires."""
    lasting = data.items.frame.filter(
        pl.col("expires_at").is_null() & pl.col("item_id").is_in(past["item_id"].implode())
    )
    pairs = lasting.select("item_id").join(past.select("user_id").unique().sort("user_id"), how="cross")
    fresh = pairs.join(past, on=["user_id", "item_id"], how="anti").unique("user_id", keep="first", maintain_order=True)
    return rows.with_columns(fresh["user_id"].head(rows.height), fresh["item_id"].head(rows.height))


def more_items(items: pl.DataFrame) -> pl.DataFrame:
    """Published an hour after the data of ``world`` end."""
    more = items.head(20).with_columns(item_id="late_" + pl.col("item_id"), title=pl.lit("river river river"))
    return more.with_columns(available_from=pl.lit(at(101)).cast(TIME), expires_at=pl.lit(None, TIME))


def make(name: str) -> Any:
    known = inspect.signature(RECOMMENDERS[name]).parameters
    return RECOMMENDERS[name](**{key: value for key, value in (FAST | {"threads": 1}).items() if key in known})


def state(model: Any, folder: Path) -> tuple[Any, dict[str, bytes], list[pl.DataFrame]]:
    """All of what a model learned, as it is saved."""
    persistence.save(model, folder)
    values = {file.name: file.read_bytes() for file in folder.glob("*.npy")}
    frames = [pl.read_parquet(f) for f in sorted(folder.glob("*.parquet"))]
    return json.loads((folder / "state.json").read_text())["root"], values, frames


ORIGIN = at(60)


@pytest.mark.parametrize("stated", [True, False], ids=["availability stated", "none stated"])
@pytest.mark.parametrize("name", RECOMMENDERS)
def test_the_future_does_not_change_a_fitted_model(name: str, stated: bool, tmp_path: Path) -> None:
    data = world(stated)
    one, other = data.before(ORIGIN), another_future(data, ORIGIN).before(ORIGIN)
    (tree, arrays, frames), (other_tree, other_arrays, other_frames) = (
        state(make(name).fit(train), tmp_path / f"m{n}") for n, train in enumerate((one, other))
    )
    assert tree == other_tree
    assert arrays == other_arrays
    assert len(frames) == len(other_frames)
    assert all(a.equals(b) for a, b in zip(frames, other_frames, strict=True))


def test_training_holds_nothing_of_the_future() -> None:
    train = another_future(world(), ORIGIN).before(ORIGIN)
    assert train.timestamps.max() < to_microseconds(ORIGIN)
    assert set(train.users.ids) == set(train.interactions["user_id"])
    published = train.items.times("available_from") < to_microseconds(ORIGIN)
    assert (published | (train.item_counts > 0)).all()


@pytest.mark.parametrize("repeats", [False, True])
def test_the_test_window_does_not_change_the_decision(repeats: bool) -> None:
    data = world()
    scenario = config.parse(SCENARIO | {"eligibility": {"repeats": repeats}})
    taken = data if repeats else data.first_interactions()
    origin = list(folds(taken, scenario.split, scenario.eligibility))[-1].origin
    other = another_future(taken, pl.Series([origin]).str.to_datetime(time_zone="UTC")[0])

    def decide(given: Dataset) -> tuple[Any, ...]:
        steps: list[str] = []
        decisions: list[Decision] = []

        def decided(decision: Decision) -> None:
            assert {step.split()[0] for step in steps} == {"validation"}  # the test is not touched yet
            decisions.append(decision)

        results = ladder.run(given, scenario, EffortLog(), steps.append, decided)
        assert decisions == [results.decision]
        validation = [
            {r: {m: v.tobytes() for m, v in o.values.items()} for r, o in fold.items()}
            for fold in results.outcomes[:-1]
        ]
        return results.decision, validation, results.origins[:-1]

    one, two = decide(taken), decide(other)
    for part, expected in zip(two, one, strict=True):
        assert part == expected


class Silent:
    """A rung that can tell nothing: its lists are the completion."""

    def fit(self, train: Dataset) -> Silent:
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        return np.full((len(queries), len(items)), np.nan, np.float32)


def shown_by(model: Any, fold: Fold, k: int = 30) -> Lists:
    return recommend(model, fold.queries, candidates(fold), k, config.Scoring())


def candidates(fold: Fold) -> Candidates:
    return Candidates.after(fold.train, fold.items, config.Eligibility())


def check_lists(lists: Lists, fold: Fold, k: int) -> None:
    """Only items that were there and not taken yet, none twice, and as many as there are up to k."""
    may = available(fold.queries.as_of, fold.items)
    may[fold.queries.history.row, fold.queries.history.item_idx] = False
    row, place = np.nonzero(lists.item_idx >= 0)
    assert may[row, lists.item_idx[row, place]].all()
    assert ((lists.item_idx >= 0).sum(axis=1) == np.minimum(may.sum(axis=1), k)).all()
    ordered = np.sort(lists.item_idx, axis=1)
    assert not ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any()


def test_no_rung_shows_what_is_not_available_or_taken_and_every_list_is_complete() -> None:
    fold = time_fold(another_items(world()), "test", ORIGIN, None, 1)
    assert not available(fold.queries.as_of, fold.items).all()  # there is something to get wrong
    for name in RECOMMENDERS:
        check_lists(shown_by(make(name).fit(fold.train), fold), fold, 30)
    check_lists(shown_by(Silent(), fold), fold, 30)


def another_items(data: Dataset) -> Dataset:
    return replace(data, items=replace(data.items, frame=pl.concat([data.items.frame, more_items(data.items.frame)])))


@pytest.mark.parametrize("rung", ["content", "trending", "silent"])
def test_slots_of_the_router_show_only_what_is_available(rung: str) -> None:
    fold = time_fold(another_items(world()), "test", ORIGIN, None, 1)
    rungs = {n: make(n) for n in ("popularity", "content", "item_knn", "trending")} | {"silent": Silent()}
    routes = dict(zip(USER_BUCKETS, ("popularity", "content", "item_knn", "silent"), strict=True))
    router = Router(routes, rungs, config.Slots(rung=rung, n=4, of=10)).fit(fold.train)
    routed = router.recommend(fold.queries, candidates(fold), 30, config.Scoring())
    check_lists(routed.lists, fold, 30)
    new = np.char.startswith(routed.source, "new:")
    assert new.any() == (rung != "silent")
    assert (fold.item_counts[routed.lists.item_idx[new]] == 0).all()


class Newest:
    """Newest first, by stated availability."""

    def fit(self, train: Dataset) -> Newest:
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        published = items.times("available_from")
        age = np.where(published == NO_TIME, np.nan, (published - to_microseconds(START)) / 3.6e9)
        return np.repeat(age[None].astype(np.float32), len(queries), axis=0)


def ndcg_of_new_items(make_model: Callable[[], Any], fold: Fold) -> float:
    """Only items that training has not seen: there, nothing but a leak can beat chance."""
    new = fold.item_counts == 0
    truth = fold.truth.multiply(new[None]).tocsr().astype(bool)
    truth.eliminate_zeros()
    with_truth = np.flatnonzero(np.diff(truth.indptr) > 0)
    model, queries = make_model().fit(fold.train), fold.queries.take(with_truth)
    lists = recommend(model, queries, candidates(fold).only(new), 20, config.Scoring())
    return float(ndcg(Judged(lists, truth[with_truth])).mean())


def test_newest_first_is_no_better_than_random_where_no_availability_is_stated() -> None:
    """The items table is in the order of first use, and users want what has just appeared: the worst case."""
    fold = time_fold(world(stated=False), "test", at(40), None, 1)
    by_chance = [ndcg_of_new_items(lambda s=seed: RECOMMENDERS["random"](seed=s), fold) for seed in range(20)]
    for model in (Newest, Silent, RECOMMENDERS["trending"], RECOMMENDERS["popularity"]):
        assert ndcg_of_new_items(model, fold) <= max(by_chance), model
    leaking = time_fold(dated_by_first_use(world(stated=False)), "test", at(40), None, 1)
    assert ndcg_of_new_items(Newest, leaking) > 1.5 * max(by_chance)  # so this test can fail


def dated_by_first_use(data: Dataset) -> Dataset:
    """The mistake that the design forbids."""
    first = data.interactions.group_by("item_id").agg(available_from=pl.col("timestamp").min())
    frame = data.items.frame.drop("available_from").join(first, on="item_id", how="left", maintain_order="left")
    return replace(data, items=replace(data.items, frame=frame))


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_the_row_order_of_the_items_tells_nothing(name: str) -> None:
    """Items that no interaction tells apart: those further up in the table are not preferred."""
    data = world(stated=False)
    turned = replace(data, items=data.items.take(np.arange(len(data.items))[::-1]))
    one, other = (time_fold(d, "test", ORIGIN, None, 1) for d in (data, turned))
    lists = [shown_by(make(name).fit(f.train), f, k=50) for f in (one, other)]
    shown = [
        f.items.ids.gather(given.item_idx.ravel().clip(min=0)) for f, given in zip((one, other), lists, strict=True)
    ]
    unscored = (lists[0].source_code == 1) & (lists[1].source_code == 1)  # completed in both
    assert (lists[0].source_code == lists[1].source_code).mean() > 0.99
    assert (shown[0] == shown[1]).to_numpy()[unscored.ravel()].all()
