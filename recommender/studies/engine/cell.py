"""One cell of a study: measured once, kept in a folder named for its content, so that a study goes on after a kill."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recommender.config import Scenario
from recommender.data import operators
from recommender.data.dataset import NO_TIME, Dataset
from recommender.data.digest import digest
from recommender.data.split import Fold, folds
from recommender.data.times import US_PER_DAY
from recommender.errors import DataError
from recommender.evaluation.audit import audit_table
from recommender.evaluation.effort import EffortLog
from recommender.evaluation.evaluate import Outcome, QueryInfo, as_times, metrics_table
from recommender.experiment import ladder, requirements, run_folder, tuning
from recommender.experiment.decision import Decision
from recommender.experiment.fold_runner import FoldRunner
from recommender.experiment.rungs import check, options
from recommender.features.encoder import FeatureEncoder
from recommender.files import put_aside, whole_folder, write_text
from recommender.hashing import code_digest, of_content, of_file
from recommender.names import USER_BUCKETS
from recommender.spam.suspicion import suspected_fold
from recommender.studies.closed_loop.measures import rows
from recommender.studies.closed_loop.options import Loop
from recommender.studies.closed_loop.player import play
from recommender.studies.engine.measured import DONE
from recommender.studies.engine.plan import measured_of

TUNED = "tuned"  # a mode of cells: every rung's parameters are searched on validation first


def key(scenario: Scenario, mode: str, data: Dataset, loop: Loop | None = None) -> str:
    """16 hex digits of everything that a cell's numbers depend on: configuration, data, code, packages."""
    played = [] if loop is None else [loop.model_dump(mode="json")]
    return of_content(measured_of(scenario), mode, _digest(data), code_digest(), *played)


def _digest(data: Dataset) -> str:
    """``digest`` once per data set: it reads every value, and a comparison asks for the keys of hundreds of cells."""
    memo = vars(data)
    if "_digest" not in memo:
        memo["_digest"] = digest(data)
    return str(memo["_digest"])


def put_aside_damaged(folder: Path) -> None:
    """Renames a finished cell that is damaged, with a warning that names the file."""
    if is_finished(folder) and (damage := _damage(folder)):
        put_aside(folder, damage)


def is_finished(folder: Path) -> bool:
    """Whether the cell was measured to its end."""
    return (folder / DONE).exists()


def is_whole(folder: Path) -> bool:
    """Whether the cell is finished and no file of it was changed since."""
    return is_finished(folder) and not _damage(folder)


def _damage(folder: Path) -> str:
    """What is wrong with a finished cell; empty where nothing is."""
    try:
        done = json.loads((folder / DONE).read_text())
        if done.pop("sha256") != of_content(done):
            return f"{DONE} has changed"
    except (ValueError, LookupError, AttributeError, TypeError, OSError):
        return f"{DONE} cannot be read"
    for name, digest_then in done["files"].items():
        if not (folder / name).is_file():
            return f"{name} is missing"
        if of_file(folder / name) != digest_then:
            return f"{name} has changed"
    return ""


def copy(cell: Path, to: Path) -> None:
    """Takes over a finished cell that another study has measured, without the marks that it was logged for that one."""
    with whole_folder(to) as scratch:
        for name in [*json.loads((cell / DONE).read_text())["files"], DONE]:
            shutil.copyfile(cell / name, scratch / name)


def seal_again(folder: Path) -> None:
    """Puts the hashes of the cell's files into its last one, after ``make forget`` has changed them."""
    done = json.loads((folder / DONE).read_text())
    tree = {key: value for key, value in done.items() if key != "sha256"}
    tree["files"] = {name: of_file(folder / name) for name in tree["files"]}
    write_text(folder / DONE, json.dumps({**tree, "sha256": of_content(tree)}, indent=1) + "\n")


def measure(data: Dataset, scenario: Scenario, mode: str, folder: Path, loop: Loop | None = None) -> None:
    """Measures the cell and writes ``folder``, in one step at the end, so that it is there whole or not at all.

    data: before the scenario's differences. loop: of that mode. Raises whatever the data or the rungs raise.
    """
    check(scenario)
    requirements.check(scenario)
    if loop is not None:
        _measure_loop(data, scenario, loop, folder)
        return
    data = operators.apply(data, scenario.data.differences, scenario.seed)
    scenario, skipped = requirements.supported(scenario, data)
    effort = EffortLog()
    if mode == "ladder":
        # Without regret: between two cells it differs by as much as their accuracy.
        results = ladder.run(data, scenario, effort, lambda _: None, lambda _: None, skipped, regret=False)
    else:
        if mode == TUNED:
            scenario = tuning.tune(data, scenario, folder.parent / "tuning", effort, lambda _: None)
        results = at_test(data, scenario, effort, skipped)
    with whole_folder(folder) as scratch:
        _write(scratch, data, scenario, results, effort)


def _measure_loop(data: Dataset, scenario: Scenario, loop: Loop, folder: Path) -> None:
    """The policies are the rungs of the cell, its metrics those of the rounds (``slice`` = round) and their means over
    the late rounds (``Loop.late``)."""
    effort = EffortLog()
    played = play(data, scenario, loop, effort)
    with whole_folder(folder) as scratch:
        run_folder.write_config(scratch, scenario)
        rows(played.rounds, loop.late).write_parquet(scratch / "metrics.parquet")
        run_folder.write_effort(scratch, effort, data, scenario)
        origin = {"n_train": float(np.mean(list(played.n_train.values()))), "rounds": loop.rounds}
        _finish(scratch, data, scenario, origin, played.parameters, played.skipped, list(played.rounds))


