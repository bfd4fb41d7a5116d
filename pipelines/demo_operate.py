"""The whole loop on a simulated job board: ship, serve, notice two faults, mend, train again, test with users, promote.

coldstart demo-operate [--quick] [--out OUT]

Every step is one of the other commands; ``OUT/demo.html`` shows each with what it said, and keeps what it made.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import polars as pl

from pipelines import arguments, cli, experiment, monitor, promote, retrain, simulate, train
from recommender.experiment.out_folder import out_folder
from recommender.online.ab_test import SHIP
from recommender.report.demo import Step, write_demo
from recommender.tracking.promotion import audit, find
from recommender.tracking.registry import model_name

WORLD = "n_interactions={n} n_users={users} n_items={items} span_days=240"
LADDER = (
    "ladder=[{name: popularity, recommender: popularity, params: {half_life_share: 0.1}}, "
    "{name: content, recommender: content}, {name: ease, recommender: ease}]"
)
QUICK = "tune.search=0 bootstrap=200 slots.rung=content promote.max_loss=0.1"
BOLD = ("--set", "online.min_effect=0.2")  # a small board finds large changes only
UNTIL, USED_UNTIL, LOST_FROM, UNIT_FROM = 0.5, 0.8, 0.5, 0.3  # of the world; of the time in use


def main(argv: list[str]) -> None:
    args = arguments.parse("demo-operate", argv)
    cli.show_log(quiet=True)
    n = (30_000, 4_000, 1_500) if args.quick else (100_000, 12_000, 3_500)
    world = WORLD.format(n=n[0], users=n[1], items=n[2])
    small = ["--set", LADDER, "--set", QUICK] if args.quick else ["--set", "slots.n=0"]
    with out_folder(args.out, "demo-operate") as out:
        board, used = out / "board", out / "used"
        steps = [
            step("1. Data of the first four months", simulate.main,
                 ["--scenario", "jobs", "--to", board, "--until", UNTIL, "--set", world]),
            step("2. Train the ladder, decide who gets what", train.main,
                 ["--scenario", "jobs", "--data", board, "--out", out / "first", "--quiet", *small]),
            step("3. The first version becomes champion", promote.main,
                 ["--model", out / "first", "--reason", "first version"]),
            step("4. Ten weeks in use: the simulator's users answer its lists", simulate.main,
                 ["--scenario", "jobs", "--to", used, "--serve", out / "first", "--until", USED_UNTIL, "--set", world]),
        ]  # fmt: skip
        inject(used)
        look = ["--model", out / "first", "--users", used / "users.parquet", "--served", used / "log", "--quick"]
        broken = [*look, "--interactions", used / "broken.parquet", "--items", used / "other-unit.parquet"]
        whole = [*look[:-1], "--interactions", used / "interactions.parquet", "--items", used / "items.parquet"]
        steps.append(step("5. Two faults: part of the feed is lost, salaries come in another unit", monitor.main,
                          [*broken, "--out", out / "alarm"]))  # fmt: skip
        steps.append(step("6. The feeds are mended: is the model still right?", monitor.main,
                          [*whole, "--out", out / "mended"]))  # fmt: skip
        grow(board, used)
        steps.append(
            step(
                "7. Train again on everything, promote through the gate",
                retrain.main,
                ["--model", out / "first", "--data", board, "--out", out / "second", "--promote", "--quiet"],
            )
        )
        steps += tested(out, world)
        rows = audit(model_name("jobs", "board"))
        write_demo(out, steps, rows[-3:])
        print(f"Page, open in a browser: {(out / 'demo.html').resolve().as_uri()}")


def tested(out: Path, world: str) -> list[Step]:
    """The second version beside the first, each user by one of them; it is promoted where the test says so."""
    name, log = model_name("jobs", "board"), out / "tested/log"
    first, second = (find(str(out / which)).uri for which in ("first", "second"))
    ask = ["--scenario", "jobs", *BOLD]
    steps = [
        step("8. The gate looked at takes from the champion's own lists, which favour it. How long would users have to "
             "be asked?", experiment.main, [*ask, "--served", out / "used/log", "--out", out / "plan"]),
        step("9. Seven weeks of both versions, each user by one of them", simulate.main,
             ["--scenario", "jobs", "--to", out / "tested", "--serve", first, "--beside", second, "--set", world]),
        step("10. What the test says", experiment.main,
             [*ask, "--served", log, "--before", out / "board/interactions.parquet", "--model", second,
              "--realized", out / "online.csv", "--out", out / "test"]),
    ]  # fmt: skip
    read = json.loads((out / "test/experiment.json").read_text())
    if read["verdict"] == SHIP:
        reason = f"online test of {name}: {read['reason']}"
        promoted = ["--model", out / "second", "--data", out / "board", "--force", reason]
        steps.append(step("11. The test with users counts more than the gate: promote", promote.main, promoted))
    return steps


def step(title: str, main: Callable[[list[str]], None], argv: list[object]) -> Step:
    """Runs one program and keeps what it said and its exit code; an error of the user's ends the demo."""
    printed, code = io.StringIO(), 0
    cli.console.print(title)
    with redirect_stdout(printed):
        try:
            main([str(a) for a in argv])
        except SystemExit as end:
            code = int(end.code or 0)
    command = f"coldstart {main.__module__.rpartition('.')[2].replace('_', '-')} {' '.join(map(str, argv))}"
    return Step(title, command, code, printed.getvalue().strip(), health(argv))


def health(argv: list[object]) -> list[str]:
    """The sentences of a look of the monitor, or of a test."""
    out = Path(str(argv[argv.index("--out") + 1])) if "--out" in argv else Path("nowhere")
    if (out / "experiment.json").exists():
        tree = json.loads((out / "experiment.json").read_text())
        return [*([f"Verdict: {tree['verdict']}."] if "verdict" in tree else []), *tree["sentences"]]
    if not (out / "health.json").exists():
        return []
    tree = json.loads((out / "health.json").read_text())
    return [f"{part}: {sentence}" for part, sentences in tree["parts"].items() for sentence in sentences]


def inject(used: Path) -> None:
    """Beside the true rows, those of broken feeds: two thirds are lost from the middle on, and new items' salaries
    come by the month."""
    rows, items = pl.read_parquet(used / "interactions.parquet"), pl.read_parquet(used / "items.parquet")
    first, last = rows["timestamp"].min(), rows["timestamp"].max()
    lost = pl.col("timestamp") > first + LOST_FROM * (last - first)  # type: ignore[operator]
    rows.filter(~lost | (pl.int_range(pl.len()) % 3 == 0)).write_parquet(used / "broken.parquet")
    late = pl.col("available_from") > first + UNIT_FROM * (last - first)  # type: ignore[operator]
    monthly = pl.when(late).then(pl.col("salary") / 12).otherwise(pl.col("salary"))
    items.with_columns(salary=monthly.cast(items["salary"].dtype)).write_parquet(used / "other-unit.parquet")


def grow(board: Path, used: Path) -> None:
    """Adds what came since to the dataset folder."""
    for name in ("interactions", "items", "users"):
        old, new = pl.read_parquet(board / f"{name}.parquet"), pl.read_parquet(used / f"{name}.parquet")
        pl.concat([old, new], how="diagonal_relaxed").write_parquet(board / f"{name}.parquet")


if __name__ == "__main__":
    cli.run(main)
