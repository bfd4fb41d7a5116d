"""Plans and reads tests of a change with users: before, how many users and weeks; after, the effect and a verdict.

coldstart experiment --scenario jobs [--served LOG] [--feedback LOG] [--before FILE] [--control NAME] [--treated NAME]
    [--users N --rate R [--lists N]] [--planned N] [--candidate MODEL] [--model models:/NAME@champion] [--out OUT]

What the log holds says what is done: one variant, or none, is planned for; two are read out, as a test of two groups
or as interleaved lists. With a candidate it is said what that would have got, though it was not shown. Thresholds are
``online`` of the scenario. With a model, a finished test is a row of experiments/online.csv beside the offline gain
that ``make promote`` measured between the two versions; ``make compare`` values offline gains by what became of them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import polars as pl

from pipelines import arguments, cli  # before the library: sets the threads before NumPy is imported
from pipelines.monitor import logged
from recommender import config
from recommender.api.model import load_model
from recommender.config import Scenario
from recommender.data.read.table import read_table
from recommender.errors import ConfigError, DataError
from recommender.experiment.out_folder import out_folder
from recommender.files import write_json
from recommender.online import ab_test, log_frames, pictures, realized, sample_size
from recommender.online.harms import with_harms
from recommender.online.interleaved import BETTER, WORSE, Preference, preference
from recommender.online.log_totals import is_interleaved, totals
from recommender.online.replay import off_policy
from recommender.report.experiment import ExperimentPage, write_experiment
from recommender.serving.new_rows import times
from recommender.tracking import promotion

MORE, LESS = "more than was shown", "less than was shown"
Result = tuple[dict[str, Any], ExperimentPage]  # experiment.json and the page
STATUS = {ab_test.SHIP: "good", ab_test.KEEP: "bad", ab_test.BROKEN: "bad", ab_test.WAIT: "open"}


def main(argv: list[str]) -> None:
    args = arguments.parse("experiment", argv)
    cli.show_log(quiet=args.quiet or args.json)
    scenario = config.load(args.scenario, args.set)
    tree, page = stated(args, scenario) if args.served is None else from_log(args, scenario)
    with out_folder(args.out, f"experiment-{scenario.name}") as out:
        write_json(out / "experiment.json", tree)
        write_experiment(out, page, scenario.name)
        tell(out, tree, page, args)


def stated(args: argparse.Namespace, scenario: Scenario) -> Result:
    """The plan from stated numbers."""
    users = args.users or scenario.problem.users_per_week
    if users is None or args.rate is None:
        raise ConfigError(
            "To plan a test, give SERVED=<log of the service>, or what you know of it: USERS=<a week> "
            "RATE=<share of lists with a take> LISTS=<per user>."
        )
    if not 0 < args.rate < 1 or users <= 0 or args.lists <= 0:
        raise ConfigError(f"RATE={args.rate:g} lies between 0 and 1; USERS and LISTS are above 0.")
    return planned(sample_size.stated_traffic(users, args.rate, args.lists), scenario)


def from_log(args: argparse.Namespace, scenario: Scenario) -> Result:
    """The plan where the log has no test, else the read-out of its test."""
    served, feedback = logged(args.served, "served"), logged(args.feedback or args.served, "feedback")
    events, rule = scenario.data.positive_events, scenario.online
    if args.candidate is not None:
        return not_shown(args, served, feedback, scenario)
    pair = log_frames.pair_of(served, args.control, args.treated)
    if pair is not None and is_interleaved(served):
        return preferred(preference(served, feedback, events, pair, rule.alpha))
    test, earlier = (served, served.clear()) if pair is None else log_frames.parted(served, pair)
    if args.before is None:
        before = log_frames.lists_before(earlier, feedback)
    else:
        before = log_frames.taken_before(history(args.before), test, args.served)
    if pair is not None and args.model is not None:
        test = with_harms(test, load_model(args.model).bundle, scenario.audit, args.served)
    seen = totals(test, feedback, events, before)
    if pair is None:
        return planned(sample_size.logged_traffic(seen, rule.metric), scenario)
    out = ab_test.read_out(seen, *pair, rule, args.planned)
    became = add_realized(args, scenario, test, out)
    sentences = [
        out.reason,
        *became,
        *(f"Guardrail {g.state}: {g.sentence}." for g in out.guardrails),
        *split_words(out),
    ]
    page = ExperimentPage(
        f"{out.treated} against {out.control}", "Ship the candidate?", out.verdict, out.reason, STATUS[out.verdict],
        sentences, [pictures.effect_chart(out)] if out.by_day.height else [], [pictures.effects_grid(out)],
    )  # fmt: skip
    return {"kind": "a/b test", "sentences": sentences, **out.tree()}, page


def history(file: Path) -> pl.DataFrame:
    """user_id and timestamp of a file of interactions. Raises DataError."""
    rows = read_table(file)
    if missing := [c for c in ("user_id", "timestamp") if c not in rows.columns]:
        columns = ", ".join(rows.columns)
        raise DataError(
            f"{file}: no column {' and '.join(missing)} (found {columns}). BEFORE needs user_id and timestamp."
        )
    return rows.select("user_id", times(rows["timestamp"], str(file), {}))


def add_realized(args: argparse.Namespace, scenario: Scenario, test: pl.DataFrame, out: ab_test.ReadOut) -> list[str]:
    """Adds a finished test to experiments/online.csv, and says so."""
    if args.model is None or out.verdict in (ab_test.WAIT, ab_test.BROKEN):
        return []
    audit = promotion.audit(promotion.find(args.model).name)
    control, treated = (
        str(test.filter(variant=name).sort("as_of")["model_version"][-1]) for name in (out.control, out.treated)
    )
    offline = realized.offline_gain(audit, control, treated)
    if offline is None:
        return [f"make promote has not compared versions {control} and {treated}, so no offline gain stands beside it."]
    gain = realized.gain_of(scenario.name, (control, treated), offline, out.metric, out.relative)
    share = realized.realized_share(realized.add_gain(gain, args.realized))
    line = (f"Offline {offline[1][0]:+.1%} [{offline[1][1]:+.1%}, {offline[1][2]:+.1%}] of {offline[0]} became "
            f"{out.relative[0]:+.1%} online: in {args.realized}.")  # fmt: skip
    return [line, share.sentence]


def planned(traffic: sample_size.ServiceTraffic, scenario: Scenario) -> Result:
    plan = sample_size.plan(traffic, scenario.online)
    first, *rest = sample_size.sentences(plan, scenario.online)
    verdict = f"{plan.weeks} week{'s' * (plan.weeks > 1)}" if plan.weeks else "Not with this traffic"
    rest.append("Guardrails: " + ", ".join(f"{k} {v:.0%}" for k, v in scenario.online.guardrails.items()) + ".")
    page = ExperimentPage(
        "Plan of a test",
        "How long?",
        verdict,
        first,
        "good" if plan.weeks else "open",
        rest,
        [pictures.plan_chart(plan)],
    )
    return {"kind": "plan", "sentences": [first, *rest], **plan.tree()}, page


def preferred(out: Preference) -> Result:
    """The read-out of interleaved lists."""
    status = {BETTER: "good", WORSE: "bad"}.get(out.verdict, "open")
    so_what = "Interleaving says which lists users prefer, not by how much takes rise: ship by a test of two groups."
    page = ExperimentPage(
        f"{out.treated} and {out.control} in one list", "Whose places are taken?", out.verdict, out.sentence,
        status, [out.sentence, so_what], [pictures.share_chart(out)], [pictures.share_grid(out)],
    )  # fmt: skip
    return {"kind": "interleaving", "sentences": [out.sentence, so_what], **out.tree()}, page


def not_shown(args: argparse.Namespace, served: pl.DataFrame, feedback: pl.DataFrame, scenario: Scenario) -> Result:
    """What a candidate would have got at the places that exploration drew."""
    since = None if args.before is None else read_table(args.before)
    bundle = load_model(args.candidate).bundle
    out = off_policy(bundle, served, feedback, scenario.data.positive_events, args.served, since)
    dr = out.estimates[-1]
    gain = f"{dr.value:.4f} [{dr.low:.4f}, {dr.high:.4f}] takes per drawn place, where {out.logged:.4f} were logged"
    verdict = (
        "more than was shown" if dr.low > out.logged else "less" if dr.high < out.logged else "no clear difference"
    )
    words = [
        f"Doubly robust: {gain}.",
        f"{out.rows:,} drawn places of {out.users:,} users; the candidate has the same item at {out.matched:.1%}, "
        f"which are worth {out.effective:,.0f} places.",
        "It speaks of the drawn places only. Where the log's model drew nothing, a test with users tells.",
    ]  # fmt: skip
    page = ExperimentPage(
        f"{args.candidate}, not shown", "What would it have got?", verdict, words[0],
        {MORE: "good", LESS: "bad"}.get(verdict, "open"), words[1:],
        [pictures.off_policy_chart(out)], [pictures.off_policy_grid(out)],
    )  # fmt: skip
    return {"kind": "off-policy", "sentences": words, "verdict": verdict, **out.tree()}, page


def split_words(out: ab_test.ReadOut) -> list[str]:
    """Is the split sound, and what CUPED brought."""
    lines = [
        f"{out.effect.users[0]:,} and {out.effect.users[1]:,} users; the split is as meant (p = {out.p_split:.2g})."
    ]
    if out.p_split < ab_test.MISMATCH:
        lines = []
    if out.mixed:
        lines.append(f"{out.mixed:,} users saw both variants and are left out.")
    if out.effect.explained > 0.005:
        lines.append(f"What users took before explains {out.effect.explained:.0%} of the variance (CUPED).")
    return lines


def tell(out: Path, tree: dict[str, Any], page: ExperimentPage, args: argparse.Namespace) -> None:
    if args.json:
        print(json.dumps({"out": str(out), **tree}))
    elif not args.quiet:
        print(f"{page.verdict[:1].upper()}{page.verdict[1:]}. {page.reason}")
        for sentence in page.sentences:
            if sentence != page.reason:
                cli.console.print(sentence, markup=False, soft_wrap=True)
        print(f"Page, open in a browser: {(out / 'experiment.html').resolve().as_uri()}")


if __name__ == "__main__":
    cli.run(main)
