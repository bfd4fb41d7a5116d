"""What the benchmarks compute from measured seconds and from the results of two systems."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments import bench_growth, bench_peers, impressions, people_scale
from recommender.simulate import play
from recommender.simulate.network_truth import NetworkTruth


def test_the_exponent_is_the_slope_of_the_logarithms() -> None:
    sizes = (1_000_000, 2_000_000, 20_000_000)
    rows = [{"stage": "linear", "rows": n, "cpu_s": 3e-6 * n} for n in sizes]
    rows += [{"stage": "square", "rows": n, "cpu_s": 1e-12 * n**2} for n in sizes]
    assert bench_growth.exponents(rows) == pytest.approx({"linear": 1, "square": 2})


def test_results_of_two_systems_are_compared_by_their_largest_difference(tmp_path: Path) -> None:
    for name, sums, lists in (("ours", [1.0, 2.0], [[1, 2]]), ("peer", [1.0, 2.5], [[1, 3]])):
        np.savez(tmp_path / f"{name}-fit.npz", sums=sums)
        np.savez(tmp_path / f"{name}-top.npz", lists=lists)
    assert bench_peers.difference(tmp_path, "peer", "fit") == 0.5
    assert bench_peers.difference(tmp_path, "peer", "top") == 0.5  # one of two places


@pytest.mark.slow
def test_a_small_network_is_measured_stage_by_stage(tmp_path: Path) -> None:
    people_scale.make(tmp_path, 400)
    rows = people_scale.measured(tmp_path)
    hits = {row["stage"]: row["hits"] for row in rows if row["hits"] is not None}
    assert list(hits) == list(people_scale.RUNGS)
    assert hits["contacts"] > hits["popularity"]
    assert all(row["peak_mb"] > 0 for row in rows)


@pytest.mark.slow
def test_what_moves_nobody_changes_nobodys_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(impressions, "WEEKS", 2)
    truth = play(preset="people", n_users=300, n_interactions=2000, n_companies=12, n_schools=6)
    assert isinstance(truth, NetworkTruth)
    world = impressions.Weeks(truth, 0)
    model = world.fitted("contacts")
    plain = world.accepted(model, 0.0, 0.0)
    assert plain == world.accepted(model, 1e-6, 0.0) > 0
    assert world.accepted(model, 0.0, 0.9) < plain
