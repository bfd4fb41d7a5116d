"""The logging policy: each place of a list is filled by one of six ways, drawn at random; with its propensities.

The chance that an item stands at a place is the mixture of what the ways give it. Exact for all of them but
``personal`` (the best of a few popular candidates by a noisy estimate), whose chance is a Monte Carlo mean
over ``TRIPLES`` draws of the other candidates.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp

from recommender.simulate.draw import TOPICS
from recommender.simulate.social import looked_up
from recommender.simulate.world import STATE_OF_CITY, World, segment, segment_start

CANDIDATES = 4  # compared for each personalised slot
LEARNING = 10  # interactions after which half of a user's taste is known to the service
TRIPLES = 8
WELL_PAID = 0.43  # standard deviations: the top third


class ShownItems:
    """What is shown in one block."""

    def __init__(
        self, world: World, popularity: np.ndarray, live: np.ndarray, now: float, rng: np.random.Generator
    ) -> None:
        """popularity: float64 (n_items,). live: int64, the items that may be shown. now: begin of the block, days."""
        knobs = world.knobs
        self.world, self.rng, self.live, self.now = world, rng, live, now
        self._weight = (popularity[live] + 1) ** knobs.popularity_power
        self._popular = np.cumsum(self._weight)
        self._newness = np.exp((world.items.published[live] - now) / knobs.fresh_days) + 1e-12
        self._fresh = np.cumsum(self._newness)
        number = segment(world.items.topics[live, 0], world.items.city[live])
        order = np.argsort(number, kind="stable")
        self._in_segment, self._segment = live[order], number[order]
        self._searched = np.concatenate([[0.0], np.cumsum(self._weight[order])])

    def show(
        self, users: np.ndarray, taste: np.ndarray, history: np.ndarray, friends: sp.csr_matrix
    ) -> tuple[np.ndarray, np.ndarray]:
        """Items int64 (n, list_length), and which of them are shown: bool, same shape.

        users: int64 (n,). taste: their present tastes. history: int64 (n,), how many items each took.
        friends: (n, n_items), what those whom they follow took lately.
        """
        knobs = self.world.knobs
        ways: list[tuple[float, Callable[[np.ndarray], np.ndarray]]] = [
            (knobs.popular, lambda rows: self._draw(self._popular, len(rows))),
            (knobs.fresh, lambda rows: self._draw(self._fresh, len(rows))),
            (knobs.personal, lambda rows: self._personal(users[rows], taste[rows], history[rows])),
            (knobs.browse, lambda rows: self._browse(users[rows])),
            (knobs.social, lambda rows: self._social(rows, friends)),
            (knobs.random, lambda rows: self._random(len(rows))),
        ]
        shares = np.cumsum([share for share, _ in ways])
        way = np.searchsorted(shares, self.rng.random((len(users), knobs.list_length)) * shares[-1])
        lists = np.empty(way.shape, np.int64)
        for position, (_, fill) in enumerate(ways):
            row, column = np.nonzero(way == position)
            if len(row):
                lists[row, column] = fill(row)
        return lists, self._held_back(users, lists)

    def propensity(
        self,
        users: np.ndarray,
        taste: np.ndarray,
        history: np.ndarray,
        friends: sp.csr_matrix,
        lists: np.ndarray,
        liked: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Chance that the policy puts each item of ``lists`` at its place, float64, same shape.

        liked: the affinities of ``lists``, float32, same shape. The others: see ``show``.
        """
        knobs, n_items = self.world.knobs, self.world.knobs.n_items
        popular, fresh, anywhere = (np.zeros(n_items) for _ in range(3))
        popular[self.live] = self._weight / self._weight.sum()
        fresh[self.live] = self._newness / self._newness.sum()
        anywhere[self.live] = 1 / len(self.live)
        by_way = {
            "popular": popular[lists],
            "fresh": fresh[lists],
            "browse": self._browsed(users, lists, popular, anywhere),
            "random": anywhere[lists],
        }
        if knobs.social:
            total = np.asarray(friends.sum(1))
            by_way["social"] = np.where(total > 0, looked_up(friends, lists) / np.maximum(total, 1), anywhere[lists])
        if knobs.personal:
            others = self._draw(self._popular, len(users) * TRIPLES * (CANDIDATES - 1), rng).reshape(len(users), -1)
            against = np.exp(_known(history)[:, None] * self.world.affinity(taste, users, others, self.now))
            against = against.reshape(len(users), 1, TRIPLES, CANDIDATES - 1).sum(3)
            strength = np.exp(_known(history)[:, None] * liked)[:, :, None]
            by_way["personal"] = popular[lists] * CANDIDATES * (strength / (strength + against)).mean(2)
        total_share = sum(getattr(knobs, way) for way in by_way)
        mixed = sum(getattr(knobs, way) * chance for way, chance in by_way.items()) / total_share
        return np.asarray(mixed * (1 - knobs.bias * self._disfavoured(users, lists)))

    def _held_back(self, users: np.ndarray, lists: np.ndarray) -> np.ndarray:
        """The historical bias: some places with well-paid postings stay empty where women look."""
        if not self.world.knobs.bias:
            return np.ones(lists.shape, bool)
        hidden = self.rng.random(lists.shape) < self.world.knobs.bias
        return np.asarray(~(hidden & self._disfavoured(users, lists)))

    def _disfavoured(self, users: np.ndarray, lists: np.ndarray) -> np.ndarray:
        women = self.world.users.gender[users] == 0
        return np.asarray(women[:, None] & (self.world.items.salary[lists] > WELL_PAID))

    def _draw(self, cumulative: np.ndarray, n: int, rng: np.random.Generator | None = None) -> np.ndarray:
        at = np.searchsorted(cumulative, (rng or self.rng).random(n) * cumulative[-1], side="right")
        return np.asarray(self.live[np.minimum(at, len(self.live) - 1)])

    def _random(self, n: int) -> np.ndarray:
        return np.asarray(self.live[self.rng.integers(len(self.live), size=n)])

    def _browse(self, users: np.ndarray) -> np.ndarray:
        """A popular item of the topic that the user searches, some only in the own state; any item if there is none."""
        everyone, knobs = self.world.users, self.world.knobs
        persona = self.rng.integers(knobs.personas, size=len(users))
        topic = self.world.present("topics", users, self.now)[np.arange(len(users)), persona, 0]
        local = self.rng.random(len(users)) < knobs.local
        first = segment(topic, np.where(local, everyone.city[users], 0))
        low = np.searchsorted(self._segment, np.where(local, first, segment_start(topic)))
        high = np.searchsorted(self._segment, np.where(local, first + 1, segment_start(topic + 1)))
        share = self.rng.random(len(users))
        at = np.searchsorted(self._searched, (1 - share) * self._searched[low] + share * self._searched[high], "right")
        searched = self._in_segment[np.clip(at - 1, low, np.maximum(high - 1, low)).clip(max=len(self.live) - 1)]
        return np.where(high > low, searched, self._random(len(users)))

    def _browsed(self, users: np.ndarray, lists: np.ndarray, popular: np.ndarray, anywhere: np.ndarray) -> np.ndarray:
        """The chances of ``_browse``."""
        world, knobs = self.world, self.world.knobs
        topic, state = world.items.topics[:, 0], STATE_OF_CITY[world.items.city]
        n_states = STATE_OF_CITY.max() + 1
        of_topic = np.bincount(topic, popular, TOPICS)
        of_segment = np.bincount(topic * n_states + state, popular, TOPICS * n_states)
        chance = np.zeros(lists.shape)
        for persona in range(knobs.personas):
            searched = world.present("topics", users, self.now)[:, persona, 0]
            local_segment = searched * n_states + STATE_OF_CITY[world.users.city[users]]
            in_topic = topic[lists] == searched[:, None]
            in_segment = in_topic & (state[lists] == STATE_OF_CITY[world.users.city[users]][:, None])
            for share, total, there in (
                (1 - knobs.local, of_topic[searched], in_topic),
                (knobs.local, of_segment[local_segment], in_segment),
            ):
                any_there = total[:, None] > 0
                within = np.where(there, popular[lists], 0) / np.where(any_there, total[:, None], 1)
                chance += share * np.where(any_there, within, anywhere[lists]) / knobs.personas
        return chance

    def _personal(self, users: np.ndarray, taste: np.ndarray, history: np.ndarray) -> np.ndarray:
        """The best of a few popular items by an estimate of taste that improves with the user's history."""
        candidates = self._draw(self._popular, len(users) * CANDIDATES).reshape(len(users), CANDIDATES)
        liked = self.world.affinity(taste, users, candidates, self.now)
        guess = _known(history)[:, None] * liked + self.rng.gumbel(size=candidates.shape)
        return np.asarray(candidates[np.arange(len(users)), guess.argmax(1)])

    def _social(self, rows: np.ndarray, friends: sp.csr_matrix) -> np.ndarray:
        """Something that those whom the user follows took lately, or any item."""
        low, high = friends.indptr[rows].astype(np.int64), friends.indptr[rows + 1].astype(np.int64)
        anything = self._random(len(rows))
        if not friends.nnz:
            return anything
        counts = np.concatenate([[0.0], np.cumsum(friends.data, dtype=np.float64)])
        share = self.rng.random(len(rows))
        at = np.searchsorted(counts, (1 - share) * counts[low] + share * counts[high], side="right") - 1
        taken = friends.indices[np.clip(at, low, np.maximum(high - 1, low)).clip(max=friends.nnz - 1)]
        return np.where(high > low, taken, anything)


def _known(history: np.ndarray) -> np.ndarray:
    """How much of a user's taste the service knows, float32 (n,)."""
    return np.asarray(history / (history + LEARNING), np.float32)
