"""Faults of a request are named in one sentence that never repeats the body."""

from __future__ import annotations

import json

import pytest

from recommender.errors import DataError
from recommender.serving.bodies import Events, Recommend, parsed


def test_an_unknown_key_says_which_keys_there_are() -> None:
    with pytest.raises(DataError, match=r"^user_id: no such key; did you mean 'user'\? Valid: as_of, candidates, .*"):
        parsed(Recommend, b'{"user_id": "secret"}')


@pytest.mark.parametrize(
    ("body", "where"), [({"user": "a", "k": "many"}, "k: "), ({"user": ["secret"]}, "user"), ([], "The body: ")]
)
def test_a_wrong_value_is_named_by_its_key_alone(body: object, where: str) -> None:
    with pytest.raises(DataError, match=f"^{where}") as refused:
        parsed(Recommend, json.dumps(body).encode())
    assert "secret" not in str(refused.value)


def test_a_key_inside_a_row_names_its_row() -> None:
    with pytest.raises(DataError, match=r"^events\.0\.place: "):
        parsed(Events, b'{"events": [{"user_id": "a", "item_id": "b", "event": "take", "place": 1}]}')
