"""Content: profiles from history and from what users say of themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recommender.data.stated import Match
from recommender.errors import ConfigError
from recommender.models.content import Content
from tests.helpers.small import Row, ask, dataset, table

TITLES = {"n1": "night nurse", "n2": "head nurse", "d1": "truck driver", "d2": "bus driver", "empty": None}
ROWS: list[Row] = [("u", "n1", 0), ("v", "d1", 1)]
MATCH = (Match("was", "title"),)


def items(**more: str) -> Any:
    titles = TITLES | more
    return table("item_id", list(titles), {"title": "text"}, title=list(titles.values()))


def people(*was: str | None) -> Any:
    return table("user_id", [f"q{n}" for n in range(len(was))], {"was": "text"}, was=list(was))


def scores(histories: Any, asking: Any = None, candidates: Any = None, **params: Any) -> dict[str, list[float]]:
    users = table("user_id", ["u", "v"], {"was": "text"}, was=["nurse", "driver"])
    model = Content(**params).fit(dataset(ROWS, items(), users, MATCH))
    candidates = candidates or items()
    values = model.score(ask(histories, candidates, asking or people(*[None] * len(histories))), candidates)
    return dict(zip(candidates.ids.to_list(), values.T.tolist(), strict=True))


def test_history_leads_to_items_like_it() -> None:
    values = scores([["n1"], ["d1"]])
    assert values["n2"][0] > values["d2"][0]
    assert values["n2"][1] < values["d2"][1]


def test_a_user_without_history_is_served_by_what_they_say_of_themselves() -> None:
    values = scores([[], []], people("nurse", "driver"))
    assert values["n2"][0] > 0.2 > values["d2"][0]
    assert values["d2"][1] > 0.2 > values["n2"][1]


def test_neither_history_nor_words_is_unknown() -> None:
    values = scores([[], [], ["empty"]], people(None, "", None))
    assert np.isnan(list(values.values())).all()


def test_an_item_without_features_is_unknown_and_a_new_one_is_not() -> None:
    values = scores([["n1"]], candidates=items(new="nurse of the night"))
    assert np.isnan(values["empty"][0])
    assert values["new"][0] > values["n2"][0] > 0


def test_scores_are_cosines() -> None:
    values = scores([["n1"]])
    assert values["n1"][0] == pytest.approx(1, abs=1e-5)
    assert all(-1e-6 <= v[0] <= 1 + 1e-6 for i, v in values.items() if i != "empty")


def test_the_latest_interactions_weigh_most() -> None:
    values = scores([["n1", "d1"], ["d1", "n1"]], half_life_positions=1)
    assert values["d2"][0] > values["n2"][0]
    assert values["n2"][1] > values["d2"][1]


def test_without_a_half_life_the_order_of_a_history_does_not_matter() -> None:
    undecayed = scores([["n1", "d1"], ["d1", "n1"]], half_life_positions=None)
    for values in undecayed.values():
        np.testing.assert_allclose(values[0], values[1], rtol=1e-5)


def test_words_count_beside_history_as_much_as_match_weight_says() -> None:
    asking = people("driver")
    weak, strong = scores([["n1"]], asking, match_weight=0.1), scores([["n1"]], asking, match_weight=3)
    assert weak["n2"][0] > weak["d2"][0]
    assert strong["n2"][0] < strong["d2"][0]
    np.testing.assert_allclose(scores([["n1"]], asking, match_weight=0)["d2"], scores([["n1"]])["d2"], rtol=1e-6)


def test_how_rare_a_word_is_comes_from_training_only() -> None:
    """A thousand new items full of one word do not make that word less telling."""
    flood = {f"x{n}": "nurse" for n in range(1000)}
    assert scores([["n1"]], candidates=items(**flood))["n2"] == pytest.approx(scores([["n1"]])["n2"], rel=1e-5)


def test_a_column_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"items\.titel cannot be a model feature: .*did you mean 'title'"):
        scores([[]], columns=["titel"])
