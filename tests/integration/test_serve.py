"""`make serve`: the lists of make recommend over HTTP, events that the next list knows, models that are replaced."""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from mlflow import MlflowClient
from starlette.testclient import TestClient

from pipelines import explain, related, train
from pipelines import serve as program
from recommender.data.queries import Queries
from recommender.errors import ConfigError, TrackingError
from recommender.ranking.rerankers.discount import Discount
from recommender.ranking.rerankers.spread import Spread
from recommender.ranking.router import Routed
from recommender.serving import in_use, persistence
from recommender.serving.bodies import Event, Events, Recommend
from recommender.serving.bundle import Bundle, serve
from recommender.serving.in_use import InUse
from recommender.serving.journal import MOST_SEALED, Journal
from recommender.serving.log import read_log
from recommender.serving.request import DEFAULT_K
from tests.helpers.folders import SMALL, Trained, run
from tests.helpers.servers import wait_for

pytest.importorskip("prometheus_client")
from recommender.serving.app import app
from recommender.serving.service import Service


@pytest.fixture(scope="module")
def bundle(trained: Trained) -> Bundle:
    loaded: Bundle = persistence.load(trained.out / "model")
    return loaded


@pytest.fixture
def service(bundle: Bundle, tmp_path: Path) -> Iterator[Service]:
    running = Service(lambda: (bundle, "1"), tmp_path / "log")
    yield running
    running.close()


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    with TestClient(app(service)) as http:
        yield http


def users(bundle: Bundle, n: int) -> list[Any]:
    return bundle.data.users.ids.head(n).to_list()


def lists(client: TestClient, **body: Any) -> list[dict[str, Any]]:
    answer = client.post("/recommend", json=body)
    assert answer.status_code == 200, answer.text
    answers: list[dict[str, Any]] = answer.json()["lists"]
    return answers


def shown(client: TestClient, user: Any, **body: Any) -> list[Any]:
    return [place["item_id"] for place in lists(client, user=user, **body)[0]["items"]]


def test_the_lists_are_those_of_make_recommend(bundle: Bundle, client: TestClient) -> None:
    user_ids = [*users(bundle, 8), "a stranger"]
    expected = serve(bundle, pl.DataFrame({"user_id": user_ids}), 5).rows()
    served_rows = [
        (one["user_id"], place["rank"], place["item_id"], place["score"], place["source"])
        for one in lists(client, users=user_ids, k=5)
        for place in one["items"]
    ]
    assert [row[:3] + row[4:] for row in served_rows] == [row[:3] + row[4:] for row in expected]
    assert [row[3] for row in served_rows] == pytest.approx([row[3] for row in expected], nan_ok=True)


