"""The items most related to one, by the same rungs that make the lists.

coldstart related --model OUT|models:/NAME@champion --item ID [--k 10] [--interactions FILE]
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from pipelines import arguments
from pipelines.cli import run, show_log
from pipelines.explain import item_of
from pipelines.recommend import exact_columns
from pipelines.sql import show
from recommender.api.model import load_model
from recommender.data.dataset import Dataset
from recommender.data.read.table import read_table
from recommender.errors import ConfigError, DataError
from recommender.serving.bundle import Bundle
from recommender.serving.new_rows import extended
from recommender.serving.related import measured, related


def main(argv: list[str]) -> None:
    args = arguments.parse("related", argv)
    if args.k < 1:
        raise ConfigError(f"K={args.k}: a list holds at least one item.")
    show_log(quiet=False)
    bundle = load_model(args.model).bundle
    items, known = bundle.data.items, bundle.known
    row = item_of(items, args.item)
    neighbours = related(bundle.router, bundle.candidates, bundle.data.users, row, args.k, known.latest())
    places = range(1, len(neighbours.item_idx) + 1)
    names = {"item_id": items.ids.gather(neighbours.item_idx), "score": pl.Series(neighbours.score, nan_to_null=True)}
    show(iter([pl.DataFrame({"rank": places, **names, "source": neighbours.sources})]))
    if args.interactions:
        new = new_interactions(bundle, Path(args.interactions))
        if not (answer := measured(bundle.router, bundle.candidates, new)).height:
            raise DataError(f"{args.interactions}: no user took two known items within half an hour of each other.")
        show(iter([answer]))


def new_interactions(bundle: Bundle, file: Path) -> Dataset:
    """The rows of the file about items that the model knows."""
    rows = read_table(file, exact=exact_columns(bundle.data))
    with_new = extended(bundle.data, None, None, rows)
    known = bundle.data.items.lookup(with_new.interactions["item_id"]) >= 0
    listed = with_new.only(known, listed=bundle.data.items.lookup(with_new.items.ids) >= 0)
    order = listed.items.lookup(bundle.data.items.ids)
    return type(listed)(
        listed.name, listed.interactions, listed.items.take(order), listed.users, reading=listed.reading
    )


if __name__ == "__main__":
    run(main)
