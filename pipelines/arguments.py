"""The arguments of every program, in one place. It imports no library that computes, so that ``coldstart train --help``
and a wrong option are answered at once."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from recommender.config import scenarios

_KEY = re.compile(r"[A-Za-z_][\w.-]*=")
LOG = "service-log"  # where make serve leaves what it showed, unless given another folder
DATA = "a source's name or the path of a dataset folder"
SCENARIO = f"{', '.join(scenarios())}, or the path of a YAML file"


def parse(verb: str, argv: list[str]) -> argparse.Namespace:
    """The checked arguments of ``coldstart <verb>``. Exits with code 2 and one message where they are wrong."""
    parser = argparse.ArgumentParser(f"coldstart {verb}", description=PROGRAMS[verb].__doc__)
    PROGRAMS[verb](parser)
    return parser.parse_args(argv)


def train(to: argparse.ArgumentParser) -> None:
    """Train the ladder of one scenario: fit, measure, decide, ship, report, track."""
    to.add_argument("--scenario", required=True, help=SCENARIO)
    to.add_argument("--data", help=f"{DATA} (default: the scenario's own)")
    to.add_argument("--out", help="a new folder for the results (default: artifacts/<scenario>-<data>-<time>/)")
    _engine(to)
    _overrides(to)
    _output(to)


def study(to: argparse.ArgumentParser) -> None:
    """Change one thing over a grid, measure every cell, say what it did."""
    to.add_argument("--study", required=True, help="the name of a file in experiments/, or the path of a YAML file")
    to.add_argument("--scenario", help="one, or several with commas (default: the study's, else all)")
    to.add_argument("--data", help=f"{DATA}, or one for each scenario with commas")
    to.add_argument("--quick", action="store_true", help="a smaller variant, for a first look")
    _workers(to)
    _overrides(to)
    _output(to)


def compare(to: argparse.ArgumentParser) -> None:
    """Compare scenarios side by side, by a reduced variant of the studies; full ones are used where they are kept."""
    to.add_argument("--scenario", help="one, or several with commas (default: all)")
    to.add_argument("--data", help="more data, each with its scenario, with commas: jobs:my-jobs,catalog:ml-100k")
    to.add_argument("--out", help="a new folder for the results (default: artifacts/compare-<time>/)")
    to.add_argument("--quick", action="store_true", help="less data, fewer sizes, one seed: a first look")
    _workers(to)
    _overrides(to)
    _output(to)


def done(to: argparse.ArgumentParser) -> None:
    """Keep what an option took, beside what was stated: estimates of comparisons are then corrected by it."""
    to.add_argument("--option", required=True, help="what is finished, by its name in estimates/ or in the plan")
    to.add_argument("--days", required=True, type=float, help="the person-days that it took")
    to.add_argument("--scenario", help="what it was built for: " + SCENARIO + " (default: all)")


def recommend(to: argparse.ArgumentParser) -> None:
    """Recommend from a trained model: queries in, a file of ranked items out."""
    to.add_argument("--model", required=True, help="the OUT folder of a train, a saved model, or a models:/ URI")
    to.add_argument("--queries", required=True, help="file with user_id and optionally as_of")
    to.add_argument("--to", required=True, help="file to write, .parquet or .csv")
    to.add_argument("--k", type=int, default=10, help="length of the lists (default: 10)")
    to.add_argument("--candidates", help="file with item_id: what may be shown (default: every known item)")
    for table in ("items", "users", "interactions"):
        to.add_argument(f"--{table}", help=f"file of {table} that the model has not seen")
    _engine(to)


def promote(to: argparse.ArgumentParser) -> None:
    """Compare a candidate with the champion on the newest queries; where the gate holds, it is served."""
    to.add_argument("--model", required=True, help="the OUT folder of a train, or models:/<name>@candidate")
    to.add_argument("--data", help=f"{DATA} with the newest queries (default: where the candidate's train read)")
    to.add_argument("--reason", default="", help="what the audit row gives as the reason")
    to.add_argument("--force", metavar="REASON", help="promote although the gate does not hold; it is recorded")
    to.add_argument("--json", action="store_true", help="print the audit row as one JSON object")


def monitor(to: argparse.ArgumentParser) -> None:
    """Watch a model in use: is it alive, used, still right; reasons; what to do. Exit code 4: an alarm."""
    to.add_argument("--model", required=True, help="the OUT folder of a train, or models:/<name>@champion")
    to.add_argument("--data", help=f"{DATA}: what the train read, grown or not (default: where the train read)")
    for table in ("items", "users", "interactions"):
        to.add_argument(f"--{table}", help=f"file of {table} that came since")
    to.add_argument("--served", type=Path, help="LOG of the service, or a file of the lists shown")
    to.add_argument("--feedback", type=Path, help="what became of them, where it is not in the same LOG")
    to.add_argument("--until", help="the last whole day of the data (default: the day before the latest interaction)")
    to.add_argument("--out", help="a new folder for page and health.json (default: artifacts/health-<data>-<time>/)")
    to.add_argument("--quick", action="store_true", help="fit nothing: neither accuracy nor the shadow decision")
    _output(to)


def experiment(to: argparse.ArgumentParser) -> None:
    """Plan a test of a change with users, or read it out: effect, guardrails, verdict."""
    to.add_argument("--scenario", required=True, help=f"whose thresholds (online:) count: {SCENARIO}")
    to.add_argument("--served", type=Path, help="LOG of the service, or a file of the lists shown")
    to.add_argument("--feedback", type=Path, help="what became of them, where it is not in the same LOG")
    to.add_argument("--before", type=Path, help="file of interactions: those from before the test sharpen it (CUPED)")
    to.add_argument("--control", help="the variant in use (default: champion, else the first of two)")
    to.add_argument("--treated", help="the variant that may replace it (default: the other one)")
    to.add_argument("--candidate", metavar="MODEL", help="a model that was not shown: what it would have got, by the "
                    "propensities of the log")  # fmt: skip
    to.add_argument("--model", help="models:/<name>@champion, or OUT of a train: a finished test is added to "
                    "experiments/online.csv beside the offline gain of its versions")  # fmt: skip
    to.add_argument("--realized", type=Path, default=Path("experiments/online.csv"), help="that file, elsewhere")
    to.add_argument("--planned", type=int, help="users in all, by the plan that was made before")
    to.add_argument("--users", type=float, help="without a log: users a week (default: problem.users_per_week)")
    to.add_argument("--rate", type=float, help="without a log: share of the lists with a take")
    to.add_argument("--lists", type=float, default=1.0, help="without a log: lists per user (default: 1)")
    to.add_argument(
        "--out", help="a new folder for page and experiment.json (default: artifacts/experiment-...-<time>/)"
    )
    _overrides(to)
    _output(to)


def retrain(to: argparse.ArgumentParser) -> None:
    """Train a model again on the data of now, and register a candidate."""
    to.add_argument("--model", required=True, help="the OUT folder of a train, or models:/<name>@champion")
    to.add_argument("--data", help=f"{DATA} (default: where the model's train read)")
    to.add_argument("--decide", action="store_true", help="decide again who gets which rung, with the whole ladder")
    to.add_argument("--promote", action="store_true", help="then promote it, where the gate holds")
    to.add_argument("--out", help="a new folder for the results (default: artifacts/<scenario>-<data>-again-<time>/)")
    to.add_argument("--quiet", action="store_true", help="print nothing but errors")


def demo_operate(to: argparse.ArgumentParser) -> None:
    """The whole loop of a model in use on a simulated job board; one page tells it."""
    to.add_argument("--quick", action="store_true", help="a small board and three rungs: minutes")
    to.add_argument("--out", help="a new folder (default: artifacts/demo-operate-<time>/)")


def rollback(to: argparse.ArgumentParser) -> None:
    """Move the alias champion back to the version that had it before."""
    to.add_argument("--model", required=True, help="name of the registered model, or models:/<name>@champion")
    to.add_argument("--reason", default="", help="what the audit row gives as the reason")


def forget(to: argparse.ArgumentParser) -> None:
    """Remove users from results, saved models, service logs and MLflow, and say which models to train again."""
    to.add_argument("--users", required=True, help="file with user_id: who is to be forgotten")
    where = f"a folder that holds results, such as OUT of a train; repeatable (default: artifacts/, studies/, {LOG}/)"
    to.add_argument("--within", action="append", default=[], metavar="FOLDER", help=where)


def data_check(to: argparse.ArgumentParser) -> None:
    """Look at a data set before anything is trained on it: what it is like, roles, repairs, and every problem."""
    to.add_argument("--data", help=f"{DATA} (default: the scenario's own)")
    to.add_argument("--against", type=Path, metavar="OUT", help="folder of a finished train to compare with")
    to.add_argument("--scenario", help="take options, repairs and positive events from this one: " + SCENARIO)
    to.add_argument("--json", action="store_true", help="one JSON document instead of tables")


def simulate(to: argparse.ArgumentParser) -> None:
    """Write a simulated data set as a dataset folder, from the scenario's options of the simulator."""
    to.add_argument("--scenario", required=True, help=SCENARIO)
    to.add_argument("--to", required=True, type=Path, help="the folder to write; must not exist")
    to.add_argument("--like", metavar="DATA", help=f"{DATA} to make a twin of")
    _overrides(to, "a knob (docs/simulator.md)")
    to.add_argument("--no-truth", action="store_true", help="without the folder truth/ (large sets)")
    to.add_argument("--until", type=float, help="share of the time in the folder; the rest goes into its since/")
    to.add_argument("--serve", metavar="MODEL", help="OUT of a train on the folder of --until: its lists are answered")
    to.add_argument("--beside", metavar="MODEL", help="with --serve: its lists are shown to half of the users, "
                    "from when it has learned all it knows")  # fmt: skip
    to.add_argument("--seed", type=int, help="default: the scenario's, else 0")


