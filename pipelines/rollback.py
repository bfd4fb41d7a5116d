"""Moves the alias champion back to the version that had it before.

coldstart rollback --model NAME|models:/NAME@champion --reason TEXT
"""

from __future__ import annotations

import getpass

from pipelines import arguments, cli
from recommender.tracking import promotion


def main(argv: list[str]) -> None:
    args = arguments.parse("rollback", argv)
    name = args.model.removeprefix("models:/").partition("@")[0].partition("/")[0]
    old, new = promotion.rollback(name, {"who": getpass.getuser(), "reason": args.reason})
    print(f"models:/{name}/{new} is the champion again, in place of version {old}.")


if __name__ == "__main__":
    cli.run(main)
