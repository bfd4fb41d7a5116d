"""The scenario ``skills`` from data to lists: on simulated data, and on a site's dump without occupations."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines import recommend, train
from tests.helpers.folders import run

QUICK = ["bootstrap=100", "split.validation=[0.7]", "split.min_train=20", "tune.search=0"]
FEW = {"n_interactions": 2500, "n_users": 300, "n_items": 80, "span_days": 120, "block_hours": 240}
RUNGS = {"popularity", "occupation_popularity", "content", "item_knn", "ease", "als", "user_ease", "ranker"}


def site(folder: Path) -> Path:
    """A dump of 40 members who ask about two of twelve tags at a time, in the order in which they joined and later."""
    folder.mkdir(parents=True)
    rng, posts = random.Random(0), []
    for n in range(300):
        one, two = rng.sample(range(12), 2)
        owner, day = rng.randrange(5 + 35 * n // 300), datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=20 * n)
        about = f'CreationDate="{day:%Y-%m-%dT%H:%M:%S}.000" OwnerUserId="{owner}" Tags="|t{one}|t{two}|"'
        posts.append(f'<row Id="{n}" PostTypeId="1" {about} />')
    (folder / "Posts.xml").write_text("<posts>\n" + "\n".join(posts) + "\n</posts>")
    members = [f'<row Id="{u}" CreationDate="2019-12-01T00:00:00.000" />' for u in range(40)]
    (folder / "Users.xml").write_text("<users>\n" + "\n".join(members) + "\n</users>")
    return folder.parent


def rungs(out: Path) -> set[str]:
    return set(pl.read_parquet(out / "metrics.parquet")["rung"]) - {"random", "router", "oracle"}


@pytest.mark.slow
def test_a_train_measures_the_whole_ladder_and_serves_a_member_without_history(untracked: Path) -> None:
    knobs = [f"data.options.simulated.{name}={value}" for name, value in FEW.items()]
    done = run(train.main, "--scenario", "skills", "--out", "out", "--set", " ".join([*QUICK, *knobs]))
    assert done.code == 0, done.err
    assert "acceptance@10" in done.out
    assert rungs(Path("out")) == RUNGS
    acceptance = pl.read_parquet("out/metrics.parquet").filter(
        metric="acceptance_at_10", user_bucket="all", split="test"
    )
    assert acceptance["value"].is_between(0, 1).all()
    assert set(pl.read_parquet("out/metrics.parquet")["user_bucket"]) >= {"all", "0", "1_2", "3_9", "10_plus"}
    Path("queries.csv").write_text("user_id\nnobody\n")
    Path("users.csv").write_text("user_id,occupation\nnobody,Database Architects\n")
    shown = run(recommend.main, "--model", "out", "--queries", "queries.csv", "--users", "users.csv", "--to", "l.csv")
    assert shown.code == 0, shown.err
    assert pl.read_csv("l.csv")["item_id"].n_unique() == 10


def test_what_the_data_lack_is_off_and_said(untracked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMMENDER_RAW_DIR", str(site(untracked / "raw" / "cs.stackexchange.com")))
    option = "data.options.stackexchange.site=cs.stackexchange.com"
    args = ("--scenario", "skills", "--data", "stackexchange", "--out", "out")
    done = run(train.main, *args, "--set", " ".join([*QUICK, option]))
    assert done.code == 0, done.err
    assert "users have no column industry, occupation" in done.out
    assert rungs(Path("out")) == RUNGS - {"occupation_popularity"}
    data = json.loads(Path("out/data.json").read_text())
    assert "cs.stackexchange.com" in json.dumps(data)