def data(to: argparse.ArgumentParser) -> None:
    """Fetch a public data set from its publisher."""
    to.add_argument("--source", required=True, help="the name of a public data set, such as ml-100k")
    raw = Path(os.environ.get("RECOMMENDER_RAW_DIR") or "data")
    to.add_argument("--to", type=Path, default=raw, help=f"folder of raw data (default: {raw})")


def contacts_hash(to: argparse.ArgumentParser) -> None:
    """Replace the addresses of a file by keyed hashes, so that imported contacts can enter a data set."""
    to.add_argument("--file", required=True, help="a table with a column of e-mail addresses or phone numbers")
    to.add_argument("--column", default="email", help="that column (default: email)")
    to.add_argument("--to", required=True, help="file to write, .parquet or .csv")


def serve(to: argparse.ArgumentParser) -> None:
    """Serve lists over HTTP, log what was shown, and take in events, which the next lists know."""
    to.add_argument("--model", required=True, help="the OUT folder of a train, a saved model, or a models:/ URI")
    _log(to)
    to.add_argument("--host", default="127.0.0.1", help="the address to listen at (default: this machine only)")
    to.add_argument("--port", type=int, default=8000)
    to.add_argument("--plain-ids", action="store_true", help="log user ids as they are, not as pseudonyms")
    to.add_argument("--candidate", help="another model, tested beside it: make experiment reads the log out")
    to.add_argument(
        "--split", choices=("ab", "interleaved"), default="ab", help="each user by one, or both in each list"
    )
    to.add_argument("--share", type=float, default=0.5, help="ab: of the users who see the candidate (default: .5)")


