"""Hashes the addresses of a file with your key, so that imported contacts can enter a data set.

coldstart contacts-hash --file book.csv --column email --to contacts.csv

Once for the address books (user_id and an address a line), once for the members' own addresses in users. The key is
the environment variable RECOMMENDER_CONTACTS_KEY; keep it out of the data and the same for every import.
"""

from __future__ import annotations

import os
from pathlib import Path

from pipelines import arguments
from pipelines.cli import console, run
from pipelines.recommend import writable, write
from recommender.data.contact_keys import LEAST_SECRET, hashed
from recommender.data.read.table import EXACT, read_table
from recommender.errors import ConfigError

SECRET = "RECOMMENDER_CONTACTS_KEY"


def main(argv: list[str]) -> None:
    args = arguments.parse("contacts-hash", argv)
    to, secret = writable(args.to), os.environ.get(SECRET, "")
    if len(secret) < LEAST_SECRET:
        raise ConfigError(
            f"{SECRET}: {'is not set' if not secret else f'has {len(secret)} characters'}; at least {LEAST_SECRET} are "
            f"needed. Make one, for example: export {SECRET}=$(openssl rand -hex 32)"
        )
    table = hashed(read_table(Path(args.file), exact=EXACT | {args.column}), args.column, secret)
    write(table, to)
    keys = table["contact_key"].drop_nulls()
    counts = f"{table.height:,} rows, {keys.n_unique():,} addresses, {table.height - len(keys):,} empty"
    console.print(f"{counts} -> {to}", markup=False)


if __name__ == "__main__":
    run(main)
