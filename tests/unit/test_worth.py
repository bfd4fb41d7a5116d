"""What is said of a part: which way it moves what it is there for, and exactly one verdict of nine."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from recommender.studies import worth_told
from recommender.studies.plan import Pair
from recommender.studies.worth_grids import headline
from recommender.studies.worth_told import Rows, sentence, verdict_of, verdicts

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


def rows(**how: str) -> Rows:
    names = {"main": MAIN, "spam": SPAM, "recall": RECALL, "new": NEW}
    return {names[key]: row(names[key], value) for key, value in how.items()}


PART = Pair(metrics=[SPAM, RECALL, NEW])


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (rows(main=UP), worth_told.RAISED),
        (rows(main=UP, spam=DOWN), worth_told.RAISED),
        (rows(main=UP, spam=UP), worth_told.RAISED),
        (rows(main=OPEN, spam=DOWN), worth_told.IMPROVED),
        (rows(main=SAME, recall=UP, new=OPEN), worth_told.IMPROVED),
        (rows(main=DOWN, recall=UP), worth_told.AT_A_LOSS),
        (rows(main=OPEN, spam=DOWN, recall=DOWN), worth_told.MIXED),
        (rows(main=DOWN, spam=UP, recall=UP), worth_told.MIXED),
        (rows(main=OPEN, spam=UP), worth_told.WORSENED),
        (rows(main=DOWN, recall=DOWN, new=UP), worth_told.WORSENED),
        (rows(main=OPEN, new=UP), worth_told.CHANGED),
        (rows(main=DOWN, new=UP), worth_told.CHANGED),
        (rows(main=DOWN, spam=OPEN), worth_told.LOWERED),
        (rows(main=OPEN), worth_told.NOTHING),
        (rows(main=SAME, spam=OPEN), worth_told.NOTHING),
        (rows(spam=OPEN), worth_told.NOTHING),
        (rows(main=SAME), worth_told.IDLE),
        (rows(main=SAME, spam=SAME), worth_told.IDLE),
    ],
)
def test_each_verdict_by_what_is_shown(found: Rows, verdict: str) -> None:
    assert verdict_of(found, MAIN, PART) == verdict


def test_every_outcome_has_one_verdict_and_what_worsens_is_never_told_as_an_improvement() -> None:
    seen = set()
    for main, spam, recall, new in product((UP, DOWN, OPEN, SAME), repeat=4):
        found = rows(main=main, spam=spam, recall=recall, new=new)
        verdict = verdict_of(found, MAIN, PART)
        seen.add(verdict)
        short = verdicts({"it": found}, MAIN, {"it": PART})
        assert short.count(": it") == 1
        if spam == UP or recall == DOWN:
            assert verdict in (worth_told.RAISED, worth_told.MIXED, worth_told.WORSENED)
            assert "worsens " in short
        if verdict in (worth_told.IMPROVED, worth_told.AT_A_LOSS):
            assert spam == DOWN or recall == UP
    assert seen == set(worth_told.VERDICTS)


def test_the_short_answer_names_what_a_part_worsens_beside_what_it_improves() -> None:
    mixed = {"slots": rows(main=DOWN, spam=DOWN, recall=DOWN), "block": rows(main=OPEN, spam=DOWN)}
    assert verdicts(mixed, MAIN, {"slots": PART, "block": PART}) == (
        "In short: shown to improve what they are there for: block; shown to improve some of what they are there for "
        "and to worsen some: slots (improves spam@10, worsens recall@20 of new items, lowers NDCG@10)."
    )


def test_a_loss_is_named_behind_a_part_whose_verdict_does_not_tell_it() -> None:
    def short(**how: str) -> str:
        return verdicts({"slots": rows(**how)}, MAIN, {"slots": PART})

    assert short(main=DOWN, new=UP).endswith("in itself: slots (lowers NDCG@10).")
    assert short(main=DOWN, recall=UP).endswith("at a loss of NDCG@10: slots.")
    assert short(main=DOWN).endswith("to bring nothing else: slots.")
    assert short(main=UP, recall=DOWN).endswith("raise NDCG@10: slots (worsens recall@20 of new items).")


def test_a_sentence_says_which_way_is_better_and_from_what_to_what() -> None:
    told = sentence("block", PART, rows(main=UP, spam=DOWN, recall=DOWN, new=UP), MAIN, FREE)
    assert told == (
        "block raises NDCG@10 from 0.3000 to 0.4000, +0.1000 [+0.0800, +0.1200] (n=1,234); "
        "it improves spam@10 from 0.3000 to 0.2000, -0.1000 [-0.1200, -0.0800] (n=1,234); "
        "it worsens recall@20 of new items from 0.3000 to 0.2000, -0.1000 [-0.1200, -0.0800] (n=1,234); "
        "it changes new item share@10 from 0.3000 to 0.4000, +0.1000 [+0.0800, +0.1200] (n=1,234). "
        "It costs next to nothing."
    )


def test_what_is_not_shown_is_told_with_its_values_too() -> None:
    told = sentence("block", PART, rows(main=OPEN, spam=OPEN, recall=SAME), MAIN, FREE)
    assert "block: not enough evidence of a change in NDCG@10 from 0.3000 to 0.3100, +0.0100 [" in told
    assert "adjusted p 1.00; it leaves recall@20 of new items at 0.3000; no evidence that it changes spam@10." in told
    still = sentence("block", PART, rows(main=SAME, spam=OPEN), MAIN, FREE)
    assert still.startswith("block leaves NDCG@10 as it is, at 0.3000; no evidence that it changes spam@10.")


def test_large_values_have_one_decimal() -> None:
    crowd = {MAIN: row(MAIN, SAME), "lists_per_vacancy_at_10": row("lists_per_vacancy_at_10", DOWN, base=300.04)}
    told = sentence("spread", Pair(metrics=["lists_per_vacancy_at_10"]), crowd, MAIN, FREE)
    assert "improves lists per vacancy@10 from 300.0 to 299.9, -0.1 [-0.1, -0.1]" in told


def test_a_guard_without_anything_to_guard_against_is_told_as_such() -> None:
    guard = Pair(metrics=[SPAM])
    clean = {MAIN: row(MAIN, SAME), SPAM: row(SPAM, SAME, base=0.0)}
    assert sentence("block", guard, clean, MAIN, FREE).startswith(
        "block: the lists are the same without it: nothing for it to do on these data, spam@10 is 0.0000 without it too"
    )
    spammed = {MAIN: row(MAIN, SAME), SPAM: row(SPAM, SAME, base=0.2)}
    told = sentence("block", guard, spammed, MAIN, FREE)
    assert "the lists are the same without it: spam@10 is 0.2000 without it too." in told
    assert "nothing for it to do" not in told
    assert "without it. It costs" in sentence("block", Pair(), clean, MAIN, FREE), "no metrics of its own"


def test_the_best_rung_of_each_is_named_where_it_is_not_the_router() -> None:
    def told(without: str, with_: str) -> tuple[str, list[str], str]:
        found = {"text": {MAIN: row(MAIN, UP, rungs=(without, with_))}}
        table = headline(found, MAIN, {"text": FREE}, {"text": Pair()}).frame
        short = verdicts({"text": {MAIN: row(MAIN, SAME, rungs=(without, with_))}}, MAIN, {"text": Pair()})
        return sentence("text", Pair(), found["text"], MAIN, FREE), list(table.row(0)), short

    said, cells, short = told("als", "ranker")
    assert "Best rung: als without it, ranker with it." in said
    assert "als → ranker" in cells
    assert "without any effect on the best rung, so not judged: text" in short
    said, cells, _ = told("ease", "ease")
    assert "Best rung: ease, with it and without it." in said
    assert "ease" in cells
    said, cells, short = told("router", "router")
    assert "Best rung" not in said
    assert "without any effect on what ships here, so not judged: text" in short


def test_headings_say_which_way_is_better() -> None:
    table = headline({"block": rows(main=UP, spam=DOWN, recall=OPEN, new=UP)}, MAIN, {"block": FREE}, {"block": PART})
    assert table.frame.columns[1:5] == ["NDCG@10 ↑", "spam@10 ↓", "recall@20 of new items ↑", "new item share@10"]
    assert "↑ more is better, ↓ less is better" in table.caption


def test_a_pair_without_common_queries_is_no_verdict() -> None:
    assert "not enough evidence, no common queries" in sentence("block", PART, {}, MAIN, FREE)
    assert verdicts({"block": {}}, MAIN, {"block": PART}) == "In short: not shown to bring anything: block."
