"""What is made of a study's cells: a literal dict; a new analysis is one module and one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from recommender.errors import ConfigError, nearest
from recommender.studies import (
    ablation,
    data_volume,
    effort_to_goal,
    feedback_loop,
    staleness,
    summary,
    transfer,
    uncertainty,
)  # fmt: skip
from recommender.studies.engine.finding import Finding
from recommender.studies.engine.measured import Measured
from recommender.studies.engine.plan import Cell, Study
from recommender.studies.summary import Summary


@dataclass(frozen=True)
class Analysis:
    """``findings`` of the measured cells; ``more`` cells that the first ones call for; ``summaries``, what MLflow's
    views of the study chart (without any: every cell)."""

    findings: Callable[[Study, Sequence[Measured]], list[Finding]]
    more: Callable[[Study, Sequence[Measured]], list[Cell]] = lambda study, runs: []
    summaries: Callable[[Study, Sequence[Measured]], list[Summary]] = lambda study, runs: []


ANALYSES: Mapping[str, Analysis] = {
    "ablation": Analysis(ablation.analyse, summaries=summary.pairs),
    "data_volume": Analysis(data_volume.analyse, summaries=summary.learning),
    "effort_to_goal": Analysis(effort_to_goal.analyse, effort_to_goal.more, summary.learning),
    "feedback_loop": Analysis(feedback_loop.analyse),
    "staleness": Analysis(staleness.analyse),
    "transfer": Analysis(transfer.analyse, transfer.more, summary.recipes),
    "uncertainty": Analysis(uncertainty.analyse),
}


def analysis_of(study: Study) -> Analysis:
    """Raises ConfigError where the study names none."""
    if study.analysis not in ANALYSES:
        raise ConfigError(
            f"Study '{study.name}': unknown analysis '{study.analysis}'{nearest(study.analysis, ANALYSES)}"
        )
    return ANALYSES[study.analysis]
