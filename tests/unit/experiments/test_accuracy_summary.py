"""Sentences and the chart over the tables of docs/accuracy.md, by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.accuracy_summary import chart, library, points, sentences, side


def row(data: str, difference: str, **cells: str) -> dict[str, str]:
    values = {"users": "all", "measure": "NDCG@10", "ours": "0.2000", "its value": "0.1", "best other": "them_knn"}
    return {"set": data, "difference": difference, "best model": "them_knn", "library": "them"} | values | cells


UP, EVEN, DOWN = "+0.0500 [+0.0100, +0.0900] *", "-0.0100 [-0.0300, +0.0100]", "-0.0500 [-0.0900, -0.0100] *"
OVERALL = [row("books", UP), row("films", EVEN), row("songs", UP)]
GROUPS = [
    row("films", DOWN, users="1_2"),
    row("songs", DOWN, measure="recall@20 of new items"),
    row("songs", UP, users="0"),
]


def test_the_side_is_that_of_the_interval_not_of_the_mean() -> None:
    assert [side(difference) for difference in (UP, EVEN, DOWN)] == ["above", "level", "below"]


def test_each_group_in_which_ours_is_below_is_named() -> None:
    overall, groups, *_ = sentences([*OVERALL, *GROUPS], OVERALL, [])
    assert overall.endswith(": above on books, songs; level on films; below on none.")
    assert (
        "above on 3, level on 1, below on 2: users with 1 or 2 of films (them_knn 0.1, ours 0.2000); new items of songs"
        in groups
    )


def test_nothing_is_named_where_nothing_is_below() -> None:
    _, groups, one_by_one, _ = sentences(OVERALL, OVERALL, [])
    assert groups.endswith("above on 2, level on 1, below on none.")
    assert one_by_one.endswith("below in 0 of 0 comparisons.")


def test_another_may_be_ahead_where_the_best_is_not() -> None:
    cells = {"set": "films", "all": f"0.1 ({EVEN})", "0": "", "recall@20 of new items": f"0.3 ({UP})"}
    rows = [
        {"other": name, "1_2": f"0.3 ({down})"} | cells for name, down in (("a", DOWN), ("b", DOWN.replace("5", "7")))
    ]
    *_, one_by_one, _ = sentences([], [], rows)
    assert one_by_one.endswith("below in 2 of 6 comparisons: users with 1 or 2 of films (b by 0.0700 and 1 more).")


def test_baselines_come_after_libraries() -> None:
    *_, libraries = sentences(OVERALL, [row("films", DOWN, library="baselines"), *OVERALL], [])
    assert libraries.endswith("above, level and below: them 2, 1, 0; baselines 0, 0, 1.")


@pytest.mark.parametrize(
    ("name", "of"), [("rt_knn", "RecTools"), ("kindling", "kindling"), ("recent_popular", "baselines")]
)
def test_a_name_begins_with_its_library(name: str, of: str) -> None:
    assert library(name) == of


def test_the_chart_shows_percent_of_ours() -> None:
    (point,) = points([row("books", UP)])
    assert [point[name] for name in ("mean", "low", "high")] == pytest.approx([25, 5, 45])
    assert (point["what"], point["ours is"]) == ("them knn", "above")


@pytest.mark.slow
def test_the_chart_names_each_model(tmp_path: Path) -> None:
    chart(
        [row("books", UP), row("books", EVEN, library="baselines", **{"best model": "recent_popular"})],
        tmp_path / "a.svg",
    )
    drawn = (tmp_path / "a.svg").read_text()
    assert "them knn" in drawn
    assert "recent popular" in drawn
