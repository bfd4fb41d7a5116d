"""The health of a model in MLflow: a run per look, each watched series a curve over the days since shipping."""

from __future__ import annotations

from pathlib import Path

from recommender.experiment.run_folder import RunFolder
from recommender.operate.health import Health, series
from recommender.tracking.registry import model_name
from recommender.tracking.store import log_run, prepare, tracking_uri

EXPERIMENT = "health"


def log_health(health: Health, run: RunFolder, model: str, out: Path) -> None:
    """One finished run of the experiment ``health``. Raises TrackingError."""
    uri = tracking_uri()
    experiment_id = prepare(uri, EXPERIMENT)
    log_run(
        uri, experiment_id, f"{model_name(run.scenario.name, run.data['name'])} {health.tree()['to']}",
        metrics={"alarms": float(len(health.alarms)), "age_days": float(health.age_days)},
        params={"model": model, "scenario": run.scenario.name, "data": run.data["name"]},
        tags={"advice": health.advice.action, "alarms": ", ".join(w.stream.name for w in health.alarms)},
        artifacts=[out / "health.html", out / "health.json"], curves=series(health),
    )  # fmt: skip
