"""Dataset folders as people bring them: a sound small one, of which each test spoils one file."""

from __future__ import annotations

from pathlib import Path

import pytest

from recommender.data.dataset import Dataset
from recommender.data.folder import read_folder
from recommender.data.gate import build
from recommender.errors import UserError

INTERACTIONS = "user_id,item_id,timestamp\nu1,a,2024-01-01\nu1,b,2024-01-02\nu2,a,2024-01-03\nu2,c,2024-01-04\n"
ITEMS = "item_id,title\na,Alpha one\nb,Beta two\nc,Gamma three\n"


def write(folder: Path, files: dict[str, str | bytes] | None = None) -> Path:
    """A folder of the sound files and ``files`` (name -> content), which replace those of their table."""
    files = files or {}
    folder.mkdir(exist_ok=True)
    tables = {name.lower().split(".", 1)[0] for name in files}
    sound: dict[str, str | bytes] = {"interactions.csv": INTERACTIONS, "items.csv": ITEMS}
    for name, content in {**{n: c for n, c in sound.items() if n.split(".")[0] not in tables}, **files}.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def read(folder: Path, files: dict[str, str | bytes] | None = None) -> Dataset:
    """The checked data set."""
    return build(read_folder(write(folder, files)))


def refusal(folder: Path, files: dict[str, str | bytes] | None = None) -> str:
    """The one message with which the folder is refused."""
    with pytest.raises(UserError) as caught:
        read(folder, files)
    return str(caught.value)


def notes(data: Dataset) -> str:
    return "\n".join(map(str, data.notes))
