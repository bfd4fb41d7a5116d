"""What MLflow gets from a finished run folder: one flat set of metrics, params and tags per rung.

No MLflow here: plain dicts, so that they can be read and tested without it.
"""

from __future__ import annotations

import math
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from recommender.config import Rung
from recommender.data.operators import described
from recommender.evaluation.audit import impact_ratios
from recommender.evaluation.effort import OF_SEARCH
from recommender.evaluation.evaluate import POOLED
from recommender.evaluation.metric_table import mlflow_section
from recommender.experiment.attack_gain import gains
from recommender.experiment.run_folder import RunFolder
from recommender.hashing import of_file
from recommender.names import ALL, ROUTER, USER_BUCKETS
from recommender.spam.detector import Judgement
from recommender.studies.summary import HUNDREDTHS, RUNG, Points, against_effort, charted

REPOSITORY = Path(__file__).parents[2]
MOST = 60  # metrics of a run: more would bury those that matter
HEADLINE, OF_ITEMS = "ndcg_at_10", "recall_at_20"  # what the views chart, by user and by item
ITEMS = {"0": "new items", "1_2": "taken 1-2 times", "3_9": "taken 3-9 times", "10_plus": "taken 10 or more"}
EVERYTHING = "all_metrics.csv"  # artifact of each run: the table of all its numbers
# The numbers that a run logs as metrics, in the order of importance; {}: the metric that decides.
_KEPT = (
    r"acc/[a-z]\w*_at_\d+", "effort/(total|fit|recommend)_cpu_s", "effort/(total_wall_s|fit_peak_mb)",
    "acc/user_[^/]+/{}", "data/n_(interactions|users|items|queries|train)", "effort/(stated|search|tun).*", "harm/.*",
    "all_users/acc/{}.*", "val/acc/{}", "data/user_[^/]+/n_queries", "acc/item_[^/]+/.*_at_20", "beyond/[^/]+",
    "acc/[^/]+",
)  # fmt: skip


def rungs(run: RunFolder) -> list[str]:
    """Rungs that were evaluated, in the order of the ladder, then those made of others; the router always, last."""
    seen = set(run.all_metrics["rung"])
    named = [r.name for r in run.scenario.ladder if r.name in seen and r.name != ROUTER]
    return [*named, *sorted(seen - {*named, ROUTER}), ROUTER]


def every(run: RunFolder, rung: str) -> dict[str, float]:
    """All numbers of a rung by slash-sectioned name, for its table; only finite ones.

    ``acc/ndcg_at_10``, ``acc/user_0/ndcg_at_10``, ``acc/ndcg_at_10_ci_low`` ... of the test origin,
    ``beyond/...`` likewise, ``harm/impact_ratio/<column>``: the lowest of the groups of a protected column,
    ``harm/spam_precision`` and ``spam_recall`` of the detector (with the router), ``harm/rank_gain_per_100_accounts``
    of popularity, ``val/acc/...`` of the validation origins, ``effort/...``, ``data/...``.
    ``all_users/acc/...`` of the test origin, where all other accuracy is that of a sample of users.
    Slices stay in metrics.parquet and the report.
    """
    values = {**evaluation(run.all_metrics, rung), **_effort(run, rung), **_data(run)}
    values |= {f"all_users/{name}": value for name, value in evaluation(run.all_users, rung).items()}
    values |= {f"harm/{name}": ratio for name, ratio in impact_ratios(run.audit, rung).items()} | _spam(run, rung)
    if low_high := run.scenario.person_days.get(rung):
        values |= {"effort/stated_person_days_low": low_high[0], "effort/stated_person_days_high": low_high[1]}
    return {_clean(name): float(v) for name, v in values.items() if v is not None and math.isfinite(v)}


def logged(numbers: Mapping[str, float], metric: str, points: Points | None = None) -> tuple[dict[str, float], Points]:
    """What a run logs of its numbers, at most ``MOST`` names: metrics, and points that views chart.

    metric: what decides; points: where the run charts others than ``charted_points``.
    """
    points = charted_points(numbers) if points is None else points
    patterns = [f"acc/{metric}(_ci_low|_ci_high)?", *(p.replace("{}", metric) for p in _KEPT)]
    names = dict.fromkeys(name for p in patterns for name in numbers if re.fullmatch(p, name))
    return {name: numbers[name] for name in list(names)[: MOST - len(points)]}, points


