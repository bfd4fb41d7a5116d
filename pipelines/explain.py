"""Say why an item is in a user's list, or why not: rung, rule, place, and what weighed how much.

coldstart explain --model OUT|models:/NAME@champion --user ID --item ID [--as-of TIME] [--k 10] [--json]
"""

from __future__ import annotations

import json
from dataclasses import asdict

import polars as pl

from pipelines import arguments
from pipelines.cli import console, run, show_log
from recommender.api.model import load_model
from recommender.data.dataset import Table
from recommender.data.ids import as_ids
from recommender.errors import ConfigError, UserError
from recommender.serving.bundle import as_queries
from recommender.serving.explain import Explanation, explain


def main(argv: list[str]) -> None:
    args = arguments.parse("explain", argv)
    if args.k < 1:
        raise ConfigError(f"K={args.k}: a list holds at least one item.")
    show_log(quiet=args.json)
    bundle = load_model(args.model).bundle
    frame = pl.DataFrame({"user_id": [args.user], **({"as_of": [args.as_of]} if args.as_of else {})})
    queries = as_queries(frame, bundle.known, bundle.data.reading.times)
    row = item_of(bundle.data.items, args.item)
    explanation = explain(bundle.router, queries, bundle.candidates, row, args.k)
    if args.json:
        print(json.dumps({"user_id": args.user, "item_id": args.item, **asdict(explanation)}, ensure_ascii=False))
    else:
        show(explanation)


def item_of(items: Table, text: str) -> int:
    """The row of an item by its id as text. Raises UserError where the model does not know it."""
    row = int(items.lookup(as_ids(pl.Series("item_id", [text]), items.ids.dtype))[0])
    if row < 0:
        some = ", ".join(map(str, items.ids.head(3)))
        raise UserError(f"ITEM={text}: unknown to the model. Its {len(items):,} items have ids such as {some}.")
    return row


def show(explanation: Explanation) -> None:
    console.print(explanation.sentence, markup=False, soft_wrap=True)
    for signal in explanation.signals:
        console.print(
            f"  {signal.rung}: {signal.kind} {signal.name} {signal.weight:+.4g}", markup=False, soft_wrap=True
        )


if __name__ == "__main__":
    run(main)
