"""Two versions served side by side: who sees which, what the log credits, and what the log says of a third."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from starlette.testclient import TestClient

from pipelines import experiment
from recommender.config import Slots
from recommender.errors import DataError
from recommender.online.replay import off_policy
from recommender.ranking.exploration import Explorer
from recommender.ranking.router import Router
from recommender.serving import persistence
from recommender.serving.bodies import Recommend
from recommender.serving.bundle import Bundle
from recommender.serving.log import ServiceLog, read_log
from tests.helpers.folders import Trained, run

pytest.importorskip("prometheus_client")
from recommender.serving.app import app
from recommender.serving.service import Service
from recommender.serving.variants import VariantSplit

BUCKETS = ("0", "1_2", "3_9", "10_plus")


@pytest.fixture(scope="module")
def bundle(trained: Trained) -> Bundle:
    loaded: Bundle = persistence.load(trained.out / "model")
    return loaded


def routed(bundle: Bundle, rung: str, explorer: Explorer | None = None) -> Bundle:
    """The bundle's data served by one rung, its slots explored."""
    data = bundle.known.dataset()
    model = bundle.router.rungs[rung]
    slots = Slots(rung=rung, n=3, of=10) if explorer else Slots()
    router = Router(dict.fromkeys(BUCKETS, rung), {rung: model}, slots, explorer=explorer)
    if explorer is not None:
        explorer.fit(data)
    return replace(bundle, router=router.fit_rerankers(data))


def served(bundle: Bundle, other: Bundle, folder: Path, split: VariantSplit) -> Iterator[Service]:
    service = Service(lambda: (bundle, "1"), folder, pseudonymous=False, candidate=lambda: (other, "2"), split=split)
    yield service
    service.close()


def ask(service: Service, users: list[str], **more: Any) -> list[Any]:
    return service.ask(Recommend(users=users, k=10, **more)).result(10).lists


@pytest.fixture
def rung(bundle: Bundle) -> str:
    return next(iter(bundle.router.rungs))


def test_each_user_sees_one_version_and_the_log_says_which(bundle: Bundle, rung: str, tmp_path: Path) -> None:
    other = routed(bundle, rung)
    for service in served(bundle, other, tmp_path, VariantSplit("ab", 0.3)):
        strangers = [f"s{n}" for n in range(300)]
        first, again = ask(service, strangers), ask(service, strangers[::-1])[::-1]
        assert [a.variants for a in first] == [a.variants for a in again]
        with TestClient(app(service)) as client:
            answer = client.post("/recommend", json={"user": "s1", "k": 2}).json()["lists"][0]
            assert answer["items"][0]["variant"] == first[1].variants[0]
    log = read_log(tmp_path).served
    shares = log.unique("user_id")["variant"].value_counts(normalize=True)
    assert dict(shares.iter_rows())["candidate"] == pytest.approx(0.3, abs=0.08)
    assert set(log.select("variant", "model_version").unique().rows()) == {("champion", "1"), ("candidate", "2")}


def test_interleaved_lists_credit_each_place(bundle: Bundle, rung: str, tmp_path: Path) -> None:
    other = routed(bundle, rung)
    users = bundle.data.users.ids.head(40).to_list()
    for service in served(bundle, other, tmp_path, VariantSplit("interleaved")):
        (one,), (again,) = ask(service, users[:1]), ask(service, users[:1])
        assert (one.items, one.variants) == (again.items, again.variants)
        for answer in ask(service, users, explain=False):
            assert len(set(answer.items)) == len(answer.items)
            assert abs(answer.variants.count("candidate") - answer.variants.count("champion")) <= 1
    log = read_log(tmp_path).served
    assert log["variant"].value_counts(normalize=True)["proportion"].min() > 0.4  # type: ignore[operator]
    assert (log["variant"].replace_strict({"champion": "1", "candidate": "2"}) == log["model_version"]).all()


