"""What the benchmarks compute from measured seconds and from the results of two systems."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments import bench_growth, bench_peers


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
