"""What readers meet is plain: sentences of at most 25 words, no words of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from recommender.evaluation.metric_table import glossary
from recommender.report.document import write_report
from recommender.report.page import TEMPLATES, plain_text
from tests.helpers.compared import written_page
from tests.helpers.out_folder import write_out

LONGEST = 25  # words
INTERNAL = re.compile(r"\b(router-plain|user_bucket|item_bucket|[a-z]+_at_\d+|cpu_s|n_queries|parquet|OUT)\b")


def sentences(text: str) -> list[str]:
    """Pieces that end in a full stop, colon or semicolon."""
    return [s for s in re.split(r"(?<=[.!?;:])\s+", text.strip()) if s]


def too_long(text: str) -> list[str]:
    return [s for s in sentences(text) if len(s.split()) > LONGEST]


@pytest.fixture(scope="module", params=["train", "comparison"])
def pieces(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The text of every paragraph, list item, caption and definition of a rendered page; not of configuration."""
    folder = tmp_path_factory.mktemp("plain")
    page = write_report(write_out(folder / "out")) if request.param == "train" else written_page(folder)
    html = re.sub(r"<(script|style|pre)\b.*?</\1>", "", page.read_text(), flags=re.S)
    blocks = re.findall(r"<(p|li|figcaption|dd|h2|h3)\b[^>]*>(.*?)</\1>", html, flags=re.S)
    return [plain_text(inner) for _, inner in blocks]


def test_a_longer_sentence_is_found() -> None:
    assert too_long("Short. " + "word " * (LONGEST + 1)) == [("word " * (LONGEST + 1)).strip()]


def test_no_sentence_of_a_page_is_longer_than_25_words(pieces: list[str]) -> None:
    assert len(pieces) > 50
    assert not [s for piece in pieces for s in too_long(piece)]


def test_no_word_of_the_code_stands_in_a_page(pieces: list[str]) -> None:
    assert not [(m[0], piece) for piece in pieces if (m := INTERNAL.search(piece))]


def test_no_explained_word_takes_more_than_25_words_a_sentence() -> None:
    pages = yaml.safe_load(Path(TEMPLATES / "words.yaml").read_text(encoding="utf-8"))
    texts = [text for entries in pages.values() for text in entries.values()] + list(glossary().values())
    assert not [s for text in texts for s in too_long(text)]
