"""The served model over MLflow's scoring server: what a request may hold, and one sentence where it holds more."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from recommender.serving.request import MOST_BODY_BYTES, MOST_ID_BYTES, MOST_K, MOST_USERS
from tests.helpers.folders import Trained
from tests.helpers.servers import wait_for

BAD: dict[str, tuple[int, Any]] = {
    "k zero": (400, {"params": {"k": 0}}),
    "k above the maximum": (400, {"params": {"k": MOST_K + 1}}),
    "k negative": (400, {"params": {"k": -3}}),
    "k a fraction": (400, {"params": {"k": 2.5}}),
    "k a text": (400, {"params": {"k": "5"}}),
    "k true": (400, {"params": {"k": True}}),
    "k null": (400, {"params": {"k": None}}),
    "k a list": (400, {"params": {"k": [1]}}),
    "k huge": (400, {"params": {"k": 10**30}}),
    "other parameter": (400, {"params": {"K": 5}}),
    "params a list": (400, {"params": [5]}),
    "k beside params": (400, {"k": 5}),
    "id a number": (400, {"dataframe_records": [{"user_id": 7}]}),
    "id true": (400, {"dataframe_records": [{"user_id": True}]}),
    "id null": (400, {"dataframe_records": [{"user_id": None}]}),
    "id a list": (400, {"dataframe_records": [{"user_id": ["u1"]}]}),
    "id an object": (400, {"dataframe_records": [{"user_id": {"a": 1}}]}),
    "ids mixed": (400, {"dataframe_records": [{"user_id": "u1"}, {"user_id": 1.5}]}),
    "id half a pair": (400, {"dataframe_records": [{"user_id": "\ud800"}]}),
    "id too long": (400, {"dataframe_records": [{"user_id": "u" * (MOST_ID_BYTES + 1)}]}),
    "no user_id": (400, {"dataframe_records": [{"as_of": "2026-01-01"}]}),
    "a misspelt column": (400, {"dataframe_records": [{"user_id": "u1", "as_off": "2026-01-01"}]}),
    "columns without end": (400, {"dataframe_records": [{f"c{n}": 1} for n in range(5000)]}),
    "no queries": (400, {"dataframe_records": []}),
    "too many users": (400, {"dataframe_records": [{"user_id": "u1"}] * (MOST_USERS + 1)}),
    "too long an answer": (400, {"dataframe_records": [{"user_id": "u1"}] * MOST_USERS, "params": {"k": MOST_K}}),
    "as_of no time": (400, {"dataframe_records": [{"user_id": "u1", "as_of": "yesterday"}]}),
    "as_of a day number": (400, {"dataframe_records": [{"user_id": "u1", "as_of": 17}]}),
    "as_of a list": (400, {"dataframe_records": [{"user_id": "u1", "as_of": [2026, 1, 1]}]}),
    "as_of true": (400, {"dataframe_records": [{"user_id": "u1", "as_of": True}]}),
    "as_of mixed": (400, {"dataframe_records": [{"user_id": "u1", "as_of": 1}, {"user_id": "u1", "as_of": "x"}]}),
    "records an object": (400, {"dataframe_records": {"user_id": "u1"}}),
    "records of lists": (400, {"dataframe_records": [["u1"]]}),
    "split without columns": (400, {"dataframe_records": None, "dataframe_split": {"data": [["u1"]]}}),
    "split ragged": (400, {"dataframe_records": ..., "dataframe_split": {"columns": ["user_id"], "data": [[]]}}),
    "split twice": (400, {"dataframe_records": ..., "dataframe_split": {"columns": ["user_id"] * 2, "data": [[1, 2]]}}),
    "two forms": (400, {"dataframe_split": {"columns": ["user_id"], "data": [["u1"]]}}),
    "another form": (400, {"dataframe_records": ..., "inputs": {"user_id": ["u1"]}}),
    "nothing": (400, {"dataframe_records": ...}),
    "a list": (400, b"[]"),
    "no JSON": (400, b"{"),
    "no UTF-8": (400, b'{"dataframe_records": [{"user_id": "\xff"}]}'),
    "nested without end": (400, b"[" * 100_000),
    "a number without end": (400, b'{"params": {"k": 1' + b"0" * 10_000 + b"}}"),
    "a large body": (413, b" " * (MOST_BODY_BYTES + 1)),
    "another type": (415, "text/csv"),
    "no type": (415, ""),
}  # fmt: skip


@pytest.fixture(scope="module")
def model(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the registered model."""
    import mlflow

    mlflow.set_tracking_uri(trained.store)
    fetched = mlflow.artifacts.download_artifacts(trained.model, tracking_uri=trained.store, registry_uri=trained.store)
    return Path(shutil.copytree(fetched, tmp_path_factory.mktemp("served") / "model"))


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[TestClient]:
    import mlflow
    from mlflow.pyfunc import scoring_server

    with TestClient(scoring_server.init(mlflow.pyfunc.load_model(str(model))), raise_server_exceptions=False) as client:
        yield client


