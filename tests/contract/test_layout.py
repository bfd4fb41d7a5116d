"""The size of rooms and modules, so that a newcomer can guess where a thing is."""

from __future__ import annotations

from statistics import median

from recommender.hashing import PACKAGE

MODULES = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}


def test_few_files_lie_outside_the_rooms_and_all_are_short() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 6
    assert not {str(path): n for path, n in MODULES.items() if n >= 300}
    assert median(MODULES.values()) <= 120
