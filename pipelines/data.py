"""Fetches a public data set from its publisher: ``coldstart data --source ml-100k [--to DIR]``."""

from __future__ import annotations

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from pipelines import arguments
from pipelines.cli import console, run
from recommender.config.files import raw_dir
from recommender.sources.fetch import ARCHIVES, fetch


def main(argv: list[str]) -> None:
    args = arguments.parse("data", argv)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task(args.source, total=None)
        folder = fetch(args.source, args.to, lambda done, total: bars.update(bar, completed=done, total=total))
    console.print(f"Terms of {args.source}: {ARCHIVES[args.source].terms}.", soft_wrap=True)
    searched = raw_dir()
    if searched is None or searched.resolve() != args.to.resolve():
        console.print(f"Set RECOMMENDER_RAW_DIR={args.to} so that it is found there.", soft_wrap=True)
    print(folder)


if __name__ == "__main__":
    run(main)
