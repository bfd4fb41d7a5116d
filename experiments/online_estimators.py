"""Online estimators against the truth: ``python -m experiments.online_estimators [WORLDS] [--write]``.

Users of simulated job boards come several times and take what they are shown with a chance that only the simulator
knows: of their utility, less the lower the place. So the true effect of a candidate's lists is a sum, not an estimate.
In each of 20 worlds, 20 times: users are split, lists are interleaved, a place is drawn by a logging policy; each
estimator of ``recommender/online`` reads that out. Bias, coverage of the 95% interval, false alarms, power and refusals
over all of them. --write puts the table into ``docs/data/online-estimators.csv``.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.cli import run  # isort: skip  (it sets BLAS threads before NumPy is imported)

import numpy as np

from experiments.realism import markdown, save
from recommender.errors import DataError
from recommender.online.interleaved import share_and_error, two_sided
from recommender.online.off_policy import estimate, reward_model
from recommender.online.ratio import RatioEffect, Sample, effect
from recommender.ranking.interleaving import coins, team_draft
from recommender.simulate import resolve
from recommender.simulate.truth import SimulatedTruth, expected_utility

KNOBS = {"n_interactions": 6_000, "n_users": 1_500, "n_items": 250, "span_days": 60.0}
NOW, PLACES, DECAY, REPEATS = 45.0, 10, 0.5, 20
POOL, FLOOR = 20, 0.5  # of the place that is drawn: items, and the share that goes by lot
ALPHA = 0.05


@dataclass(frozen=True)
class Board:
    """chance: that a user takes an item of the first place, float64 (n_users, n_items); visits: expected, of each user;
    control, candidate: lists, int64 (n_users, n_items) best first; before: takes of each user before the test."""

    chance: np.ndarray
    visits: np.ndarray
    control: np.ndarray
    candidate: np.ndarray
    before: np.ndarray

    def mean(self, lists: np.ndarray) -> float:
        """True takes per list."""
        return float((self.per_user(lists) * self.visits).sum() / self.visits.sum())

    def per_user(self, lists: np.ndarray) -> np.ndarray:
        """True takes of each user's list."""
        shown = np.take_along_axis(self.chance, lists[:, :PLACES], axis=1)
        return np.asarray((shown * looked()).sum(axis=1))


def looked() -> np.ndarray:
    return np.arange(1, PLACES + 1.0) ** -DECAY


def board(seed: int) -> Board:
    """The users and open postings of a simulated job board on day ``NOW``. The control orders postings by popularity,
    the candidate by a guess of the user's utility."""
    truth, rng = SimulatedTruth.simulated(resolve("jobs", dict(KNOBS)), seed), np.random.default_rng([seed, 1])
    live = truth.world.live(NOW)
    there = np.flatnonzero(truth.world.users.arrived < NOW)
    utility = expected_utility(truth, there, live, np.full(len(there), NOW)).astype(float)
    utility -= np.quantile(utility, 0.9)
    liking = rng.normal(0, 0.7, (len(there), 1))  # some users take much, whoever recommends
    chance = 0.25 / (1 + np.exp(-utility - liking))
    past = truth.log.time < NOW
    popular = np.bincount(truth.log.item[past], minlength=KNOBS["n_items"])[live] + rng.random(len(live))
    guess = 0.5 * np.log1p(popular) + 0.5 * utility + rng.normal(0, 1, utility.shape)
    order = np.broadcast_to(np.argsort(-popular), utility.shape)
    visits = 1 + rng.gamma(1, 2, len(there))
    one = Board(chance, visits, order, np.argsort(-guess, axis=1), np.zeros(len(there)))
    lists = rng.poisson(2 * visits)  # before the test: takes beyond what so many lists bring on average
    before = rng.poisson(lists * one.per_user(order)) - one.mean(order) * lists
    return Board(chance, visits, order, one.candidate, before)


def visits_of(one: Board, rng: np.random.Generator) -> np.ndarray:
    """The user of each visit."""
    n = 1 + rng.poisson(one.visits - 1)
    return np.repeat(np.arange(len(n)), n)


