"""What a network of many members costs: ``python -m experiments.people_scale [MEMBERS ...] [RUNG ...]``.

A synthetic network of 20 links a member, half of them within a company, with address books. Each size runs in a process
of its own: reading and checking, the fold at nine tenths of the time, the generator of candidates, then lists of ten by
popularity, Adamic-Adar and contacts for 100,000 queries. Default sizes: 50,000, 200,000 and 1,000,000 members (20M
links). With --write into ``docs/data/people-scale.csv``, which ``docs/performance.md`` shows; rows of what was not
measured stay. --in=FOLDER keeps the networks there, and takes those that it finds.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.cli import run  # isort: skip  (it sets BLAS threads before NumPy is imported)

import numpy as np
import polars as pl

from experiments.realism import save
from recommender.config import Eligibility, Scoring
from recommender.data.folder import read_folder
from recommender.data.gate import build
from recommender.data.split import Fold, time_fold, to_datetime
from recommender.errors import UserError
from recommender.evaluation.effort import EffortLog
from recommender.evaluation.metrics import hit_rate
from recommender.evaluation.shown import Judged
from recommender.hashing import pseudonyms
from recommender.models import RECOMMENDERS
from recommender.ranking.candidates import Candidates
from recommender.ranking.recommend import recommend
from recommender.simulate.draw import zipf
from recommender.simulate.network import pick, pick_alike

SIZES = (50_000, 200_000, 1_000_000)
PER_MEMBER, WITHIN, PER_COMPANY = 20, 0.5, 50
BOOKS, PER_BOOK = 0.5, 10  # share of members who import a book, its entries
DAYS, QUERIES, K = 365, 100_000, 10
RUNGS: dict[str, tuple[str, dict[str, Any]]] = {
    "popularity": ("popularity", {"half_life_share": 0.1}),
    "Adamic-Adar": ("neighbours", {"weight": "adamic_adar"}),
    "contacts": ("contacts", {}),
}


def main(argv: list[str]) -> None:
    if argv[:1] == ["--make"]:
        return make(Path(argv[1]), int(argv[2]))
    if argv[:1] == ["--measure"]:
        sys.stdout.write(json.dumps(measured(Path(argv[1]), argv[2:])))
        return
    sizes = [int(a) for a in argv if a.isdigit()] or list(SIZES)
    rungs = [a for a in argv if a in RUNGS] or list(RUNGS)
    folder_given = next((a.removeprefix("--in=") for a in argv if a.startswith("--in=")), None)
    shown = [["network", "seconds", "CPU seconds", "peak MB", "hit rate@10", "recall of the candidates"]]
    for members in sizes:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch if folder_given is None else folder_given, str(members))
            if not (folder / "dataset.yaml").exists():  # the last file of a network
                folder.mkdir(parents=True, exist_ok=True)
                _alone("--make", str(folder), str(members))
            for row in json.loads(_alone("--measure", str(folder), *rungs)):
                quality = ("", "") if row["hits"] is None else (f"{row['hits']:.4f}", f"{row['recall']:.1%}")
                cells = (f"{row['wall_s']:.1f}", f"{row['cpu_s']:.1f}", f"{row['peak_mb']:,.0f}", *quality)
                shown.append([f"{members:,} members, {row['stage']}", *cells])
    sys.stdout.write("".join(" | ".join(line) + "\n" for line in shown))
    if "--write" in argv:
        save("people-scale", shown, others=True)


def _alone(*arguments: str) -> str:
    command = [sys.executable, "-m", "experiments.people_scale", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise UserError(f"people_scale {' '.join(arguments)} ended with exit code {done.returncode}.")
    return done.stdout


def make(folder: Path, n: int) -> None:
    """A dataset folder of a network of ``n`` members."""
    rng = np.random.default_rng(0)
    company = rng.choice(max(n // PER_COMPANY, 1), n, p=zipf(max(n // PER_COMPANY, 1), 0.5))
    fame = np.exp(rng.standard_normal(n))
    joined = np.where(rng.random(n) < 0.5, 0.0, DAYS * rng.random(n))
    tried = int(n * PER_MEMBER * 1.1)
    one, other = pick(fame, rng.random(tried)), pick(fame, rng.random(tried))
    within = np.flatnonzero(rng.random(tried) < WITHIN)
    other[within] = pick_alike(company, fame, company[one[within]], rng.random(len(within)))
    keys = np.unique(np.minimum(one, other) * n + np.maximum(one, other))
    one, other = keys // n, keys % n
    two = np.flatnonzero(one != other)
    two = rng.permutation(two)[: n * PER_MEMBER]
    one, other = one[two], other[two]
    begin = np.maximum(joined[one], joined[other])
    days = begin + (DAYS - begin) * rng.random(len(two))
    links = pl.DataFrame({"user_id": one, "item_id": other, "timestamp": _times(days)})
    links.write_parquet(folder / "interactions.parquet")
    key = pseudonyms(pl.Series(np.arange(n)), b"synthetic")  # no person stands behind them
    users = pl.DataFrame({"user_id": np.arange(n), "available_from": _times(joined)})
    users.with_columns(company=pl.Series(company).cast(pl.String), contact_key=key).write_parquet(
        folder / "users.parquet"
    )
    owner = np.flatnonzero(rng.random(n) < BOOKS).repeat(PER_BOOK)
    known = pick_alike(company, fame, company[owner], rng.random(len(owner)))
    books = pl.DataFrame({"user_id": owner, "contact_key": key.gather(known), "timestamp": _times(joined[owner])})
    books.filter(pl.Series(owner != known)).write_parquet(folder / "contacts.parquet")
    (folder / "dataset.yaml").write_text(
        "relation: {symmetric: true}\nfeatures: {users: {company: category, contact_key: ignore}}\n", encoding="utf-8"
    )


def _times(days: np.ndarray) -> pl.Series:
    return pl.Series((1_700_000_000_000_000 + days * 86_400_000_000).astype(np.int64)).cast(pl.Datetime("us", "UTC"))


def measured(folder: Path, rungs: Sequence[str] = tuple(RUNGS)) -> list[dict[str, Any]]:
    """Seconds, CPU seconds and peak memory (10**6 bytes) of each stage; hit rate of the lists of ``rungs``."""
    effort, hits = EffortLog(), {}

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        with effort.stage(name, "prepare", "", ""):
            yield
        wall, cpu, peak = effort.rows[-1][4:7]
        sys.stderr.write(f"{name}: {wall:.1f} s, {cpu:.1f} CPU s, {peak:,.0f} MB\n")

    with stage("read and check"):
        data = build(read_folder(folder))
    with stage("fold"):
        fold = time_fold(data, "test", to_datetime(int(np.quantile(data.timestamps, 0.9))), None, 1)
    del data
    with stage("candidates"):
        candidates = Candidates.after(fold.train, fold.items, Eligibility()).generated(fold.train)
    rows = np.sort(np.random.default_rng(0).permutation(len(fold.queries))[:QUERIES])
    for name in rungs:
        recommender, parameters = RUNGS[name]
        with stage(name):
            model = RECOMMENDERS[recommender](**parameters).fit(fold.train)
            lists = recommend(model, fold.queries.take(rows), candidates, K, Scoring())
        hits[name] = float(hit_rate(Judged(lists, fold.truth[rows])).mean())
        del model, lists
    recall = _recall(fold, candidates, rows)
    stages = effort.frame().select(pl.col("rung").alias("stage"), "wall_s", "cpu_s", "peak_mb")
    return [{**row, "hits": hits.get(row["stage"]), "recall": recall} for row in stages.to_dicts()]


def _recall(fold: Fold, candidates: Candidates, rows: np.ndarray) -> float:
    some = rows[:: max(len(rows) // 5000, 1)]
    assert candidates.generator is not None
    return candidates.generator.recall(fold.queries.take(some), fold.truth[some])


if __name__ == "__main__":
    run(main)
