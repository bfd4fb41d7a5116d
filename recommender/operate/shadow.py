"""The shadow decision: today's ladder decided again on the newest period, beside what is shipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from recommender.data.dataset import Dataset
from recommender.data.split import to_datetime
from recommender.data.times import US_PER_DAY
from recommender.errors import DataError
from recommender.evaluation.effort import EffortLog
from recommender.evaluation.evaluate import Group, comparisons_table
from recommender.evaluation.metric_table import metric_label
from recommender.experiment.climb import Choice, climb, needed
from recommender.experiment.fold_runner import FoldRunner
from recommender.experiment.ladder import about_queries
from recommender.experiment.run_tables import users
from recommender.names import IN_SESSION, RETURNING, USER_BUCKETS
from recommender.operate.answering import Contender
from recommender.operate.daily import Span
from recommender.operate.paired import newest_fold


@dataclass(frozen=True)
class Shadow:
    """choices: segment -> what would be chosen now; changes: a sentence per segment that would get another rung by its
    own evidence; thin: the sentence where the period has too few lists."""

    choices: dict[str, Choice]
    changes: tuple[str, ...]
    thin: str = ""


def shadow(data: Dataset, shipped: Contender, span: Span) -> Shadow:
    """Fits every rung, in its shipped setting, to what lies before shipping, and climbs on what came since."""
    scenario, decision = shipped.run.scenario, shipped.run.decision
    ladder = [r for r in scenario.ladder if not r.control and r.name in decision.parameters]
    try:
        fold = replace(newest_fold(data, scenario, to_datetime(span.shipped * US_PER_DAY)), split="validation")
    except DataError as error:
        return Shadow({}, (), f"The decision cannot be made again: {error}")
    runner, outcomes = FoldRunner(fold, scenario, EffortLog(), lambda _: None), {}
    for rung in ladder:
        try:
            outcomes[rung.name] = runner.measure(rung, decision.parameters[rung.name]).outcome
        except DataError:  # too little to learn from, for this rung
            continue
    group = Group("validation", fold.origin, [about_queries(fold, scenario)], [outcomes])
    rule, names = scenario.decision, list(outcomes)
    evidence = comparisons_table(group, names, scenario.bootstrap, scenario.seed, [rule.metric], deciding=True)
    if len(names) < 2:
        return Shadow({}, (), "The ladder has one rung, so there is nothing to decide again.")
    choices = climb(evidence, names, rule)
    least = needed(USER_BUCKETS[0], rule)
    thin = f"{len(fold.queries):,} lists since shipping are few: a group needs {rule.thin:,}, newcomers {least:,}."
    return Shadow(choices, tuple(_changes(choices, decision.routes, scenario.decision.away_days, rule.metric, names)),
                  thin if len(fold.queries) < least else "")  # fmt: skip


def _changes(
    choices: dict[str, Choice], routes: dict[str, str], away_days: float, metric: str, names: Sequence[str]
) -> list[str]:
    sentences = []
    for segment, rung in routes.items():
        new = choices.get(segment)
        # A choice without evidence of its own is the simplest rung or an inherited one: no reason to change.
        if new is None or new.rung == rung or new.over is None or new.inherited_from or rung not in names:
            continue
        shown = segment if segment.endswith(RETURNING) or segment == USER_BUCKETS[0] else segment + IN_SESSION
        gain = f"{metric_label(metric)} {new.gain:+.3f} [{new.ci_low:+.3f}, {new.ci_high:+.3f}] over {new.over}"
        sentences.append(
            f"For {users([shown], away_days)}, {rung} would now be replaced by {new.rung}: {gain} "
            f"({new.n_queries:,} lists)."
        )
    return sentences
