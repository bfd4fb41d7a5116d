"""``health.html``: one page on a model in use, in the order in which a person on duty asks."""

from __future__ import annotations

from pathlib import Path

from recommender.experiment.run_folder import RunFolder
from recommender.files import write_text
from recommender.operate.advice import NOTHING
from recommender.operate.health import Health, day
from recommender.report.document import site_name
from recommender.report.page import capital, render


def write_health(out: Path, health: Health, run: RunFolder, model: str) -> Path:
    """Writes ``out/health.html`` and returns its path."""
    specs = {c.name: c.spec for f in health.findings for c in f.charts}
    rate = run.scenario.monitor.false_alarms_per_month
    status = "bad" if health.alarms else "good" if health.advice.action == NOTHING else "open"
    text = render(
        "health.html", specs, model=model, site=site_name(run), findings=health.findings, status=status,
        verdict=f"{len(health.alarms)} alarms" if health.alarms else "No alarm", do=capital(health.advice.action),
        reason=health.advice.reason, since=day(health.span.shipped), until=day(health.span.until),
        age=health.age_days, n=len(health.watched), rate=rate, alarms=[w.stream.name for w in health.alarms],
    )  # fmt: skip
    path = out / "health.html"
    write_text(path, text)
    return path
