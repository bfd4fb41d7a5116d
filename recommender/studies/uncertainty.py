"""uncertainty: how much of a number is chance (seed, sample, origin, users), and how large must a difference be?

Cells: mode test, axes ``seed``, ``sample`` and ``origin``, two levels or more of each, all combinations. Tables:
standard deviation by source (a row per rung) and the difference to believe (a row per pair of rungs).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, product

import numpy as np

from recommender.evaluation.metric_table import metric_label
from recommender.studies.engine.contrast import values
from recommender.studies.engine.finding import NOT_ENOUGH, Finding, grid
from recommender.studies.engine.measured import Measured, by_site
from recommender.studies.engine.plan import Study

AXES = ("seed", "sample", "origin")
Z = 1.96
_SOURCES = {"seed": "the seed", "sample": "the sample", "origin": "the origin", "rest": "sample and origin together"}


def analyse(study: Study, runs: Sequence[Measured]) -> list[Finding]:
    """A finding per scenario and data set."""
    return [_finding(site, cells) for site, cells in by_site(runs).items()]


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
    variances = {
        "seed": seed,
        "sample": float(of_sample.var(ddof=1)) - together / n_origins,
        "origin": float(of_origin.var(ddof=1)) - together / n_samples,
        "rest": together - seed / n_seeds,
    }
    return {name: max(variance, 0.0) for name, variance in variances.items()}


def _finding(site: str, runs: Sequence[Measured]) -> Finding:
    out = Finding(site)
    cells = {tuple(r.labels[a] for a in AXES): r for r in runs}
    levels = [list(dict.fromkeys(r.labels[a] for r in runs)) for a in AXES]
    points = list(product(*levels))
    if not all(point in cells for point in points) or min(map(len, levels)) < 2:
        out.sentences.append(f"{NOT_ENOUGH}: every axis needs two levels, and every cell to be measured.")
        return out
    metric = runs[0].scenario.decision.metric
    label = metric_label(metric)
    rungs = [r for r in runs[0].rungs if all(r in m.rungs for m in runs)]

    def over_users(rung: str, base: str | None = None) -> float:
        """Mean over the cells of the squared standard error over users, of a rung or of its difference to ``base``."""
        each = (values(r, rung, metric) - (values(r, base, metric) if base else 0.0) for r in cells.values())
        return float(np.mean([v.var(ddof=1) / len(v) for v in each]))

    shape = [len(names) for names in levels]
    means = {r: np.reshape([values(cells[point], r, metric).mean() for point in points], shape) for r in rungs}
    variances = {r: components(means[r]) for r in rungs}
    rows = []
    for rung, variance in variances.items():
        deviations = [f"{np.sqrt(v):.4f}" for v in (*variance.values(), over_users(rung))]
        rows.append([rung, f"{means[rung].mean():.4f}", *deviations, f"{Z * np.sqrt(sum(variance.values())):.4f}"])
    heads = ["rung", label, *AXES, "rest", "users", "± of one measurement"]
    out.grids.append(grid(f"Standard deviation of {label} by source, all users.", heads, rows))
    rows, needed = [], []
    for a, b in combinations(rungs, 2):
        difference = means[b] - means[a]
        variance = components(difference)
        here = Z * np.sqrt(variance["seed"] + variance["sample"] + variance["rest"] + over_users(b, a))
        anywhere = max(here, Z * np.sqrt(sum(variance.values())))
        needed.append(anywhere)
        gap = float(difference.mean())
        same_sign = float((np.sign(difference) == np.sign(gap)).mean())
        rows.append([f"{b} - {a}", f"{gap:+.4f}", f"{here:.4f}", f"{anywhere:.4f}", f"{same_sign:.0%}"])
    heads = ["rungs", "mean difference", "to believe it here", "at another origin too", "same sign"]
    out.grids.append(grid(f"How large a difference in {label} must be, each rung measured once.", heads, rows))
    out.sentences += _sentences(means, variances, label, needed)
    out.notes.append(
        "seed: of models, on the same sample and origin; sample: another 80% of the training users; origin: another "
        "test origin, so other users too; rest: what sample and origin do together; users: standard error over "
        "the users of one origin. Paired differences, 95%. 'Here' leaves the origin out."
    )
    return out


def _sentences(
    means: Mapping[str, np.ndarray], variances: Mapping[str, Mapping[str, float]], label: str, needed: Sequence[float]
) -> list[str]:
    total = {source: float(np.mean([v[source] for v in variances.values()])) for source in _SOURCES}
    largest_first = sorted(total, key=lambda a: -total[a])
    whole = max(sum(total.values()), 1e-18)
    shares = ", ".join(f"{total[a] / whole:.0%} comes from {_SOURCES[a]}" for a in largest_first)
    sentences = [f"Of the variance of one measurement, {shares} (mean over the rungs)."]
    most = max(variances, key=lambda r: variances[r]["seed"])
    deviation = float(np.sqrt(variances[most]["seed"]))
    if deviation > 0:
        sentences.append(
            f"The seed alone moves {most} most: its {label} has a standard deviation of {deviation:.4f} over "
            f"seeds, {deviation / means[most].mean():.0%} of its mean."
        )
    if needed:
        sentences.append(
            f"Two rungs measured once here must differ by {np.median(needed):.4f} in {label} (median over pairs, "
            f"{min(needed):.4f} to {max(needed):.4f}) to be told apart at other origins too."
        )
    return sentences
