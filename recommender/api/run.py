"""Evidence: several rungs side by side, or a whole ladder with its decision, read as frames and charts."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from recommender.api import flow
from recommender.api.frames import PLAIN, ScenarioLike, scenario
from recommender.api.model import Model, RungLike, load_model, only
from recommender.config.files import Overrides, raw_dir
from recommender.data.dataset import Dataset
from recommender.engine.backend import backend_at
from recommender.evaluation.effort import EffortLog
from recommender.evaluation.evaluate import metrics_table
from recommender.experiment import requirements
from recommender.experiment.out_folder import disk_faults, finished, out_folder
from recommender.experiment.run_folder import RunFolder, read_run
from recommender.studies.engine.cell import at_test

if TYPE_CHECKING:
    import altair as alt

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """A finished train: what it measured, what it decided and why, and the model that it ships.

    Frames are polars; ``.to_pandas()`` turns one into pandas. Made by ``train`` and ``load_run``.
    """

    folder: Path
    _temporary: tempfile.TemporaryDirectory[str] | None = field(default=None, repr=False)

    @cached_property
    def _run(self) -> RunFolder:
        return read_run(self.folder)

    @property
    def metrics(self) -> pl.DataFrame:
        """Every rung's metrics, one row for each origin, group of users, group of items and slice: split, origin,
        rung, user_bucket, item_bucket, slice, slice_value, metric, value, ci_low, ci_high (95%), n_queries,
        answered_share, seed_count. Choices were made on split ``validation``; ``test`` was looked at after them."""
        return self._run.metrics

    @property
    def comparisons(self) -> pl.DataFrame:
        """Paired differences rung_b - rung_a on the test origin: rung_a, rung_b, user_bucket, metric, difference,
        ci_low, ci_high (95%), p_holm."""
        return self._run.comparisons

    @property
    def decision(self) -> pl.DataFrame:
        """Who is served by which rung: user_bucket, rung, over (the rung that it replaced), gain, ci_low, ci_high and
        p_holm on validation, n_queries, inherited_from, and what it then gave on the test origin."""
        from recommender.report.decision_table import decision

        return decision(self._run)

    @property
    def effort(self) -> pl.DataFrame:
        """What each stage took: rung, stage, split, origin, wall_s, cpu_s, peak_mb, threads."""
        return self._run.effort

    @property
    def sentences(self) -> list[str]:
        """The decision in words."""
        return list(self._run.decision.sentences)

    @property
    def charts(self) -> dict[str, alt.LayerChart]:
        """The report's charts by name: ``effort`` (accuracy against CPU seconds), ``history`` (accuracy by what is
        known of the user); a notebook draws them. None of them on day zero."""
        import altair as alt

        from recommender.experiment.facts import train_facts
        from recommender.report.charts import effort_chart, history_chart

        drawn = {"effort": effort_chart(self._run, train_facts(self._run)), "history": history_chart(self._run)}
        return {name: alt.LayerChart.from_dict(chart.spec) for name, chart in drawn.items() if chart is not None}

    @property
    def report(self) -> Path:
        """The report, one HTML file."""
        return self.folder / "report.html"

    @cached_property
    def model(self) -> Model:
        """The router that the decision ships, refitted on all data."""
        return load_model(self.folder)


def train(
    data: Dataset | str | Path,
    scenario: ScenarioLike,
    *,
    overrides: Overrides = (),
    out: str | Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
    engine: str | None = None,
    shared: str | Path | None = None,
) -> Run:
    """Runs a whole ladder: fits every rung at every origin, decides on validation, measures on the test origin, and
    refits what is served on all data. The same steps as ``coldstart train``, without tracking.

    Args:
        data: a Dataset, or what ``load_data`` takes (then read as the scenario says).
        scenario: what ``scenario`` takes.
        overrides: keys of the scenario to change.
        out: a new folder to keep everything in. None: a temporary one, which goes when the Run does.
        progress: called with a description as each step begins.
        engine: makes the lists, and reads the data where they are no Dataset: ``"local-spark"``, or the address of a
            Spark Connect server, ``"sc://host:port"``. None: this process. The Run is the same.
        shared: a folder that the engine's workers see too, under the same path.

    Returns:
        The Run. Parameter searches (``tune.trials``) keep their trials in ``tuning/``.

    Raises:
        ConfigError: an unknown name, key or value; a part that the data do not support; a folder that exists; an
            engine that is none, or the extra ``spark`` lacks.
        UserError: an engine that cannot be reached or cannot run this package.
        DataError: data that break the contract, or are too few.

    Example:
        >>> run = recommender.train(data, "jobs", overrides={"bootstrap": 200})  # doctest: +SKIP
        >>> run.sentences  # doctest: +SKIP
    """
    chosen = _scenario(scenario, overrides)
    flow.check(chosen)
    effort = EffortLog()
    source = data.name if isinstance(data, Dataset) else str(data)
    with backend_at(engine, None if shared is None else Path(shared), chosen.engine) as backend:
        known = flow.read(data if isinstance(data, Dataset) else source, chosen, raw_dir(), effort, backend.load)
        chosen, skipped = requirements.supported(chosen, known)
        from recommender.report.document import write_report  # with the library of charts

        temporary = tempfile.TemporaryDirectory(prefix="coldstart-") if out is None else None
        wanted = str(out) if temporary is None else f"{temporary.name}/run"
        with out_folder(wanted, chosen.name) as folder, disk_faults(folder):
            flow.run(known, chosen, skipped, source, folder, effort, progress, backend.asker)
            write_report(folder)
    return Run(folder, temporary)


def load_run(folder: str | Path) -> Run:
    """The finished train in a run folder (OUT of ``coldstart train``, ``out`` of ``train``).

    Raises:
        UserError: there is none, or it was interrupted.

    Example:
        >>> recommender.load_run("artifacts/latest").decision  # doctest: +SKIP
    """
    run = Run(finished(Path(folder)))
    run._run  # noqa: B018  a folder that is none is refused here, not at the first question
    return run


def evaluate(
    data: Dataset, rungs: Sequence[RungLike], *, scenario: ScenarioLike | None = None, overrides: Overrides = ()
) -> pl.DataFrame:
    """Measures several rungs at the test origin: they learn from what lies before it and are asked what came after.

    Nothing is chosen, so parameters must not have been tuned on the same period; ``train`` chooses on earlier ones.

    Args:
        data: from ``dataset`` or ``load_data``.
        rungs: as ``fit`` takes them.
        scenario: whose split, rules, slices and seed apply. None: the last fifth of the interactions is the test.
        overrides: keys of the scenario to change, such as ``{"split.test": 0.9}``.

    Returns:
        The columns of ``Run.metrics``. Users whose history is in ``user_bucket`` were asked at their first event in it;
        ``all`` has each user once. A rung that this data cannot have is left out, with a logged warning.

    Raises:
        ConfigError: an unknown name, parameter or value; data without times and a split in time.
        DataError: too few data before or after the origin, or for every rung.

    Example:
        >>> metrics = recommender.evaluate(data, ["popularity", "als"])  # doctest: +SKIP
        >>> metrics.filter(metric="ndcg_at_10", user_bucket="all", item_bucket="all", slice="all")  # doctest: +SKIP
    """
    chosen = only(_scenario(PLAIN if scenario is None else scenario, overrides), rungs)
    flow.check(chosen)
    chosen, skipped = requirements.supported(chosen, data)
    outcome = at_test(data, chosen, EffortLog(), skipped)
    for part, reason in outcome.skipped.items():
        log.warning("%s left out: %s", part, reason)
    return metrics_table(outcome.groups[-1], chosen.bootstrap, chosen.seed)


_scenario = scenario  # where a parameter has the name
