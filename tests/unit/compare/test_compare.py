"""Comparisons: which cells they need, who wins from when on, what is said of it with which evidence, and the page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.compare import answers, build_next, cost, day_one, page_model, plan, side_by_side, wording
from recommender.compare.build_next import Option, ranked
from recommender.compare.moves import ahead, collected, moves
from recommender.compare.page import compare_sites
from recommender.compare.page_model import Comparison, Evidence
from recommender.compare.site import Site, read_sites
from recommender.compare.tables import ladder, tables
from recommender.config import Slots
from recommender.errors import ConfigError
from recommender.experiment.blends import Blend
from recommender.experiment.climb import Choice
from recommender.experiment.decision import Decision
from recommender.names import ALL, USER_BUCKETS
from recommender.report import comparison as report
from recommender.studies import transfer
from recommender.studies.charts import frontier
from recommender.studies.engine.finding import NOT_ENOUGH
from recommender.studies.engine.measured import Measured
from recommender.studies.engine.plan import DATA, SCENARIO
from recommender.studies.engine.run import run
from tests.helpers.studies import made, source

SMALL = ["split.min_train=20", "bootstrap=100", "split.validation=[0.6]", "decision.thin=10"]
STUDIES = {name: plan.load(name, quick=True) for name in (plan.VOLUME, plan.VALUE, plan.TRANSFER, plan.PARTS)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="module")
def cells(folder: Path) -> dict[str, list[Measured]]:
    """What a quick comparison of two scenarios measures, on a small world."""
    found = {}
    for place in plan.site_specs(["catalog", "jobs"], []):
        mine: list[Measured] = []
        for names in ([plan.TRANSFER], [plan.VOLUME, plan.VALUE, plan.PARTS]):
            wanted = [c for n in names for c in plan.needed(STUDIES[n], place, True, SMALL, mine)]
            more, failures = run(plan.affordable(wanted, folder, source()), folder, source(), lambda _: None)
            assert not failures, [str(f) for f in failures]
            mine += more
        found[place.name] = mine
    return found


@pytest.fixture(scope="module")
def read(cells: dict[str, list[Measured]]) -> list[Site]:
    return read_sites(cells, STUDIES)


@pytest.fixture(scope="module")
def again(read: list[Site], folder: Path) -> list[Measured]:
    more = transfer.more(STUDIES[plan.TRANSFER], side_by_side.named(read))
    found, failures = run([plan.of_study(c, plan.TRANSFER) for c in more], folder, source(), lambda _: None)
    assert not failures
    return found


@pytest.fixture(scope="module")
def comparison(read: list[Site], again: list[Measured]) -> Comparison:
    evidence = [
        Evidence(f"{study}, {s.name}", runs, {r.folder: {r.rungs[0]: "http://ui/run"} for r in runs})
        for s in read
        for study, runs in s.runs.items()
    ]
    return compare_sites(read, again, evidence, ["<b>mind</b>"])


# --- which cells


@pytest.mark.parametrize("quick", [False, True])
def test_the_levels_of_a_comparison_are_levels_of_its_studies(quick: bool) -> None:
    grid = plan.QUICK_GRID if quick else plan.GRID
    study = plan.load(plan.VOLUME, quick)
    assert all(set(levels) <= set(study.grid[axis]) for axis, levels in grid.items())
    assert set(plan.QUICK_PAIRS) - {""} <= set(plan.load(plan.VALUE, False).pairs["all"])
    (place,) = plan.site_specs(["jobs"], [])
    wanted = [c for c, needed in plan.needed(study, place, quick, [], []) if needed]
    assert len(wanted) == np.prod([len(levels) for levels in grid.values()])


def test_the_sizes_of_a_comparison_suffice_for_a_back_test() -> None:
    sizes = sorted(map(float, plan.GRID["size"]))
    assert sum(s <= sizes[-1] / 2 for s in sizes) >= 3


def test_parts_are_read_where_they_are_kept_and_never_measured() -> None:
    (place,) = plan.site_specs(["jobs"], [])
    assert not any(needed for _, needed in plan.needed(plan.load(plan.PARTS, False), place, False, [], []))


def test_what_a_full_study_measured_is_read_beside_what_is_needed(
    folder: Path, cells: dict[str, list[Measured]]
) -> None:
    (place, _) = plan.site_specs(["catalog", "jobs"], [])
    study = STUDIES[plan.VOLUME]
    shorter = study.model_copy(update={"grid": {**study.grid, "size": {"0.15": study.grid["size"]["0.15"]}}})
    deciding = [c for c in cells[place.name] if c.folder.parent.name == plan.TRANSFER]
    unneeded = ((c, False) for c, _ in plan.needed(shorter, place, True, SMALL, deciding))
    assert len(plan.affordable(unneeded, folder, source())) == 1
    others = ((c, False) for c, _ in plan.needed(shorter, place, True, [*SMALL, "seed=77"], deciding))
    assert plan.affordable(others, folder, source()) == []


def test_a_rung_has_one_setting_and_with_all_data_one_number_in_every_section(read: list[Site]) -> None:
    for site in read:
        assert site.decided is not None
        (full,) = (c for c in site.runs[plan.VOLUME] if c.labels["size"] == "1")
        base = next(c for c in site.runs[plan.VALUE] if not c.labels["pair"])
        chosen = site.decided.decision.parameters
        assert len(chosen) >= 5
        for cell in (*site.runs[plan.VOLUME], base):
            assert cell.done["parameters"] == chosen
        for rung in chosen:
            told = [c.metrics.filter(split="test", metric=site.metric, rung=rung) for c in (site.decided, full, base)]
            values = [t.filter(slice=ALL, item_bucket=ALL).sort("user_bucket")["value"].to_list() for t in told]
            assert values[0] == values[1] == values[2]


def test_more_data_come_with_their_scenario() -> None:
    assert [p.name for p in plan.site_specs(["jobs", "ugc"], ["jobs:a/b"])] == [
        "jobs on simulated",
        "ugc on simulated",
        "jobs on a/b",
    ]
    assert plan.site_specs(["jobs"], ["mine"])[1].data == "mine"
    assert plan.site_specs(["jobs"], [], ["data.source=mine"])[0].name == "jobs on mine"
    with pytest.raises(ConfigError, match="DATA=jobs:mine"):
        plan.site_specs(["jobs", "ugc"], ["mine"])
    with pytest.raises(ConfigError, match="did you mean 'jobs'"):
        plan.site_specs(["job"], [])


# --- who wins from when on


def test_a_rung_serves_until_one_above_overtakes_it_for_good() -> None:
    found = made(popularity=[0.1] * 5, content=[0.08, 0.11, 0.12, 0.12, 0.12], als=[0.02, 0.06, 0.1, 0.14, 0.18])
    path, unsure = moves(found, ALL)
    assert [s.rung for s in path] == ["popularity", "content", "als"]
    assert path[0].at == -np.inf
    assert path[1].at < path[2].at
    assert not unsure


def test_a_rung_that_is_overtaken_before_it_leads_is_left_out() -> None:
    path, _ = moves(made(popularity=[0.1] * 5, content=[0.05, 0.05, 0.09, 0.12, 0.12], als=[0.2] * 5), ALL)
    assert [(s.rung, s.at) for s in path] == [("als", -np.inf)]


def test_a_lead_that_is_chance_moves_nobody_and_is_told_as_open() -> None:
    path, unsure = moves(made(popularity=[0.1] * 5, als=[0.1] * 4 + [0.1005]), ALL)
    assert [s.rung for s in path] == ["popularity"]
    assert [c.rung for c in unsure] == ["als"]


@given(st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=2, max_size=5))
@settings(max_examples=50, deadline=None)
def test_steps_go_up_the_ladder_and_never_back_in_size(curves: list[list[float]]) -> None:
    found = made(resamples=50, **{f"rung{n}": values for n, values in enumerate(curves)})
    path, _ = moves(found, ALL)
    order = [found.rungs.index(s.rung) for s in path]
    assert order == sorted(order)
    assert [s.at for s in path] == sorted(s.at for s in path)
    assert path[0].at == -np.inf


def test_who_is_ahead_at_one_size_is_told_by_that_size_alone() -> None:
    found = made(popularity=[0.1] * 5, als=[0.15, 0.1, 0.1, 0.1, 0.05])
    assert [ahead(found, ALL, n) for n in (0, 4)] == ["als", "popularity"]


def test_nothing_cheaper_on_the_frontier_is_as_accurate() -> None:
    points = pl.DataFrame({"rung": ["a", "b", "c", "d"], "value": [0.1, 0.3, 0.2, 0.4], "cpu_s": [1.0, 2, 3, 4]})
    assert frontier(points) == ["a", "b", "d"]


# --- what to build


def option(what: str, gain: float, low: float, days: tuple[float, float] | None, value: float | None = None) -> Option:
    return Option("jobs", what, "rung", gain, low, gain + 0.01, low > 0, "popularity", "yes", 1.0, days, value, ())


def test_what_to_build_is_ranked_by_impact_per_stated_day_and_only_where_shown_to_gain() -> None:
    unsure, dear = option("unsure", 0.5, -0.1, (1, 1)), option("dear", 0.1, 0.05, (10, 30))
    cheap, unstated = option("cheap", 0.05, 0.01, (1, 3)), option("unstated", 0.9, 0.5, None)
    assert [o.what for o in ranked([unsure, dear, unstated, cheap])] == ["cheap", "dear", "unstated", "unsure"]
    assert (cheap.impact, cheap.per_day) == (pytest.approx(5), pytest.approx(2.5))


def test_the_teams_own_value_weighs_the_gain() -> None:
    found = ranked([option("small", 0.02, 0.01, (1, 1), value=10), option("large", 0.05, 0.01, (1, 1), value=1)])
    assert [o.what for o in found] == ["small", "large"]
    assert found[0].impact == pytest.approx(20)


# --- what is said


def test_groups_of_users_are_told_by_their_names(read: list[Site]) -> None:
    told = {
        ("0", "1_2", "3_9", "10_plus"): "all users",
        ("0",): "users with no history",
        ("1_2", "3_9", "10_plus"): "users with history",
        ("0", "1_2_returning", "3_9_returning", "10_plus_returning"): (
            "users with no history, and users with history who come back after 1 day or more"
        ),
        ("1_2", "10_plus"): "users with 1–2 earlier interactions or with 10 or more earlier interactions",
    }
    assert {segments: wording.users(list(segments), read[0]) for segments in told} == told


def test_every_place_answers_the_five_questions(comparison: Comparison) -> None:
    for part in comparison.sites:
        assert tuple(part.answers) == page_model.QUESTIONS
        assert all(part.answers.values())


def test_every_sentence_with_a_number_of_its_own_names_evidence_that_the_page_lists(comparison: Comparison) -> None:
    listed = {e.name for e in comparison.evidence}
    for part in (*comparison.sites, *comparison.side_by_side):
        for sentence in (*part.sentences, *(s for told in part.answers.values() for s in told)):
            assert set(sentence.evidence) <= listed
            assert sentence.evidence or not re.search(r"\d\.\d{3,}", sentence.text), sentence.text


def test_the_goal_is_reached_missed_or_open_by_the_whole_interval(read: list[Site]) -> None:
    value, low, high = read[0].value() or (0, 0, 0)
    for target, verdict in ((low / 2, "reached."), (high + 0.1, "missed."), (value, NOT_ENOUGH.lower())):
        problem = read[0].scenario.problem.model_copy(update={"target": target})
        site = replace(read[0], scenario=read[0].scenario.model_copy(update={"problem": problem}))
        assert any(verdict in s.text for s in day_one.day_one(site))


def test_a_rung_that_is_blended_in_is_told_with_its_gain_on_validation(read: list[Site]) -> None:
    blend = Blend("als", 0.01, 0.005, 0.015, 0.001, 100)
    decided = replace(read[0].decided)
    blends = {"0": blend, "with_history_returning": blend}
    vars(decided)["decision"] = replace(decided.decision, blends=blends)
    site = replace(read[0], runs={**read[0].runs, plan.TRANSFER: [decided]})
    told = [s.text for s in day_one.day_one(site) if "merged in" in s.text]
    assert told[0] == (
        "For users with no history the lists of als are merged in (reciprocal rank fusion): NDCG@10 +0.0100 [+0.0050, "
        "+0.0150] on the validation periods."
    )
    assert "users with history who come back after 1 day or more" in told[1]


def test_a_rung_that_wins_on_the_test_period_only_is_told_as_such_on_day_one_and_where_to_move(
    read: list[Site],
) -> None:
    row = {"rung": "als", "user_bucket": ALL, "sentence": "Looking back, als gains ndcg_at_10."}
    for mean_low, proven in ((-0.1, False), (0.1, True)):
        decided = replace(read[0].decided)
        vars(decided)["hindsight"] = [row | {"mean_low": mean_low}]
        site = replace(read[0], runs={**read[0].runs, plan.TRANSFER: [decided]})
        vars(site)["curves_or_error"] = made(popularity=[0.1] * 5, als=[0.05, 0.09, 0.12, 0.14, 0.15])
        assert any("Looking back, als gains NDCG@10." in s.text for s in day_one.day_one(site))
        when = [s.text for s in answers.when(site)]
        assert any(f"{NOT_ENOUGH} to move to als: in the test period it is ahead" in s for s in when) is not proven
        assert any("then als from about" in s for s in when) is proven
        assert [s.rung for s in site.moves()[0]] == ["popularity", "als"][: 1 + proven]


GAIN = {"difference": 0.0, "ci_low": -0.01, "ci_high": 0.01, "p_holm": 1.0, "n_queries": 99, "other_rung": ""}
LESS = GAIN | {"difference": -0.05, "ci_low": -0.06, "ci_high": -0.04, "p_holm": 0.001}


def deciding(without_history: str, with_history: str) -> Decision:
    """One rung for users without history, one for all others, and no places for new items."""
    warm = dict.fromkeys(USER_BUCKETS[1:], Choice(with_history))
    return Decision(choices={USER_BUCKETS[0]: Choice(without_history), **warm})


def chose(site: Site, alone: dict[str, dict[str, object]], hindsight: Sequence[dict[str, object]] = ()) -> Site:
    """Validation chose popularity and ranker; single rungs compare with that as told."""
    decided = replace(site.decided)
    vars(decided).update(decision=deciding("popularity", "ranker"), hindsight=list(hindsight))
    made = with_days(site, {"popularity": (1, 2), "ease": (2, 4), "als": (3, 6), "ranker": (10, 20)}, 0.1)
    made = replace(made, runs={**site.runs, plan.TRANSFER: [decided]})
    vars(made)["against_shipped"] = alone
    return made


def test_the_rung_of_least_person_days_that_is_not_shown_to_be_worse_is_built_first(read: list[Site]) -> None:
    site = chose(read[0], {"popularity": LESS, "als": GAIN, "ease": GAIN, "ranker": GAIN | {"difference": 0.005}})
    assert site.build_first == "ease"
    vars(site)["curves_or_error"] = made(popularity=[0.1] * 5, ease=[0.2] * 5)
    assert day_one.day_one(site)[0].text.startswith(
        "In short: build ease first (2 to 4 stated person-days). The full set-up"
    )
    vars(site)["curves_or_error"] = made(popularity=[0.1] * 5, ease=[0.05, 0.09, 0.12, 0.14, 0.15])
    told = day_one.day_one(site)[0].text
    days = "start with popularity (1 to 2 stated person-days), then build ease (2 to 4 stated person-days)."
    assert told.startswith(f"In short: {days} The full set-up that validation chose, popularity, ranker")
    assert "popularity, ranker (11 to 22 stated person-days), is not shown to be better" in told
    assert "ease alone changes NDCG@10 by +0.0000 [-0.0100, +0.0100] (n=99)" in told
    equal = chose(read[0], {"popularity": LESS, "ease": GAIN, "item_knn": GAIN})  # of whom no days are stated come last
    assert equal.build_first == "ease"


def test_places_for_new_items_that_the_rung_to_build_first_does_not_fill_are_told(read: list[Site]) -> None:
    site = chose(read[0], {"popularity": LESS, "ease": GAIN})
    assert site.decided is not None
    for chooser, told in (("ranker", True), ("ease", False)):
        slots = Slots(n=2, of=20, rung=chooser)
        vars(site.decided)["decision"] = replace(site.decided.decision, slots=slots)
        assert ("Places for new items, which" in day_one.day_one(site)[0].text) is told
        assert site.shipped_text == f"popularity, ranker; new items: {chooser}"


def test_a_rung_of_more_effort_that_is_ahead_with_little_data_only_is_told_as_such(read: list[Site]) -> None:
    site = replace(read[0])
    few = {"popularity": [0.1] * 5, "ease": [0.05, 0.09, 0.12, 0.14, 0.15], "ranker": [0.12, 0.12, 0.13, 0.13, 0.13]}
    vars(site)["curves_or_error"] = made(**few)
    told = [s.text for s in answers.when(site)]
    assert any(
        s.startswith("Ranker, of more effort, is ahead of these for all users together with 1,000 to 4,000")
        for s in told
    )
    vars(site)["curves_or_error"] = made(**{**few, "ranker": [0.2] * 5})
    assert not any("of more effort, is ahead" in s.text for s in answers.when(site))


def test_only_a_rung_below_the_one_that_leads_at_first_is_told_to_be_of_less_effort(read: list[Site]) -> None:
    leads = {"popularity": [0.1] * 5, "als": [0.12, 0.1, 0.09, 0.09, 0.09]}
    curves = {"ease": {"popularity": [0.1] * 5, "ease": [0.05, 0.2, 0.2, 0.2, 0.2], "als": [0.12] * 5}}
    curves["ranker"] = leads | {"ranker": [0.05, 0.09, 0.15, 0.16, 0.17]}
    for later, found in curves.items():
        site = replace(read[0])
        vars(site)["curves_or_error"] = made(**found)
        assert [s.rung for s in site.moves()[0]] == ["popularity", later]
        (told,) = (s.text for s in day_one.day_one(site) if "With the fewest interactions" in s.text)
        assert "Als" in told
        assert (f"{later}, of less effort, overtakes both" in told) is (later == "ease")


def test_where_every_single_rung_is_worse_what_validation_chose_is_built(read: list[Site]) -> None:
    site = chose(read[0], {"popularity": LESS | {"difference": -0.055}, "ease": LESS})
    assert site.build_first is None
    told = day_one.day_one(site)[0].text
    assert told.startswith("In short: build what validation chose, popularity, ranker (11 to 22 stated person-days).")
    assert "the best, ease, gives -0.0500 [-0.0600, -0.0400] (n=99)" in told


def test_a_rung_that_won_in_the_test_period_only_is_neither_built_nor_shown_to_gain_or_reach(read: list[Site]) -> None:
    won = GAIN | {"difference": 0.05, "ci_low": 0.04, "ci_high": 0.06, "p_holm": 0.001}
    row = {"rung": "ease", "user_bucket": ALL, "mean_low": -0.1, "sentence": "Looking back, ease."}
    for hindsight in ([], [row]):
        rungs = dict.fromkeys(("popularity", "content", "item_knn", "als"), LESS) | {"ease": won}
        site = chose(read[0], rungs, hindsight)
        assert (site.build_first == "ease") is (not hindsight)
        (ease,) = (o for o in build_next.options(site) if o.what == "ease")
        over = "what ships" + ", in the test period only" * bool(hindsight)
        assert (ease.sure, ease.over, ease.ships) == (not hindsight, over, "off")
        easy = replace(site, scenario=with_days(site, {}, 0.0).scenario)  # a goal that every rung reaches
        assert ("ease" in easy.reaching_goal()) is (not hindsight)


def test_interactions_are_told_in_weeks_where_the_data_state_times() -> None:
    curves = made(popularity=[0.1] * 5, als=[0.2] * 5)
    assert curves.per_week == 700
    assert collected(curves, 7_000).endswith("about 10 weeks at today's rate")
    assert collected(curves, 100).endswith("less than a week at today's rate")
    assert "week" not in collected(replace(curves, per_week=None), 7_000)


def with_days(site: Site, days: dict[str, tuple[float, float]], target: float) -> Site:
    problem = site.scenario.problem.model_copy(update={"target": target})
    return replace(site, scenario=site.scenario.model_copy(update={"person_days": days, "problem": problem}))


def test_costs_state_what_all_that_ships_takes_and_the_cheapest_rung_that_reaches_the_goal(read: list[Site]) -> None:
    decided = replace(read[0].decided)
    vars(decided)["decision"] = deciding("popularity", "ease")
    site = replace(read[0], runs={**read[0].runs, plan.TRANSFER: [decided]})
    told = " ".join(s.text for s in cost.cost(with_days(site, {"popularity": (1, 2), "ease": (2, 4)}, 0.0)))
    assert "what ships today: popularity 1 to 2, ease 2 to 4, together 3 to 6." in told
    assert "The cheapest single rung that is shown to reach the goal is popularity: 1 to 2 stated person-days" in told
    dear = cost.cost(with_days(site, {"popularity": (50, 60), "ease": (2, 4)}, 0.0))
    assert any("the goal is ease" in s.text for s in dear)
    told = " ".join(s.text for s in cost.cost(with_days(site, {"popularity": (1, 2)}, 0.99)))
    assert "states no person_days for ease" in told
    assert "No single rung for everyone is shown to reach the goal, NDCG@10 0.99." in told


class Noisy(Site):
    """Where another seed changes any rung by more than anything else does."""

    def seed_noise(self, rung: str) -> float:
        return 1.0


def test_what_a_data_asset_brings_is_no_finding_where_another_seed_changes_as_much(read: list[Site]) -> None:
    fields = {f: getattr(read[1], f) for f in read[1].__dataclass_fields__}
    gain = {"difference": 0.1, "ci_low": 0.05, "ci_high": 0.15, "p_holm": 0.01}
    told = []
    for kind in (Site, Noisy):
        site = kind(**fields)
        vars(site)["data_value"] = read[1].data_value.with_columns(
            **{name: pl.lit(value) for name, value in gain.items()}
        )
        told.append([s.text for s in answers.better_data(site)])
    assert any("All metadata: worth +0.1000 [+0.0500, +0.1500]" in s and "best without it: " in s for s in told[0])
    assert not any("worth +" in s for s in told[1])
    assert any("no more than another seed changes" in s and "all metadata" in s for s in told[1])


def test_where_parts_were_not_measured_the_command_that_measures_the_same_is_told(read: list[Site]) -> None:
    (only,) = answers.parts(replace(read[1], variables=["QUICK=1", "SET='bootstrap=100'"]))
    assert NOT_ENOUGH in only.text
    assert "make study STUDY=parts SCENARIO=jobs QUICK=1 SET='bootstrap=100' (minutes)" in only.text


def test_a_goal_that_the_simplest_rung_meets_with_the_least_data_is_told_as_such(read: list[Site]) -> None:
    for target, guides in ((0.0, False), (0.99, True)):
        problem = read[0].scenario.problem.model_copy(update={"target": target})
        site = replace(read[0], scenario=read[0].scenario.model_copy(update={"problem": problem}))
        assert any("this goal does not tell rungs apart" in s.text for s in day_one.day_one(site)) is not guides


def test_a_place_without_curves_or_decision_says_so(read: list[Site]) -> None:
    bare = replace(read[0], runs={plan.VALUE: read[0].runs[plan.VALUE]})
    told = answers.answers(bare, 1.0)
    assert all(any(NOT_ENOUGH in s.text for s in told[q]) for q in page_model.QUESTIONS[:2])
    assert build_next.options(bare)
    assert ladder([bare]).is_empty()


def test_a_transfer_of_one_place_is_left_out_and_of_two_compares_both_ways(
    read: list[Site], again: list[Measured]
) -> None:
    names = [p.title for p in compare_sites(read[:1], [], [], []).side_by_side]
    assert "Can one scenario's recipe be used in another?" not in names
    (part,) = [
        p
        for p in compare_sites(read, again, [], []).side_by_side
        if p.title == "Can one scenario's recipe be used in another?"
    ]
    assert len([s for s in part.sentences if "recipe of" in s.text]) == 2


def test_places_of_one_scenario_are_told_apart_in_a_transfer(read: list[Site]) -> None:
    labels = {SCENARIO: "catalog", DATA: "mine"}
    assert read[0].decided is not None
    other = replace(read[0], name="catalog on mine", runs={plan.TRANSFER: [replace(read[0].decided, labels=labels)]})
    assert [r.labels[SCENARIO] for r in side_by_side.named([read[0], other])] == [
        "catalog on simulated",
        "catalog on mine",
    ]


# --- the page


@pytest.fixture(scope="module")
def html(comparison: Comparison, tmp_path_factory: pytest.TempPathFactory) -> str:
    return report.html(comparison, tmp_path_factory.mktemp("out"))


def test_the_page_loads_nothing_escapes_names_and_keeps_its_own_links(html: str) -> None:
    assert "&lt;b&gt;mind" in html
    assert "<b>mind" not in html
    assert not re.findall(r'(?:src|<link[^>]*href)="https?:', html)
    anchors = set(re.findall(r'id="([^"]+)"', html))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= anchors


def test_each_place_is_headed_by_its_problem_and_goal(html: str, read: list[Site]) -> None:
    for site in read:
        problem = site.scenario.problem
        assert f"{problem.what} For {problem.for_whom}. Goal: NDCG@10 of {problem.target:g}." in html


def test_every_chart_has_its_text_and_its_numbers(html: str, comparison: Comparison) -> None:
    charts = [c for p in (*comparison.sites, *comparison.side_by_side) for c in p.charts]
    assert len({c.name for c in charts}) == len(charts) > 3
    for chart in charts:
        assert re.search(rf'id="{chart.name}" role="img" aria-label="[^"]{{20,}}"', html)
    assert html.count("The numbers of this chart") == len(charts)


def test_evidence_links_to_the_folder_of_each_cell_and_its_run(comparison: Comparison, tmp_path: Path) -> None:
    out = tmp_path / "artifacts/compare-1"
    page = report.html(comparison, out)
    for cell in (c for e in comparison.evidence for c in e.cells):
        (link,) = set(re.findall(rf'href="([^"]*{cell.folder.parent.name}/{cell.folder.name})"', page))
        assert (out / link).resolve() == cell.folder.resolve()
    assert 'href="http://ui/run"' in page


def test_page_markdown_and_tables_tell_the_same(
    comparison: Comparison, read: list[Site], again: list[Measured], html: str, tmp_path: Path
) -> None:
    text = report.markdown(comparison, tmp_path)
    found = tables(read, again, STUDIES, [*comparison.sites, *comparison.side_by_side])
    assert {"cells", "ladder", "moves", "data_value", "transfer", "build", "answers"} <= set(found)
    for row in found["ladder"].filter(user_bucket=ALL).iter_rows(named=True):
        assert f"{row['value']:.4f}" in html
        assert f"{row['value']:.4f}" in text
    for sentence in found["answers"]["sentence"]:
        assert sentence in text


def test_a_glossary_tells_what_each_rung_does(comparison: Comparison) -> None:
    assert set(comparison.glossary) >= {"popularity", "content", "item_knn"}
    assert all(len(text) > 20 for text in comparison.glossary.values())
