"""What is said of a part: is it in what ships, which way it moves what it is there for, and exactly one verdict."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest

from recommender.evaluation.metric_table import METRICS
from recommender.studies import ablation_sentences
from recommender.studies.ablation_sentences import OFF, OWN, SHIPS, Effect, Row, status
from recommender.studies.ablation_tables import assets, other_aims, parts
from recommender.studies.engine import plan
from recommender.studies.engine.plan import Pair

MAIN, SPAM, RECALL, NEW = "ndcg_at_10", "spam_at_10", "recall_at_20:0", "new_item_share_at_10"
FREE = {"cpu_s": 0.0, "columns": 0.0, "keys": 0.0}
UP, DOWN, OPEN, SAME = "up", "down", "open", "same"


def row(metric: str, how: str, base: float = 0.3, rungs: tuple[str, str] = ("router", "router")) -> dict[str, Any]:
    """A row of ``effects``: shown to rise or fall by .1, open, or the same for every user."""
    change = {UP: 0.1, DOWN: -0.1, OPEN: 0.01, SAME: 0.0}[how]
    wide = {OPEN: 0.05, SAME: 0.0}.get(how, 0.02)
    return {
        "metric": metric, "base": base, "other": base + change, "difference": change, "ci_low": change - wide,
        "ci_high": change + wide, "p_holm": 0.01 if how in (UP, DOWN) else 1.0, "n_queries": 1234,
        "base_rung": rungs[0], "other_rung": rungs[1],
    }  # fmt: skip


Rows = dict[str, Row]


def rows(**how: str) -> Rows:
    names = {"main": MAIN, "spam": SPAM, "recall": RECALL, "new": NEW}
    return {names[key]: row(names[key], value) for key, value in how.items()}


PART = Pair(metrics=[SPAM, RECALL, NEW])
CHANGE = {"slots.n": 1}


def part(what: str = "", metrics: tuple[str, ...] = (), with_: bool = False, without: bool = True) -> Pair:
    """In what ships, unless told otherwise."""
    sides = {"with": CHANGE if with_ else {}, "without": CHANGE if without else {}}
    return Pair.model_validate({"what": what, "metrics": list(metrics), **sides})


def effect(how: Rows, pair: Pair = PART, name: str = "it", cost: Mapping[str, float] = FREE) -> Effect:
    return Effect(name, pair, how, MAIN, cost)


def short(how: Rows, pair: Pair = PART) -> str:
    """The one sentence of one part."""
    (only,) = ablation_sentences.verdicts([effect(how, pair)], ladder=True)
    return only


@pytest.mark.parametrize(
    ("effects", "verdict"),
    [
        (rows(main=UP), ablation_sentences.RAISED),
        (rows(main=UP, spam=DOWN), ablation_sentences.RAISED),
        (rows(main=UP, spam=UP), ablation_sentences.RAISED),
        (rows(main=OPEN, spam=DOWN), ablation_sentences.IMPROVED),
        (rows(main=SAME, recall=UP, new=OPEN), ablation_sentences.IMPROVED),
        (rows(main=DOWN, recall=UP), ablation_sentences.AT_A_LOSS),
        (rows(main=OPEN, spam=DOWN, recall=DOWN), ablation_sentences.MIXED),
        (rows(main=DOWN, spam=UP, recall=UP), ablation_sentences.MIXED),
        (rows(main=OPEN, spam=UP), ablation_sentences.WORSENED),
        (rows(main=DOWN, recall=DOWN, new=UP), ablation_sentences.WORSENED),
        (rows(main=OPEN, new=UP), ablation_sentences.CHANGED),
        (rows(main=DOWN, new=UP), ablation_sentences.CHANGED),
        (rows(main=DOWN, spam=OPEN), ablation_sentences.LOWERED),
        (rows(main=DOWN), ablation_sentences.LOWERED_ALONE),
        (rows(main=OPEN), ablation_sentences.NOTHING),
        (rows(main=SAME, spam=OPEN), ablation_sentences.NOTHING),
        (rows(spam=OPEN), ablation_sentences.NOTHING),
        (rows(main=SAME), ablation_sentences.IDLE),
        (rows(main=SAME, spam=SAME), ablation_sentences.IDLE),
    ],
)
def test_each_verdict_by_what_is_shown(effects: Rows, verdict: str) -> None:
    assert effect(effects).verdict == verdict


def test_every_outcome_has_one_verdict_and_what_worsens_is_never_told_as_an_improvement() -> None:
    seen = {effect(rows(main=DOWN)).verdict}
    for main, spam, recall, new in product((UP, DOWN, OPEN, SAME), repeat=4):
        effects = rows(main=main, spam=spam, recall=recall, new=new)
        verdict = effect(effects).verdict
        seen.add(verdict)
        short_text, brief = short(effects), effect(effects).in_brief()
        assert short_text.count(": it") == 1
        if spam == UP or recall == DOWN:
            assert verdict in (ablation_sentences.RAISED, ablation_sentences.MIXED, ablation_sentences.WORSENED)
            assert "worsens " in short_text
            assert "worsens its aim" in brief or "mixed" in brief
        if verdict in (ablation_sentences.IMPROVED, ablation_sentences.AT_A_LOSS):
            assert spam == DOWN or recall == UP
    assert seen == set(ablation_sentences.VERDICTS)


def test_the_short_answer_names_what_a_part_worsens_beside_what_it_improves() -> None:
    slots = effect(rows(main=DOWN, spam=DOWN, recall=DOWN), name="slots")
    block = effect(rows(main=OPEN, spam=DOWN), name="block")
    assert ablation_sentences.verdicts([slots, block], ladder=True) == [
        "In what ships: improve their aim: block; improve some of their aims and worsen some: slots (improves spam@10, "
        "worsens recall@20 of new items, lowers NDCG@10)."
    ]


def test_a_loss_is_named_behind_a_part_whose_verdict_does_not_tell_it() -> None:
    assert short(rows(main=DOWN, new=UP)).endswith("in itself: it (lowers NDCG@10).")
    assert short(rows(main=DOWN, recall=UP)).endswith("at a loss of NDCG@10: it.")
    assert short(rows(main=DOWN, spam=SAME)).endswith("and bring nothing else: it.")
    assert short(rows(main=UP, recall=DOWN)).endswith("raise NDCG@10: it (worsens recall@20 of new items).")


def test_what_lowers_the_metric_brings_nothing_else_only_where_something_else_was_measured() -> None:
    assert short(rows(main=DOWN, spam=DOWN), Pair()).endswith("no other aim of theirs being measured: it.")
    assert short(rows(main=DOWN), PART).endswith("no other aim of theirs being measured: it."), "named, not measured"
    assert "bring nothing else" in short(rows(main=DOWN, spam=OPEN))


def test_a_part_that_changes_which_new_items_are_found_is_not_told_to_have_no_effect() -> None:
    assert "no measurable benefit: it" in short(rows(main=SAME, recall=UP), Pair())
    assert "no effect on the lists, so not judged: it" in short(rows(main=SAME, recall=SAME), Pair())
    assert "improve their aim: it" in short(rows(main=SAME, recall=UP))
    measured_by_a_column_that_is_gone = {**rows(main=SAME), "diversity_at_10": row("diversity_at_10", UP)}
    assert "no effect" in short(measured_by_a_column_that_is_gone, Pair())


# --- is it in what ships


def test_a_pair_tells_whether_its_part_ships() -> None:
    assert status(part()) == SHIPS
    assert status(part(with_=True, without=False)) == OFF
    assert status(part(with_=True)) == OWN


def test_of_the_studys_own_parts_those_that_are_on_in_the_scenario_ship() -> None:
    def of(scenario: str) -> dict[str, str]:
        return {name: status(pair) for name, pair in plan.pairs_of(plan.load("parts"), scenario).items()}

    assert of("jobs")["soft reach and seniority"] == SHIPS
    assert of("jobs")["fair re-ranking"] == OFF
    assert of("ugc")["all guards against spam"] == OWN
    assert of("catalog")["editorial pins"] == OFF


def test_a_set_up_of_its_own_says_what_is_compared_with_what() -> None:
    study = plan.load("parts")
    for pair in (p for scenario in study.pairs.values() for p in scenario.values() if status(p) == OWN):
        assert " instead of " in pair.what
        assert ", or " not in pair.what


def test_every_metric_that_a_part_is_there_for_is_in_the_table_that_explains_it() -> None:
    pairs = [p for scenario in plan.load("parts").pairs.values() for p in scenario.values()]
    named = {metric.partition(":")[0] for p in pairs for metric in p.metrics}
    assert len(named) > 10
    assert named <= set(METRICS)


ROWS = {
    "demote": rows(main=OPEN, spam=DOWN),  # by status, then verdict: the last one
    "pins": rows(main=DOWN),
    "ranker": rows(main=OPEN),
    "slots": rows(main=OPEN, recall=UP),
}
PAIRS = {
    "demote": part("under attack, alone instead of no guard", (SPAM,), with_=True),
    "pins": part("what editors rank", with_=True, without=False),
    "ranker": part(),
    "slots": part("places kept", (RECALL,)),
}
FOUND = {name: effect(ROWS[name], PAIRS[name], name) for name in ROWS}


def test_the_short_answer_has_a_sentence_for_what_ships_what_is_off_and_what_has_its_own_set_up() -> None:
    assert ablation_sentences.verdicts(list(FOUND.values()), ladder=True) == [
        "In what ships: improve their aim: slots; no measurable benefit: ranker.",
        "Off by default: lower NDCG@10, no other aim of theirs being measured: pins.",
        "Measured in a set-up of their own, described below, whether they ship or not: improve their aim: demote.",
    ]
    (one,) = ablation_sentences.verdicts(list(FOUND.values()), ladder=False)
    assert one.startswith("In short: improve their aim: demote, slots; ")


def test_a_sentence_says_that_a_part_is_off_or_has_its_own_set_up() -> None:
    sentences = {name: one.sentence() for name, one in FOUND.items()}
    assert sentences["slots"].startswith("slots (places kept): ")
    assert sentences["ranker"].startswith("ranker: ")
    assert sentences["pins"].startswith("pins (off by default: what editors rank) lowers ")
    assert sentences["demote"].startswith("demote (own set-up: under attack, alone instead of no guard): ")
    asset = {MAIN: row(MAIN, UP, rungs=("als", "ranker"))}
    assert effect(asset, part("titles", with_=True), "text").sentence().startswith("text (titles) raises")


def test_a_part_of_which_nothing_is_shown_is_left_out_of_the_brief() -> None:
    assert [name for name, one in FOUND.items() if one.measurable] == ["demote", "pins", "slots"]
    assert not effect(rows(main=SAME), Pair()).measurable, "the same lists"


def test_the_table_has_every_part_by_status_and_verdict() -> None:
    spent = {"cpu_s": 1.5, "columns": 0.0, "keys": 1.0}
    table = parts([effect(ROWS[name], PAIRS[name], name, spent) for name in ROWS]).frame
    assert table.columns == ["part", "in what ships", "verdict", "NDCG@10 ↑, difference", "its aim", "costs"]
    cost = "1.5 CPU seconds, 1 configuration key"
    still = "0.3000 → 0.3100, +0.0100 [-0.0400, +0.0600]"
    lower = "0.3000 → 0.2000, -0.1000 [-0.1200, -0.0800] *"
    heading = "own set-up: under attack, alone instead of no guard"
    assert table.rows() == [
        ("slots", "yes", "improves its aim", still, "recall@20 of new items ↑ 0.3000 → 0.4000 *", cost),
        ("ranker", "yes", "no measurable benefit", still, "–", cost),
        ("pins", "off", "lowers NDCG@10", lower, "–", cost),
        ("demote", heading, "improves its aim", still, "spam@10 ↓ 0.3000 → 0.2000 *", cost),
    ]


def test_the_table_says_in_few_words_what_the_verdict_leaves_out() -> None:
    assert effect(rows(main=UP, spam=UP)).in_brief() == "raises NDCG@10, worsens its aim"
    assert effect(rows(main=DOWN, spam=DOWN, recall=DOWN)).in_brief() == "mixed at a loss"
    assert effect(rows(main=DOWN, recall=UP)).in_brief() == "improves its aim at a loss"
    assert effect(rows(main=UP, recall=UP)).in_brief() == "raises NDCG@10"


# --- sentences


def test_a_sentence_says_which_way_is_better_and_from_what_to_what() -> None:
    text = effect(rows(main=UP, spam=DOWN, recall=DOWN, new=UP), name="block").sentence()
    assert text == (
        "block raises NDCG@10 from 0.3000 to 0.4000, +0.1000 [+0.0800, +0.1200] (n=1,234); "
        "it improves spam@10 from 0.3000 to 0.2000, -0.1000 [-0.1200, -0.0800] (n=1,234); "
        "it worsens recall@20 of new items from 0.3000 to 0.2000, -0.1000 [-0.1200, -0.0800] (n=1,234); "
        "it changes new item share@10 from 0.3000 to 0.4000, +0.1000 [+0.0800, +0.1200] (n=1,234). "
        "It costs next to nothing."
    )


def test_what_is_not_shown_is_told_with_its_values_too() -> None:
    text = effect(rows(main=OPEN, spam=OPEN, recall=SAME), name="block").sentence()
    assert "block: not enough evidence of a change in NDCG@10 from 0.3000 to 0.3100, +0.0100 [" in text
    assert "adjusted p 1.00; it leaves recall@20 of new items at 0.3000; no evidence that it changes spam@10." in text
    still = effect(rows(main=SAME, spam=OPEN), name="block").sentence()
    assert still.startswith("block leaves NDCG@10 as it is, at 0.3000; no evidence that it changes spam@10.")


def test_large_values_have_one_decimal() -> None:
    crowd = {MAIN: row(MAIN, SAME), "lists_per_vacancy_at_10": row("lists_per_vacancy_at_10", DOWN, base=300.04)}
    text = effect(crowd, Pair(metrics=["lists_per_vacancy_at_10"]), "spread").sentence()
    assert "improves lists per vacancy@10 from 300.0 to 299.9, -0.1 [-0.1, -0.1]" in text


def test_a_guard_without_anything_to_guard_against_is_told_as_such() -> None:
    guard = Pair(metrics=[SPAM])
    clean = {MAIN: row(MAIN, SAME), SPAM: row(SPAM, SAME, base=0.0)}
    text = effect(clean, guard, "block").sentence()
    assert text.startswith("block: the lists are the same without it: nothing for it to do on these data, ")
    assert "spam@10 is 0.0000 without it too" in text
    spammed = {MAIN: row(MAIN, SAME), SPAM: row(SPAM, SAME, base=0.2)}
    text = effect(spammed, guard, "block").sentence()
    assert "the lists are the same without it: spam@10 is 0.2000 without it too." in text
    assert "nothing for it to do" not in text
    assert "without it. It costs" in effect(clean, Pair(), "block").sentence(), "no metrics of its own"


def test_the_best_rung_of_each_is_named_where_it_is_not_the_router() -> None:
    def phrases(without: str, with_: str) -> tuple[str, list[str], str]:
        one = effect({MAIN: row(MAIN, UP, rungs=(without, with_))}, Pair(), "text")
        same = effect({MAIN: row(MAIN, SAME, rungs=(without, with_))}, Pair(), "text")
        (brief,) = ablation_sentences.verdicts([same], ladder=False)
        return one.sentence(), list(assets([one]).frame.row(0)), brief

    verdict, cells, brief = phrases("als", "ranker")
    assert "Best rung: als without it, ranker with it." in verdict
    assert "als → ranker" in cells
    assert "no effect on the best rung, so not judged: text" in brief
    verdict, cells, _ = phrases("ease", "ease")
    assert "Best rung: ease, with it and without it." in verdict
    assert "ease" in cells
    assert "Best rung" not in effect(rows(main=UP), Pair(), "text").sentence()


def test_headings_say_which_way_is_better() -> None:
    effects = rows(main=UP, spam=DOWN, recall=OPEN, new=UP)
    (table,) = other_aims([effect(effects)])
    assert table.frame.columns == ["part", "spam@10 ↓", "recall@20 of new items ↑", "new item share@10"]
    assert "↑ more is better, ↓ less is better" in table.caption
    assert other_aims([effect(effects, Pair())]) == []


def test_a_pair_without_common_queries_is_no_verdict() -> None:
    assert "not enough evidence, no common queries" in effect({}, name="block").sentence()
    assert short({}) == "In what ships: no measurable benefit: it."
    table = parts([effect({}, name="block")]).frame
    assert table.row(0) == ("block", "yes", "no measurable benefit", "–", "–", "next to nothing")