def as_csv(numbers: Mapping[str, float]) -> str:
    """All of them as a table that MLflow shows."""
    return pl.DataFrame({"metric": list(numbers), "value": list(numbers.values())}).write_csv()


def charted_points(numbers: Mapping[str, float]) -> Points:
    """What views of trains and cells chart, by a name that a person can read: steps with values, accuracy x 100."""
    points: dict[str, Sequence[tuple[int, float]]] = {}
    for bucket in (ALL, *USER_BUCKETS):
        name = f"acc/{HEADLINE}" if bucket == ALL else f"acc/user_{bucket}/{HEADLINE}"
        if name in numbers:
            points[charted(RUNG, "", HEADLINE, bucket)] = [(0, HUNDREDTHS * numbers[name])]
    for bucket in USER_BUCKETS:
        if (name := f"acc/item_{bucket}/{OF_ITEMS}") in numbers:
            points[of_items(bucket)] = [(0, HUNDREDTHS * numbers[name])]
    ends = [numbers.get(f"acc/{HEADLINE}{end}") for end in ("", "_ci_low", "_ci_high")]
    return points | against_effort(charted(RUNG, "", HEADLINE), ends, numbers.get("effort/total_cpu_s"))


def of_items(bucket: str) -> str:
    """Name of the charted recall of items of a bucket."""
    return f"100 x {OF_ITEMS.replace('_', ' ')}: {ITEMS[bucket]}"


def params(run: RunFolder, rung: str) -> dict[str, str]:
    """What a reader groups and filters runs by: scenario, data, rung and the rung's own parameters."""
    entry = next((r for r in run.scenario.ladder if r.name == rung), Rung(name=rung, recommender=rung))
    shown = {
        **entry.params,
        **run.decision.parameters.get(rung, {}),  # chosen on validation
        "scenario": run.scenario.name,
        "data": run.data["name"],
        "rung": rung,
        "recommender": entry.recommender,
    }
    if difference := described(run.scenario.data.differences, run.scenario.data.train_differences):
        shown["data/difference"] = difference
    return {_clean(name): str(value) for name, value in shown.items()}


def tags(run: RunFolder, rung: str) -> dict[str, str]:
    """Hashes of the configuration and the data, and what the decision ships the rung for: user buckets (``_returning``
    where those who come back get another rung than those in a visit), blends and slots for new items."""
    return {
        "config_sha256": of_file(run.path / "config.yaml"),
        "data_digest": str(run.data["digest"]),
        "shipped_for": ", ".join(run.decision.uses(rung)) or ("all, as decided" if rung == ROUTER else "none"),
    }


def code_tags() -> dict[str, str]:
    """Git commit, whether files differ from it, and the hash of the lock file; what is not there is left out."""
    tags_ = {}
    lock = REPOSITORY / "requirements.lock"
    if lock.exists():
        tags_["lock_sha256"] = of_file(lock)
    commit = _git("rev-parse", "HEAD")
    if commit:
        tags_ |= {"mlflow.source.git.commit": commit, "git_dirty": str(bool(_git("status", "--porcelain"))).lower()}
    return tags_


def note(run: RunFolder) -> str:
    """Markdown shown on the router's page: the decision, then what to keep in mind."""
    lines = [f"- {s}" for s in run.decision.sentences]
    lines += ["", *(f"- **Mind:** {w}" for w in run.data.get("warnings", []))]
    return "\n".join(lines).strip()


