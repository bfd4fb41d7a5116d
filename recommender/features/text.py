"""Sentence vectors of texts, from a small local model, in place of hashed words: the optional extra ``text``.

The model is WordLlama's (Miller 2024, github.com/dleemiller/WordLlama, MIT): 256 numbers for each of 32,000 pieces of
words, distilled from the input embeddings of large language models; the vector of a text is the mean of its pieces'.
It lies inside the package ``wordllama`` (16 MB), so nothing is fetched while a train runs and no neural network
library is needed. Its two files are read here, not by the package: that would set up logging for the whole process,
and it asks the network for a tokenizer that it ships.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import scipy.sparse as sp

from recommender.errors import ConfigError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TextAs = Literal["words", "embedding"]  # what a text column becomes: hashed words and letters, or sentence vectors
WIDTH = 256
PACKAGES = ("safetensors", "tokenizers", "wordllama")


def require(text: TextAs) -> None:
    """Raises ConfigError where ``text`` asks for sentence vectors and the extra is not installed."""
    missing = [package for package in PACKAGES if find_spec(package) is None] if text == "embedding" else []
    if missing:
        raise ConfigError(
            f"text=embedding needs the extra 'text', which is not installed (missing: {', '.join(missing)}). "
            "Run `make setup-text`, or set text=words."
        )


def vectors(texts: list[str]) -> np.ndarray:
    """float32 (len(texts), WIDTH): of unit length, or zero for a text without any piece.

    Learned before any data here, so it tells nothing of the future. Raises ConfigError without the extra.
    """
    tokenizer, pieces = _model()
    ids = [np.array(encoded.ids, np.int32) for encoded in tokenizer.encode_batch(texts, add_special_tokens=False)]
    ends = np.cumsum([0, *map(len, ids)])
    flat = np.concatenate([np.zeros(0, np.int32), *ids])
    counts = sp.csr_matrix((np.ones(len(flat), np.float32), flat, ends), shape=(len(texts), len(pieces)))
    sums = counts @ pieces
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    unit: np.ndarray = np.divide(sums, length, out=np.zeros_like(sums), where=length > 0)
    return unit


def used_by(models: Iterable[object]) -> bool:
    """Whether any of these recommenders needs the extra, wherever it is served."""
    return any(getattr(model, "text", "words") == "embedding" for model in models)


@cache
def _model() -> tuple[Tokenizer, np.ndarray]:
    """The tokenizer, and the vector of each piece: float32 (n_pieces, WIDTH)."""
    require("embedding")
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    spec = find_spec("wordllama")
    assert spec is not None
    assert spec.origin is not None  # a package with a file, as required above
    folder = Path(spec.origin).parent
    weights = load_file(folder / "weights" / f"l2_supercat_{WIDTH}.safetensors")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer, weights["embedding.weight"].astype(np.float32)
