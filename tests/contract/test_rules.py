"""What every rule promises. A new line in RULES is tested here once it has an example of its setting below."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from recommender.config import Eligibility
from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.errors import ConfigError
from recommender.ranking.candidates import Candidates
from recommender.ranking.eligibility import RULES, HardRules, Rule, read_columns, unsupported, violations
from tests.helpers.small import ask, dataset, table, times

BERLIN, POTSDAM, MUNICH = {"lat": 52.52, "lon": 13.405}, {"lat": 52.39, "lon": 13.065}, {"lat": 48.137, "lon": 11.575}
ITEMS = table(
    "item_id", list("abcd"), place=[BERLIN, POTSDAM, MUNICH, None], remote=[False, None, True, False],
    level=["junior", "senior", "lead", None], bad=[True, False, False, None], rank=[-1.0, 1.0, 2.0, None],
    moderated=times([50, 150, None, None]), blocks=[["m"], None, ["b"], None],
)  # fmt: skip
USERS = table(
    "user_id", ["b", "m", "x"], place=[BERLIN, MUNICH, None], moves=[False, True, None], level=["junior", "lead", None]
)
EXAMPLES: dict[str, Any] = {
    "reach": {"user": "place", "item": "place", "max_km": 20, "remote": "remote", "willing": "moves"},
    "seniority": {"user": "level", "item": "level", "order": ["junior", "senior", "lead"], "max_gap": 0},
    "blocked_column": "bad",
    "moderated_column": "moderated",
    "holds_column": "rank",
    "blocks_column": "blocks",
}


@pytest.fixture(params=RULES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def rule(name: str) -> Rule:
    return RULES[name]


@pytest.fixture
def rules(name: str) -> Eligibility:
    return Eligibility.model_validate({name: EXAMPLES[name]})


def queries(users: Table = USERS) -> Queries:
    return ask([()] * len(users), ITEMS, users, as_of=100.0)


def shown(rules: Eligibility, items: Table = ITEMS, users: Table = USERS) -> np.ndarray:
    return Candidates(items, rules, np.arange(len(items))).eligible(queries(users))


def data(items: Table = ITEMS, users: Table = USERS) -> Dataset:
    return dataset([("b", "a", 1.0)], items, users)


def test_a_rule_shuts_out_some_items_and_not_all(rules: Eligibility) -> None:
    assert 0 < shown(rules).sum() < shown(rules).size
    assert shown(Eligibility()).all()


def test_the_name_of_a_rule_is_a_key_of_eligibility(name: str) -> None:
    assert name in Eligibility.model_fields


def test_what_is_measured_is_what_is_shut_out(rules: Eligibility, rule: Rule) -> None:
    row, item = (x.ravel() for x in np.indices((len(USERS), len(ITEMS))))
    (metric, against), *others = violations(queries(), ITEMS, rules, (row, item)).items()
    assert not others
    assert metric == rule.metric
    np.testing.assert_array_equal(~against.reshape(len(USERS), len(ITEMS)), shown(rules))


def test_a_missing_value_never_blocks(rules: Eligibility) -> None:
    assert shown(rules)[:, ITEMS.ids.to_list().index("d")].all()
    nothing = replace(USERS, frame=USERS.frame.with_columns(place=None, level=None, moves=None))
    if any(RULES[name].user_columns for name in rules.model_fields_set):
        assert shown(rules, users=nothing).all()


@pytest.mark.parametrize("name", [name for name, example in EXAMPLES.items() if isinstance(example, dict)])
def test_a_rule_that_is_not_hard_is_measured_and_blocks_nothing(name: str) -> None:
    soft = Eligibility.model_validate({name: EXAMPLES[name] | {"hard": False}})
    assert shown(soft).all()
    assert violations(queries(), ITEMS, soft, (np.array([0]), np.array([2])))[RULES[name].metric].shape == (1,)
    assert unsupported(soft, data()) == {}


def test_every_declared_column_is_needed_and_no_other_is_read(rules: Eligibility, rule: Rule, name: str) -> None:
    declared = rule.columns(getattr(rules, name))
    assert set(read_columns(rules)) == {*declared["users"], *declared["items"]}
    for table_, given in (("items", ITEMS), ("users", USERS)):
        for column in set(given.frame.columns) - {given.key}:
            less = {table_: replace(given, frame=given.frame.drop(column))}
            if column in declared[table_]:
                assert f"no column '{column}'" in unsupported(rules, data(**less))[name]
                with pytest.raises(ConfigError, match=f"no column '{column}'"):
                    shown(rules, **less)
            else:
                np.testing.assert_array_equal(shown(rules, **less), shown(rules))


def test_no_rule_reads_a_protected_column(rules: Eligibility, rule: Rule, name: str) -> None:
    for table_, given in (("items", ITEMS), ("users", USERS)):
        for column in rule.columns(getattr(rules, name))[table_]:
            protected = {table_: replace(given, roles={**given.roles, column: "protected"})}
            with pytest.raises(ConfigError, match="is protected"):
                shown(rules, **protected)


def test_item_columns_are_read_once_for_all_batches(rules: Eligibility, monkeypatch: pytest.MonkeyPatch) -> None:
    bound = HardRules(ITEMS, rules)
    first = [shut.copy() for shut in bound.shut(queries())]
    monkeypatch.setattr(pl.DataFrame, "__getitem__", _refused(ITEMS.frame))
    for one, other in zip(first, bound.shut(queries()), strict=True):
        np.testing.assert_array_equal(one, other)


def _refused(frame: pl.DataFrame) -> Any:
    """Reading a column of this frame is an error."""
    read = pl.DataFrame.__getitem__

    def getitem(self: pl.DataFrame, key: Any) -> Any:
        assert self is not frame, f"{key} is read again"
        return read(self, key)

    return getitem
