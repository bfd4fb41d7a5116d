"""The bias audit: rates by group, impact ratios, small groups; and the exposure that it reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.config import Audit
from recommender.evaluation.audit import audit_sentences, audit_table, impact_ratios
from recommender.names import PLAIN, ROUTER
from tests.helpers.audits import group

SAMPLED = ["ratio_low", "ratio_high", "differs"]
AUDIT = Audit(columns=["sex", "age"], favourable={"column": "pay"}, at_least=2)  # type: ignore[arg-type]


def cell(table: pl.DataFrame, label: str, grouping: str = "sex", outcome: str = "selection", rung: str = ROUTER) -> Any:
    return table.filter(rung=rung, grouping=grouping, group=label, outcome=outcome).row(0, named=True)


def test_rates_and_ratios_are_those_counted_by_hand() -> None:
    table = audit_table(group(["f"] * 4 + ["m"] * 5, [1, 0, 0, 0, 1, 1, 1, 1, 0]), AUDIT, 200, 0)
    f, m = cell(table, "f"), cell(table, "m")
    assert (f["n_users"], f["rate"], m["rate"]) == (4, 0.25, 0.8)
    assert f["ratio"] == pytest.approx(0.3125)
    assert (m["ratio"], m["best"], f["best"]) == (1, True, False)
    assert f["ratio_low"] < 0.3125 < f["ratio_high"]
    assert cell(table, "f", outcome="exposure")["rate"] == 0.125
    assert cell(table, "f", rung=PLAIN)["ratio"] == pytest.approx(0.3125)


def test_groups_under_the_least_share_have_a_rate_but_no_ratio_and_are_not_the_best() -> None:
    sex = ["x"] + ["f"] * 50 + ["m"] * 49
    table = audit_table(group(sex, [1] + [1, 0] * 25 + [0] * 49), AUDIT, 100, 0)
    x = cell(table, "x")
    assert (x["rate"], x["ratio"], x["counted"], x["best"]) == (1.0, None, False, False)
    assert cell(table, "f")["best"]
    assert cell(table, "m")["ratio"] == 0


def test_users_who_state_no_group_stand_in_none() -> None:
    table = audit_table(group(["f", "m", None, None], [1, 1, 0, 0]), AUDIT, 100, 0)
    assert set(table["group"]) == {"f", "m"}
    assert set(table["grouping"]) == {"sex"}, "nobody states an age, so there is no grouping by it"
    assert cell(table, "f")["ratio"] == 1


def test_intersections_are_groups_too() -> None:
    groups = group(["f", "f", "m", "m"], [0, 1, 1, 1], age=["old", "young", "old", None])
    table = audit_table(groups, AUDIT, 100, 0)
    assert set(table.filter(grouping="sex × age")["group"]) == {"f × old", "f × young", "m × old"}
    assert cell(table, "f × old", "sex × age")["ratio"] == 0


def test_each_user_counts_once() -> None:
    groups = group(["f", "f", "m"], [1, 0, 1], first=[True, False, True])
    assert cell(audit_table(groups, AUDIT, 100, 0), "f")["n_users"] == 1


def test_an_empty_list_is_no_outcome() -> None:
    table = audit_table(group(["f", "f", "m"], [1, np.nan, 1]), AUDIT, 100, 0)
    assert cell(table, "f")["rate"] == 1


def test_where_nobody_is_selected_there_is_no_ratio() -> None:
    table = audit_table(group(["f", "m"], [0, 0]), AUDIT, 100, 0)
    assert table.filter(pl.col("outcome") != "taken")["ratio"].drop_nulls().is_empty()
    assert audit_sentences(table, AUDIT) == []


def test_the_sentence_names_both_groups_the_ratio_and_whether_it_is_low() -> None:
    ((sentence, low),) = audit_sentences(
        audit_table(group(["f"] * 8 + ["m"] * 8, [1, 0, 0, 0] * 2 + [1] * 8), AUDIT, 100, 0), AUDIT
    )
    assert low
    for part in ("by sex", "25% of the users of 'f'", "2 favourable items", "100% of 'm'", "ratio 0.25", "four fifths"):
        assert part in sentence
    ((equal, low),) = audit_sentences(audit_table(group(["f", "m"], [1, 1]), AUDIT, 100, 0), AUDIT)
    assert not low
    assert "four fifths" not in equal


def test_a_low_ratio_that_chance_gives_is_no_warning_and_says_so() -> None:
    few = group(["f"] * 3 + ["m"] * 3 + ["x"] * 3, [1, 1, 0, 1, 1, 1, 1, 1, 1])
    ((sentence, low),) = audit_sentences(audit_table(few, AUDIT, 200, 0), AUDIT)
    assert not low
    assert "ratio 0.67" in sentence
    assert "the lowest of 2 may be as low by chance" in sentence


def test_a_log_that_favours_a_group_is_told_beside_lists_that_do_not() -> None:
    groups = group(["f"] * 40 + ["m"] * 40, [1] * 80)
    groups.outcomes[0][ROUTER].values["taken_favourable_share"][:] = [0.2] * 40 + [0.8] * 40  # type: ignore[index]
    (lists, low), (log, biased) = audit_sentences(audit_table(groups, AUDIT, 200, 0), AUDIT)
    assert "ratio 1.00" in lists
    assert not low
    assert "Audit of the log by sex: 20% of what users of 'f' took is favourable" in log
    assert biased


def test_the_lowest_ratio_of_each_column_and_outcome_is_tracked() -> None:
    groups = group(["f", "f", "m", "m"], [0, 1, 1, 1], age=["old", "young", "old", "young"])
    ratios = impact_ratios(audit_table(groups, AUDIT, 100, 0), ROUTER)
    assert ratios["impact_ratio/sex"] == 0.5
    assert ratios["impact_ratio_exposure/sex"] == 0.5
    assert ratios["impact_ratio/sex_by_age"] == 0
    assert set(ratios) >= {"impact_ratio/age", "impact_ratio_hits/age"}


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.tuples(st.sampled_from("fmx"), st.integers(0, 1)), min_size=3, max_size=30),
    turn=st.randoms(),
)
def test_ratios_lie_between_0_and_1_and_do_not_depend_on_the_order_of_users(rows: Any, turn: Any) -> None:
    table = audit_table(group([s for s, _ in rows], [v for _, v in rows]), AUDIT, 100, 0)
    turn.shuffle(rows)
    mixed = audit_table(group([s for s, _ in rows], [v for _, v in rows]), AUDIT, 100, 0)
    assert table.drop(SAMPLED).equals(mixed.drop(SAMPLED))
    ratio = table["ratio"].drop_nulls()
    assert ((ratio >= 0) & (ratio <= 1)).all()
