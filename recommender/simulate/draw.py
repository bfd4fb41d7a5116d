"""What drawing items and drawing users have in common."""

from __future__ import annotations

import numpy as np

from recommender.simulate.vocabulary import TOPICS

__all__ = ["NICHES", "NICHE_SHARE", "SCENES", "TOPICS", "profile", "zipf"]

NICHES = 4  # per topic: the usual job titles of an occupation, sub-genres of a genre
NICHE_SHARE = 0.35  # of the metadata-explained taste; a match or none, so not of low rank
SCENES = 12  # hidden clusters that no column shows: what only behaviour can tell


def profile(chosen: np.ndarray, width: int, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors float32 (..., width) that lean to the first of the two chosen coordinates (..., 2)."""
    weights = np.stack([0.8 + 0.2 * rng.random(chosen.shape[:-1]), 0.6 * rng.random(chosen.shape[:-1])], axis=-1)
    vectors = np.zeros((*chosen.shape[:-1], width), np.float32)
    # the main coordinate is written last: it wins where both are the same
    for position in (1, 0):
        np.put_along_axis(vectors, chosen[..., [position]], weights[..., [position]].astype(np.float32), -1)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def zipf(n: int, exponent: float) -> np.ndarray:
    """Probabilities (n,) that fall as rank ** -exponent."""
    weights = np.arange(1, n + 1) ** -exponent
    return np.asarray(weights / weights.sum())