def test_both_answer_for_the_latest_time_that_either_knows(bundle: Bundle, rung: str, tmp_path: Path) -> None:
    other = routed(bundle, rung)
    later = replace(other, known=replace(other.known, last=other.known.last + 10**11))
    for service in served(bundle, later, tmp_path, VariantSplit("ab", 0.5)):
        answers = ask(service, [f"s{n}" for n in range(40)])
        assert len({answer.variants[0] for answer in answers}) == 2
        assert {answer.as_of for answer in answers} == {later.known.latest()}


def test_the_same_version_twice_is_no_test(bundle: Bundle, tmp_path: Path) -> None:
    service = Service(lambda: (bundle, "1"), tmp_path, candidate=lambda: (bundle, "1"))
    (answer,) = ask(service, ["s1"])
    service.close()
    assert answer.variants is None
    assert read_log(tmp_path).served["variant"].unique().to_list() == [""]


def test_new_items_are_known_to_both(bundle: Bundle, rung: str, tmp_path: Path) -> None:
    for service in served(bundle, routed(bundle, rung), tmp_path, VariantSplit("interleaved")):
        with TestClient(app(service)) as client:
            client.post("/events", json={"items": [{"item_id": "brand new"}]})
            body = {"user": "x", "candidates": ["brand new"]}
            assert client.post("/recommend", json=body).json()["lists"][0]["items"][0]["item_id"] == "brand new"


def explored(bundle: Bundle, rung: str, folder: Path, below: int) -> ServiceLog:
    """A log of slots that exploration drew, taken by chance: even items more often."""
    model = routed(bundle, rung, Explorer("ucb", below=below, pool=5, floor=1.0))
    service = Service(lambda: (model, "1"), folder, pseudonymous=True)
    users, rng = bundle.data.users.ids.to_list(), np.random.default_rng(0)
    for hour in range(15):
        at = (bundle.known.last // 10**6) - 3600 * hour
        for answer in ask(service, users, as_of=at):
            taken = [i for i in answer.items if rng.random() < (0.6 if int(i[1:]) % 2 == 0 else 0.1)]
            n = len(taken)
            if n:
                service.writer.feedback(list_id=[answer.list_id] * n, item_id=taken, event=["interaction"] * n,
                                        timestamp=[answer.as_of] * n)  # fmt: skip
    service.close()
    return read_log(folder)


def test_the_log_holds_the_chance_of_what_exploration_drew_and_values_another_explorer(
    bundle: Bundle, rung: str, tmp_path: Path
) -> None:
    log = explored(bundle, rung, tmp_path, 10**6)
    drawn = log.served.filter(pl.col("propensity").is_not_null())
    assert set(drawn["rank"]) <= {8, 9, 10}
    assert drawn.height > 1000
    assert drawn["propensity"].is_between(1 / 40, 0.2).all()
    assert (1 / drawn.filter(rank=8)["propensity"]).mean() == pytest.approx(  # type: ignore[operator]
        len(bundle.data.items) - 13, abs=8
    )
    explorer = Explorer("ucb", below=10**6, pool=5, floor=1.0)
    estimate = off_policy(routed(bundle, rung, explorer), log.served, log.feedback, None, tmp_path)
    assert estimate.effective > 20
    dr = estimate.estimates[-1]
    assert dr.low < estimate.logged < dr.high  # another draw of the same policy


def test_without_support_it_is_refused(bundle: Bundle, rung: str, trained: Trained, tmp_path: Path) -> None:
    log = explored(bundle, rung, tmp_path / "few", 20)
    with pytest.raises(DataError, match="cannot speak for this candidate"):
        off_policy(routed(bundle, rung, Explorer("ucb", below=10**6, pool=5, floor=1.0)), log.served, log.feedback,
                   None, tmp_path / "few")  # fmt: skip
    plain = Service(lambda: (bundle, "1"), tmp_path / "plain")
    ask(plain, ["s1"])
    plain.close()
    done = run(experiment.main, "--scenario", "jobs", "--served", tmp_path / "plain", "--candidate", trained.out,
               "--out", tmp_path / "o")  # fmt: skip
    assert (done.code, (tmp_path / "o").exists()) == (2, False)
    assert "No place of the log has a propensity" in done.err
