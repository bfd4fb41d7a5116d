"""uncertainty: how much of a number is chance (seed, sample, origin, who asked), and what difference to believe."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations, product

import numpy as np
import polars as pl

from recommender.experiment.run_tables import metric_label
from recommender.studies.engine.cell import Measured, by_place
from recommender.studies.engine.finding import NOT_ENOUGH, Finding, grid
from recommender.studies.engine.plan import Study

AXES = ("seed", "sample", "origin")
Z = 1.96
_OF = {"seed": "the seed", "sample": "the sample", "origin": "the origin", "rest": "sample and origin together"}
Cube = Mapping[tuple[str, ...], Measured]


def analyse(study: Study, runs: Sequence[Measured]) -> list[Finding]:
    """A finding per scenario and data set."""
    return [_finding(place, mine) for place, mine in by_place(runs).items()]


def components(values: np.ndarray) -> dict[str, float]:
    """Variance of one measurement by its source; method of moments, random effects.

    values: float64, one axis per source in the order of ``AXES``, each of two levels or more. Negative estimates are 0.
    Returns a variance for each of ``AXES`` and ``rest`` (what sample and origin do together). Seeds are nested: the
    same number on another sample is another draw, so theirs is the variance within a sample and origin. (Searle,
    Casella & McCulloch 1992.)
    """
    n_seeds, n_samples, n_origins = values.shape
    seed = float(values.var(axis=0, ddof=1).mean())
    cells = values.mean(axis=0)
    of_sample, of_origin = cells.mean(axis=1), cells.mean(axis=0)
    left = cells - of_sample[:, None] - of_origin + cells.mean()
    together = float((left**2).sum()) / ((n_samples - 1) * (n_origins - 1))
    found = {
        "seed": seed,
        "sample": float(of_sample.var(ddof=1)) - together / n_origins,
        "origin": float(of_origin.var(ddof=1)) - together / n_samples,
        "rest": together - seed / n_seeds,
    }
    return {name: max(variance, 0.0) for name, variance in found.items()}


def _finding(place: str, runs: Sequence[Measured]) -> Finding:
    out = Finding(place)
    cube = {tuple(r.labels[a] for a in AXES): r for r in runs}
    levels = [list(dict.fromkeys(r.labels[a] for r in runs)) for a in AXES]
    whole = all((s, t, o) in cube for s in levels[0] for t in levels[1] for o in levels[2])
    if not whole or min(map(len, levels)) < 2:
        out.sentences.append(f"{NOT_ENOUGH}: every axis needs two levels, and every cell to be measured.")
        return out
    metric = runs[0].scenario.decision.metric
    label = metric_label(metric)
    rungs = [r for r in runs[0].rungs if all(r in m.rungs for m in runs)]
    means = {r: _cube(cube, levels, r, metric) for r in rungs}
    asked = {r: _of_users(cube.values(), r, None, metric) for r in rungs}
    rows = []
    for rung in rungs:
        found = components(means[rung])
        shown = [f"{np.sqrt(v):.4f}" for v in (*(found[a] for a in AXES), found["rest"], asked[rung])]
        rows.append([rung, f"{means[rung].mean():.4f}", *shown, f"{Z * np.sqrt(sum(found.values())):.4f}"])
    heads = ["rung", label, *AXES, "rest", "who asked", "± of one measurement"]
    out.grids.append(grid(f"Standard deviation of {label} by source, all users.", heads, rows))
    body, needed = [], []
    for a, b in combinations(rungs, 2):
        found = components(means[b] - means[a])
        here = Z * np.sqrt(found["seed"] + found["sample"] + found["rest"] + _of_users(cube.values(), b, a, metric))
        anywhere = max(here, Z * np.sqrt(sum(found.values())))
        gap = float((means[b] - means[a]).mean())
        needed.append(anywhere)
        always = float((np.sign(means[b] - means[a]) == np.sign(gap)).mean())
        body.append([f"{b} - {a}", f"{gap:+.4f}", f"{here:.4f}", f"{anywhere:.4f}", f"{always:.0%}"])
    heads = ["rungs", "mean difference", "to believe it here", "at another origin too", "same sign"]
    out.grids.append(grid(f"How large a difference in {label} must be, each rung measured once.", heads, body))
    out.sentences += _told(means, rungs, label, needed)
    out.notes.append(
        "seed: of models, on the same sample and origin; sample: another 80% of the training users; origin: another "
        "test origin, so other users too; rest: what sample and origin do together; who asked: standard error over "
        "the users of one origin. Paired differences, 95%. 'Here' leaves the origin out."
    )
    return out


def _told(means: Mapping[str, np.ndarray], rungs: Sequence[str], label: str, needed: Sequence[float]) -> list[str]:
    total = {a: float(np.mean([components(means[r])[a] for r in rungs])) for a in (*AXES, "rest")}
    whole = max(sum(total.values()), 1e-18)
    ranked = sorted(total, key=lambda a: -total[a])
    told = [
        f"Of the variance of one measurement, {', '.join(f'{total[a] / whole:.0%} is of {_OF[a]}' for a in ranked)} "
        "(mean over the rungs)."
    ]
    by_seed = {r: float(np.sqrt(components(means[r])["seed"])) for r in rungs}
    most = max(by_seed, key=lambda r: by_seed[r])
    if by_seed[most] > 0:
        told.append(
            f"The seed alone moves {most} most: its {label} has a standard deviation of {by_seed[most]:.4f} over "
            f"seeds, {by_seed[most] / means[most].mean():.0%} of its mean."
        )
    if needed:
        told.append(
            f"Two rungs measured once here must differ by {np.median(needed):.4f} in {label} (median over pairs, "
            f"{min(needed):.4f} to {max(needed):.4f}) to be told apart at other origins too."
        )
    return told


def _cube(cube: Cube, levels: Sequence[Sequence[str]], rung: str, metric: str) -> np.ndarray:
    means = [_first(cube[point], rung, metric).mean() for point in product(*levels)]
    return np.reshape(means, [len(names) for names in levels])


def _first(run: Measured, rung: str, metric: str) -> np.ndarray:
    return run.values.filter("first", pl.col("rung") == rung)[metric].to_numpy().astype(np.float64)


def _of_users(runs: Collection[Measured], rung: str, base: str | None, metric: str) -> float:
    """Mean over the cells of the squared standard error over users, of a rung or of its difference to ``base``."""
    found = []
    for run in runs:
        values = _first(run, rung, metric) - (_first(run, base, metric) if base else 0.0)
        found.append(values.var(ddof=1) / len(values))
    return float(np.mean(found))
