"""Is the router worse than the best single rung anywhere? ``python -m experiments.router_check OUT [OUT ...]``.

Of finished trains, on the test origin, for all users (their first queries) and each bucket of at least 30 queries:
the paired difference between the router and the rung that turned out best there, with a 95% bootstrap interval over
users. The best rung is picked with hindsight, on the very queries that it is compared on, so the comparison leans
against the router; the p is Holm-adjusted over all rungs of the bucket, as the best was picked among them. As Markdown;
every bucket where the interval is below zero is listed at the end, with that p, then what the train itself says in
hindsight: whether the rung was better in the periods before, too.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.cli import run  # isort: skip  (it sets BLAS threads before NumPy is imported)

import polars as pl

from recommender.errors import ConfigError, DataError
from recommender.evaluation.statistics import ClusteredValues, estimates, holm, sign_flip_p
from recommender.experiment import run_tables
from recommender.names import ROUTER, USER_BUCKETS

LEAST = 30  # queries of a bucket
FLIPS = 1999
HEAD = "| data | users | n | router | best single rung | difference | 95% interval | p (Holm) |"


@dataclass(frozen=True)
class Row:
    """The router against the best single rung in one bucket."""

    data: str
    bucket: str
    n: int
    router: float
    rung: str
    best: float
    difference: float
    low: float
    high: float
    p_holm: float

    @property
    def worse(self) -> bool:
        return self.high < 0


def main(argv: list[str]) -> None:
    if not argv:
        raise ConfigError("Name the OUT folders of finished trains, for example artifacts/latest.")
    rows = [row for folder in argv for row in check(Path(folder))]
    sys.stdout.write(as_markdown(rows) + "".join(told(Path(folder)) for folder in argv))


def told(folder: Path) -> str:
    """Hindsight of one train, a line each."""
    out = run_tables.read_out(folder)
    return "".join(f"- {out.scenario.name} on {out.data['name']}: {row['sentence']}\n" for row in out.hindsight)


def check(folder: Path) -> Iterator[Row]:
    """The rows of one train. Raises DataError where the folder is none, ConfigError where it has no router."""
    out = run_tables.read_out(folder)
    if not (folder / "per_query.parquet").is_file():
        raise DataError(f"{folder}: this train is not finished (per_query.parquet is missing).")
    asked = pl.read_parquet(folder / "per_query.parquet").filter(split="test", metric=out.metric)
    values = asked.pivot("rung", index=["query_id", "user_id", "as_of", "user_bucket"], values="value")
    known = set(values.columns) - {ROUTER}
    rungs = [r.name for r in out.scenario.ladder if r.name in known and not r.control]
    if ROUTER not in values.columns:
        raise ConfigError(f"{folder}: this train has no router to check (a train of day zero measures nothing).")
    yield from _rows(f"{out.scenario.name} on {out.data['name']}", values, rungs, out)


def _rows(name: str, values: pl.DataFrame, rungs: list[str], out: run_tables.Out) -> Iterator[Row]:
    first = values.sort("as_of", maintain_order=True).unique("user_id", keep="first", maintain_order=True)
    for bucket in ("all", *USER_BUCKETS):
        rows = first if bucket == "all" else values.filter(user_bucket=bucket)
        if rows.height < LEAST:
            continue
        best = max(rungs, key=lambda rung: _mean(rows, rung))
        users = rows["user_id"].rank("dense").to_numpy().astype(int) - 1
        own = rows[ROUTER].cast(pl.Float64).to_numpy()
        gains = own[:, None] - rows.select(pl.col(rungs).cast(pl.Float64)).to_numpy()
        cell, n_users, at = ClusteredValues(users, gains), int(users.max()) + 1, rungs.index(best)
        found = estimates([cell], n_users, out.scenario.bootstrap, out.scenario.seed)[0]
        p = holm(sign_flip_p(cell, FLIPS, out.scenario.seed))
        means = (_mean(rows, ROUTER), best, _mean(rows, best))
        paired = (float(x[at]) for x in (found.mean, found.low, found.high, p))
        yield Row(name, bucket, rows.height, *means, *paired)


def _mean(rows: pl.DataFrame, rung: str) -> float:
    return float(rows.select(pl.col(rung).mean()).item())


def as_markdown(rows: list[Row]) -> str:
    lines = [HEAD, "| --- " * 8 + "|"]
    for r in rows:
        cells = (r.data, run_tables.LABELS[r.bucket], f"{r.n:,}", f"{r.router:.4f}", f"{r.rung} {r.best:.4f}")
        interval = f"{r.low:+.4f} to {r.high:+.4f}"
        shown = f"**{interval}**" if r.worse else interval
        lines.append(f"| {' | '.join(cells)} | {r.difference:+.4f} | {shown} | {r.p_holm:.3f} |")
    worse = [
        f"- {r.data}, {run_tables.LABELS[r.bucket]}: {r.rung} is better by {-r.difference:.4f} "
        f"(adjusted p {r.p_holm:.3f})"
        for r in rows
        if r.worse
    ]
    told = worse or ["- nowhere"]
    return (
        "\n".join([*lines, "", f"Below the best single rung, the interval without zero (n >= {LEAST}):", *told]) + "\n"
    )


if __name__ == "__main__":
    run(main)
