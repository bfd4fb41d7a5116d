"""Known advisories of the lock files, from a server that answers as OSV does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pipelines import audit_deps

LOCK = """alpha==1.0 \\
    --hash=sha256:00
    # via beta
beta-x==2.0.1 ; python_version < '3.12' \\
    --hash=sha256:11
"""


class Osv(BaseHTTPRequestHandler):
    """Knows of one advisory: of alpha 1.0."""

    answer: Any = None

    def do_POST(self) -> None:
        queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
        bad = [{"vulns": [{"id": "GHSA-1"}]} if q["package"]["name"] == "alpha" else {} for q in queries]
        body = json.dumps({"results": bad} if self.answer is None else self.answer).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture
def osv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Osv]]:
    handler = type("Handler", (Osv,), {})
    server = HTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OSV_URL", f"http://127.0.0.1:{server.server_port}")
    (tmp_path / "requirements.lock").write_text(LOCK)
    yield handler
    server.shutdown()
    server.server_close()


def test_pins_are_read_with_markers_and_hashes() -> None:
    assert audit_deps.pins(LOCK) == [("alpha", "1.0"), ("beta-x", "2.0.1")]


def test_an_advisory_is_an_alarm_that_names_package_and_lock(
    osv: type[Osv], capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit_deps.main([]) == 4
    assert "alpha 1.0: GHSA-1 (requirements.lock)" in capsys.readouterr().out


def test_packages_without_one_are_sound(osv: type[Osv], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "requirements.lock").write_text("beta-x==2.0.1\n")
    assert audit_deps.main([]) == 0
    assert "0 of 1 packages" in capsys.readouterr().out


@pytest.mark.parametrize("answer", [{"error": "busy"}, {"results": []}, []])
def test_an_answer_of_another_kind_is_not_taken_for_none(
    osv: type[Osv], answer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    osv.answer = answer
    assert audit_deps.main([]) == 3
    assert "Not checked" in capsys.readouterr().err


def test_a_service_out_of_reach_says_that_nothing_was_checked(
    osv: type[Osv], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OSV_URL", "http://127.0.0.1:9")
    assert audit_deps.main([]) == 3
    assert "Not checked" in capsys.readouterr().err


def test_a_lock_file_that_is_not_there_is_refused(osv: type[Osv], capsys: pytest.CaptureFixture[str]) -> None:
    assert audit_deps.main(["absent.lock"]) == 2
    assert "absent.lock" in capsys.readouterr().err
