"""The experiment: which rungs take part, on what their parameters and routes are chosen, what is shipped."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from recommender import config
from recommender.config import Eligibility, Rung, Scenario, Scoring
from recommender.data.dataset import Dataset
from recommender.errors import ConfigError, DataError, UserError
from recommender.evaluation.effort import TRIALS_TO_1PCT, EffortLog
from recommender.experiment import fold_runner, ladder, requirements
from recommender.experiment.choose import simplest_of_best, trials_to_1pct
from recommender.experiment.refit_for_serving import refit_for_serving
from recommender.experiment.rungs import check, make, n_steps
from recommender.models import RECOMMENDERS
from recommender.models.item_knn import ItemKNN
from recommender.models.popularity import Popularity
from recommender.names import RETURNING, USER_BUCKETS, WITH_HISTORY
from recommender.ranking.candidates import Candidates
from tests.helpers.small import Row, ask, dataset, table

POPULARITY = {"name": "popularity", "recommender": "popularity"}
CONTENT = {"name": "content", "recommender": "content"}
KNN = {"name": "knn", "recommender": "item_knn"}
TRENDING = {"name": "trending", "recommender": "trending"}
ALS = {"name": "als", "recommender": "als", "params": {"factors": 4}}
RANDOM = {"name": "random", "recommender": "random", "control": True}


def scenario(*rungs: dict[str, Any], **more: Any) -> Scenario:
    problem = {"what": "", "for_whom": "", "target": 0.1, "cost_of_error": ""}
    base = {"name": "small", "problem": problem, "ladder": list(rungs or (RANDOM, POPULARITY, CONTENT, KNN))}
    base |= {"split": {"min_train": 20}, "bootstrap": 100, "decision": {"thin": 5, "alpha": 0.5}}
    return config.parse(base | more)


def data(timed: bool = True, featured: bool = True, n: int = 400, seed: int = 0) -> Dataset:
    """Two tastes, so that item-kNN has something to find."""
    rng = np.random.default_rng(seed)
    user = rng.integers(40, size=n)
    item = 2 * rng.integers(15, size=n) + user % 2
    hours = rng.uniform(0, 100, n)
    rows: list[Row] = [
        (f"u{u}", f"i{i}", float(h) if timed else None) for u, i, h in zip(user, item, hours, strict=True)
    ]
    ids = [f"i{i}" for i in range(30)]
    genre = {"genre": [["even", "odd"][i % 2] for i in range(30)]} if featured else {}
    return dataset(rows, items=table("item_id", ids, {"genre": "category"} if featured else {}, **genre))


def run(given: Dataset, chosen: Scenario) -> ladder.Results:
    supported, skipped = requirements.supported(chosen, given)
    return ladder.run(given, supported, EffortLog(), lambda _: None, lambda _: None, skipped)


class TestCheck:
    @pytest.mark.parametrize(
        ("rungs", "message"),
        [
            ([{"name": "p", "recommender": "popularty"}], "unknown recommender 'popularty'; did you mean 'popularity'"),
            (
                [POPULARITY | {"params": {"window": 3}}],
                "popularity has no parameter 'window'; did you mean 'window_days'",
            ),
            ([POPULARITY | {"candidates": [{"half_live_days": 3}]}], "no parameter 'half_live_days'"),
            ([POPULARITY, POPULARITY], "'popularity' is used twice"),
            ([POPULARITY | {"name": "router"}], "'router' is used twice"),
            ([RANDOM], "every rung is a control"),
        ],
    )
    def test_a_ladder_that_cannot_run_is_refused_before_data_is_read(self, rungs: Any, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            check(scenario(*rungs))

    def test_a_metric_that_does_not_exist_is_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"metric 'ndcg_at_20'.*did you mean 'ndcg_at_10'"):
            check(scenario(decision={"metric": "ndcg_at_20"}))

    def test_the_rung_of_the_slots_must_exist_only_where_there_are_slots(self) -> None:
        check(scenario(POPULARITY, KNN))
        with pytest.raises(ConfigError, match="unknown rung 'content'"):
            check(scenario(POPULARITY, KNN, slots={"n": 2}))

    def test_a_scenario_without_a_validation_origin_is_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"split\.validation"):
            scenario(split={"validation": []})


def test_a_later_setting_must_gain_more_than_a_standard_error() -> None:
    base, one = np.array([0.0, 1.0, 0.0, 1.0]), np.zeros(4, int)
    assert simplest_of_best([base, base], one) == 0
    assert simplest_of_best([base, base + np.array([0.1, -0.1, 0.1, -0.05])], one) == 0
    assert simplest_of_best([base, base + np.array([0.1, 0.1, 0.2, 0.1])], one) == 1
    assert simplest_of_best([base, base + 0.1, base + 0.1 + 1e-12 * np.array([1, -1, 1, -1])], one) == 1
    assert simplest_of_best([np.array([0.1]), np.array([0.2])], one[:1]) == 1


def test_what_gains_in_one_period_only_replaces_nothing() -> None:
    base, period = np.zeros(300), np.repeat([0, 1, 2], 100)
    noise = np.random.default_rng(0).normal(0, 0.01, 300)
    lucky, steady = (noise + np.repeat(gains, 100) for gains in ((0.3, -0.1, -0.05), (0.05, 0.04, 0.06)))
    assert simplest_of_best([base, lucky], period) == 0
    assert simplest_of_best([base, lucky], np.zeros(300, int)) == 1
    assert simplest_of_best([base, steady], period) == 1


def test_with_short_horizons_a_costly_rung_stays_in_use_for_four_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: dict[str, int] = {}

    def counted(rung: Rung, *given: Any) -> Any:
        fitted[rung.name] = fitted.get(rung.name, 0) + 1
        return make(rung, *given)

    monkeypatch.setattr(fold_runner, "make", counted)
    monkeypatch.setattr(ItemKNN, "fits_every", 4, raising=False)
    split = {"min_train": 20, "validation": [0.4], "test": 0.8, "retrain_days": "auto"}
    results = run(data(n=1500), scenario(POPULARITY, KNN, split=split))
    n_origins = len(results.decision.decided_on)
    assert n_origins > 4
    assert fitted == {"popularity": n_origins + 1, "knn": -(-n_origins // 4) + 1}
    assert [info.n_periods for info in results.query_info[:-1]] == [1] * n_origins
    assert all(set(outcomes) >= {"popularity", "knn"} for outcomes in results.outcomes)


def test_every_rung_is_measured_at_every_origin_and_controls_and_the_router_at_the_test() -> None:
    results = run(data(), scenario())
    assert [o["split"] for o in results.origins] == ["validation", "validation", "test"]
    assert [list(o) for o in results.outcomes] == [["popularity", "content", "knn"]] * 2 + [
        ["random", "popularity", "content", "knn", "router"]
    ]
    returning = {b + RETURNING for b in USER_BUCKETS[1:]}
    assert set(results.decision.choices) == {WITH_HISTORY, WITH_HISTORY + RETURNING, *USER_BUCKETS, *returning}
    assert all((outcome.values["unavailable_at_10"] == 0).all() for outcome in results.outcomes[-1].values())
    assert not any("unavailable_at_10" in o.values for fold in results.outcomes[:-1] for o in fold.values())


def test_what_pays_is_chosen_and_a_control_is_never_served() -> None:
    control_wins = scenario(KNN | {"control": True}, POPULARITY, {"name": "random", "recommender": "random"})
    assert {c.rung for c in run(data(), control_wins).decision.choices.values()} <= {"popularity", "random"}
    assert run(data(), scenario()).decision.choices["3_9"].rung in ("content", "knn")


def test_the_router_scores_like_the_rungs_that_it_routes_to() -> None:
    results = run(data(), scenario())
    test, info = results.outcomes[-1], results.query_info[-1]
    bucket, back = info.bucket, info.returning
    assert back.any()
    segments = [(name, (bucket == b) & ~back) for b, name in enumerate(USER_BUCKETS)]
    segments += [(name + RETURNING, (bucket == b) & back) for b, name in enumerate(USER_BUCKETS) if b]
    for name, mask in segments:
        rung = results.decision.choices[name].rung
        for metric in ("ndcg_at_10", "recall_at_20"):
            np.testing.assert_array_equal(test["router"].values[metric][mask], test[rung].values[metric][mask])


def test_the_steps_announced_are_enough() -> None:
    steps: list[str] = []
    chosen = scenario(RANDOM, POPULARITY | {"candidates": [{}, {"window_days": 1}]}, KNN)
    results = ladder.run(data(), chosen, EffortLog(), steps.append, lambda _: None)
    refit_for_serving(data(), results.decision, chosen, EffortLog(), steps.append)
    assert len(steps) <= n_steps(chosen)


def test_a_ladder_of_one_rung_runs() -> None:
    results = run(data(), scenario(RANDOM, POPULARITY))
    assert {c.rung for c in results.decision.choices.values()} == {"popularity"}


def test_data_without_any_feature_run_and_content_is_completed() -> None:
    results = run(data(featured=False), scenario())
    assert (results.outcomes[-1]["content"].values["answered_share"] == 0).all()


def test_rungs_that_need_times_step_aside_of_a_random_split_and_say_so() -> None:
    rungs = (POPULARITY | {"candidates": [{}, {"window_days": 3}]}, TRENDING)
    results = run(data(timed=False), scenario(*rungs, split={"kind": "random", "min_train": 20}))
    assert list(results.parameters) == ["popularity"]
    assert results.skipped == {"popularity": "1 of its settings: it needs times, and this split has none",
                             "trending": "it needs times, and this split has none"}  # fmt: skip


def test_segments_by_columns_that_users_do_not_have_step_aside() -> None:
    rung = POPULARITY | {"candidates": [{}, {"segment": ["state"]}]}
    assert "users have no column state" in run(data(), scenario(rung)).skipped["popularity"]


@pytest.mark.parametrize(
    ("rungs", "more", "message"),
    [((TRENDING, RANDOM), {}, "no rung is left to serve .*trending: it needs times"),
     ((POPULARITY, TRENDING), {"slots": {"rung": "trending", "n": 2}}, "'trending' is off")],
)  # fmt: skip
def test_a_ladder_left_without_a_rung_that_it_needs_is_an_error(rungs: Any, more: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run(data(timed=False), scenario(*rungs, split={"kind": "random", "min_train": 20}, **more))


class Picky(Popularity):
    """Popularity that refuses training data of certain sizes."""

    refuses = staticmethod(lambda n: True)

    def fit(self, train: Dataset) -> Picky:
        if self.refuses(len(train.user_idx)):
            raise DataError("picky: no past window.")
        super().fit(train)
        return self


@pytest.fixture
def picky(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setitem(RECOMMENDERS, "picky", Picky)  # type: ignore[attr-defined]
    return {"name": "picky", "recommender": "picky"}


def sizes(given: Dataset) -> list[int]:
    """Training rows at each origin, the test's last."""
    return [o["n_train"] for o in run(given, scenario(POPULARITY)).origins]


