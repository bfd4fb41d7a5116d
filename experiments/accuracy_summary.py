"""What ``docs/accuracy.md`` begins with: sentences computed from its tables, and a chart of each library's best."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.realism import DATA
from recommender.names import ALL, USER_BUCKETS

CHART = Path("docs/pictures/accuracy.svg")
LEAST = 30  # users of a group that has a row
BASELINES = "baselines"
LIBRARIES = {"irs": "irspack", "irspack": "irspack", "kindling": "kindling", "lk": "LensKit", "lenskit": "LensKit",
             "rt": "RecTools", "rectools": "RecTools", "skrecsys": "skrecsys"}  # fmt: skip
HISTORIES = dict(zip(USER_BUCKETS, ("without history", "with 1 or 2", "with 3 to 9", "with 10 and more"), strict=True))
COLOURS = {"above": "#0077BB", "level": "#999999", "below": "#CC3311"}  # what the interval says of ours
Row = dict[str, str]  # column -> cell


def library(name: str) -> str:
    """The library that made the lists ``name``, by what stands before the first underscore."""
    return LIBRARIES.get(name.split("_")[0], BASELINES)


def read(name: str, folder: Path = DATA) -> list[Row]:
    """The rows of ``docs/data/NAME.csv``, of every set."""
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def side(difference: str) -> str:
    """Whether ours is above, level with or below another, by the 95% interval of the difference."""
    if not difference.endswith("*"):
        return "level"
    return "below" if difference.startswith("-") else "above"


def sentences(best: Sequence[Row], libraries: Sequence[Row], others: Sequence[Row]) -> list[str]:
    """What the tables say in four sentences; the second and the third name every group in which ours is below.

    best: rows of ``accuracy.csv``, each group beside the best of all others there. libraries: rows of
    ``accuracy-libraries.csv``, all users of each set beside the best of each library. others: rows of
    ``accuracy-others.csv``, each group beside each of the others.
    """
    overall = [row for row in best if _group(row["users"], row["measure"]) == "all users"]
    below = [f"{_group(row['users'], row['measure'])} of {row['set']} ({row['best other']} {row['its value']}, "
             f"ours {row['ours']})" for row in best if side(row["difference"]) == "below"]  # fmt: skip
    names = sorted({row["library"] for row in libraries}, key=lambda name: (name == BASELINES, name.lower()))
    sides = {name: [side(row["difference"]) for row in libraries if row["library"] == name] for name in names}
    each = [f"{name} {', '.join(str(some.count(one)) for one in COLOURS)}" for name, some in sides.items()]
    return [
        f"All users, ours beside the best of all others: {_sides(overall, names=True)}.",
        f"Groups of at least {LEAST} users, ours beside the best of all others there: {_sides(best)}{_listed(below)}.",
        f"The same groups, ours beside each of the others by itself: {_one_by_one(others)}.",
        f"All users, ours beside the best model of each library, sets above, level and below: {'; '.join(each)}.",
    ]


def _group(users: str, measure: str = "") -> str:
    if "new items" in users + measure:
        return "new items"
    return "all users" if users == ALL else f"users {HISTORIES[users]}"


def _sides(rows: Sequence[Row], names: bool = False) -> str:
    """On how many rows ours is above, level and below, or with ``names`` on which sets."""
    sets = {name: [row["set"] for row in rows if side(row["difference"]) == name] for name in COLOURS}
    return ("; " if names else ", ").join(
        f"{name} on {', '.join(some) if names and some else len(some) or 'none'}" for name, some in sets.items()
    )


def _one_by_one(others: Sequence[Row]) -> str:
    """In how many comparisons ours is below, and in which groups, with the one that is most ahead there."""
    below: dict[str, list[tuple[float, str]]] = {}
    compared = 0
    for row in others:
        for column, cell in row.items():
            if "(" in cell:
                compared += 1
                difference = cell.partition("(")[2].removesuffix(")")
                if side(difference) == "below":
                    ahead = (float(difference.split()[0]), f"{row['other']} by {difference.split()[0][1:]}")
                    below.setdefault(f"{_group(column)} of {row['set']}", []).append(ahead)
    texts = [
        f"{group} ({min(some)[1]}{f' and {len(some) - 1} more' * (len(some) > 1)})" for group, some in below.items()
    ]
    return f"below in {sum(map(len, below.values()))} of {compared:,} comparisons{_listed(texts)}"


def _listed(texts: Sequence[str]) -> str:
    return f": {'; '.join(texts)}" if texts else ""


def points(libraries: Sequence[Row]) -> list[dict[str, Any]]:
    """Each row of ``accuracy-libraries.csv`` for the chart: mean, low and high of the difference in percent of ours."""
    drawn = []
    for row in libraries:
        mean, low, high = (100 * float(x) / float(row["ours"]) for x in re.findall(r"[+-][\d.]+", row["difference"]))
        words = row["best model"].split("_")
        what = " ".join(words if row["library"] == BASELINES else [row["library"], *words[1:]])
        drawn.append(
            {
                "set": row["set"],
                "what": what,
                "mean": mean,
                "low": low,
                "high": high,
                "ours is": side(row["difference"]),
            }
        )
    return drawn


def chart(libraries: Sequence[Row], path: Path = CHART) -> None:
    """How much more ours has than each library's best on each set, in percent of ours, with 95% intervals."""
    import altair as alt

    colour = alt.Color("ours is:N").scale(domain=list(COLOURS), range=list(COLOURS.values())).legend(orient="top")
    y = alt.Y("what:N", title=None, sort=alt.EncodingSortField("mean"))
    x = alt.X("mean:Q", title="NDCG@10 of all users: ours minus the other, in percent of ours")
    base = alt.Chart(alt.InlineData(values=points(libraries)))
    layers = alt.layer(
        base.mark_rule(color="black").encode(x=alt.datum(0)),
        base.mark_rule(strokeWidth=1.5).encode(alt.X("low:Q"), y, colour, x2="high:Q"),
        base.mark_point(filled=True, size=45, opacity=1).encode(x, y, colour),
    ).properties(width=430, height=alt.Step(14))
    sets = list(dict.fromkeys(row["set"] for row in libraries))
    facets = layers.facet(
        row=alt.Row("set:N", title=None, sort=sets).header(labelAngle=0, labelAlign="left", labelPadding=25)
    )
    facets.resolve_scale(y="independent").save(str(path))
