"""What starting from the origin before saves: ``python -m experiments.warm_starts [SOURCE [SEEDS [als|bpr]]]``.

At the second and third of three origins a model is fitted from random factors (cold) or from those of the origin before
(warm; users and items that are new since begin at random), with fewer iterations. Each against all iterations, cold,
of the same seed: the difference of NDCG@10 with a 95% interval over seeds (Student's t), and the CPU seconds of the
fit. A last line compares with the same of another seed, which is what luck alone moves. As Markdown.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

from pipelines.cli import run  # isort: skip  (it sets BLAS threads before NumPy is imported)

import numpy as np
from scipy.special import stdtrit

from recommender import config
from recommender.config import Eligibility, Scoring, Split
from recommender.config.files import raw_dir
from recommender.data.dataset import Table
from recommender.data.split import Fold, folds
from recommender.errors import ConfigError
from recommender.evaluation.judge import AccuracyJudge
from recommender.models.als import ALS
from recommender.models.bpr import BPR
from recommender.models.vocabulary import interacted
from recommender.ranking.candidates import Candidates
from recommender.ranking.recommend import recommend
from recommender.sources.load import load

FULL = {"als": 15, "bpr": 100}  # iterations, as the rungs have them
FEWER = {"als": (("cold", 5), ("cold", 3), ("warm", 5), ("warm", 3), ("warm", 1)),
         "bpr": (("cold", 50), ("cold", 25), ("cold", 10), ("warm", 50), ("warm", 25), ("warm", 10))}  # fmt: skip
Model = ALS | BPR
Known = tuple[Table, np.ndarray]  # users or items, and their factors


def main(argv: list[str]) -> None:
    source, seeds, name = [*argv, *("catalog", "5", "als")[len(argv) :]][:3]
    if name not in FULL or not seeds.isdigit() or int(seeds) < 2:
        raise ConfigError(f"expected at least 2 seeds and one of {', '.join(FULL)}, got {seeds} {name}.")
    sys.stdout.write(as_markdown([row for seed in range(int(seeds)) for row in measured(name, source, seed)]))


def measured(name: str, source: str, seed: int) -> Iterator[tuple[int, str, float, float]]:
    """Origin (1 and 2), setting, NDCG@10 and CPU seconds of the fit; all iterations first."""
    if source in config.scenarios():
        scenario = config.load(source, [f"data.options.simulated.seed={seed}"])
        data = load(scenario.data.source, raw_dir=raw_dir(), **config.loading(scenario))
    else:
        data = load(source, raw_dir=raw_dir())
    before: tuple[Known, Known] | None = None
    for number, fold in enumerate(folds(data, Split(validation=[0.6, 0.7], test=0.8), Eligibility())):
        model, factors, cpu_s = fitted(name, fold, seed, FULL[name], None)
        if before is not None:
            yield number, f"cold, {FULL[name]}", ndcg(model, fold), cpu_s
            for start, iterations in FEWER[name]:
                model, _, cpu_s = fitted(name, fold, seed, iterations, before if start == "warm" else None)
                yield number, f"{start}, {iterations}", ndcg(model, fold), cpu_s
            model, _, cpu_s = fitted(name, fold, seed + 1000, FULL[name], None)
            yield number, f"cold, {FULL[name]}, another seed", ndcg(model, fold), cpu_s
        before = factors


def fitted(
    name: str, fold: Fold, seed: int, iterations: int, before: tuple[Known, Known] | None
) -> tuple[Model, tuple[Known, Known], float]:
    """The model on the fold's training data, the factors of its users and items, and the CPU seconds of the fit."""
    model: Model = (ALS if name == "als" else BPR)(iterations=iterations, seed=seed)
    taken, users, items = interacted(fold.train)
    upstream = model._upstream()
    if before is not None:
        rng = np.random.default_rng(seed)
        upstream.user_factors = started(users, before[0], rng)
        upstream.item_factors = started(items, before[1], rng)
        if name == "bpr":
            upstream.user_factors[:, -1] = 1  # what the item's bias is multiplied by
    begun = time.process_time()
    upstream.fit(taken, show_progress=False)
    cpu_s = time.process_time() - begun
    model.items_, model.item_factors_ = items, upstream.item_factors
    if isinstance(model, BPR):
        model.users_, model.user_factors_ = users, upstream.user_factors
    return model, ((users, upstream.user_factors), (items, upstream.item_factors)), cpu_s


def started(table: Table, known: Known, rng: np.random.Generator) -> np.ndarray:
    """The known factors of each row of the table, small random ones for the others."""
    rows = known[0].lookup(table.ids)
    factors = (rng.random((len(table), known[1].shape[1]), dtype=np.float32) - 0.5) * 0.01
    factors[rows >= 0] = known[1][rows[rows >= 0]]
    return factors


def ndcg(model: Model, fold: Fold) -> float:
    candidates = Candidates.after(fold.train, fold.items, Eligibility())
    lists = recommend(model, fold.queries, candidates, 20, Scoring())
    return float(AccuracyJudge.of(fold).values(lists)["ndcg_at_10"].mean())


def as_markdown(rows: list[tuple[int, str, float, float]]) -> str:
    """rows: see ``measured``, seed after seed."""
    lines = ["| origin | iterations | NDCG@10 | against all, cold | CPU |", "| --- | --- | --- | --- | --- |"]
    by: dict[tuple[int, str], np.ndarray] = {}
    for number, setting in dict.fromkeys((number, setting) for number, setting, _, _ in rows):
        by[number, setting] = np.array([row[2:] for row in rows if row[:2] == (number, setting)])
        values, full = by[number, setting], next(v for (n, _), v in by.items() if n == number)
        gain, share = values[:, 0] - full[:, 0], np.median(values[:, 1] / full[:, 1])
        half = stdtrit(len(gain) - 1, 0.975) * gain.std(ddof=1) / np.sqrt(len(gain))
        means = [f"{values[:, 0].mean():.4f}", f"{gain.mean():+.4f} ± {half:.4f}", f"{share:.2f}"]
        lines.append(f"| {' | '.join([str(number + 1), setting, *means])} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run(main)
