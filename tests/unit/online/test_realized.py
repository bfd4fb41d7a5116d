"""What offline gains became online: kept, read, and how much comes true."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recommender.errors import DataError
from recommender.online.realized import RealizedShare, add_gain, gain_of, offline_gain, read_gains, realized_share

GAIN = gain_of("jobs", ("1", "2"), ("ndcg_at_10", (0.10, 0.06, 0.14)), "takes_per_list", (0.05, 0.01, 0.09))


def test_a_test_is_kept_once_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "experiments/online.csv"
    assert read_gains(path) == []
    add_gain(GAIN, path)
    later = replace(GAIN, online=0.04)
    add_gain(replace(GAIN, treated="3"), path)
    assert add_gain(later, path) == read_gains(path) == [replace(GAIN, treated="3"), later]


def test_a_damaged_file_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "online.csv"
    add_gain(GAIN, path)
    path.write_text(path.read_text().replace("0.14", "much"))
    with pytest.raises(DataError, match="e\\.g\\. line 2"):
        read_gains(path)
    path.write_text("date,scenario\n")
    with pytest.raises(DataError, match="columns are missing"):
        read_gains(path)


def test_the_part_that_realized_share_is_the_slope_and_its_interval_covers() -> None:
    assert realized_share([]) == RealizedShare(0)
    rng, inside = np.random.default_rng(0), 0
    for _ in range(60):
        true = rng.uniform(0.05, 0.3, 8)
        noisy = [(true + rng.normal(0, 0.01, 8)), 0.6 * true + rng.normal(0, 0.02, 8)]
        gains = [
            gain_of("jobs", ("1", str(n)), ("ndcg_at_10", (a, a - 0.0196, a + 0.0196)), "takes_per_list",
                    (b, b - 0.0392, b + 0.0392)) for n, (a, b) in enumerate(zip(*noisy, strict=True))
        ]  # fmt: skip
        share = realized_share(gains, draws=400)
        assert share.part is not None
        inside += share.part[1] <= 0.6 <= share.part[2]
    assert inside >= 54


def test_few_tests_are_shown_and_not_used() -> None:
    one = realized_share([GAIN])
    assert one.part is not None
    assert one.part[0] == pytest.approx(0.5)
    assert (one.used, one.times((100.0, 50.0, 150.0))) == (False, (100.0, 50.0, 150.0))
    three = realized_share([replace(GAIN, treated=str(n)) for n in range(3)])
    assert three.part is not None
    value, low, high = three.times((100.0, 50.0, 150.0))
    assert value == pytest.approx(50)
    assert (low, high) == pytest.approx((50 * three.part[1], 150 * three.part[2]))


def test_the_offline_gain_is_that_of_the_gate() -> None:
    check = {"name": "ndcg_at_10", "champion": 0.2, "difference": 0.02, "low": 0.01, "high": 0.03}
    parts = (("2", [{**check, "difference": 0.0}]), ("2", [check]), ("2", []), ("3", [check]))
    rows = [{"from": "1", "to": to, "checks": checks} for to, checks in parts]
    assert offline_gain(rows, "1", "2") == ("ndcg_at_10", pytest.approx((0.1, 0.05, 0.15)))
    assert offline_gain(rows, "2", "1") is None
