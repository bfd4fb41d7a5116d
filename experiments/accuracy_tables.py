"""Lists of this system beside those of others: ``python -m experiments.accuracy_tables [--each] SET=FOLDER ...``.

Writes ``docs/data/accuracy.csv``: per data set and group of users, NDCG@10 of ours
and the best of the others there with the paired difference, and recall@20 of items that training has not seen taken.
With ``--each``, ``docs/data/accuracy-ablations.csv``: ours beside every one of ``parts``, lists of trains without a
part, for all users. Rows of sets that are not given stay.
A FOLDER holds, as Parquet: ``public/interactions`` (what everyone learned from), ``private/truth`` (user_id, item_id:
what those users took afterwards), ``others/<name>`` (user_id, item_id, rank), and what ``experiments/judged.py`` makes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from experiments.realism import save  # first: its import sets BLAS threads before NumPy is imported
from pipelines.cli import run

import numpy as np  # isort: skip
import polars as pl
import scipy.sparse as sp

from recommender.data.queries import bucket
from recommender.errors import ConfigError
from recommender.evaluation import metrics
from recommender.evaluation.shown import Judged
from recommender.evaluation.statistics import ClusteredValues, estimates
from recommender.names import ALL, USER_BUCKETS
from recommender.ranking.lists import NO_ITEM, RUNG, Lists

HEADS = ["set", "users", "queries", "measure", "ours", "best other", "its value", "difference"]
LEAST = 30  # users of a group with a row of its own
WIDTH = 20


def main(argv: list[str]) -> None:
    each = argv[:1] == ["--each"]
    argv = argv[each:]
    if not argv or not all("=" in given for given in argv):
        raise ConfigError(
            "Give one or more SET=FOLDER, folders as the docstring of experiments/accuracy_tables.py says."
        )
    rows = [HEADS]
    for given in argv:
        name, _, folder = given.partition("=")
        rows += [[name, *row] for row in compared(Path(folder), each)]
    save("accuracy-ablations" if each else "accuracy", rows, others=True)


def compared(folder: Path, each: bool = False) -> list[list[str]]:
    """Rows of one set, without its name. each: all users beside every one of the parts, recall@20 of all items too."""
    files = [folder / name for name in ("public/interactions.parquet", "private/truth.parquet", "ours.parquet")]
    if missing := [str(file) for file in files if not file.is_file()]:
        raise ConfigError(
            f"No file {', '.join(missing)}: the docstring of experiments/accuracy_tables.py says what is."
        )
    interactions, truth, ours = map(pl.read_parquet, files)
    beside = folder / ("parts" if each else "others")
    others = {file.stem: pl.read_parquet(file) for file in sorted(beside.glob("*.parquet"))}
    truth = truth.unique(["user_id", "item_id"])
    users = truth["user_id"].unique().sort()
    train = interactions.unique(["user_id", "item_id"])
    items = pl.concat([interactions["item_id"], truth["item_id"]]).unique().sort()
    counts = _counted(items, interactions["item_id"])
    cells = (np.ones(truth.height, bool), (_rows(users, truth["user_id"]), _rows(items, truth["item_id"])))
    taken = sp.csr_matrix(cells, shape=(len(users), len(items)))
    values = {n: _values(_lists(t, users, items), taken, counts) for n, t in {"": ours, **others}.items()}
    warmth = bucket(_counted(users, train["user_id"]))
    groups = {ALL: np.ones(len(users), bool)} | {name: warmth == b for b, name in enumerate(USER_BUCKETS)}
    rows = [_row(name, "NDCG@10", {n: v[0][mask] for n, v in values.items()}) for name, mask in groups.items()]
    cold = ~np.isnan(values[""][1])
    if each:
        measures = {"NDCG@10": (0, groups[ALL]), "recall@20": (2, groups[ALL]), "recall@20 of new items": (1, cold)}
        pairs = [(name, measure) for name in others for measure in measures]
        rows = [_row(ALL, m, {n: values[n][measures[m][0]][measures[m][1]] for n in ("", name)}) for name, m in pairs]
        return [row for row in rows if row]
    rows.append(_row(ALL, "recall@20 of new items", {n: v[1][cold] for n, v in values.items()}))
    return [row for row in rows if row]


def _row(group: str, measure: str, values: Mapping[str, np.ndarray]) -> list[str]:
    """Ours against the best of the others in this group; empty where the group is small."""
    ours, others = values[""], {n: v for n, v in values.items() if n}
    if len(ours) < LEAST or not others:
        return []
    best = max(others, key=lambda n: float(others[n].mean()))
    gain = ClusteredValues(np.arange(len(ours)), (ours - others[best])[:, None])
    e = estimates([gain], np.arange(len(ours), dtype=np.uint64), 1000, 0)[0]
    star = " *" if e.low[0] > 0 or e.high[0] < 0 else ""
    difference = f"{e.mean[0]:+.4f} [{e.low[0]:+.4f}, {e.high[0]:+.4f}]{star}"
    value, other = (f"{v.mean():.4f}" for v in (ours, others[best]))
    return [group, str(len(ours)), measure, value, best, other, difference]


def _values(lists: Lists, taken: sp.csr_matrix, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """NDCG@10 of each user, recall@20 of the new items (NaN for users who took none), and of all items."""
    judged = Judged(lists, taken)
    return metrics.ndcg(judged), metrics.item_recall(judged, counts)[:, 0], metrics.recall(judged)


def _lists(table: pl.DataFrame, users: pl.Series, items: pl.Series) -> Lists:
    """The first ``WIDTH`` items of each user; -1 for items that are neither in training nor in the truth."""
    first = table.sort("rank").group_by("user_id", maintain_order=True).head(WIDTH)
    place = first.select(pl.int_range(pl.len()).over("user_id")).to_series().to_numpy()
    user, item = _rows(users, first["user_id"]), _rows(items, first["item_id"])
    found = np.full((len(users), WIDTH), -1)
    known = user >= 0
    found[user[known], place[known]] = item[known]
    source = np.where(found < 0, NO_ITEM, RUNG).astype(np.int8)
    return Lists(found, np.full(found.shape, np.nan, np.float32), source)


def _rows(ids: pl.Series, wanted: pl.Series) -> np.ndarray:
    """Position of each wanted id in ``ids`` (sorted), -1 where it is not there; int64."""
    known = dict(zip(ids.to_list(), range(len(ids)), strict=True))
    return np.array([known.get(value, -1) for value in wanted.to_list()], dtype=np.int64)


def _counted(ids: pl.Series, seen: pl.Series) -> np.ndarray:
    """How often each id is among ``seen``, int64."""
    rows = _rows(ids, seen)
    return np.bincount(rows[rows >= 0], minlength=len(ids))


if __name__ == "__main__":
    run(main)
