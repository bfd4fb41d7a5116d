"""The ranker: learns from replayed windows, in contexts, and never from its own future."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.data.split import Fold, time_fold
from recommender.data.times import to_microseconds
from recommender.errors import DataError
from recommender.features.memo import share_fits
from recommender.models.ranker import Ranker
from recommender.serving import persistence
from tests.helpers.small import Row, ask, at, dataset, table, times

N_ITEMS, N_POPULAR, HOURS = 60, 12, 30 * 24
IDS = [f"i{n:02}" for n in range(N_ITEMS)]


def catalogue() -> Table:
    """Every other item is red; all were published before the first interaction."""
    red = [["red", "blue"][n % 2] for n in range(N_ITEMS)]
    born = times([-24] * N_ITEMS)
    return table("item_id", IDS, {"colour": "category"}, colour=red, available_from=born)


def world(visit: str, back: str, seed: int = 0) -> Dataset:
    """80 users in 30 days, each with a visit every six days, in which they take three items an hour apart.

    visit, back: whether what they take within a visit, and first when they come back, is what is
    ``liked`` (of their colour) or ``popular`` (a few items that everyone takes).
    """
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for user in range(80):
        liked = [n for n in range(N_POPULAR, N_ITEMS) if n % 2 == user % 2]
        left = {"liked": liked, "popular": list(range(N_POPULAR))}
        for start in np.arange(rng.uniform(0, 144), HOURS - 4, 144):
            for step in range(3):
                pool = left[visit if step else back]
                item = pool.pop(int(rng.integers(len(pool))))
                rows.append((f"u{user:02}", IDS[item], float(start + step)))
    return dataset(rows, catalogue())


def learned(model: Ranker, *names: str) -> np.ndarray:
    """Weight of each context (everyone, in a visit, back, in a long visit), those of everyone added to the others."""
    place = {"popularity": 4, "likeness": model.signals_.n_item}
    weights = model.weights_[:, [place[n] for n in names]].sum(axis=1)
    return np.array([weights[0], *(weights[0] + weights[1:3])])


def test_fits_that_share_learn_what_each_alone_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = [(0.1, 9), (1, 9), (1, 30), (0.1, 30)]
    alone = [Ranker(C=c, negatives=n).fit(world("liked", "popular")).weights_ for c, n in tried]
    replayed, replay = [], Ranker._examples
    monkeypatch.setattr(Ranker, "_examples", lambda *args: replayed.append(args) or replay(*args))
    train = world("liked", "popular")
    share_fits(train)
    for (c, n), weights in zip(tried, alone, strict=True):
        assert (Ranker(C=c, negatives=n).fit(train).weights_ == weights).all()
    assert len(replayed) == 2 * Ranker().windows  # once for each number of negatives


def test_weights_differ_by_context_as_behaviour_does() -> None:
    """Within a visit more of the same, on coming back what is popular; and the other way round."""
    _, in_visit, back = learned(Ranker().fit(world(visit="liked", back="popular")), "likeness")
    assert in_visit > back
    _, in_visit, back = learned(Ranker().fit(world(visit="popular", back="liked")), "likeness")
    assert in_visit < back


def test_known_users_in_a_visit_get_more_of_the_same() -> None:
    model = Ranker().fit(world(visit="liked", back="popular"))
    items = catalogue()
    scores = model.score(ask([["i20", "i22"], ["i21", "i23"]], items), items)
    even = np.arange(N_ITEMS) % 2 == 0
    assert scores[0, even].mean() > scores[0, ~even].mean()
    assert scores[1, even].mean() < scores[1, ~even].mean()


def test_a_query_is_scored_with_the_weights_of_its_contexts() -> None:
    model = Ranker(inputs={"item_knn": {}}).fit(world("liked", "popular"))
    items = catalogue()
    long = [f"i{n:02}" for n in range(12)]
    queries = ask([[], ["i06"], ["i06"], long, long], items, as_of=[800.0] * 5)
    queries = replace(queries, as_of=queries.as_of + np.array([0, 0, 48, 0, 48]) * 3_600_000_000)
    contexts = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 0, 1], [1, 0, 1, 0]], np.float32)
    expected = model.signals_.weighed(queries, items, contexts @ model.weights_)
    np.testing.assert_array_equal(model.score(queries, items), expected)


def another_future(data: Dataset, hour: float) -> Dataset:
    """From then on other users take other items at other times, and later items are described otherwise."""
    future = pl.col("timestamp") >= at(hour)
    rng = np.random.default_rng(5)
    n = data.interactions.filter(future).height
    past = data.interactions.filter(~future)
    items = pl.Series(rng.choice(IDS, n))
    later = data.interactions.filter(future).with_columns(
        item_id=items, user_id=pl.lit("u") + pl.Series(rng.integers(0, 99, n)).cast(pl.String),
        timestamp=pl.col("timestamp") + pl.duration(hours=pl.Series(rng.uniform(0, 9, n))),
    )  # fmt: skip
    rows = pl.concat([past, later.sort("timestamp")])
    users = table("user_id", rows["user_id"].unique().sort())
    return Dataset("other", rows, data.items, users)


def test_nothing_after_the_end_of_training_changes_the_weights() -> None:
    data, hour = world("liked", "popular"), 500.0
    one, other = (Ranker(inputs={"ease": {}}).fit(d.before(at(hour))) for d in (data, another_future(data, hour)))
    assert (one.weights_ != 0).any()
    np.testing.assert_array_equal(one.weights_, other.weights_)


def test_signals_of_a_window_know_nothing_of_it() -> None:
    """What is replayed comes after what the signals were fitted on, and ends with the next window or the data."""
    data = world("liked", "popular")
    windows = list(Ranker(windows=3)._replayed(data))
    assert len(windows) == 3
    for window, after in zip(windows, [*windows[1:], None], strict=True):
        origin = datetime.fromisoformat(window.origin)
        assert window.train.interactions["timestamp"].max() < origin
        assert window.queries.as_of.min() >= to_microseconds(origin)
        if after is not None:
            assert window.end == after.origin
            assert window.queries.as_of.max() < to_microseconds(datetime.fromisoformat(window.end))


def pairs(fold: Fold, model: Ranker) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return model._pairs(fold.queries, fold.items, fold.truth.toarray(), np.random.default_rng(0))


def test_examples_are_all_that_was_taken_and_only_what_could_have_been_shown() -> None:
    data = world("liked", "popular")
    gone = data.items.frame.with_columns(expires_at=pl.when(pl.col("item_id") == "i59").then(pl.lit(at(1))))
    fold = time_fold(replace(data, items=replace(data.items, frame=gone)), "replay", at(400), None, 1)
    query, item, taken = pairs(fold, Ranker(negatives=60))
    truth = fold.truth.toarray()
    assert truth[query, item].tolist() == taken.tolist()
    assert taken.sum() == fold.truth.nnz
    had = np.zeros_like(truth)
    had[fold.queries.history.row, fold.queries.history.item_idx] = True
    assert not had[query, item].any()
    assert not (fold.items.ids.gather(item[~taken]) == "i59").any()
    assert len(np.unique(query[~taken])) == len(fold.queries)


@pytest.mark.parametrize("rows", [[], [("u", "i00", None)] * 3, [("u", "i00", 1), ("v", "i01", 1), ("u", "i01", 1)]])
def test_without_a_past_window_there_is_nothing_to_learn_from(rows: list[Row]) -> None:
    given = dataset([("u", "i00", 0)], catalogue())
    empty = replace(given, interactions=given.interactions.clear())
    with pytest.raises(DataError, match="no past window"):
        Ranker().fit(dataset(rows, catalogue()) if rows else empty)


def test_a_saved_ranker_with_inputs_scores_like_the_fitted_one(tmp_path: Path) -> None:
    inputs: dict[str, Any] = {"item_knn": {"K": 5}, "als": {"factors": 4}, "ease": {}, "user_ease": {}}
    model = Ranker(inputs=inputs).fit(world("liked", "popular"))
    persistence.save(model, tmp_path / "model")
    items = catalogue()
    queries: Queries = ask([["i06", "i08"], []], items)
    np.testing.assert_array_equal(
        persistence.load(tmp_path / "model").score(queries, items), model.score(queries, items)
    )


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [({"itemknn": {}}, ValueError, "did you mean 'item_knn'"), ({"item_knn": {"k": 3}}, TypeError, "'k'"),
     ({"ease": {"regularization": -1}}, ValueError, "regularization")],
)  # fmt: skip
def test_inputs_that_cannot_be_made_are_refused_before_any_fit(inputs: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        Ranker(inputs=inputs)
