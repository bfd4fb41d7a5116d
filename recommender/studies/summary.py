"""What a study or comparison measured of one thing, as one run in MLflow that the views of its report chart."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from recommender.errors import DataError
from recommender.models.colours import colour, in_turn
from recommender.names import ALL, ROUTER, USER_BUCKETS
from recommender.studies import ablation, transfer
from recommender.studies.effort_to_goal import MODE
from recommender.studies.engine.curves import Curves, curves
from recommender.studies.engine.measured import Measured, by_place
from recommender.studies.engine.plan import SCENARIO, Study, pairs_of
from recommender.studies.transfer import Ratio

# What a run of a report is about (its tag ``kind``) -> the path that its charted metrics begin with.
RUNG, DATA, PART, RECIPE = "rung", "data", "part", "recipe"
PATHS = {RUNG: "accuracy", DATA: "worth", PART: "worth", RECIPE: "percent"}
LEAST_S = 0.001  # log10 twins: anything faster counts as a millisecond, the clock's resolution
Points = Mapping[str, Sequence[tuple[int, float]]]


@dataclass(frozen=True)
class Summary:
    """A run: a rung, a data asset, a part or a recipe (``kind``) at one place, its samples folded into means.

    ``metric``: the decision's metric, which the views chart; ``curves``: metric -> (step, value).
    """

    kind: str
    what: str
    place: str
    metric: str
    metrics: Mapping[str, float]
    curves: Points = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The run's name."""
        return f"{self.what}, {self.place}" if self.kind != RECIPE else f"recipe of {self.what} in {self.place}"


def named(place: str) -> str:
    """A place as the names of metrics take it."""
    return re.sub(r"[^\w\-. ]", "-", place, flags=re.ASCII)


def learning(study: Study, runs: Sequence[Measured]) -> list[Summary]:
    """Learning curves of a study over sizes of the data, where there are any."""
    summaries: list[Summary] = []
    for place, cells in by_place([r for r in runs if MODE not in r.labels]).items():
        try:
            summaries += of_curves(place, curves(cells, resamples=1), cells[0].scenario.decision.metric)
        except DataError:  # the report says so
            continue
    return summaries


def pairs(study: Study, runs: Sequence[Measured]) -> list[Summary]:
    """The data assets or parts of a study with and without them."""
    summaries: list[Summary] = []
    for place, cells in by_place(runs).items():
        if ablation.partners(cells, pairs_of(study, cells[0].labels[SCENARIO])):
            summaries += of_effects(place, study, cells, ablation.effects(study, cells, headline_only=True))
    return summaries


def recipes(study: Study, runs: Sequence[Measured]) -> list[Summary]:
    """The recipes of a transfer."""
    matrix = transfer.matrix(runs)
    return [
        summary
        for to, metric in transfer.deciding_metrics(runs).items()
        for summary in of_transfer({key: ratio for key, ratio in matrix.items() if key[0] == to}, metric)
    ]


def of_curves(place: str, curve: Curves, metric: str) -> list[Summary]:
    """Each rung's learning curve, by interactions to learn from; its effort at the largest size."""
    place, summaries = named(place), []
    for rung in curve.rungs:
        points = {
            _charted(RUNG, place, metric, bucket): [
                (round(n), float(v)) for n, v in zip(curve.size, curve.mean[rung, bucket], strict=True)
            ]
            for bucket in (ALL, *USER_BUCKETS)
            if (rung, bucket) in curve.mean
        }
        summaries.append(Summary(RUNG, rung, place, metric, effort(float(curve.cpu_s[rung][-1])), points))
    return summaries


def effort(cpu_s: float) -> dict[str, float]:
    """CPU seconds, with the logarithm for scatter charts."""
    return {"effort/total_cpu_s": cpu_s, "effort/log10_total_cpu_s": math.log10(max(cpu_s, LEAST_S))}


def of_effects(place: str, study: Study, runs: Sequence[Measured], table: pl.DataFrame) -> list[Summary]:
    """What each data asset or part brings. table: of ``ablation.effects`` for the decision's metric alone."""
    kind, rung = (PART, ROUTER) if study.mode == "ladder" else (DATA, ablation.BEST)
    cells = ablation.partners(runs, pairs_of(study, runs[0].labels[SCENARIO]))
    metrics = {pair: {"worth/cpu_s": ablation.cost_of(*both, rung)["cpu_s"]} for pair, both in cells.items()}
    for row in table.iter_rows(named=True):
        values = (row["difference"], row["ci_low"], row["ci_high"])
        metrics[row["pair"]] |= _bounded(kind, named(place), row["metric"], row["user_bucket"], *values)
    metric = runs[0].scenario.decision.metric
    pairs = table["pair"].unique(maintain_order=True)
    return [Summary(kind, pair, named(place), metric, metrics[pair]) for pair in pairs]


def of_transfer(matrix: Mapping[tuple[str, str, str], Ratio | None], metric: str) -> list[Summary]:
    """What each recipe gives at each place, in percent of the place's own. matrix: of ``transfer.matrix``."""
    metrics: dict[tuple[str, str], dict[str, float]] = {}
    for (to, source, bucket), ratio in matrix.items():
        if ratio is not None and not ratio.lacking:
            values = (ratio.percent, ratio.low, ratio.high)
            metrics.setdefault((to, source), {}).update(_bounded(RECIPE, named(to), metric, bucket, *values))
    return [Summary(RECIPE, source, named(to), metric, values) for (to, source), values in metrics.items()]


def colours(summaries: Sequence[Summary]) -> dict[str, str]:
    """Colour by what a summary is about: a rung has its own everywhere, the others take theirs in turn."""
    others = (s.what for s in summaries if s.kind != RUNG)
    return {s.what: colour(s.what) for s in summaries if s.kind == RUNG} | in_turn(others)


def shown(summaries: Iterable[Summary]) -> dict[str, list[tuple[str, str]]]:
    """Kind -> places with their metric, for ``tracking.views.report_views``."""
    places: dict[str, list[tuple[str, str]]] = {}
    for s in summaries:
        if (s.place, s.metric) not in places.setdefault(s.kind, []):
            places[s.kind].append((s.place, s.metric))
    return places


def charted(kind: str, place: str, metric: str, bucket: str | None = None) -> str:
    """Name of the metric that a run of ``kind`` charts, for all users or a bucket. MLflow shows it as the chart's title
    and cuts it off, so the place, which the heading shows too, stands last."""
    return f"{PATHS[kind]}/" + (f"user_{bucket}/" if bucket else "") + f"{metric}/{place}"


def _charted(kind: str, place: str, metric: str, bucket: str) -> str:
    return charted(kind, place, metric, None if bucket == ALL else bucket)


def _bounded(
    kind: str, place: str, metric: str, bucket: str, value: float, low: float, high: float
) -> dict[str, float]:
    ends = {"": value, "_ci_low": low, "_ci_high": high}
    return {_charted(kind, place, metric + end, bucket): number for end, number in ends.items()}