def takes(one: Board, user: np.ndarray, items: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What each visit takes of its list, bool (n_visits, PLACES)."""
    return np.asarray(rng.random(items.shape) < one.chance[user[:, None], items] * looked())


def ab_test(
    one: Board, lists: np.ndarray, rng: np.random.Generator, cuped: bool = False, looks: tuple[float, ...] = (1.0,)
) -> list[RatioEffect]:
    """The read-out of a split of the users after each share of the time."""
    n_users, user = len(one.visits), visits_of(one, rng)
    treated, when = rng.random(n_users) < 0.5, rng.random(len(user))
    shown = np.where(treated[user][:, None], lists[user, :PLACES], one.control[user, :PLACES])
    taken = takes(one, user, shown, rng).sum(axis=1).astype(float)
    read = []
    for share in looks:
        n = np.bincount(user[when < share], minlength=n_users).astype(float)
        x = np.bincount(user[when < share], taken[when < share], n_users)
        sides = [(side & (n > 0)) for side in (~treated, treated)]
        samples = [Sample(x[rows], n[rows], one.before[rows] if cuped else None) for rows in sides]
        read.append(effect(samples[0], samples[1], ALPHA, n_users))
    return read


def interleave(one: Board, lists: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """The candidate's share of the takes, and p."""
    user = visits_of(one, rng)
    flips = coins(rng.integers(0, 2**63, len(user), dtype=np.uint64), PLACES)
    drafts = [
        team_draft(one.control[u, : 2 * PLACES].tolist(), lists[u, : 2 * PLACES].tolist(), PLACES, row.tolist())
        for u, row in zip(user, flips, strict=True)
    ]
    items, teams = (np.array([d[part] for d in drafts]) for part in (0, 1))
    taken = takes(one, user, items, rng)
    n_users = len(one.visits)
    n = np.bincount(user, taken.sum(axis=1), n_users)
    x = np.bincount(user, (taken & (teams == 1)).sum(axis=1), n_users)
    share, error = share_and_error(x[n > 0], n[n > 0])
    return share, two_sided(share, error)


Estimates = dict[str, tuple[float, float, float]]  # estimator -> value, low, high


def drawn_place(one: Board, rng: np.random.Generator, supported: bool) -> tuple[Estimates, float]:
    """Estimates of the candidate's takes at one place of ``POOL`` items, and the truth. Half of the draws go by lot,
    the others to the most popular one; supported: the lot holds all of them, else every second one. Raises DataError
    where it is refused."""
    pool = rng.permutation(one.chance.shape[1])[:POOL]
    rank = np.argsort(one.control[0])[pool]
    user = visits_of(one, rng)
    mine = np.argsort(one.candidate, axis=1)[:, pool].argmin(axis=1)  # the candidate's choice of each user
    lot = np.ones(POOL) if supported else (np.arange(POOL) % 2 == 0).astype(float)
    chance = FLOOR * lot / lot.sum()
    chance[np.where(lot > 0, rank, 10**9).argmin()] += 1 - FLOOR
    item = rng.choice(POOL, len(user), p=chance)
    taken = (rng.random(len(user)) < one.chance[user, pool[item]]).astype(float)
    logged, chosen = reward_model(user, item, taken, mine[user])
    out = estimate(user, taken, chance[item], (mine[user] == item).astype(float), logged, chosen)
    per_user = one.chance[np.arange(len(mine)), pool[mine]]
    return {e.name: (e.value, e.low, e.high) for e in out.estimates}, float(per_user @ one.visits / one.visits.sum())


def measured(one: Board, rng: np.random.Generator) -> Iterator[tuple[str, dict[str, float]]]:
    """One repetition: name of the estimator -> what it said beside the truth."""
    true = one.mean(one.candidate) - one.mean(one.control)
    for name, cuped in (("A/B test", False), ("A/B test, CUPED", True)):
        (e,) = ab_test(one, one.candidate, rng, cuped)
        yield name, {"true": true, "value": e.difference, "inside": e.low <= true <= e.high,
                     "found": e.low > 0 if true > 0 else e.high < 0, "width": e.high - e.low}  # fmt: skip
        (same,) = ab_test(one, one.control, rng, cuped)
        yield name, {"false": same.low > 0 or same.high < 0}
    looks = ab_test(one, one.control, rng, looks=tuple(np.arange(0.1, 1.01, 0.1)))
    yield "ten looks, early bounds", {"false": any(e.early_low > 0 or e.early_high < 0 for e in looks)}
    yield "ten looks, fixed interval", {"false": any(e.low > 0 or e.high < 0 for e in looks)}
    share, p = interleave(one, one.candidate, rng)
    right = (share > 0.5) == (true > 0)
    yield "interleaving, sign", {"true": true, "inside": right, "found": right and p < ALPHA}
    yield "interleaving, sign", {"false": interleave(one, one.control, rng)[1] < ALPHA}
    try:
        drawn_value, truth = drawn_place(one, rng, True)
        for name, (value, low, high) in drawn_value.items():
            inside = low <= truth <= high
            yield name, {"true": truth, "value": value, "inside": inside, "width": high - low, "refused": 0}
    except DataError:
        for name in ("IPS", "SNIPS", "DR"):
            yield name, {"refused": 1}
    try:
        drawn_place(one, rng, False)
        yield "half of the items never drawn", {"refused": 0}
    except DataError:
        yield "half of the items never drawn", {"refused": 1}


def summary(by_method: dict[str, list[float]]) -> dict[str, str]:
    """The columns of the table; a dash where an estimator has none."""

    def share(name: str) -> str:
        values = by_method.get(name)
        if not values:
            return "–"
        mean, n = float(np.mean(values)), len(values)
        return f"{mean:.1%} ± {1.96 * np.sqrt(max(mean * (1 - mean), 0.25 / n) / n):.1%}"

    bias = width = "–"
    if "value" in by_method:
        error, true = (
            np.array(by_method["value"]) - np.array(by_method["true"])[: len(by_method["value"])],
            np.mean(by_method["true"]),
        )
        bias = f"{error.mean() / true:+.1%} ± {1.96 * error.std(ddof=1) / np.sqrt(len(error)) / abs(true):.1%}"
        width = f"{np.mean(by_method['width']) / abs(true):.0%}"
    return {"bias, of the truth": bias, "95% interval holds it": share("inside"), "its width, of the truth": width,
            "finds it": share("found"), "false alarms": share("false"), "refused": share("refused")}  # fmt: skip


def table(worlds: int, repeats: int = REPEATS) -> list[list[str]]:
    """Heads and a row for each estimator."""
    by_method: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for seed in range(worlds):
        one, rng = board(seed), np.random.default_rng([seed, 2])
        for _ in range(repeats):
            for name, values in measured(one, rng):
                for key, value in values.items():
                    by_method[name][key].append(float(value))
        sys.stderr.write(f"world {seed}\n")
    rows = [{"estimator": name, **summary(values)} for name, values in by_method.items()]
    return [list(rows[0]), *(list(row.values()) for row in rows)]


def main(argv: list[str]) -> None:
    rows = table(int(next((a for a in argv if a.isdigit()), 20)))
    sys.stdout.write(markdown(rows))
    if "--write" in argv:
        save("online-estimators", rows)


if __name__ == "__main__":
    run(main)
