"""What the scripts ``*_lists.py`` share: an equal budget of tuning, and recent popularity for users without an answer.

Needs NumPy and pandas only, for each script runs in the environment of its library. ``experiments/judged_peers.py``
starts them.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

DRAWS, CPU_S = 12, 25.0  # settings of a family: what ends first; the first are the library's defaults
WIDTH, SAMPLE = 50, 2000  # items of a list; users that settings are compared on
HALF_LIVES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # shares of the time that training covers
Lists = dict[Any, Sequence[Any]]  # user -> items, best first


@dataclass(frozen=True)
class Family:
    """A model of a library, and where its settings are drawn from.

    lists: (pairs with user_id and item_id, users among them, settings) -> their ``WIDTH`` best items, without what
    they took. space: name of a setting -> a value from a random generator.
    """

    name: str
    lists: Callable[[pd.DataFrame, Sequence[Any], Mapping[str, Any]], Lists]
    space: Mapping[str, Callable[[np.random.Generator], Any]] = field(default_factory=dict)


def write(library: str, families: Sequence[Family], folder: Path) -> None:
    """Writes ``others/LIBRARY_FAMILY.parquet`` (user_id, item_id, rank) of a folder that ``judged.py`` describes."""
    pairs = pd.read_parquet(folder / "public/interactions.parquet").sort_values("timestamp", kind="stable")
    pairs = pairs.drop_duplicates(["user_id", "item_id"])[["user_id", "item_id", "timestamp"]]
    users = pd.read_parquet(folder / "public/queries.parquet")["user_id"].drop_duplicates().tolist()
    allowed = set(pd.read_parquet(folder / "public/candidates.parquet")["item_id"])
    facts = folder / "public/dataset.yaml"
    people = facts.exists() and "relation:" in facts.read_text(encoding="utf-8")
    validating = validation(pairs["timestamp"])
    before, after = pairs[~validating], pairs[validating]
    truth = after.groupby("user_id")["item_id"].agg(set).to_dict()
    popular = popularity(pairs, max(HALF_LIVES, key=lambda h: ndcg(dict.fromkeys(truth, popularity(before, h)), truth)))
    taken = pairs.groupby("user_id")["item_id"].agg(set).to_dict()
    known = [user for user in users if user in taken]
    for family in families:
        settings, tried = tuned(family, before, truth)
        begun = time.process_time()
        lists = family.lists(pairs[["user_id", "item_id"]], known, settings)
        rows = []
        for user in users:
            hidden = taken.get(user, set()) | ({user} if people else set())
            items = dict.fromkeys([*lists.get(user, ()), *popular])
            best = [item for item in items if item in allowed and item not in hidden][:WIDTH]
            rows += [(user, item, rank) for rank, item in enumerate(best, 1)]
        to = folder / "others" / f"{library}_{family.name}.parquet"
        to.parent.mkdir(exist_ok=True)
        pd.DataFrame(rows, columns=["user_id", "item_id", "rank"]).to_parquet(to, index=False)
        spent = time.process_time() - begun
        sys.stdout.write(f"{to.name}: {tried} settings tried, {settings or 'defaults'}, {spent:.1f} CPU seconds\n")
        sys.stdout.flush()


def validation(times: pd.Series) -> np.ndarray:
    """Which pairs validate: the last fifth by time; a fifth at random where times are missing. bool, one per pair."""
    if times.isna().any():
        return np.random.default_rng(0).random(len(times)) < 0.2
    return (times >= times.quantile(0.8, interpolation="lower")).to_numpy()


def tuned(family: Family, before: pd.DataFrame, truth: Mapping[Any, set[Any]]) -> tuple[dict[str, Any], int]:
    """The settings with the best NDCG@10 on ``truth``, of users known before; how many were tried."""
    users = [user for user in before["user_id"].unique() if user in truth]
    rng, begun = np.random.default_rng(0), time.process_time()
    if len(users) > SAMPLE:
        users = [users[i] for i in np.sort(rng.choice(len(users), SAMPLE, replace=False))]
    user_truth = {user: truth[user] for user in users}
    best: tuple[float, dict[str, Any]] = (-1.0, {})
    tried = 0
    while user_truth and tried < (DRAWS if family.space else 1) and time.process_time() - begun < CPU_S:
        settings = {name: draw(rng) for name, draw in family.space.items()} if tried else {}
        tried += 1
        try:
            value = ndcg(family.lists(before[["user_id", "item_id"]], users, settings), user_truth)
        except RuntimeError as error:  # what a library cannot solve is a setting that lost
            sys.stdout.write(f"{family.name} with {settings}: {error.__cause__ or error}\n")
            continue
        best = max(best, (value, settings), key=lambda pair: pair[0])
    return best[1], tried


def ndcg(lists: Mapping[Any, Sequence[Any]], truth: Mapping[Any, set[Any]]) -> float:
    """Mean NDCG@10 over the users of ``truth``; 0 for who has no list."""
    gain = 1 / np.log2(np.arange(2, 12))
    values = []
    for user, items in truth.items():
        hits = [item in items for item in lists.get(user, ())[:10]]
        values.append(gain[: len(hits)][hits].sum() / gain[: len(items)].sum())
    return float(np.mean(values)) if values else 0.0


def popularity(pairs: pd.DataFrame, half_life: float) -> list[Any]:
    """All items, the most taken first; takes count half as much each ``half_life`` of the time that ``pairs`` cover.

    Where times are missing each take counts one.
    """
    untimed = pairs["timestamp"].isna().any()
    times = np.zeros(len(pairs)) if untimed else pairs["timestamp"].astype("int64").to_numpy(float)
    age = (times.max() - times) / max(np.ptp(times), 1.0)
    return pd.Series(0.5 ** (age / half_life)).groupby(pairs["item_id"].to_numpy()).sum().sort_values(
        ascending=False, kind="stable").index.tolist()  # fmt: skip


def log(low: float, high: float) -> Callable[[np.random.Generator], float]:
    """Draws from a log-uniform distribution."""
    return lambda rng: float(np.exp(rng.uniform(np.log(low), np.log(high))))


def whole(low: int, high: int) -> Callable[[np.random.Generator], int]:
    """Draws whole numbers from a log-uniform distribution, both ends included."""
    return lambda rng: round(log(low, high)(rng))


def flat(low: float, high: float) -> Callable[[np.random.Generator], float]:
    """Draws from a uniform distribution."""
    return lambda rng: float(rng.uniform(low, high))


def choice(*values: Any) -> Callable[[np.random.Generator], Any]:
    """Draws one of the values."""
    return lambda rng: values[int(rng.integers(len(values)))]


def best(scores: np.ndarray, users: Sequence[Any], items: np.ndarray) -> Lists:
    """The ``WIDTH`` best items of each row of ``scores`` (users, items); what is not finite is left out."""
    k = min(WIDTH, scores.shape[1])
    top = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    top = np.take_along_axis(top, np.argsort(-np.take_along_axis(scores, top, 1), axis=1, kind="stable"), 1)
    finite = np.isfinite(np.take_along_axis(scores, top, 1))
    return {user: items[row[ok]].tolist() for user, row, ok in zip(users, top, finite, strict=True)}
