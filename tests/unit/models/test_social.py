"""Social: what followed accounts took, before the end of training, and for whom it cannot tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.config import parse
from recommender.errors import DataError
from recommender.experiment.rungs import options
from recommender.models.social import Social, follows
from tests.helpers.small import Row, ask, dataset, table

DAY = 24
ROWS: list[Row] = [("u", "a", 0), ("v", "a", 5 * DAY), ("v", "b", 10 * DAY), ("w", "c", 10 * DAY)]
ITEMS = table("item_id", ["a", "b", "c", "new"])


def people(*lists: Any) -> Any:
    return table("user_id", [f"q{n}" for n in range(len(lists))], {"follows": "ignore"}, follows=list(lists))


def scores(asking: Any, **params: Any) -> np.ndarray:
    return Social(**params).fit(dataset(ROWS)).score(ask([[]] * len(asking), ITEMS, asking), ITEMS)


def test_friends_interactions_are_added_to_prior_ones_of_everyone() -> None:
    values = scores(people(["u", "v"], ["w"], [], None, ["nobody"]), half_life_share=None, prior=4)
    everyone = np.array([2, 1, 1]) / 4
    friends = (np.array([2, 1, 0]) + 4 * everyone) / 7, (np.array([0, 0, 1]) + 4 * everyone) / 5
    np.testing.assert_allclose(values[:2, :3], friends, rtol=1e-6)
    assert np.isnan(values[:, 3]).all()  # training did not see it
    assert np.isnan(values[2:]).all()  # who follows nobody that took something


def test_older_interactions_of_followed_accounts_count_less() -> None:
    values = scores(people(["u", "v"]), half_life_share=0.5, prior=1e-6)
    np.testing.assert_allclose(values[0, :2], np.array([0.25 + 0.5, 1]) / 1.75, rtol=1e-5)


def test_unknown_accounts_oneself_and_repeats_add_nothing() -> None:
    asking = table("user_id", ["v", "x"], follows=[["v", "nobody", None, "u"], ["u", "u"]])
    values = scores(asking, half_life_share=None, prior=4)
    np.testing.assert_array_equal(values[0, :3], values[1, :3])
    assert values[0, 0] == pytest.approx((1 + 2) / 5)


def test_integer_ids_are_found_whatever_integer_the_list_holds() -> None:
    followed = follows(table("user_id", [7], follows=[[1, 3]]), "follows", table("user_id", [1, 2, 3]))
    np.testing.assert_array_equal(followed.toarray(), [[1, 0, 1]])


def test_ids_of_another_kind_follow_nobody() -> None:
    followed = follows(table("user_id", [7], follows=[["ann"]]), "follows", table("user_id", [1, 2, 3]))
    assert followed.nnz == 0


def test_a_column_without_lists_is_an_error_that_says_so() -> None:
    with pytest.raises(DataError, match="list of the user ids"):
        scores(table("user_id", ["q"], follows=["u"]))


def test_the_rung_steps_aside_where_users_state_no_follows() -> None:
    problem = {"what": "", "for_whom": "", "target": 0.1, "cost_of_error": ""}
    scenario = parse({"name": "x", "problem": problem, "ladder": [{"name": "social", "recommender": "social"}]})
    usable, reason = options(scenario.ladder[0], scenario, dataset(ROWS))
    assert not usable
    assert "no column follows" in reason


ids = st.sampled_from(["u", "v", "w", "nobody"])


@settings(deadline=None)  # a busy machine
@given(st.lists(st.one_of(st.none(), st.lists(ids, max_size=5)), min_size=1, max_size=6))
def test_following_one_more_account_never_lowers_the_share_of_what_it_alone_took(lists: list[Any]) -> None:
    more = [[*(one or []), "w"] for one in lists]
    before, after = (np.nan_to_num(scores(people(*each), half_life_share=None)) for each in (lists, more))
    assert (after[:, 2] >= before[:, 2] - 1e-6).all()
    assert (after[:, :3].sum(axis=1) <= 1 + 1e-5).all()
