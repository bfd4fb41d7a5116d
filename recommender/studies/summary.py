"""What a study or comparison says of one thing, as one run in MLflow that the views of its report chart."""

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
from recommender.studies.data_volume import AXIS
from recommender.studies.effort_to_goal import MODE
from recommender.studies.engine.cell import Measured, by_place
from recommender.studies.engine.curves import Curves, curves
from recommender.studies.engine.plan import SCENARIO, Study, pairs_of
from recommender.studies.transfer import Ratio

POINTS = Mapping[str, Sequence[tuple[int, float]]]


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
    curves: POINTS = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.what}, {self.place}" if self.kind != RECIPE else f"recipe of {self.what} in {self.place}"


def named(place: str) -> str:
    """A place as the names of metrics take it."""
    return re.sub(r"[^\w\-. ]", "-", place, flags=re.ASCII)


def learning(study: Study, runs: Sequence[Measured]) -> list[Summary]:
    """Of a study over sizes of the data: learning curves, where there are any."""
    found: list[Summary] = []
    for place, mine in by_place([r for r in runs if MODE not in r.labels]).items():
        scenario = mine[0].scenario
        try:
            made = curves(mine, AXIS, scenario.decision.metric, 1, scenario.seed)  # intervals are the report's
        except DataError:  # told in the report
            continue
        found += of_curves(place, made, scenario.decision.metric)
    return found


def pairs(study: Study, runs: Sequence[Measured]) -> list[Summary]:
    """Of a study with and without data assets or parts."""
    found: list[Summary] = []
    for place, mine in by_place(runs).items():
        metric, asked = mine[0].scenario.decision.metric, pairs_of(study, mine[0].labels[SCENARIO])
        if ablation.partners(mine, asked):
            found += of_worth(place, study, mine, ablation.effects(study, mine, asked, metric))
    return found


def recipes(study: Study, runs: Sequence[Measured]) -> list[Summary]:
    """Of a transfer."""
    return of_transfer(transfer.matrix(runs), runs[0].scenario.decision.metric)


def of_curves(place: str, made: Curves, metric: str) -> list[Summary]:
    """Each rung's learning curve, by interactions to learn from; its effort at the largest size."""
    place, found = named(place), []
    for rung in made.rungs:
        points = {
            _charted(RUNG, place, metric, bucket): [
                (round(n), float(v)) for n, v in zip(made.size, made.mean[rung, bucket], strict=True)
            ]
            for bucket in (ALL, *USER_BUCKETS)
            if (rung, bucket) in made.mean
        }
        found.append(Summary(RUNG, rung, place, metric, effort(float(made.cpu_s[rung][-1])), points))
    return found


def effort(cpu_s: float) -> dict[str, float]:
    """CPU seconds, with the logarithm for scatter charts."""
    return {"effort/total_cpu_s": cpu_s, "effort/log10_total_cpu_s": math.log10(max(cpu_s, LEAST_S))}


def of_worth(place: str, study: Study, runs: Sequence[Measured], table: pl.DataFrame) -> list[Summary]:
    """What each data asset or part brings. table: of ``ablation.effects`` for the decision's metric alone."""
    parts = study.mode == "ladder"
    place, kind, rung = named(place), PART if parts else DATA, ROUTER if parts else "best"
    both = ablation.partners(runs, pairs_of(study, runs[0].labels[SCENARIO]))
    cpu_s = {pair: ablation.cost_of(*cells, rung)["cpu_s"] for pair, cells in both.items()}
    found: dict[str, dict[str, float]] = {}
    for row in table.iter_rows(named=True):
        logged = found.setdefault(row["pair"], {"worth/cpu_s": cpu_s[row["pair"]]})
        told = (row["difference"], row["ci_low"], row["ci_high"])
        logged |= _bounded(kind, place, row["metric"], row["user_bucket"], *told)
    return [Summary(kind, pair, place, runs[0].scenario.decision.metric, logged) for pair, logged in found.items()]


def of_transfer(matrix: Mapping[tuple[str, str, str], Ratio | None], metric: str) -> list[Summary]:
    """What each recipe gives at each place, in percent of the place's own. matrix: of ``transfer.matrix``."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for (to, source, bucket), ratio in matrix.items():
        if ratio is not None and not ratio.lacking:
            logged = found.setdefault((to, source), {})
            logged |= _bounded(RECIPE, named(to), metric, bucket, ratio.percent, ratio.low, ratio.high)
    return [Summary(RECIPE, source, named(to), metric, logged) for (to, source), logged in found.items()]


def colours(found: Sequence[Summary]) -> dict[str, str]:
    """Of each thing: a rung has its own everywhere, the others take theirs in turn."""
    return {s.what: colour(s.what) for s in found if s.kind == RUNG} | in_turn(s.what for s in found if s.kind != RUNG)


def shown(found: Iterable[Summary]) -> dict[str, list[tuple[str, str]]]:
    """Kind -> places with their metric, for ``tracking_views.report_views``."""
    made: dict[str, list[tuple[str, str]]] = {}
    for one in found:
        places = made.setdefault(one.kind, [])
        if (one.place, one.metric) not in places:
            places.append((one.place, one.metric))
    return made


def _charted(kind: str, place: str, metric: str, bucket: str) -> str:
    return charted(kind, place, metric, None if bucket == ALL else bucket)


def _bounded(
    kind: str, place: str, metric: str, bucket: str, value: float, low: float, high: float
) -> dict[str, float]:
    ends = {"": value, "_ci_low": low, "_ci_high": high}
    return {_charted(kind, place, metric + end, bucket): number for end, number in ends.items()}


# What a run of a report is about (its tag ``kind``) -> the path that its charted metrics begin with.
RUNG, DATA, PART, RECIPE = "rung", "data", "part", "recipe"


def charted(kind: str, place: str, metric: str, bucket: str | None = None) -> str:
    """Name of the metric that a run of ``kind`` charts: of all users, or of a bucket. It is the chart's title too,
    which MLflow cuts off; so the place, which the heading tells, stands last."""
    return f"{PATHS[kind]}/" + (f"user_{bucket}/" if bucket else "") + f"{metric}/{place}"


LEAST_S = 0.001  # log10 twins: anything faster counts as a millisecond, the clock's resolution


PATHS = {RUNG: "accuracy", DATA: "worth", PART: "worth", RECIPE: "percent"}
