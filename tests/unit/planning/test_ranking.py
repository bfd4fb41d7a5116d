"""Options by the chance to be among the best three: drawn, with needs, overlap and the team's factor."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from recommender.config import ProblemStatement
from recommender.experiment.facts import SCHEMA
from recommender.planning.done import Bias
from recommender.planning.estimates import TeamEstimate
from recommender.planning.options import Proposal, closed, proposals
from recommender.planning.ranking import ranked
from tests.helpers.small import scenario

PROBLEM = ProblemStatement(what="", for_whom="", target=0.1, cost_of_error="")  # type: ignore[arg-type]


def proposal(what: str, gain: float, days: float | None = 10.0, half: float = 0.0001, **more: Any) -> Proposal:
    stated = None if days is None else (days, days)
    reason = "days not stated" if days is None else ""
    fields = {"group": what, "confirmed": True, **more}
    return Proposal(
        what, "part", gain=(gain, gain - half, gain + half), source="measured", over="", stated=stated, reason=reason,
        **fields,
    )  # fmt: skip


def chances(*options: Proposal) -> dict[str, tuple[float, float]]:
    return {p.what: (c.best, c.first) for p, c in ranked(options, PROBLEM, Bias())}


def test_value_per_day_decides_and_three_are_picked() -> None:
    options = [proposal(f"o{n}", 0.01 * n, days=10.0) for n in range(1, 5)]
    assert chances(*options) == {"o4": (1.0, 1.0), "o3": (1.0, 0.0), "o2": (1.0, 0.0), "o1": (0.0, 0.0)}
    quick = proposal("quick", 0.005, days=0.1)
    assert chances(*options, quick)["quick"] == (1.0, 1.0)


def test_an_unsure_gain_has_a_chance_between() -> None:
    unsure = chances(proposal("unsure", 0.0, half=0.05))["unsure"][0]
    assert unsure == pytest.approx(0.5, abs=0.05)
    assert chances(proposal("loses", -0.02, half=0.001))["loses"] == (0.0, 0.0)
    assert chances(proposal("test only", 0.05, half=0.02, confirmed=False))["test only"][0] < 0.6


def test_draws_repeat_by_seed_and_differ_between_seeds() -> None:
    options = [proposal(f"o{n}", 0.01, half=0.02) for n in range(5)]
    assert chances(*options) == chances(*options)
    assert ranked(options, PROBLEM, Bias(), seed=1)[0][1] != ranked(options, PROBLEM, Bias(), seed=0)[0][1]


def test_what_an_option_needs_is_built_with_it() -> None:
    ranker, content = proposal("ranker", 0.02, needs=("content",)), proposal("content", 0.001, days=90.0)
    rival = proposal("rival", 0.02, days=50.0)
    assert chances(ranker, content, rival)["ranker"][1] == 0.0  # .02 for 100 days against .02 for 50
    assert chances(ranker, rival)["ranker"][1] == 1.0
    assert closed("ranker", {"ranker": ["content"], "content": ["text", "ranker"]}, ()) == ("text", "content")
    assert closed("ranker", {"ranker": ["content"]}, {"content"}) == ()


def test_options_of_one_group_count_only_for_what_they_add() -> None:
    one, less = proposal("als", 0.02, group="rung"), proposal("ease", 0.019, group="rung")
    others = [proposal("a", 0.001), proposal("b", 0.001)]
    assert chances(one, less, *others) == {"als": (1.0, 1.0), "a": (1.0, 0.0), "b": (1.0, 0.0), "ease": (0.0, 0.0)}


def test_the_teams_factor_lengthens_the_days() -> None:
    team = Bias((2.0, 2.0, 2.0))
    ((_, chance),) = ranked([proposal("a", 0.01)], PROBLEM, team)
    assert chance.days == (20.0, 20.0, 20.0)


def test_what_has_no_days_is_listed_last_with_the_reason() -> None:
    options = ranked([proposal("unstated", 0.5, days=None), proposal("a", 0.01)], PROBLEM, Bias())
    assert [p.what for p, _ in options] == ["a", "unstated"]
    assert options[1][1].best == 0.0
    assert ranked([], PROBLEM, Bias()) == []


def facts(*rows: dict[str, Any]) -> pl.DataFrame:
    blank = {
        **dict.fromkeys(SCHEMA),
        "site": "jobs on simulated",
        "bucket": "all",
        "reason": "",
        "over": "",
        "split": "",
    }
    return pl.DataFrame([{**blank, **r} for r in rows], schema=SCHEMA)


def test_proposals_come_from_what_was_measured_else_from_what_the_team_guesses() -> None:
    measured = {"value": 0.02, "low": 0.01, "high": 0.03}
    table = facts(
        {"topic": "ships", "what": "popularity"},
        {"topic": "build", "what": "ranker", "split": "rung", "verdict": "next", **measured},
        {
            "topic": "build",
            "what": "als",
            "split": "rung",
            "verdict": "open",
            "over": "in the test period only",
            **measured,
        },
        {"topic": "asset", "what": "labels", "verdict": "gain", **measured},
    )
    plan = {"needs": {"ranker": ["content"]}, "actions": {"label 500 items": "labels", "buy": None}}
    scenario_priced = scenario(plan=plan, person_days={"ranker": [10, 20], "label 500 items": [3, 4], "als": [1, 2]})
    guesses = {
        "buy": [TeamEstimate("a", "buy", (1, 2, 3), impact=2.0), TeamEstimate("b", "buy", (1, 2, 3), impact=4.0)],
        "chat": [TeamEstimate("a", "chat", (1, 2, 3))],
        "popularity": [TeamEstimate("a", "popularity", (1, 2, 3))],
    }
    by_option = {p.what: p for p in proposals(table, scenario_priced, guesses, {"als"})}
    assert set(by_option) == {"ranker", "als", "label 500 items", "buy", "chat", "content"}  # popularity ships
    assert by_option["ranker"].needs == ("content",)
    reason = "an upper limit: “labels” is worth that much today, more of it may bring less"
    assert by_option["label 500 items"].source == reason
    assert by_option["buy"].gain == pytest.approx((0.03, 0.0, 0.06))
    assert not by_option["als"].confirmed
    reasons = {what: p.reason for what, p in by_option.items() if p.reason}
    unknown = "gain neither measured nor estimated"
    assert reasons == {"als": "is built, and does not ship", "chat": unknown, "content": unknown}
    best = [p.what for p, _ in ranked(list(by_option.values()), PROBLEM, Bias())][:3]
    assert set(best) == {"ranker", "label 500 items", "buy"}
    assert np.isfinite([c.best for _, c in ranked(list(by_option.values()), PROBLEM, Bias())]).all()
