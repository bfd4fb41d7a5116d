"""Fetches a public data set from its publisher: ``python -m pipelines.data --source ml-100k [--to DIR]``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from pipelines.cli import console, run
from recommender.config.files import raw_dir
from recommender.sources.fetch import ARCHIVES, fetch


def main(argv: list[str]) -> None:
    arguments = _parse(argv)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task(arguments.source, total=None)
        folder = fetch(
            arguments.source, arguments.to, lambda done, total: bars.update(bar, completed=done, total=total)
        )
    console.print(f"Terms of {arguments.source}: {ARCHIVES[arguments.source].terms}.", soft_wrap=True)
    found = raw_dir()
    if found is None or found.resolve() != arguments.to.resolve():
        console.print(f"Set RECOMMENDER_RAW_DIR={arguments.to} so that it is found there.", soft_wrap=True)
    print(folder)


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pipelines.data", description=__doc__)
    parser.add_argument("--source", required=True, help=", ".join(ARCHIVES))
    parser.add_argument(
        "--to",
        type=Path,
        default=Path(os.environ.get("RECOMMENDER_RAW_DIR") or "data"),
        help="folder of raw data (default: RECOMMENDER_RAW_DIR, else ./data)",
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    run(main)