def explain(to: argparse.ArgumentParser) -> None:
    """Say why an item is in a user's list, or why not: rung, rule, place, and what weighed how much."""
    _list_options(to)
    to.add_argument("--user", required=True, help="a user_id, known or not")
    to.add_argument("--item", required=True, help="an item_id that the model knows")
    to.add_argument("--as-of", help="a time in UTC (default: the latest that the model's data know of)")
    to.add_argument("--json", action="store_true", help="one JSON object instead of text")


def related(to: argparse.ArgumentParser) -> None:
    """The items most related to one, by the same rungs that make the lists."""
    _list_options(to)
    to.add_argument("--item", required=True, help="an item_id that the model knows")
    held_out = "file of interactions that the model has not seen: how often the next item of a visit was in the list"
    to.add_argument("--interactions", help=held_out)


def _list_options(to: argparse.ArgumentParser) -> None:
    to.add_argument("--model", required=True, help="the OUT folder of a train, a saved model, or a models:/ URI")
    to.add_argument("--k", type=int, default=10, help="length of the list (default: 10)")


def sql(to: argparse.ArgumentParser) -> None:
    """Ask questions of all results, in SQL: DuckDB over the files that train, study, compare and serve left here."""
    to.add_argument("--query", help="one question, or several with semicolons (default: DuckDB's own shell)")
    _log(to)


