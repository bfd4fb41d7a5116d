"""What a study or comparison measured of one thing, as one run in MLflow that the views of its report chart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from recommender.errors import DataError
from recommender.evaluation.metric_table import metric_label
from recommender.models.colours import colour, in_turn
from recommender.names import ALL, ROUTER, USER_BUCKETS
from recommender.studies import ablation, transfer
from recommender.studies.effort_to_goal import MODE
from recommender.studies.engine.curves import Curves, curves
from recommender.studies.engine.measured import Measured, by_site
from recommender.studies.engine.plan import SCENARIO, Study, pairs_of
from recommender.studies.transfer import Ratio

# What a run of a report is about (its tag ``kind``) -> what its charted metrics are called. MLflow titles charts and
# axes by the names of metrics, and writes two decimals at its bars: so in plain words, and accuracy in hundredths.
RUNG, DATA, PART, RECIPE = "rung", "data", "part", "recipe"
CALLED = {RUNG: "100 x {}", DATA: "100 x gain in {}", PART: "100 x gain in {}", RECIPE: "Percent of own recipe"}
USERS = {"0": "no history", "1_2": "1-2 earlier", "3_9": "3-9 earlier", "10_plus": "10 or more earlier"}
HUNDREDTHS = 100
CPU, MORE_CPU, LEARNT = "CPU seconds of fit and lists", "CPU seconds more", "interactions to learn from"
Points = Mapping[str, Sequence[tuple[int, float]]]


@dataclass(frozen=True)
class Summary:
    """A run: a rung, a data asset, a part or a recipe (``kind``) at one site, its samples folded into means.

    ``metric``: the decision's metric, which the views chart; ``curves``: metric -> (step, value).
    """

    kind: str
    what: str
    site: str
    metric: str
    metrics: Mapping[str, float]
    curves: Points = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The run's name."""
        return f"{self.what}, {self.site}" if self.kind != RECIPE else f"recipe of {self.what} in {self.site}"


def named(site: str) -> str:
    """A site as the names of metrics take it."""
    return re.sub(r"[^\w\-. ]", "-", site, flags=re.ASCII)


def learning(study: Study, runs: Sequence[Measured]) -> list[Summary]:
    """Learning curves of a study over sizes of the data, where there are any."""
    summaries: list[Summary] = []
    for site, cells in by_site([r for r in runs if MODE not in r.labels]).items():
        try:
            summaries += of_curves(site, curves(cells, resamples=1), cells[0].scenario.decision.metric)
        except DataError:  # the report says so
            continue
    return summaries


def pairs(study: Study, runs: Sequence[Measured]) -> list[Summary]:
    """The data assets or parts of a study with and without them."""
    summaries: list[Summary] = []
    for site, cells in by_site(runs).items():
        if ablation.partners(cells, pairs_of(study, cells[0].labels[SCENARIO])):
            summaries += of_effects(site, study, cells, ablation.effects(study, cells, headline_only=True))
    return summaries


def recipes(study: Study, runs: Sequence[Measured]) -> list[Summary]:
    """The recipes of a transfer."""
    matrix = transfer.matrix(runs)
    return [
        summary
        for to, metric in transfer.deciding_metrics(runs).items()
        for summary in of_transfer({key: ratio for key, ratio in matrix.items() if key[0] == to}, metric)
    ]


def of_curves(site: str, curve: Curves, metric: str) -> list[Summary]:
    """Each rung's learning curve, by interactions to learn from; its effort at the largest size."""
    site, summaries = named(site), []
    steps = [round(n) for n in curve.size]
    for rung in curve.rungs:
        points: dict[str, Sequence[tuple[int, float]]] = {LEARNT: [(step, float(step)) for step in steps]}
        for bucket in (b for b in (ALL, *USER_BUCKETS) if (rung, b) in curve.mean):
            values = (HUNDREDTHS * float(v) for v in curve.mean[rung, bucket])
            points[charted(RUNG, site, metric, bucket)] = list(zip(steps, values, strict=True))
        cpu_s = float(curve.cpu_s[rung][-1])
        if len(curve.replicates[rung, ALL]) > 1:  # else nothing was drawn again, so there is no interval
            points |= against_effort(charted(RUNG, site, metric), curve.value(rung), cpu_s)
        summaries.append(Summary(RUNG, rung, site, metric, effort(cpu_s), points))
    return summaries


