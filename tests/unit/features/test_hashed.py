"""Hashed tokens are scikit-learn's, column for column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import HashingVectorizer

from recommender.features.hashed import TEXT_BITS, TOKEN_BITS, text_counts, value_counts

COMMON: dict[str, Any] = {"alternate_sign": False, "dtype": np.float32}
WORDS = HashingVectorizer(n_features=2**TEXT_BITS, norm=None, ngram_range=(1, 2), **COMMON)
PIECES = HashingVectorizer(n_features=2**TEXT_BITS, norm=None, analyzer="char_wb", ngram_range=(3, 4), **COMMON)
VALUES = FeatureHasher(2**TOKEN_BITS, input_type="string", **COMMON)
TEXTS = [
    *("", " ", "a", "ab", "I am", "a b c", "the the the", "İ ß", "Senior  Nurse (m/f)\t night-shift"),
    "œuvre ÇA 東京都 x_y naïve\u3000z",
]


def assert_words_and_pieces(texts: list[str]) -> None:
    counts, width = text_counts(texts), 2**TEXT_BITS
    assert (counts[:, :width] != WORDS.transform(texts)).nnz == 0
    assert (counts[:, width:] != PIECES.transform(texts)).nnz == 0


@pytest.mark.parametrize("text", TEXTS)
def test_one_text(text: str) -> None:
    assert_words_and_pieces([text])


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_any_texts(texts: list[str]) -> None:
    assert_words_and_pieces(texts)


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_any_values(lists: list[list[str]]) -> None:
    counts = value_counts(lists)
    assert (counts != VALUES.transform(lists)).nnz == 0
    assert counts.shape == (len(lists), 2**TOKEN_BITS)
    assert counts.dtype == np.float32