def warm_up(data: Dataset, scenario: Scenario, compiled: set[str], new: bool) -> None:
    """Does what only the first cell of a process would pay for: compiles kernels of recommenders that are not in
    ``compiled`` (and adds them) and, where the data are new, hashes their texts."""
    for table in (data.items, data.users) if new else ():
        FeatureEncoder().fit(table)
    ladder = [r for r in scenario.ladder if r.recommender not in compiled]
    compiled |= {r.recommender for r in ladder}
    if ladder:
        data = operators.apply(data, scenario.data.differences, scenario.seed)
        alone, _ = requirements.supported(scenario.model_copy(update={"ladder": ladder}), data)
        with suppress(DataError):  # none of them can be used with these data: the cell says so where it matters
            at_test(data, alone, EffortLog(), {})


def at_test(data: Dataset, scenario: Scenario, effort: EffortLog, skipped: Mapping[str, str]) -> ladder.Results:
    """Every rung that the data allows, with the first of its settings, at the test origin only: nothing is decided.

    scenario, skipped: what ``requirements.supported`` returned. Raises DataError where no rung is left.
    """
    fold = _test_fold(data, scenario)
    if scenario.spam.label_column is not None:
        fold, _ = suspected_fold(fold, scenario.spam)
    runner = FoldRunner(fold, scenario, effort, lambda _: None)
    outcomes, parameters, skipped = {}, {}, dict(skipped)
    for rung in scenario.ladder:
        allowed, reason = options(rung, scenario, data)
        if not allowed:
            skipped[rung.name] = reason
            continue
        try:
            outcomes[rung.name] = runner.measure(rung, allowed[0]).outcome
        except DataError as error:
            skipped[rung.name] = str(error)
            continue
        parameters[rung.name] = allowed[0]
    if not parameters:
        raise DataError(f"No rung could be measured ({'; '.join(f'{r}: {w}' for r, w in skipped.items())}).")
    origin = ladder.about_origin(runner.fold) | training(runner.fold)
    info = ladder.about_queries(runner.fold, scenario)
    return ladder.Results(Decision(), parameters, skipped, [info], [outcomes], [origin])


def training(fold: Fold) -> dict[str, float | None]:
    """What models of this fold learned from: users, days, how far it ends before the origin, interactions per week
    in the last quarter of its time (None where it states no times)."""
    train = fold.train
    stated = train.timestamps[train.timestamps != NO_TIME]
    measures: dict[str, float | None] = {"n_train_users": float((train.user_counts > 0).sum())}
    if not len(stated) or not len(fold.queries):
        return measures | dict.fromkeys(("train_days", "train_age_days", "train_per_week"))
    first, last = int(stated.min()), int(stated.max())
    first_query = int(fold.queries.as_of.min())
    recent = float((stated > last - (last - first) / 4).sum())
    weeks = (last - first) / 4 / US_PER_DAY / 7
    return measures | {
        "train_days": (last - first) / US_PER_DAY,
        "train_age_days": max(first_query - last, 0) / US_PER_DAY,
        "train_per_week": recent / weeks if weeks > 0 else None,
    }


def _test_fold(data: Dataset, scenario: Scenario) -> Fold:
    only = scenario.split.model_copy(update={"validation": []})  # its folds are not needed, and making them takes time
    return next(folds(data, only, scenario.eligibility))


def _write(folder: Path, data: Dataset, scenario: Scenario, results: ladder.Results, effort: EffortLog) -> None:
    run_folder.write_config(folder, scenario)
    if results.decision.choices:
        results.decision.write(folder)
        run_folder.write_hindsight(folder, results, scenario)
    test = next(g for g in results.groups if g.split == "test")
    if results.decision.choices:
        run_folder.write_comparisons(folder, results, test, scenario)
    table = metrics_table(test, scenario.bootstrap, scenario.seed)
    table.write_parquet(folder / "metrics.parquet")
    values(test.query_info[0], test.outcomes[0]).write_parquet(folder / "values.parquet")
    run_folder.write_effort(folder, effort, data, scenario)
    if scenario.audit is not None:
        audit_table(test, scenario.audit, scenario.bootstrap, scenario.seed).write_parquet(folder / "audit.parquet")
    _finish(folder, data, scenario, results.origins[-1], results.parameters, results.skipped, list(test.outcomes[0]))


def _finish(
    folder: Path, data: Dataset, scenario: Scenario, origin: Mapping[str, Any], parameters: Mapping[str, Any],
    skipped: Mapping[str, str], rungs: Sequence[str],
) -> None:  # fmt: skip
    """The last file of the folder, with the hashes of the others and its own."""
    done = {
        "files": {path.name: of_file(path) for path in sorted(folder.iterdir())},
        "digest": digest(data),
        "origin": origin,
        "parameters": parameters,
        "skipped": skipped,
        "rungs": rungs,
        "warnings": run_folder.warnings(data, scenario, {}),
    }
    tree = json.loads(json.dumps(done, default=str))
    (folder / DONE).write_text(json.dumps({**tree, "sha256": of_content(tree)}, indent=1) + "\n")


def values(queries: QueryInfo, outcomes: Mapping[str, Outcome]) -> pl.DataFrame:
    """Every metric of every query and rung: user_id, as_of, user_bucket, first (of its user), returning (see
    ``QueryInfo``), rung, and a Float32 column each."""
    base = pl.DataFrame({
        "user_id": queries.user_ids.cast(pl.String),
        "as_of": as_times(queries.as_of),
        "user_bucket": np.array(USER_BUCKETS)[queries.bucket],
        "first": queries.first,
        "returning": queries.returning,
    })  # fmt: skip
    frames = [
        base.with_columns(
            pl.lit(rung).alias("rung"), *(pl.Series(n, v.astype(np.float32)) for n, v in o.values.items())
        )
        for rung, o in outcomes.items()
    ]
    return pl.concat(frames)