@pytest.mark.parametrize("at_origin", [0, 1])
def test_a_rung_with_too_little_to_learn_from_at_a_validation_origin_steps_aside_and_the_others_go_on(
    picky: dict[str, str], monkeypatch: pytest.MonkeyPatch, at_origin: int
) -> None:
    refused = sizes(data())[at_origin]
    monkeypatch.setattr(Picky, "refuses", staticmethod(lambda n: n == refused))
    results = run(data(), scenario(picky, POPULARITY, KNN))
    assert results.skipped == {"picky": "no past window"}
    assert list(results.parameters) == ["popularity", "knn"]
    assert all("picky" not in fold for fold in results.outcomes)


def test_a_rung_that_cannot_be_fitted_at_the_test_origin_only_steps_aside_if_nobody_is_served_by_it(
    picky: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    last = sizes(data())[-1]
    monkeypatch.setattr(Picky, "refuses", staticmethod(lambda n: n == last))
    results = run(data(), scenario(POPULARITY, picky, KNN))  # picky gains nothing over popularity
    assert results.skipped == {"picky": "at the test origin: no past window"}
    assert ["picky" in fold for fold in results.outcomes] == [True, True, False]
    assert list(results.parameters) == ["popularity", "knn"]
    with pytest.raises(DataError, match="no past window"):
        run(data(), scenario(picky))


def test_a_ladder_without_a_rung_left_is_an_error(picky: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"no rung is left to serve .*picky: no past window"):
        run(data(), scenario(RANDOM, picky))


def test_slots_without_the_rung_that_fills_them_step_aside_and_say_so() -> None:
    chosen = scenario(POPULARITY, KNN, slots={"n": "auto", "rung": "ranker"})
    check(chosen)
    results = run(data(), chosen)
    assert results.decision.slots.n == 0
    assert results.skipped == {"slots": "the ladder has no rung 'ranker' to choose new items"}
    with pytest.raises(ConfigError, match="unknown rung 'rankr'"):
        check(scenario(POPULARITY, KNN, slots={"n": "auto", "rung": "rankr"}))


@pytest.mark.parametrize("rules", [{"blocked_column": "spam"}, {"editorial_column": "pin"}])
def test_a_rule_about_a_column_that_items_do_not_have_is_an_error(rules: dict[str, str]) -> None:
    with pytest.raises(UserError, match=f"items have no .*'{next(iter(rules.values()))}'"):
        run(data(), scenario(eligibility=rules))


def test_the_shipped_router_has_the_chosen_rungs_fitted_on_all_data() -> None:
    given, chosen = data(), scenario()
    results = run(given, chosen)
    router, _ = refit_for_serving(given, results.decision, chosen, EffortLog(), lambda _: None)
    assert set(router.rungs) == {results.decision.choices[b].rung for b in USER_BUCKETS}
    assert set(router.known_.ids) == set(given.interactions["item_id"])


def test_a_ladder_that_may_blend_ships_the_rungs_that_it_blends_and_one_that_may_not_blends_nothing() -> None:
    rule, rungs = {"thin": 5, "alpha": 0.9, "blend": True}, (POPULARITY, KNN, ALS)
    chosen, given = scenario(*rungs, decision=rule), data(seed=2)
    results = run(given, chosen)
    assert results.decision.blends
    router, _ = refit_for_serving(given, results.decision, chosen, EffortLog(), lambda _: None)
    assert router.blends == results.decision.blended
    assert set(router.rungs) == set(results.decision.served) >= {b.rung for b in results.decision.blends.values()}
    assert not run(given, scenario(*rungs, decision=rule | {"blend": False})).decision.blends


def test_day_zero_ships_a_router_that_serves_everyone_without_any_interaction() -> None:
    full = data()
    empty = Dataset("empty", full.interactions.clear(), full.items, full.users)
    chosen = scenario(day_zero=True)
    results = run(empty, chosen)
    router, _ = refit_for_serving(empty, results.decision, chosen, EffortLog(), lambda _: None)
    queries = ask([[], ["i3"]], full.items)
    routed = router.recommend(queries, Candidates.after(empty, full.items, Eligibility()), 10, Scoring())
    assert (routed.lists.item_idx >= 0).all()
    assert set(routed.source[0]) == {"fallback"}
    assert routed.source[1, 0] == "content"


def test_a_parameter_that_a_model_refuses_is_an_error_naming_the_rung() -> None:
    refused = Rung(name="hybrid", recommender="lightfm", params={"epochs": -1})
    with pytest.raises(ConfigError, match="epochs"):
        make(refused, refused.params, scenario())


def test_effort_has_a_row_for_each_stage_of_each_rung_and_origin() -> None:
    effort = EffortLog()
    ladder.run(data(), scenario(POPULARITY, KNN), effort, lambda _: None, lambda _: None)
    rows = effort.frame().filter(pl.col("rung") == "knn").group_by("stage").len()
    assert dict(rows.iter_rows()) == {"fit": 3, "recommend": 3, "evaluate": 3}


def test_settings_that_a_plain_train_tries_are_counted_as_tuning_is() -> None:
    effort = EffortLog()
    several = POPULARITY | {"candidates": [{}, {"window_days": 1}, {"half_life_days": 2}]}
    ladder.run(data(), scenario(RANDOM, several, KNN), effort, lambda _: None, lambda _: None)
    ((measure, trials, unit),) = [noted for noted in effort.noted if noted[2] == "trials"]
    assert (measure, unit) == (f"{TRIALS_TO_1PCT}popularity", "trials")
    assert 1 <= trials <= 3


@pytest.mark.parametrize(
    ("means", "n"),
    [([0.5], 1), ([0.1, 0.2, 0.199, 0.15], 2), ([0.198, 0.2], 1), ([0.1, None, 0.3], 3), ([0.0, 0.0], 1)],
)
def test_trials_are_counted_until_one_is_within_one_percent_of_the_best(means: list[float | None], n: int) -> None:
    assert trials_to_1pct(means) == n


def test_a_test_without_a_user_of_any_kind_of_example_has_none() -> None:
    """Users with 3 to 9 interactions, none of whom was away: a page of examples without users cannot be made."""
    rows: list[Row] = [(f"u{n}", f"i{(n + step) % 12}", None) for n in range(40) for step in range(8)]
    results = run(dataset(rows), scenario(POPULARITY, split={"kind": "random", "min_train": 20}))
    assert set(results.query_info[-1].bucket.tolist()) == {2}
    assert results.examples == {}
