"""make pictures, over a finished train."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines import pictures
from pipelines.chromium import BINARY
from recommender.report.html import write_report
from tests.out_folder import write_out

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BINARY is None, reason="no chromium: run tests/browser/install_chromium.sh"),
]


def test_a_finished_train_gives_every_picture_that_the_readme_shows(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_report(write_out(out))
    pictures.main(["--out", str(out), "--to", str(tmp_path / "pictures")])
    made = {path.name: path.read_bytes() for path in (tmp_path / "pictures").iterdir()}
    assert set(made) == {*pictures.PARTS, "mlflow.png"}
    assert all(content.startswith(b"\x89PNG") for content in made.values())