def request(changed: Any) -> tuple[bytes, str]:
    """Body and content type: a sound request with something changed, a body, or a content type."""
    sound = {"dataframe_records": [{"user_id": "u1"}], "params": {"k": 3}}
    if isinstance(changed, bytes):
        return changed, "application/json"
    if isinstance(changed, str):
        return json.dumps(sound).encode(), changed
    body = {key: value for key, value in {**sound, **changed}.items() if value is not ...}
    return json.dumps(body).encode(), "application/json; charset=utf-8"


def check_refusal(status: int, wanted: int, text: str, model: Path) -> None:
    assert status == wanted, text
    answer = json.loads(text)
    assert set(answer) == {"error_code", "message"}
    assert answer["message"].endswith(".")
    assert len(answer["message"]) < 500
    for leak in ("\n", "Traceback", "File ", ".py", "site-packages", str(model), str(Path.home()), "mlflow."):
        assert leak not in answer["message"]


@pytest.mark.parametrize("fault", BAD)
def test_a_request_that_cannot_be_answered_gets_one_sentence(server: TestClient, model: Path, fault: str) -> None:
    status, changed = BAD[fault]
    body, kind = request(changed)
    answer = server.post("/invocations", content=body, headers={"Content-Type": kind} if kind else {})
    check_refusal(answer.status_code, status, answer.text, model)


@pytest.mark.parametrize(
    "as_of",
    ["2026-01-05", "2026-01-05 08:00:00", "2026-01-05T10:00:00+02:00", 1767600000, 1767600000000, "20260105", None],
)
def test_as_of_is_read_as_in_files(server: TestClient, as_of: Any) -> None:
    body = {"dataframe_records": [{"user_id": "u1", "as_of": as_of}], "params": {"k": 3}}
    answer = server.post("/invocations", json=body)
    assert answer.status_code == 200, answer.text
    assert [row["rank"] for row in answer.json()["predictions"]] == [1, 2, 3]


def test_both_forms_of_a_request_get_the_lists_of_the_model(server: TestClient, trained: Trained) -> None:
    from recommender.api.model import load_model

    wanted = load_model(trained.out).recommend(["u1", "nobody"], 4).to_dicts()
    records = {"dataframe_records": [{"user_id": "u1"}, {"user_id": "nobody"}]}
    split = {"dataframe_split": {"columns": ["user_id"], "data": [["u1"], ["nobody"]]}}
    for body in (records, split):
        answer = server.post("/invocations", json={**body, "params": {"k": 4}})
        assert answer.status_code == 200, answer.text
        assert answer.json()["predictions"] == wanted


def test_a_fault_of_ours_is_a_500_without_its_reason(
    server: TestClient, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise LookupError("/secret/path")

    monkeypatch.setattr("recommender.ranking.router.Router.recommend", fail)
    body, kind = request({})
    answer = server.post("/invocations", content=body, headers={"Content-Type": kind})
    check_refusal(answer.status_code, 500, answer.text, model)
    assert "secret" not in answer.text


@pytest.mark.slow
def test_the_server_that_the_documentation_starts_answers_so_too(model: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model), "--env-manager", "local"]
    command += ["--port", str(port)]
    path = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}  # for uvicorn
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=path)
    try:
        wait_for(f"http://127.0.0.1:{port}/ping", process)
        for _, (status, changed) in BAD.items():
            body, kind = request(changed)
            status_code, text = post(f"http://127.0.0.1:{port}/invocations", body, kind)
            check_refusal(status_code, status, text, model)
        status_code, text = post(f"http://127.0.0.1:{port}/invocations", *request({}))
        assert status_code == 200, text
        assert len(json.loads(text)["predictions"]) == 3
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
    assert "Traceback" not in (tmp_path / "log").read_text()


def post(address: str, body: bytes, kind: str) -> tuple[int, str]:
    # urllib adds a type of its own where none is given
    sent = urllib.request.Request(address, body, {"Content-Type": kind or "application/x-www-form-urlencoded"})
    try:
        with urllib.request.urlopen(sent, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
