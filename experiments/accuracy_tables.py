"""Ours beside others: ``python -m experiments.accuracy_tables [--parts|--unseen] SET=FOLDER ...``.

Writes ``docs/data/accuracy.csv``: per data set and group of users, NDCG@10 of ours
and the best of the others there with the paired difference, and recall@20 of items that training has not seen taken;
``docs/data/accuracy-others.csv``: the same beside every one of the others; ``docs/data/accuracy-libraries.csv``: all
users beside the best model of each library; and from these, of every set, what ``docs/accuracy.md`` begins with:
``docs/data/accuracy-verdict.csv`` and ``docs/pictures/accuracy.svg``.
With ``--parts``, ``docs/data/accuracy-ablations.csv``: ours beside every one of ``parts``, lists of trains without a
part, for all users. With ``--unseen``, ``docs/data/accuracy-unseen.csv``: all users beside the best of the others.
Rows of sets that are not given stay.
A FOLDER holds, as Parquet: ``public/interactions`` (what everyone learned from), ``private/truth`` (user_id, item_id:
what those users took afterwards), ``others/<name>`` (user_id, item_id, rank), and what ``experiments/judged.py`` makes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.realism import save  # first: its import sets BLAS threads before NumPy is imported
from pipelines.cli import run

import numpy as np  # isort: skip
import polars as pl
import scipy.sparse as sp

from experiments import accuracy_summary
from recommender.data.queries import bucket
from recommender.errors import ConfigError
from recommender.evaluation import metrics
from recommender.evaluation.shown import Judged
from recommender.evaluation.statistics import ClusteredValues, estimates
from recommender.names import ALL, USER_BUCKETS
from recommender.ranking.lists import NO_ITEM, RUNG, Lists

HEADS = ["set", "users", "queries", "measure", "ours", "best other", "its value", "difference"]
UNSEEN_HEADS = ["set", "queries", "ours", "best other", "its value", "difference"]
LIBRARY_HEADS = ["library", "best model", "users", "ours", "its value", "difference"]
NDCG, NEW, RECALL = MEASURES = ("NDCG@10", "recall@20 of new items", "recall@20")
USERS = (ALL, *USER_BUCKETS)
WIDTH = 20


def main(argv: list[str]) -> None:
    parts, unseen = (argv[:1] == [option] for option in ("--parts", "--unseen"))
    argv = argv[parts or unseen :]
    if not argv or not all("=" in given for given in argv):
        raise ConfigError(
            "Give one or more SET=FOLDER, folders as the docstring of experiments/accuracy_tables.py says."
        )
    if unseen:
        save("accuracy-unseen", [UNSEEN_HEADS, *(row for given in argv for row in of_all(given))], others=True)
        return
    best, each, libraries = [HEADS], [["set", "other", *USERS, NEW]], [["set", *LIBRARY_HEADS]]
    for given in argv:
        name, _, folder = given.partition("=")
        lists = Compared(Path(folder), "parts" if parts else "others")
        best += [[name, *row] for row in (beside_parts(lists) if parts else beside_the_best(lists))]
        each += [] if parts else [[name, *row] for row in beside_each(lists)]
        libraries += [] if parts else [[name, *row] for row in beside_libraries(lists)]
    save("accuracy-ablations" if parts else "accuracy", best, others=True)
    if not parts:
        save("accuracy-others", each, others=True)
        save("accuracy-libraries", libraries, others=True)
        whole = {name: accuracy_summary.read(f"accuracy{name}") for name in ("", "-libraries", "-others")}
        save("accuracy-verdict", [["verdict"], *([text] for text in accuracy_summary.sentences(*whole.values()))])
        accuracy_summary.chart(whole["-libraries"])


class Compared:
    """Measures of ours and of the lists in the folder ``beside``.

    values: name, "" for ours -> NDCG@10, recall@20 of new items (NaN for users who took none) and recall@20 of each
    user; groups: name -> mask of its users, ``NEW`` for those who took a new item.
    """

    def __init__(self, folder: Path, beside: str) -> None:
        files = [folder / name for name in ("public/interactions.parquet", "private/truth.parquet", "ours.parquet")]
        if missing := [str(file) for file in files if not file.is_file()]:
            raise ConfigError(
                f"No file {', '.join(missing)}: the docstring of experiments/accuracy_tables.py says what is."
            )
        interactions, truth, ours = map(pl.read_parquet, files)
        truth = truth.unique(["user_id", "item_id"])
        users = truth["user_id"].unique().sort()
        items = pl.concat([interactions["item_id"], truth["item_id"]]).unique().sort()
        counts = _counted(items, interactions["item_id"])
        cells = (np.ones(truth.height, bool), (_rows(users, truth["user_id"]), _rows(items, truth["item_id"])))
        taken = sp.csr_matrix(cells, shape=(len(users), len(items)))
        tables = {"": ours} | {f.stem: pl.read_parquet(f) for f in sorted((folder / beside).glob("*.parquet"))}
        self.others = [name for name in tables if name]
        self.values = {name: _values(_lists(table, users, items), taken, counts) for name, table in tables.items()}
        warmth = bucket(_counted(users, interactions.unique(["user_id", "item_id"])["user_id"]))
        self.groups = {ALL: np.ones(len(users), bool)} | {name: warmth == b for b, name in enumerate(USER_BUCKETS)}
        self.groups[NEW] = ~np.isnan(self.values[""][1])

    def of(self, group: str, measure: str, others: Sequence[str]) -> list[str]:
        """The row of a group beside the best of ``others``; empty where the group is small."""
        column = MEASURES.index(measure)
        return _row(group, measure, {n: self.values[n][column][self.groups[group]] for n in ("", *others)})


def beside_the_best(lists: Compared) -> list[list[str]]:
    """Rows of one set, without its name: each group of users, and new items, beside the best of the others there."""
    rows = [lists.of(group, NDCG, lists.others) for group in USERS] + [lists.of(NEW, NEW, lists.others)]
    return [[ALL if row[0] == NEW else row[0], *row[1:]] for row in rows if row]


def of_all(given: str) -> list[list[str]]:
    """The row of SET=FOLDER for all users, beside the best of the others there."""
    name, _, folder = given.partition("=")
    lists = Compared(Path(folder), "others")
    return [[name, row[1], *row[3:]] for row in [lists.of(ALL, NDCG, lists.others)] if row]


def beside_parts(lists: Compared) -> list[list[str]]:
    """Rows of one set, without its name: all users beside each of the parts."""
    wanted = ((ALL, NDCG), (ALL, RECALL), (NEW, NEW))
    rows = [lists.of(group, measure, [part]) for part in lists.others for group, measure in wanted]
    return [[ALL, *row[1:]] for row in rows if row]


def beside_each(lists: Compared) -> list[list[str]]:
    """A row for each of the others: in each group its value, and in brackets how much more ours has."""
    rows = []
    for other in lists.others:
        both_scores = [*(lists.of(group, NDCG, [other]) for group in USERS), lists.of(NEW, NEW, [other])]
        rows.append([other, *(f"{row[5]} ({row[6]})" if row else "" for row in both_scores)])
    return sorted(rows, key=lambda row: row[1], reverse=True)


def beside_libraries(lists: Compared) -> list[list[str]]:
    """A row for each library, by value: all users beside its best model for them."""
    rows = []
    for library in dict.fromkeys(map(accuracy_summary.library, lists.others)):
        row = lists.of(ALL, NDCG, [other for other in lists.others if accuracy_summary.library(other) == library])
        rows += [[library, row[4], row[1], row[3], row[5], row[6]]] if row else []
    return sorted(rows, key=lambda row: row[4], reverse=True)


def _row(group: str, measure: str, values: Mapping[str, np.ndarray]) -> list[str]:
    """Ours against the best of the others in this group; empty where the group is small."""
    ours, others = values[""], {n: v for n, v in values.items() if n}
    if len(ours) < accuracy_summary.LEAST or not others:
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
    places = np.full((len(users), WIDTH), -1)
    known = user >= 0
    places[user[known], place[known]] = item[known]
    source = np.where(places < 0, NO_ITEM, RUNG).astype(np.int8)
    return Lists(places, np.full(places.shape, np.nan, np.float32), source)


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
