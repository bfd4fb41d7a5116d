"""The command ``coldstart``: one program of this package by its verb. ``python -m pipelines`` is the same."""

from __future__ import annotations

import sys
from importlib import import_module

from pipelines import arguments
from recommender.errors import nearest


def main() -> None:
    """Runs the program of the first argument; exits with its code."""
    verb, argv = "".join(sys.argv[1:2]), sys.argv[2:]
    if verb in ("", "-h", "--help"):
        print(usage())
        sys.exit(0 if verb else 2)
    if verb not in arguments.PROGRAMS:
        print(f"Error: Unknown verb '{verb}'{nearest(verb, arguments.PROGRAMS)}", file=sys.stderr)
        sys.exit(2)
    arguments.parse(verb, argv)  # answers --help and wrong options before any library is imported
    from pipelines import cli  # rich, which --help does not need

    with cli.starting():
        program = import_module(f"pipelines.{verb.replace('-', '_')}")
    cli.run(program.main, argv)


def usage() -> str:
    lines = [f"  {verb:<14}{(program.__doc__ or '').splitlines()[0]}" for verb, program in arguments.PROGRAMS.items()]
    head, end = "usage: coldstart VERB [OPTION]...", "coldstart VERB --help explains the options of one."
    return "\n".join([head, "", *lines, "", end])


if __name__ == "__main__":
    main()