def ui(to: argparse.ArgumentParser) -> None:
    """Open MLflow over the store that the trains wrote to, and print the link to effort against accuracy."""
    to.add_argument("--port", type=int, default=5000)


# Verb -> its arguments; the program is ``pipelines/<verb>.py``, a dash in the verb an underscore there.
PROGRAMS: Mapping[str, Callable[[argparse.ArgumentParser], None]] = {
    "train": train, "study": study, "compare": compare, "done": done, "recommend": recommend, "promote": promote,
    "monitor": monitor, "experiment": experiment, "retrain": retrain, "demo-operate": demo_operate,
    "rollback": rollback, "forget": forget, "data-check": data_check, "simulate": simulate,
    "contacts-hash": contacts_hash, "sql": sql, "serve": serve, "explain": explain, "related": related, "ui": ui,
    "data": data,
}  # fmt: skip


def pairs(value: str) -> list[str]:
    """The KEY=YAML pairs of one ``--set``, which may hold several, as make's SET does: ``a.b=1 c.d={e: 2}``.

    A pair ends at white space before the next KEY=, outside brackets and YAML quotes, so that values may hold spaces.
    """
    starts, depth, quote = [0], 0, ""
    for position, character in enumerate(value):
        before = value[position - 1] if position else " "
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"" and before in "=[{,: ":  # elsewhere it is an apostrophe
            quote = character
        elif character in "[{":
            depth += 1
        elif character in "]}":
            depth -= 1
        elif depth == 0 and before.isspace() and _KEY.match(value, position):
            starts.append(position)
    parts = [value[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)]
    return [part for part in parts if part]


class _Pairs(argparse.Action):
    """Collects the pairs of all ``--set`` in one list."""

    def __call__(self, parser: object, namespace: argparse.Namespace, values: object, option: object = None) -> None:
        setattr(namespace, self.dest, [*getattr(namespace, self.dest), *pairs(str(values))])


def _overrides(to: argparse.ArgumentParser, what: str = "a configuration key") -> None:
    help_text = f"override {what}; repeatable, or several in one"
    to.add_argument("--set", action=_Pairs, default=[], metavar="KEY=YAML", help=help_text)


def _workers(to: argparse.ArgumentParser) -> None:
    to.add_argument("--workers", type=int, help="cells measured at once (default: as many as cores and memory allow)")


def _engine(to: argparse.ArgumentParser) -> None:
    where = "local-spark, or a Spark Connect server: sc://host:port (default: this process alone)"
    to.add_argument("--engine", help=where)
    to.add_argument("--shared", type=Path, help="a folder that the engine's workers see too (default: a temporary one)")


def _log(to: argparse.ArgumentParser) -> None:
    to.add_argument("--log", default=LOG, metavar="FOLDER", help=f"the log of a service (default: {LOG}/)")


def _output(to: argparse.ArgumentParser) -> None:
    to.add_argument("--quiet", action="store_true", help="print nothing but errors")
    to.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
