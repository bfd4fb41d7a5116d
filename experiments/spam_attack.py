"""Ranks that fake accounts buy: ``python -m experiments.spam_attack [SOURCE|FOLDER]`` (default: simulated ugc).

For popularity and its ``trusted`` form, by how many accounts there are and by how many popular items each takes
to look like others: median rank of the pushed items before and after, as a Markdown table.
"""

from __future__ import annotations

import sys
from functools import partial

from pipelines.cli import raw_dir, run
from recommender import config
from recommender.data.load import load
from recommender.models.popularity import Popularity
from recommender.spam.attack import rank_gain

ACCOUNTS, COVER, TARGETS = (30, 100, 300), (0, 10), 15
HALF_LIFE_SHARE = 0.05


def main(argv: list[str]) -> None:
    scenario = config.load("ugc")
    data = load(argv[0] if argv else "simulated", raw_dir=raw_dir(), **config.loading(scenario))
    models = {
        "popularity": partial(Popularity, half_life_share=HALF_LIFE_SHARE),
        "trusted": partial(Popularity, half_life_share=HALF_LIFE_SHARE, trusted=True),
    }
    head = ["accounts", "popular items that each takes too", "model", "rank before", "rank after"]
    lines = [head, ["---"] * len(head)]
    for accounts in ACCOUNTS:
        for cover in COVER:
            found = rank_gain(data, models, accounts, cover, TARGETS)
            for (name,), rows in found.group_by("model", maintain_order=True):
                ranks = [f"{rows[column].median():,.0f}" for column in ("rank_before", "rank_after")]
                lines.append([str(accounts), str(cover), str(name), *ranks])
    sys.stdout.writelines(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    run(main)