def test_lists_for_a_past_time_are_those_of_make_recommend(bundle: Bundle, client: TestClient) -> None:
    user, when = users(bundle, 1)[0], str(bundle.known.first // 10**6 + 86_400 * 20)
    expected = serve(bundle, pl.DataFrame({"user_id": [user], "as_of": [int(when)]}), 5)["item_id"].to_list()
    assert shown(client, user, k=5, as_of=int(when)) == expected


def test_a_request_names_what_may_and_what_may_not_be_shown(bundle: Bundle, client: TestClient) -> None:
    user = users(bundle, 1)[0]
    best = shown(client, user)
    assert shown(client, user, candidates=best[2:5]) == best[2:5]
    assert shown(client, user, exclude=best[:2], k=8) == best[2:]
    assert shown(client, user) == best


def test_an_event_is_in_the_next_lists_history_and_seen_filter(bundle: Bundle, client: TestClient) -> None:
    user = "someone new"
    first = lists(client, user=user)[0]
    taken = first["items"][0]["item_id"]
    event = {"user_id": user, "item_id": taken, "event": "interaction", "list_id": first["list_id"],
             "timestamp": bundle.known.last // 10**6}  # fmt: skip
    assert client.post("/events", json={"events": [event]}).json() == {"events": 1, "items": 0, "users": 0}
    rows = pl.DataFrame({"user_id": [user], "item_id": [taken], "timestamp": [event["timestamp"]]})
    expected = serve(bundle, pl.DataFrame({"user_id": [user]}), 10, interactions=rows)["item_id"].to_list()
    assert taken not in expected
    assert shown(client, user) == expected


def test_an_impression_lengthens_no_history(bundle: Bundle, client: TestClient) -> None:
    before = shown(client, "someone new")
    event = {"user_id": "someone new", "item_id": before[0], "event": "impression",
             "timestamp": bundle.known.last // 10**6}  # fmt: skip
    assert client.post("/events", json={"events": [event]}).status_code == 200
    assert shown(client, "someone new") == before


def test_rows_of_a_new_item_are_in_the_next_lists(bundle: Bundle, client: TestClient, service: Service) -> None:
    assert client.post("/recommend", json={"user": "x", "candidates": ["brand new"]}).status_code == 400
    described = {"item_id": "brand new"}
    assert client.post("/events", json={"items": [described]}).json()["items"] == 1
    assert shown(client, "x", candidates=["brand new"]) == ["brand new"]
    service.swap(bundle, "2")
    assert shown(client, "x", candidates=["brand new"]) == ["brand new"]


def test_what_was_shown_and_taken_is_logged_and_known_after_a_restart(bundle: Bundle, tmp_path: Path) -> None:
    first = Service(lambda: (bundle, "7"), tmp_path)
    with TestClient(app(first)) as client:
        answer = client.post("/recommend", json={"user": "new", "k": 3, "surface": "home", "variant": "b"}).json()
        items = [place["item_id"] for place in answer["lists"][0]["items"]]
        events = [{"user_id": "new", "item_id": item, "event": "interaction", "timestamp": bundle.known.last // 10**6,
                   **extra} for item, extra in zip(items, ({"list_id": answer["lists"][0]["list_id"]}, {}, {}),
                   strict=True)]  # fmt: skip
        client.post("/events", json={"events": events})
        after = shown(client, "new")
    log = read_log(tmp_path)
    rows = log.served.filter(pl.col("request_id") == answer["request_id"])
    assert rows["item_id"].to_list() == items
    assert rows["rank"].to_list() == [1, 2, 3]
    assert rows.select("surface", "variant", "model_version").unique().rows() == [("home", "b", "7")]
    assert "new" not in rows["user_id"].to_list()
    assert log.feedback["item_id"].to_list() == items[:1]
    assert log.interactions["item_id"].to_list() == items[1:]
    with TestClient(app(Service(lambda: (bundle, "7"), tmp_path))) as client:
        assert shown(client, "new") == after


def test_each_item_of_a_list_comes_with_its_reason_where_that_is_asked_for(bundle: Bundle, client: TestClient) -> None:
    user = users(bundle, 1)[0]
    plain = lists(client, user=user, k=3)[0]["items"]
    answer = client.post("/recommend?explain=1", json={"user": user, "k": 3}).json()["lists"][0]["items"]
    assert [{key: place[key] for key in plain[0]} for place in answer] == plain
    for place in answer:
        assert place["reason"].startswith(f"{place['item_id']} is at place {place['rank']}")
    assert client.post("/recommend?explain=1", json={"user": user, "k": 101}).status_code == 400


def test_related_items_over_http_are_those_of_the_program(
    bundle: Bundle, client: TestClient, trained: Trained, tmp_path: Path
) -> None:
    item = bundle.data.items.ids[0]
    answer = client.get(f"/items/{item}/related?k=4").json()["items"]
    assert len(answer) == 4
    assert item not in [place["item_id"] for place in answer]
    done = run(related.main, "--model", trained.out, "--item", item, "--k", 4)
    assert [line.split()[1] for line in done.out.splitlines() if line.split()[:1] in (["1"], ["2"], ["3"], ["4"])] == [
        place["item_id"] for place in answer
    ]
    assert client.get("/items/nowhere/related").status_code == 400
    assert client.get(f"/items/{item}/related?k=x").status_code == 400
    new = tmp_path / "new.csv"
    when = [bundle.known.last // 10**6 + minute * 60 for minute in (1, 2, 90)]
    ids = bundle.data.items.ids.head(3)
    pl.DataFrame({"user_id": ["n"] * 3, "item_id": ids, "timestamp": when}).write_csv(new)
    done = run(related.main, "--model", trained.out, "--item", item, "--interactions", new)
    assert done.code == 0, done.err
    assert re.search(r"fallback +1 ", done.out)


def test_the_program_explain_names_place_rung_and_what_kept_an_item_out(bundle: Bundle, trained: Trained) -> None:
    user = users(bundle, 1)[0]
    best = serve(bundle, pl.DataFrame({"user_id": [user]}), 1)["item_id"][0]
    done = run(explain.main, "--model", trained.out, "--user", user, "--item", best)
    assert done.out == ""
    assert f"{best} is at place 1" in done.err
    taken = bundle.data.items.ids[int(bundle.known.histories.item_idx[0])]
    done = run(explain.main, "--model", trained.out, "--user", user, "--item", taken, "--json")
    assert "the user has taken it before" in json.loads(done.out)["kept_out"]
    done = run(explain.main, "--model", trained.out, "--user", user, "--item", "nowhere")
    assert done.code == 2
    assert "ITEM=nowhere: unknown to the model" in done.err


REFUSED: dict[str, tuple[int, Any]] = {
    "k zero": (400, {"user": "a", "k": 0}),
    "k a text": (400, {"user": "a", "k": "5"}),
    "no user": (400, {"k": 5}),
    "user and users": (400, {"user": "a", "users": ["a"]}),
    "no users": (400, {"users": []}),
    "an id of another type": (400, {"user": 7}),
    "an id that is true": (400, {"user": True}),
    "half a pair": (400, b'{"user": "\\ud800"}'),
    "an unknown key": (400, {"user": "a", "user_id": "a"}),
    "unknown candidates": (400, {"user": "a", "candidates": ["nowhere"]}),
    "as_of no time": (400, {"user": "a", "as_of": "yesterday"}),
    "exclude of another type": (400, {"user": "a", "exclude": [1]}),
    "too many rows": (400, {"users": ["a"] * 1000, "k": 1000}),
    "no JSON": (400, b"{"),
    "nested without end": (400, b"[" * 100_000),
    "large": (413, b" " * (2**20 + 1)),
}


@pytest.mark.parametrize(("status", "body"), REFUSED.values(), ids=REFUSED)
def test_a_bad_request_gets_one_sentence(client: TestClient, status: int, body: Any) -> None:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client.post("/recommend", content=sent, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    sentence = answer.json()["error"]
    assert sentence
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    assert len(sentence) < 400


@pytest.mark.parametrize(
    "event",
    [
        {"user_id": 1, "item_id": "a", "event": "view"},
        {"user_id": "u", "item_id": 1, "event": "view"},
        {"user_id": "u", "item_id": "a", "event": "view", "timestamp": "2999-01-01"},
        {"user_id": "u", "item_id": "a", "event": "view", "timestamp": "soon"},
        {"user_id": "u", "item_id": "a"},
    ],
)
def test_one_bad_event_refuses_all_of_its_request(client: TestClient, service: Service, event: dict[str, Any]) -> None:
    good = {"user_id": "u", "item_id": "a", "event": "view"}
    body = {"events": [good, event], "items": [{"item_id": "brand new"}]}
    assert client.post("/events", json=body).status_code == 400
    assert client.post("/recommend", json={"user": "x", "candidates": ["brand new"]}).status_code == 400
    assert not read_log(service.writer.folder).interactions.height
    assert not service.recent.takes


def test_keys_of_the_environment_are_asked_for(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(program.KEYS, "a key of sixteen, another of sixteen")
    keys = program.api_keys("0.0.0.0")
    with TestClient(app(Service(lambda: (bundle, "1"), tmp_path), keys)) as client:
        assert client.post("/recommend", json={"user": "a"}).status_code == 401
        assert client.get("/metrics").status_code == 401
        assert client.get("/health").status_code == 200
        for header in ({"X-API-Key": "another of sixteen"}, {"Authorization": "Bearer a key of sixteen"}):
            assert client.post("/recommend", json={"user": "a"}, headers=header).status_code == 200
    monkeypatch.setenv(program.KEYS, "short")
    with pytest.raises(ConfigError, match="1 of 1 keys have fewer than 16"):
        program.api_keys("127.0.0.1")
    monkeypatch.delenv(program.KEYS)
    with pytest.raises(ConfigError, match=r"HOST=0\.0\.0\.0 is open to other machines"):
        program.api_keys("0.0.0.0")


def test_figures_and_the_description_of_the_api(client: TestClient) -> None:
    shown(client, "someone new")
    text = client.get("/metrics").text
    assert 'recommender_requests_total{path="/recommend",status="200"} 1.0' in text
    assert 'recommender_model{version="1"} 1.0' in text
    described = client.get("/openapi.json").json()["paths"]
    body = described["/recommend"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == set(Recommend.model_fields)
    assert {"/recommend", "/events", "/health", "/metrics"} <= set(described)
    assert client.get("/nowhere").json()["error"].startswith("Not Found")


def test_thousands_of_requests_leave_nothing_in_memory(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(Journal.__init__.__kwdefaults__, "segment_bytes", 100_000)  # some hundred lists
    service, some = Service(lambda: (bundle, "1"), tmp_path), users(bundle, 100)
    monkeypatch.setattr(in_use, "MOST_PLACES", DEFAULT_K * len(some))  # all that may be kept is there after one round

    def objects(rounds: int) -> int:
        for _ in range(rounds):
            for future in [service.ask(Recommend(user=user)) for user in some]:
                future.result()
            service.add(Events(events=[Event(user_id=some[0], item_id="nothing", event="impression")]))
        gc.collect()
        return len(gc.get_objects())

    before = objects(5)
    assert objects(25) < before + 100
    assert len(list((tmp_path / "journal").glob("served-*"))) <= MOST_SEALED + 1
    service.close()
    assert read_log(tmp_path).served["list_id"].n_unique() == 30 * len(some)


def test_a_list_is_made_again_only_where_something_has_changed(
    bundle: Bundle, client: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[int] = []

    def route(self: InUse, queries: Queries, *args: Any) -> Routed:
        served.append(len(queries))
        return routed(self, queries, *args)

    routed = InUse.route
    monkeypatch.setattr(InUse, "route", route)
    one, other = users(bundle, 2)
    (first,) = lists(client, user=one)
    (again, beside) = lists(client, users=[one, other])
    assert served == [1, 1]
    assert again.pop("list_id") != first.pop("list_id")
    assert again == first
    assert beside["items"] == lists(client, user=other)[0]["items"]
    client.post("/events", json={"events": [{"user_id": one, "item_id": first["items"][0]["item_id"], "event": "x"}]})
    (after,) = lists(client, user=one)
    assert first["items"][0]["item_id"] not in [place["item_id"] for place in after["items"]]
    service.swap(bundle, "2")
    served.clear()
    (new,) = lists(client, user=one)
    assert served == [1]
    assert new["items"] == after["items"]
    monkeypatch.setattr(bundle.router, "rerankers", [Spread()])  # looks at all who are asked for together
    served.clear()
    lists(client, user=one)
    lists(client, user=one)
    assert served == [1, 1]


def test_lists_of_many_users_are_those_of_each_alone(bundle: Bundle, client: TestClient) -> None:
    some = users(bundle, 20)
    alone = [lists(client, user=user, exclude=["no such item"])[0]["items"] for user in some]
    assert [one["items"] for one in lists(client, users=some)] == alone


def test_a_model_is_replaced_between_two_requests_and_none_is_dropped(bundle: Bundle, service: Service) -> None:
    stop, failed, versions = threading.Event(), [], set()

    def ask() -> None:
        while not stop.is_set():
            try:
                versions.add(service.ask(Recommend(user="u1")).result(10).version)
            except Exception as error:
                failed.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    for version in ("2", "3"):
        service.swap(bundle, version)
        while version not in versions and not failed:
            time.sleep(0.01)
    stop.set()
    asking.join()
    assert not failed
    assert versions >= {"2", "3"}


def test_the_watcher_goes_over_to_another_model_and_stays_where_one_is_damaged(
    tmp_path: Path, trained: Trained
) -> None:
    link, swapped, stop = tmp_path / "current", [], threading.Event()
    for name in ("a", "b"):
        shutil.copytree(trained.out / "model", tmp_path / name)
    state = json.loads((tmp_path / "b/state.json").read_text())
    (tmp_path / "b/state.json").write_text(json.dumps(state))  # the same model, other bytes
    (tmp_path / "c").mkdir()
    (tmp_path / "c/state.json").write_text("{}")
    link.symlink_to("a")
    version, load = program.source(str(link))
    goes_over = (lambda _, v: swapped.append(v), version(), version, load, stop, 0.01)
    watching = threading.Thread(target=program.watch, args=goes_over)
    watching.start()
    for target in ("c", "b"):
        (tmp_path / "next").symlink_to(target)
        os.replace(tmp_path / "next", link)
        wanted = version()
        for _ in range(500):
            if target == "c" or wanted in swapped:
                break
            time.sleep(0.01)
        time.sleep(0.05)
    stop.set()
    watching.join()
    assert swapped == [version()]


@pytest.mark.parametrize("failing", ["version", "load"])
def test_the_watcher_outlives_a_registry_that_does_not_answer(failing: str) -> None:
    answers: list[str | Exception] = [TrackingError("down"), OSError("down"), KeyError("odd"), "2"]
    swapped, stop = [], threading.Event()

    def fails() -> str:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    version, load = (fails, lambda: (None, "2")) if failing == "version" else (lambda: "2", lambda: (None, fails()))
    goes_over = (lambda _, v: swapped.append(v), "1", version, load, stop, 0.001)
    watching = threading.Thread(target=program.watch, args=goes_over)
    watching.start()
    for _ in range(1000):
        if swapped:
            break
        time.sleep(0.005)
    stop.set()
    watching.join()
    assert swapped == ["2"]


@pytest.mark.slow
def test_a_moved_champion_is_served_by_a_running_server_and_no_request_is_dropped(
    trained: Trained, workplace: Path
) -> None:
    import urllib.request

    name, first = trained.model.removeprefix("models:/").rpartition("/")[::2]
    again = run(train.main, "--scenario", "jobs", "--data", trained.data, "--out", "again", *SMALL)
    assert again.code == 0, again.err
    client = MlflowClient(trained.store)
    second = str(client.get_model_version_by_alias(name, "candidate").version)
    client.set_registered_model_alias(name, "champion", first)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "pipelines", "serve", "--model", f"models:/{name}@champion", "--port", str(port)]
    root = str(Path(program.__file__).parents[1])
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": root}, stderr=subprocess.PIPE)
    wait_for(f"{address}/health", process)
    versions, failed, stop = [], [], threading.Event()

    def ask() -> None:
        while not stop.is_set():
            body = json.dumps({"user": "u1", "k": 3}).encode()
            sent = urllib.request.Request(f"{address}/recommend", body, {"Content-Type": "application/json"})
            try:
                versions.append(json.load(urllib.request.urlopen(sent, timeout=20))["model_version"])
            except OSError as error:
                failed.append(error)

    asking = [threading.Thread(target=ask) for _ in range(4)]
    try:
        for thread in asking:
            thread.start()
        while not versions and not failed:
            time.sleep(0.01)
        client.set_registered_model_alias(name, "champion", second)
        until = time.monotonic() + 60
        while second not in versions and time.monotonic() < until and not failed:
            time.sleep(0.05)
    finally:
        stop.set()
        for thread in asking:
            thread.join()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        client.delete_registered_model_alias(name, "champion")
    assert not failed, err
    assert set(versions) == {first, second}
    served = read_log(workplace / "service-log").served
    assert set(served["model_version"]) == {first, second}
    assert served["list_id"].n_unique() == len(versions)


def test_what_cannot_be_served_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(program.KEYS, raising=False)
    done = run(program.main, "--model", "nowhere", "--port", "5371")
    assert done.code == 2
    assert "nowhere" in done.err
    assert run(program.main, "--model", "nowhere", "--port", "0").code == 2


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_program_ends_with_nothing_lost(trained: Trained, tmp_path: Path, ending: signal.Signals) -> None:
    import urllib.request

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address, log = f"http://127.0.0.1:{port}", tmp_path / "log"
    command = [sys.executable, "-m", "pipelines", "serve", "--model", str(trained.out), "--port", str(port), "--log",
               str(log)]  # fmt: skip
    path = {**os.environ, "PYTHONPATH": os.getcwd()}
    process = subprocess.Popen(command, cwd=tmp_path, env=path, stderr=subprocess.PIPE)
    wait_for(f"{address}/health", process)
    acknowledged = 0
    try:
        for n in range(200):
            body = json.dumps({"events": [{"user_id": "u", "item_id": f"i{n}", "event": "view"}]}).encode()
            sent = urllib.request.Request(f"{address}/events", body, {"Content-Type": "application/json"})
            urllib.request.urlopen(sent, timeout=10).read()
            acknowledged += 1
            if n == 100:
                process.send_signal(ending)
    except OSError:
        pass
    _, err = process.communicate(timeout=60)
    assert process.returncode == (-9 if ending == signal.SIGKILL else 0), err
    assert b"Traceback" not in err
    rows = read_log(log).interactions["item_id"].to_list()
    assert rows[:acknowledged] == [f"i{n}" for n in range(acknowledged)]
    assert len(rows) <= acknowledged + 1
    if ending != signal.SIGKILL:
        assert not list((log / "journal").glob("*.jsonl"))


def test_what_was_served_again_and_again_moves_down_where_the_model_discounts_it(
    bundle: Bundle, tmp_path: Path
) -> None:
    router = copy(bundle.router)
    router.rerankers = [Discount("shown", places=100)]
    model, user = replace(bundle, router=router), users(bundle, 1)[0]

    def ask(service: Service) -> list[Any]:
        return service.ask(Recommend(user=user, k=4)).result().lists[0].items

    first_server = Service(lambda: (model, "1"), tmp_path)
    first, second = ask(first_server), ask(first_server)
    first_server.close()
    assert not set(first) & set(second)
    after_restart = Service(lambda: (model, "1"), tmp_path)
    third = ask(after_restart)
    assert not set(third) & {*first, *second}
    assert len(after_restart.recent.shown) == 1
    after_restart.close()
    plain = Service(lambda: (bundle, "1"), tmp_path / "plain")
    assert ask(plain) == ask(plain)
    assert not plain.recent.shown
    plain.close()
