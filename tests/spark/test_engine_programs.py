"""``ENGINE=local-spark`` as a user meets it: the results of a train and of its lists are those without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from pipelines import recommend, train
from recommender.engine.session import Engine
from recommender.experiment.run_folder import read_run
from recommender.tracking import values
from tests.helpers.folders import LADDER, SMALL, Done, NoTracker, run, shop

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("few_blocks")]

ENGINE = ("--engine", "local-spark")
FEW = ("--set", "engine.partitions=2")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train, "Tracker", NoTracker)
    shop().write(tmp_path / "shop")
    return tmp_path


def trained(out: str, *more: str) -> Done:
    done = run(train.main, "--scenario", "catalog", "--data", "shop", "--out", out, *SMALL, *more)
    assert done.code == 0, done.err
    return done


def test_a_train_on_the_engine_is_the_train_without_it(place: Path) -> None:
    plain, spread = trained("plain"), trained("spread", *ENGINE, *FEW)
    assert (place / "plain/decision.json").read_bytes() == (place / "spread/decision.json").read_bytes()
    for table in ("per_query", "metrics", "comparisons"):
        one, other = (pl.read_parquet(place / f"{out}/{table}.parquet") for out in ("plain", "spread"))
        assert one.equals(other)
    assert sorted(p.name for p in (place / "plain").iterdir()) == sorted(p.name for p in (place / "spread").iterdir())
    assert plain.out.count("→") == spread.out.count("→")


def test_a_train_on_a_sample_says_so_and_serves_everyone(place: Path) -> None:
    trained("out", *ENGINE, *FEW, "--set", "engine.sample_users=30")
    warnings = json.loads((place / "out/data.json").read_text())["warnings"]
    sample_warnings = [sentence for sentence in warnings if "engine.sample_users" in sentence]
    assert len(sample_warnings) == 1
    assert "of 60 users" in sample_warnings[0]
    whole, few = (pl.read_parquet(place / f"out/{name}.parquet") for name in ("all_users", "metrics"))
    of_all: dict[str, Any] = {
        "user_bucket": "all", "item_bucket": "all", "metric": "ndcg_at_10", "slice": "all", "split": "test",
    }  # fmt: skip
    n_of_all, of_few = (table.filter(**of_all).select("rung", "n_queries") for table in (whole, few))
    assert set(n_of_all["rung"]) == set(of_few["rung"]) - {"router-plain"}
    assert n_of_all["n_queries"].n_unique() == 1
    assert n_of_all["n_queries"][0] > of_few["n_queries"].max()
    logged = values.every(read_run(place / "out"), "popularity")
    assert logged["all_users/acc/ndcg_at_10"] == whole.filter(rung="popularity", **of_all)["value"][0]
    assert "The ladder, over all users" in (place / "out/report.html").read_text()
    pl.DataFrame({"user_id": [f"u{n}" for n in range(60)]}).write_csv("queries.csv")
    done = run(recommend.main, "--model", "out", "--queries", "queries.csv", "--to", "lists.csv")
    assert done.code == 0, done.err
    assert pl.read_csv(place / "lists.csv")["user_id"].n_unique() == 60


def test_a_sample_of_everyone_decides_as_all_of_them(place: Path) -> None:
    """With every rung that is counted over all users."""
    rungs = ("popularity", "trending", "content", "item_knn", "ease", "content_popularity")
    ladder = [f"{{name: {name}, recommender: {name}}}" for name in rungs]
    by_city = "{name: by_city, recommender: popularity, params: {segment: [city], half_life_share: 0.2}}"
    ladder_of_counts = ("--set", f"ladder=[{', '.join([*ladder, by_city])}]")
    trained("plain", *ladder_of_counts)
    trained("spread", *ENGINE, *FEW, *ladder_of_counts, "--set", "engine.sample_users=1000000")
    assert (place / "plain/decision.json").read_bytes() == (place / "spread/decision.json").read_bytes()
    one, other = (pl.read_parquet(place / f"{out}/per_query.parquet") for out in ("plain", "spread"))
    assert one.equals(other)
    assert not (place / "plain/all_users.parquet").exists()
    key, columns = ["rung", "user_bucket", "item_bucket", "metric"], ["value", "ci_low", "ci_high", "n_queries"]
    of_all = pl.read_parquet(place / "spread/all_users.parquet")
    here = pl.read_parquet(place / "plain/metrics.parquet").filter(split="test", slice="all")
    both = of_all.join(here, on=key, suffix="_here")
    assert len(both) == len(of_all)
    for name in columns:
        np.testing.assert_allclose(both[name].to_numpy(), both[f"{name}_here"].to_numpy(), rtol=1e-6, atol=1e-7)


def test_lists_of_the_engine_are_those_without_it(place: Path) -> None:
    trained("out")
    pl.DataFrame({"user_id": ["u0", "u1", "a stranger"]}).write_csv("queries.csv")
    options = ("--model", "out", "--queries", "queries.csv")
    for to, more in (("plain.csv", ()), ("spread.csv", ENGINE)):
        done = run(recommend.main, *options, "--to", to, *more)
        assert done.code == 0, done.err
    assert (place / "plain.csv").read_bytes() == (place / "spread.csv").read_bytes()


def test_a_train_in_python_takes_an_engine(place: Path) -> None:
    import recommender

    overrides = {"ladder": yaml.safe_load(LADDER.removeprefix("ladder=")), "bootstrap": 100, "tune.search": 0}
    runs = [
        recommender.train("shop", "catalog", overrides=overrides, engine=engine, shared=shared)
        for engine, shared in ((None, None), ("local-spark", place))
    ]
    assert runs[0].metrics.equals(runs[1].metrics)
    one, other = ((run.folder / "decision.json").read_bytes() for run in runs)
    assert one == other


def test_a_train_on_tables_of_the_engine_is_that_on_a_folder_of_the_same_rows(sail: Engine, place: Path) -> None:
    data = shop()
    data.interactions = data.interactions.sort("timestamp", "user_id", "item_id")
    data.items, data.users, data.spec = data.items.drop("vector"), data.users.drop("wants"), {}
    data.write(place / "there/shop")
    for name in ("interactions", "items", "users"):
        frame = sail.spark.read.parquet(str(place / f"there/shop/{name}.parquet"))
        frame.write.format("delta").save(str(place / f"lake/shop/{name}"))
    for source, out, more in (("there/shop", "plain", ()), (f"delta:{place}/lake/shop", "spread", (*ENGINE, *FEW))):
        done = run(train.main, "--scenario", "catalog", "--data", source, "--out", out, *SMALL, *more)
        assert done.code == 0, done.err
    assert (place / "plain/decision.json").read_bytes() == (place / "spread/decision.json").read_bytes()
    one, other = (pl.read_parquet(place / f"{out}/per_query.parquet") for out in ("plain", "spread"))
    assert one.equals(other)


def test_an_engine_that_is_not_there_ends_before_anything_is_written(place: Path) -> None:
    done = run(train.main, "--scenario", "catalog", "--data", "shop", "--out", "out", "--engine", "sc://127.0.0.1:9")
    assert done.code == 2
    assert "no server answers there" in done.err
    assert not (place / "out").exists()
