"""A site's plan from its facts: roadmap, viability sheet, and statements that cannot both hold."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import pytest

from recommender.compare.ahead import ahead, reaches
from recommender.compare.page_model import BUILD
from recommender.experiment.facts import SCHEMA, train_facts
from recommender.experiment.run_folder import read_run
from recommender.online.realized import gain_of, realized_share
from recommender.planning import roadmap, viability
from recommender.planning.facts import contradictions, plan_facts
from recommender.planning.ranking import Chance
from recommender.planning.site_plan import SitePlan, Team, site_plan
from recommender.report import planning
from tests.helpers.out_folder import decided, write_out
from tests.helpers.small import scenario
from tests.helpers.studies import curves_of

TODAY = date(2026, 3, 2)
SITE = "jobs on simulated"
RATE = {"topic": "rate", "what": "interactions", "n": 1000, "value": 100.0}
RANKER = {
    "topic": "ahead",
    "what": "ranker",
    "over": "popularity",
    "value": 2000.0,
    "low": 1500.0,
    "high": 4000.0,
    "extra": 0.99,
}


def facts(*rows: dict[str, Any]) -> pl.DataFrame:
    blank = {**dict.fromkeys(SCHEMA), "site": SITE, "bucket": "all"}
    blank |= dict.fromkeys(("reason", "over", "split", "metric", "verdict"), "")
    return pl.DataFrame([{**blank, **r} for r in rows], schema=SCHEMA)


# --- forecasts


def test_a_rung_that_catches_up_is_forecast_to_pass_and_one_that_falls_behind_is_not() -> None:
    sizes = curves_of(
        popularity=[0.10, 0.10, 0.10, 0.10, 0.10], als=[0.02, 0.05, 0.07, 0.085, 0.095], content=[0.05] * 5
    )
    passes, never = ahead(sizes, "all", "popularity", 1.0)
    assert sizes.size[-1] <= passes.low <= passes.at <= passes.high
    assert passes.share > 0.9
    assert (never.at, never.share) == (float("inf"), 0.0)
    goal = reaches(sizes, "als", 0.1, 1.0)
    assert goal is not None
    assert goal.at == pytest.approx(passes.at, rel=0.2)
    wider = ahead(sizes, "all", "popularity", 2.0)[0]
    assert wider.low <= passes.low <= passes.high <= wider.high


# --- the calendar


def test_a_move_is_due_at_todays_rate_with_its_interval_and_building_before_it() -> None:
    chances = {"ranker": Chance(1.0, 1.0, (8.0, 5.0, 10.0)), "content": Chance(0.0, 0.0, (3.0, 2.0, 5.0))}
    steps = roadmap.moves(facts(RATE, RANKER), {"ranker": ("content",)}, chances, stop_here=False)
    (move,) = steps
    assert (move.verdict, move.weeks, move.low, move.high) == (roadmap.DUE, 10.0, 5.0, 30.0)
    assert (move.prepare, move.build_weeks, move.stop) == (("content", "ranker"), 3.0, "popularity")
    row = roadmap.table(steps, TODAY).row(0, named=True)
    assert (row["due"], row["due_from"], row["due_by"]) == (date(2026, 5, 11), date(2026, 4, 6), date(2026, 9, 28))
    assert row["start_by"] == date(2026, 3, 16)  # three weeks before the earliest


def test_what_only_may_come_has_no_day_on_which_to_start() -> None:
    chances = {"ranker": Chance(1.0, 1.0, (8.0, 5.0, 10.0))}
    steps = roadmap.moves(facts(RATE, RANKER | {"extra": 0.6}), {}, chances, stop_here=False)
    row = roadmap.table(steps, TODAY).row(0, named=True)
    assert (row["verdict"], row["start_by"]) == (roadmap.MAY, None)


def test_a_move_that_is_in_sight_for_one_group_is_not_said_to_be_out_of_sight() -> None:
    never = {"extra": 0.2, "value": None, "high": None}
    als = RANKER | {"what": "als"}
    rows = facts(RATE, RANKER, RANKER | never | {"bucket": "0"}, als | never, als | never | {"bucket": "0"})
    steps = roadmap.moves(rows, {}, {}, stop_here=False)
    plan = SitePlan(SITE, scenario().problem, [], [], None, None, steps, roadmap.table(steps, TODAY))  # type: ignore[arg-type]
    assert plan.far == ["als after popularity"]
    assert set(plan.near["move"]) == {"ranker"}


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"extra": 0.6}, roadmap.MAY),
        ({"extra": 0.2, "value": None, "high": None}, roadmap.NEVER),
        ({"value": 900.0, "low": 900.0}, roadmap.NOW),
    ],
)
def test_how_sure_a_move_is_follows_from_the_resamples(changes: dict[str, Any], verdict: str) -> None:
    (move,) = roadmap.moves(facts(RATE, RANKER | changes), {}, {}, stop_here=False)
    assert move.verdict == verdict


def test_what_ships_is_no_move_and_without_a_rate_there_is_no_date() -> None:
    assert roadmap.moves(facts(RATE, RANKER, {"topic": "ships", "what": "ranker"}), {}, {}, stop_here=False) == []
    (move,) = roadmap.moves(facts(RATE | {"value": None}, RANKER), {}, {}, stop_here=False)
    assert (move.verdict, move.weeks) == (roadmap.NO_RATE, None)


@pytest.mark.parametrize(("verdict", "n"), [("missed", 1), ("reached", 0), ("not testable", 0)])
def test_a_goal_is_on_the_roadmap_only_where_it_is_testable_and_open(verdict: str, n: int) -> None:
    goal = {
        "topic": "goal",
        "what": "router",
        "verdict": verdict,
        "reason": "the split is random" * (verdict[0] == "n"),
    }
    steps = roadmap.moves(facts(RATE, RANKER | {"over": roadmap.GOAL}, goal), {}, {}, stop_here=False)
    assert len(steps) == n


# --- viability


class Train:
    """What the sheet reads of a train, beside its facts."""

    rungs = ("popularity",)
    data: ClassVar[dict[str, Any]] = {"summary": {"n_interactions": 10_000, "n_users": 1000}}
    data_effort = pl.DataFrame(schema={"measure": pl.String, "value": pl.Float64})

    def __init__(self, **problem: Any) -> None:
        words = {"what": "", "for_whom": "", "cost_of_error": ""}
        self.scenario = scenario(problem={**words, "target": 0.1, **problem})


def sheet(target: float, **goal: Any) -> dict[str, viability.SheetAnswer]:
    """Facts of popularity at .2 [.15, .25] and four groups of users."""
    value = {"value": 0.2, "low": 0.15, "high": 0.25, "n": 500}
    rows = facts(
        {"topic": "accuracy", "what": "popularity", "metric": "ndcg_at_10", **value},
        {"topic": "goal", "what": "router", "metric": "ndcg_at_10", "verdict": "reached", **value, **goal},
        *({"topic": "ships", "bucket": str(n), "what": "popularity", "n": n} for n in (40, 90, 150, 400)),
    )
    return {a.question: a for a in viability.answers(Train(target=target), rows)}  # type: ignore[arg-type]


def test_where_popularity_reaches_the_goal_the_sheet_says_stop() -> None:
    easy = sheet(0.1)[viability.RULE]
    assert (easy.verdict, easy.what, easy.numbers["rung"]) == (viability.YES, "stop here", "popularity")
    assert sheet(0.9, verdict="missed")[viability.RULE].verdict == viability.NO
    across = sheet(0.2, verdict="not testable", reason="the goal lies inside the interval")[viability.RULE]
    blind = sheet(0.1, verdict="not testable", reason="random, a control, reaches it too")[viability.RULE]
    assert {(a.verdict, a.what) for a in (across, blind)} == {(viability.OPEN, "cannot be told")}
    assert "a control, reaches it too" in planning.sheet_html([blind])


def test_a_rule_within_segments_is_a_rule_too() -> None:
    names = ("popularity", "by_job", "content")
    train = Train(target=0.25)
    train.rungs = names
    recommenders = zip(names, ("popularity", "popularity", "content"), strict=True)
    train.scenario = scenario(
        problem=train.scenario.problem.model_dump(), ladder=[{"name": n, "recommender": r} for n, r in recommenders]
    )
    goal = {"topic": "goal", "what": "router", "verdict": "reached", "value": 0.4, "low": 0.3, "high": 0.5, "n": 500}

    def answer(by_job: float) -> viability.SheetAnswer:
        values = dict(zip(names, (0.1, by_job, 0.4), strict=True))
        ends = [{"what": n, "value": v, "low": v - 0.02, "high": v + 0.02, "n": 500} for n, v in values.items()]
        table = facts(*({"topic": "accuracy", "metric": "ndcg_at_10", **e} for e in ends), goal)
        return viability.rule(train, table.to_dicts())  # type: ignore[arg-type]

    assert [(a.what, a.numbers["rung"]) for a in (answer(0.3), answer(0.2), answer(0.26))] == [
        ("stop here", "by_job"), ("more is needed", "by_job"), ("cannot be told", "by_job"),
    ]  # fmt: skip


def test_the_sheet_begins_with_one_verdict_that_names_what_is_missing() -> None:
    start = sheet(0.1)[viability.START]
    assert (start.verdict, planning.plain_text(planning.sheet_html([start])).split(" Question")[0]) == (
        viability.YES, "You can start: nothing is missing.",
    )  # fmt: skip
    blind = sheet(0.1, verdict="not testable", reason="random, a control, reaches it too")[viability.START]
    assert blind.verdict == viability.NO
    assert "Not yet. Missing: a goal that these data can test." in planning.plain_text(planning.sheet_html([blind]))


def test_the_sheet_counts_labels_and_says_what_is_silent() -> None:
    answers = sheet(0.1)
    assert answers[viability.LABEL].numbers["n"] == 10_000
    assert answers[viability.ENOUGH].verdict == viability.OPEN  # two groups have too few lists
    assert answers[viability.TOLERABLE].what == "not stated"
    text = planning.sheet_html(list(answers.values()))
    assert "10,000 interactions of 1,000 users" in text
    assert "2 of 4 groups" in text
    assert "cost_of_error.per_1000" in text


def test_tolerable_errors_are_held_against_what_the_gain_is_worth() -> None:
    train = Train(
        users_per_week=1000, value_per_point=[1, 2], cost_of_error={"per_1000": {"out_of_reach_at_10": [1, 4]}}
    )
    gain = {"topic": "gain", "metric": "ndcg_at_10", "over": "popularity", "value": 0.05, "low": 0.04, "high": 0.06}
    harm = {"topic": "harm", "what": "router", "metric": "out_of_reach_at_10"}
    for share, verdict in ((0.05, "tolerable"), (0.2, "too much")):
        rows = facts(gain, harm | {"value": share}).to_dicts()
        (answer,) = viability._tolerable(train, rows)  # type: ignore[arg-type]
        assert answer.what == verdict
        assert answer.numbers["share"] == pytest.approx(0.1)  # 4 EUR of gain, 40 EUR were every place wrong


# --- the whole plan


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> tuple[SitePlan, pl.DataFrame]:
    run = read_run(decided(write_out(tmp_path_factory.mktemp("plan") / "out", changes=("problem.target=0.9",))))
    gain = {"value": 0.03, "low": 0.01, "high": 0.05, "metric": "ndcg_at_10"}
    more = facts(
        RATE, RANKER, RANKER | {"over": roadmap.GOAL},
        {"topic": "build", "what": "ranker", "split": "rung", "verdict": "next", "over": "what ships", **gain},
        {"topic": "build", "what": "bpr", "split": "rung", "verdict": "loss", "over": "what ships", "value": -0.03,
         "low": -0.05, "high": -0.01, "metric": "ndcg_at_10"},
    )  # fmt: skip
    table = pl.concat([train_facts(run, SITE), more])
    scenario_priced = run.scenario.model_copy(update={"person_days": {"ranker": (10, 20), "bpr": (1, 2)}})
    site_options = site_plan(SITE, table, scenario_priced, run, Team(), TODAY)
    return site_options, pl.concat([table, plan_facts(site_options)])


def test_what_a_gain_is_worth_counts_how_much_of_gains_was_realized_online(
    plan: tuple[SitePlan, pl.DataFrame],
) -> None:
    stated = plan[0].problem.model_copy(update={"value_per_point": (2.0, 2.0), "users_per_week": 1000.0})
    before = replace(plan[0], problem=stated)
    gains = [gain_of("jobs", ("1", str(n)), ("ndcg_at_10", (0.2, 0.2, 0.2)), "takes_per_list", (0.1, 0.1, 0.1))
             for n in range(3)]  # fmt: skip
    after, few = (replace(before, realized=realized_share(gains[:n])) for n in (3, 2))
    assert planning._worth(before)["ranker"] == pytest.approx({"value": 6, "low": 2, "high": 10})
    assert planning._worth(after)["ranker"] == pytest.approx({"value": 3, "low": 1, "high": 5})
    assert planning._worth(few) == planning._worth(before)
    assert "50% [50%, 50%] of an offline gain was realized online, over 3 tests. What a gain is worth" in "\n".join(
        planning.markdown([after])
    )
    assert "realized online" not in "\n".join(planning.markdown([before]))


def test_a_plan_says_nothing_against_itself_or_what_was_measured(plan: tuple[SitePlan, pl.DataFrame]) -> None:
    assert contradictions(plan[1]) == []
    assert {"option", "days", "due", "viability"} <= set(plan[1]["topic"])
    assert plan[1].filter(topic="option", what="ranker")["verdict"].item() == "likely"


@pytest.mark.parametrize(
    ("where", "change", "fault"),
    [
        ({"topic": "option", "what": "ranker"}, {"what": "als"}, "an option, and ships"),
        ({"topic": "option", "what": "ranker"}, {"extra": 1.5}, "a chance that is none"),
        ({"topic": "option", "what": "ranker"}, {"value": 0.02}, "two gains of one option"),
        ({"topic": "option", "what": "bpr"}, {"verdict": "likely"}, "likely to be best, and shown to lose"),
        ({"topic": "days", "what": "ranker"}, {"verdict": "not stated"}, "ranked without days"),
        ({"topic": "due", "what": "ranker"}, {"what": "als"}, "due, and ships"),
        ({"topic": "due", "what": "ranker"}, {"value": None}, "due without a time"),
        ({"topic": "due", "what": "ranker"}, {"extra": 0.98}, "due, and another is forecast"),
        ({"topic": "goal"}, {"verdict": "reached", "target": 0.0}, "due for a goal that is reached"),
        ({"topic": "viability", "what": viability.RULE}, {"verdict": "yes"}, "for a goal that is reached"),
        (
            {"topic": "viability", "what": viability.LABEL},
            {"over": "no label", "verdict": "no"},
            "can be started, and something is missing",
        ),
        (
            {"topic": "goal"},
            {"verdict": "not testable", "reason": "too few"},
            "enough, for a goal that cannot be tested",
        ),
    ],
)
def test_statements_of_a_plan_that_cannot_both_hold_are_named(
    plan: tuple[SitePlan, pl.DataFrame], where: dict[str, str], change: dict[str, Any], fault: str
) -> None:
    hit = pl.all_horizontal(pl.col(c) == v for c, v in where.items())
    changed = plan[1].with_columns(pl.when(hit).then(pl.lit(v)).otherwise(c).alias(c) for c, v in change.items())
    assert any(fault in named for named in contradictions(changed))


def test_page_and_files_show_the_plan(plan: tuple[SitePlan, pl.DataFrame], tmp_path: Path) -> None:
    sections = planning.sections([plan[0]])
    assert list(sections) == [BUILD, planning.ROADMAP, planning.VIABILITY]
    assert len(planning.drawn(sections)) == 2
    text = json.dumps([piece["after"] for pieces in sections.values() for piece in pieces])
    assert "2026-05-11" in text
    planning.write_plan(tmp_path, [plan[0]])
    assert pl.read_csv(tmp_path / "roadmap.csv")["move"].to_list() == ["ranker", "ranker"]
    markdown = (tmp_path / "roadmap.md").read_text()
    assert "| ranker after popularity | all users | due | 2026-05-11 |" in markdown
    assert "Is the rule-based answer enough?" in markdown
