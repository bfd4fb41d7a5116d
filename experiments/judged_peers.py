"""Lists of other libraries of this year for a judge: ``make experiment-peers DATA='judged/ml-100k ...' [PEERS=...]``.

Each library runs in an environment of its own (the inline metadata of ``experiments/peers/*_lists.py``; needs uv),
one thread, each of its models with the same budget of tuning (``experiments/peers/tuned.py``). Writes
DATA/others/LIBRARY_MODEL.parquet beside what is there; ``experiments/accuracy_tables.py`` compares them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pipelines.cli import run
from recommender.errors import ConfigError, UserError

FOLDER = Path(__file__).parent / "peers"
PEERS = tuple(sorted(path.name.removesuffix("_lists.py") for path in FOLDER.glob("*_lists.py")))
NEEDED = ("interactions", "items", "queries", "candidates")


def main(argv: Sequence[str]) -> None:
    chosen = [name for name in argv if name in PEERS] or list(PEERS)
    folders = [Path(name) for name in argv if name not in PEERS]
    missing = [
        str(f / f"public/{n}.parquet") for f in folders for n in NEEDED if not (f / f"public/{n}.parquet").is_file()
    ]
    if not folders or missing:
        raise ConfigError(
            f"Give folders as experiments/judged.py says, and of {', '.join(PEERS)} those that are to run; "
            f"no file {', '.join(missing) or 'was given'}."
        )
    if shutil.which("uv") is None:
        raise UserError("uv is not installed; it makes the environments of the other libraries. See docs.astral.sh/uv.")
    failed = []
    for peer in chosen:
        for folder in folders:
            sys.stdout.write(f"{peer}, {folder}\n")
            sys.stdout.flush()
            command = ["uv", "run", "-q", "--script", str(FOLDER / f"{peer}_lists.py"), str(folder)]
            if subprocess.run(command, check=False).returncode:
                failed.append(f"{peer} on {folder}")
    if failed:
        raise UserError(f"No lists from {', '.join(failed)}: the messages above say what went wrong.")


if __name__ == "__main__":
    run(main)
