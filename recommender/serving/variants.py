"""Two versions of a model served side by side: each user by one of them, or both in one list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from recommender.hashing import of_content
from recommender.ranking.interleaving import coins, team_draft
from recommender.serving.bodies import Id
from recommender.serving.in_use import ServedList

CHAMPION, CANDIDATE = "champion", "candidate"  # in the log's column variant
How = Literal["ab", "interleaved"]


@dataclass(frozen=True)
class VariantSplit:
    """how: ab, each user always sees one version; interleaved, each list is of both. share: of the users who see the
    candidate."""

    how: How = "ab"
    share: float = 0.5

    def sees_candidate(self, users: Sequence[Id], version: str) -> np.ndarray:
        """Bool (n,), fixed by the user and the candidate's version: the next candidate splits the users anew."""
        return np.array([_number(user, version) / 16**15 < self.share for user in users], bool)


def interleaved(champion: ServedList, candidate: ServedList, k: int) -> ServedList:
    """One list of both, each place credited to its version. A coin is fixed by user and time, so that the list of a
    moment repeats."""
    seed = np.array([_number(champion.user_id, champion.as_of)], np.uint64)
    items, teams = team_draft(champion.items, candidate.items, k, coins(seed, k)[0].tolist())
    sides, names = (champion, candidate), (CHAMPION, CANDIDATE)
    at = [sides[team].items.index(item) for item, team in zip(items, teams, strict=True)]
    places = list(zip(teams, at, strict=True))
    reasons = [side.reasons or [] for side in sides]
    return replace(
        champion, items=items, scores=[sides[t].scores[n] for t, n in places],
        sources=[sides[t].sources[n] for t, n in places], propensities=None,
        variants=[names[t] for t in teams], versions=[sides[t].versions[n] for t, n in places],
        reasons=[reasons[t][n] for t, n in places] if all(reasons) else None,
    )  # fmt: skip


def _number(*parts: object) -> int:
    return int(of_content(*map(str, parts), digits=15), 16)