def evaluation(table: pl.DataFrame, rung: str) -> dict[str, float | None]:
    """Metrics of a rung from metrics.parquet.

    Intervals of accuracy on the test origin only: they would double what the page shows.
    """
    one_way = (pl.col("user_bucket") == ALL) | (pl.col("item_bucket") == ALL)
    rows = table.filter((pl.col("rung") == rung) & (pl.col("slice") == ALL) & one_way)
    values: dict[str, float | None] = {}
    for row in rows.filter(pl.col("split") == "test").iter_rows(named=True):
        section, cell = mlflow_section(row["metric"]), _cell(row)
        name = f"{section}/{cell}{row['metric']}"
        values[name] = row["value"]
        if section == "acc":
            values |= {f"{name}_ci_low": row["ci_low"], f"{name}_ci_high": row["ci_high"]}
        if row["item_bucket"] == ALL:
            n = f"data/{cell}n_queries"
            values[n] = max(values.get(n) or 0, row["n_queries"])  # some metrics are not defined for all
    validation = rows.filter(pl.col("split") == "validation")
    pooled = validation.filter(pl.col("origin") == POOLED)
    for row in (pooled if pooled.height else validation).iter_rows(named=True):
        values[f"val/{mlflow_section(row['metric'])}/{_cell(row)}{row['metric']}"] = row["value"]
    return values


def _spam(run: RunFolder, rung: str) -> dict[str, float | None]:
    """How good the detector is at the test origin, of the router; the rank that fake accounts buy, of other rungs."""
    values: dict[str, float | None] = {}
    if rung == ROUTER:
        for row in run.spam.filter(split="test").iter_rows(named=True):
            judgement = Judgement(**row)
            values |= {"harm/spam_precision": judgement.precision, "harm/spam_recall": judgement.recall}
            values["harm/spam_average_precision"] = judgement.average_precision
    bought = dict(gains(run.attack).select("model", "rank_gain").iter_rows())
    if rung in bought:
        values["harm/rank_gain_per_100_accounts"] = bought[rung]
    return values


def _effort(run: RunFolder, rung: str) -> dict[str, float | None]:
    """Per stage; of a stage of every origin (fit, recommend) only the test origin's. Total = fit + recommend.

    The router is charged with the fits of the rungs that it serves from (``effort.charged``).
    """
    test = pl.col("split") == "test"
    rows = run.spent.filter(pl.col("rung") == rung)
    tested = rows.filter(test)["stage"].unique().implode()
    stages = (
        rows.filter(test | ~pl.col("stage").is_in(tested))
        .group_by("stage")
        .agg(pl.col("wall_s", "cpu_s").sum(), pl.col("peak_mb").max())
    )
    values: dict[str, float | None] = {}
    for row in stages.iter_rows(named=True):
        values |= {f"effort/{row['stage']}_{m}": row[m] for m in ("wall_s", "cpu_s", "peak_mb")}
    shown = stages.filter(pl.col("stage").is_in(["fit", "recommend"]))
    if shown.height:
        for measure in ("wall_s", "cpu_s"):
            values[f"effort/total_{measure}"] = float(shown[measure].sum())
    for measure, value in run.data_effort.select("measure", "value").iter_rows():
        kind, _, of = measure.partition("/")
        if of == rung and f"{kind}/" in OF_SEARCH:
            values[f"effort/{kind}"] = value
    return values


def _data(run: RunFolder) -> dict[str, float | None]:
    """Flat numbers of the data's summary and what the data took."""
    values: dict[str, float | None] = {}
    for name, value in run.data.get("summary", {}).items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            values[f"data/{name}"] = value
    measured = run.data_effort.filter(~pl.col("measure").str.contains("^" + "|^".join(OF_SEARCH)))
    values |= {f"data/{r['measure']}": r["value"] for r in measured.iter_rows(named=True)}
    return values


def _cell(row: Mapping[str, Any]) -> str:
    if row["user_bucket"] != ALL:
        return f"user_{row['user_bucket']}/"
    return f"item_{row['item_bucket']}/" if row["item_bucket"] != ALL else ""


def _clean(name: str) -> str:
    """MLflow allows letters, digits and ``_-. :/`` in names."""
    return re.sub(r"[^\w\-. :/]", "_", name, flags=re.ASCII)[:250]


def _git(*arguments: str) -> str:
    """Output of git in the repository; empty where there is no git or no repository."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