def effort(cpu_s: float) -> dict[str, float]:
    """CPU seconds, under the name of a train's runs."""
    return {"effort/total_cpu_s": cpu_s}


def against_effort(
    name: str, value: Sequence[float | None], cpu_s: float | None, x: str = CPU
) -> dict[str, Sequence[tuple[int, float]]]:
    """A point with its interval over CPU seconds, for a line chart of MLflow: low, high, value at steps 0 to 2, one
    above the other, which draws an error bar. value: with its low and high, a share; none: no points."""
    if cpu_s is None or any(v is None or v != v for v in value):
        return {}
    middle, low, high = (HUNDREDTHS * float(v or 0.0) for v in value)
    return {f"{name} with interval": list(enumerate((low, high, middle))), x: [(step, cpu_s) for step in range(3)]}


def of_effects(site: str, study: Study, runs: Sequence[Measured], table: pl.DataFrame) -> list[Summary]:
    """What each data asset or part brings; without those that no rung of the site uses, whose gain is exactly 0.

    table: of ``ablation.effects`` for the decision's metric alone.
    """
    kind, rung = (PART, ROUTER) if study.mode == "ladder" else (DATA, ablation.BEST)
    cells = ablation.partners(runs, pairs_of(study, runs[0].labels[SCENARIO]))
    site, metric, summaries = named(site), runs[0].scenario.decision.metric, []
    used = table.filter((pl.col("ci_low") != 0) | (pl.col("ci_high") != 0))
    for pair in used["pair"].unique(maintain_order=True):
        rows = table.filter(pair=pair).select("user_bucket", "difference", "ci_low", "ci_high")
        gains = {bucket: ends for bucket, *ends in rows.iter_rows()}
        more = ablation.cost_of(*cells[pair], rung)["cpu_s"]
        metrics = {"worth/cpu_s": more}
        for bucket, ends in gains.items():
            metrics |= _bounded(kind, site, metric, bucket, [HUNDREDTHS * v for v in ends])
        points = against_effort(charted(kind, site, metric), gains.get(ALL, (None,)), more, MORE_CPU)
        summaries.append(Summary(kind, pair, site, metric, metrics, points))
    return summaries


def of_transfer(matrix: Mapping[tuple[str, str, str], Ratio | None], metric: str) -> list[Summary]:
    """What each recipe gives at each site, in percent of the site's own. matrix: of ``transfer.matrix``."""
    metrics: dict[tuple[str, str], dict[str, float]] = {}
    for (to, home, bucket), ratio in matrix.items():
        if ratio is not None and not ratio.lacking:
            values = (ratio.percent, ratio.low, ratio.high)
            metrics.setdefault((to, home), {}).update(_bounded(RECIPE, named(to), metric, bucket, values))
    return [Summary(RECIPE, home, named(to), metric, values) for (to, home), values in metrics.items()]


def colours(summaries: Sequence[Summary]) -> dict[str, str]:
    """Colour by what a summary is about: a rung has its own everywhere, the others take theirs in turn."""
    others = (s.what for s in summaries if s.kind != RUNG)
    return {s.what: colour(s.what) for s in summaries if s.kind == RUNG} | in_turn(others)


def shown(summaries: Iterable[Summary]) -> dict[str, list[tuple[str, str]]]:
    """Kind -> sites with their metric, for ``tracking.views.report_views``."""
    sites: dict[str, list[tuple[str, str]]] = {}
    for s in summaries:
        if (s.site, s.metric) not in sites.setdefault(s.kind, []):
            sites[s.kind].append((s.site, s.metric))
    return sites


def charted(kind: str, site: str, metric: str, bucket: str | None = None, end: str = "") -> str:
    """Name of the metric that a run of ``kind`` charts, for all users or a bucket. MLflow cuts a chart's title off, so
    the site, which the heading shows too, stands last; it is empty for the runs of a train. end: low or high."""
    called = CALLED[kind].format(metric_label(metric).replace("@", " at "))
    who = USERS.get(bucket or ALL, "all users")
    return ": ".join(filter(None, (called, f"{who} {end}".strip(), site)))


def _bounded(kind: str, site: str, metric: str, bucket: str, values: Sequence[float]) -> dict[str, float]:
    """The value, low and high under their names."""
    return {charted(kind, site, metric, bucket, end): v for end, v in zip(("", "low", "high"), values, strict=True)}
