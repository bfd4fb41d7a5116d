"""What made a simulated network, as the oracle of controls; and what the service knows of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from recommender.data.spec import Features, RelationSpec, Spec, Tables
from recommender.hashing import pseudonyms
from recommender.simulate.column_values import days, ids, numbered, rows_of, thinned, times
from recommender.simulate.network import Members, NetworkKnobs, make_members, pick_alike
from recommender.simulate.network_links import BLOCK_DAYS, MINUTE, Links, play, rates

ROLES = {"company": "category", "school": "category", "city": "category", "contact_key": "ignore"}
_SECRET = b"simulated"  # of the address books: no person stands behind them


@dataclass(frozen=True)
class NetworkTruth:
    """A network and what happened in it."""

    members: Members
    links: Links
    seed: int

    @classmethod
    def simulated(cls, knobs: NetworkKnobs, seed: int) -> NetworkTruth:
        members = make_members(knobs, seed)
        return cls(members, play(members, seed), seed)

    def scores(self, users: pl.Series, items: pl.Series, as_of: np.ndarray) -> np.ndarray:
        """The oracle: log of how likely a link between the two is to be made next, by either; float32 (n, n_items).

        It knows the mechanisms, whom members know offline and the network when the block of ``as_of`` began; not
        what chance brings. users (n,), items (n_items,): ids. as_of: int64 microseconds (n,). NaN for unknown ids.
        """
        user, item = self._rows(users), self._rows(items)
        out = np.full((len(user), len(item)), np.nan, np.float32)
        begin = np.maximum(np.floor(days(as_of, self.members.knobs) / BLOCK_DAYS) * BLOCK_DAYS, 0)
        for now in np.unique(begin[user >= 0]):
            rows = np.flatnonzero((begin == now) & (user >= 0))
            with np.errstate(divide="ignore"):
                out[rows] = np.log(self._odds(user[rows], float(now)))[:, item]
        out[:, item < 0] = np.nan
        return out

    def spam(self, items: pl.Series) -> np.ndarray:
        """Nobody breaks rules here: bool (n_items,)."""
        return np.zeros(len(items), bool)

    def tables(self) -> Tables:
        """What the service knows: members, links, address books as keyed hashes, blocks."""
        members, links = self.members, self.links
        knobs, rng = members.knobs, np.random.default_rng([self.seed, 3])
        names = ids("m", len(members.joined))
        keys = pseudonyms(names, _SECRET)
        users = pl.DataFrame({
            "user_id": names,
            "available_from": times(members.joined, knobs),
            "company": thinned(numbered("c", members.company), knobs.metadata_missing, rng),
            "school": thinned(numbered("s", members.school), knobs.metadata_missing, rng),
            "city": numbered("p", members.city),
            "contact_key": keys,
        })  # fmt: skip
        known = {*knobs.columns, "contact_key"}
        users = users.drop(ROLES.keys() - known)
        connects = pl.DataFrame({
            "user_id": names.gather(links.one), "item_id": names.gather(links.other),
            "timestamp": times(links.time, knobs), "event": pl.repeat("connect", len(links.one), eager=True),
        })  # fmt: skip
        return Tables(
            name="simulated",
            interactions=connects,
            items=users.rename({"user_id": "item_id"}),
            users=users.drop("available_from"),
            spec=Spec(
                features=Features(users={c: role for c, role in ROLES.items() if c in known}),
                relation=RelationSpec(symmetric=True),
            ),
            truth=lambda: self,
            contacts=self._books(names, keys, rng),
            blocks=self._blocks(names, rng),
        )

    def _books(self, names: pl.Series, keys: pl.Series, rng: np.random.Generator) -> pl.DataFrame:
        """Address books, imported at sign-up: those of ``books`` members, and of whoever invites somebody."""
        members = self.members
        knobs, n = members.knobs, len(members.joined)
        known = members.known.tocoo()
        imports = rng.random(n) < knobs.books
        listed = imports[known.row] & (rng.random(known.nnz) < knobs.book_recall)
        guests = np.flatnonzero(members.inviter >= 0)
        owner = np.concatenate([known.row[listed], members.inviter[guests]])
        entry = np.concatenate([known.col[listed], guests])
        since = np.concatenate([members.joined[known.row[listed]], members.joined[guests] - MINUTE])
        wrong = int(len(owner) * knobs.book_errors / max(1 - knobs.book_errors, 1e-9))
        liar = rng.choice(owner, wrong) if len(owner) else np.zeros(0, np.int64)
        stranger = rng.integers(0, 3 * n, wrong)  # two of three never join
        outside = pseudonyms(pl.Series(stranger), _SECRET)
        value = pl.concat([keys.gather(entry), pl.select(
            pl.when(pl.Series(stranger < n)).then(keys.gather(stranger % n)).otherwise(outside)
        ).to_series().alias(keys.name)])  # fmt: skip
        return pl.DataFrame({
            "user_id": names.gather(np.concatenate([owner, liar])),
            "contact_key": value,
            "timestamp": times(np.concatenate([since, members.joined[liar]]), knobs),
        })  # fmt: skip

    def _blocks(self, names: pl.Series, rng: np.random.Generator) -> pl.DataFrame:
        members = self.members
        by = np.flatnonzero(rng.random(len(members.joined)) < members.knobs.blocks)
        whom = pick_alike(members.company, members.fame, members.company[by], rng.random(len(by)))
        other = by != whom
        return pl.DataFrame({"user_id": names.gather(by[other]), "item_id": names.gather(whom[other])})

    def _odds(self, user: np.ndarray, now: float) -> np.ndarray:
        """Chance of a link with each member, relative, float64 (n, n_users)."""
        members = self.members
        knobs, graph = members.knobs, self.links.graph(len(members.joined), now)
        there = members.joined <= now + BLOCK_DAYS
        fame, rate = members.fame * there, np.maximum(rates(members, now), members.activity * there)
        mine, my_fame = rate[user][:, None], fame[user][:, None]
        degree, known = np.maximum(np.diff(graph.indptr), 1), members.known[user].toarray() * there
        n_known = np.maximum(np.diff(members.known.indptr), 1)
        paths = (graph[user].multiply(1 / degree[None, :]).tocsr() @ graph).toarray()
        guests = knobs.invited * (members.joined[user] > now)[:, None]  # their first link may be an invitation
        odds = knobs.closure * paths * (mine / degree[user][:, None] + rate / degree)
        odds += known * ((knobs.acquaintance + guests) * mine / n_known[user][:, None])
        odds += known * knobs.acquaintance * rate / n_known
        anyone = mine * fame + rate * my_fame
        for group, share in ((members.company, 0.7 * knobs.homophily), (members.school, 0.3 * knobs.homophily)):
            odds += share * (group[user][:, None] == group) * anyone / np.bincount(group, fame)[group].clip(1e-12)
        odds += (1 - knobs.closure - knobs.acquaintance - knobs.homophily) * anyone / fame.sum()
        return np.asarray(odds * there)

    def _rows(self, wanted: pl.Series) -> np.ndarray:
        """Row of each id, int64 (n,); -1 where unknown."""
        return rows_of(ids("m", len(self.members.joined)), wanted)
