"""What can go wrong with an engine ends in one message that says what to do."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from recommender.engine import session, worker
from recommender.engine.session import Engine, Probe, connected
from recommender.engine.worker import block
from recommender.errors import DataError, UserError

pytestmark = pytest.mark.spark


@dataclass
class Refusing:
    """A task whose block may be faulty: a user's, or a bug."""

    kind: str

    def run(self, number: int, folder: Path) -> bytes:
        content = block(folder, number).read_bytes()
        if content == b"bad":
            raise DataError(f"block {number} is {content.decode()}") if self.kind == "user" else KeyError("a bug")
        return content


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Persistence loads classes of the package only; a task of these tests is taken for one."""
    tasks = {"user": Refusing("user"), "bug": Refusing("bug")}
    monkeypatch.setattr(worker.persistence, "load", lambda folder: tasks[(folder / "kind").read_text()])

    def save(task: object, folder: Path) -> None:
        folder.mkdir()
        (folder / "kind").write_text(getattr(task, "kind", "user"))

    monkeypatch.setattr(session.persistence, "save", save)


def test_results_come_in_the_order_of_their_blocks(sail: Engine) -> None:
    contents = [str(n).encode() for n in range(23)]
    for partitions in (1, 2, 7, 50):
        assert replace(sail, partitions=partitions).run(Probe(), contents) == contents
    assert sail.run(Probe(), []) == []


@pytest.mark.usefixtures("known")
def test_a_fault_of_the_data_on_a_worker_is_the_users_message(sail: Engine) -> None:
    with pytest.raises(UserError, match=r"^block 1 is bad$"):
        sail.run(Refusing("user"), [b"good", b"bad", b"good"])


@pytest.mark.usefixtures("known")
def test_a_bug_on_a_worker_stays_a_bug_with_its_traceback(sail: Engine) -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        sail.run(Refusing("bug"), [b"good", b"bad"])


def test_workers_of_another_version_are_refused(sail: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "code_digest", lambda: "another")
    with pytest.raises(UserError, match="another version"):
        sail.run(Probe(), [b"x"])


def test_workers_that_do_not_see_the_folder_are_refused(sail: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.Path, "is_dir", lambda self: not self.name.startswith("recommender-"))
    with pytest.raises(UserError, match=r"do not see the folder.*SHARED="):
        sail.run(Probe(), [b"x"])


def test_a_server_elsewhere_that_takes_no_archives_is_brought_tasks_with_each_job(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Sail's, with a temporary folder and a working directory of its own. No task may touch the driver's."""
    with server(TMPDIR=str(tmp_path)) as (_, address):
        with connected(address) as engine:
            assert engine.shared is not None  # it runs on this machine
        monkeypatch.setattr(Engine, "_collect", unseen)
        with connected(address, partitions=3) as engine:
            assert engine.shared is None
            contents = [str(n).encode() for n in range(23)]
            assert engine.run(Probe(), contents) == contents
            assert engine.run(Probe(), []) == []
            monkeypatch.setattr(session, "CLOSURE_BYTES", 10)
            with pytest.raises(UserError, match=r"at most 0 MB are carried.*SHARED="):
                engine.run(Probe(), contents)


def unseen(engine: Engine, folder: Path, n: int) -> list[bytes]:
    """What workers on another machine answer."""
    raise UserError(f"The engine's workers do not see the folder {folder}. Name one: SHARED=")


@pytest.mark.usefixtures("known")
def test_nothing_is_left_in_the_shared_folder(sail: Engine, tmp_path: Path) -> None:
    engine = replace(sail, shared=tmp_path)
    engine.run(Probe(), [b"x"])
    with pytest.raises(UserError):
        engine.run(Refusing("user"), [b"bad"])
    assert os.listdir(tmp_path) == []


def test_a_server_that_is_lost_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "RETRIES", 1)
    with server() as (process, address), connected(address) as engine:
        assert engine.run(Probe(), [b"x"]) == [b"x"]  # the folder is this machine's, and the server sees it
        process.kill()
        process.wait()
        with pytest.raises(UserError, match=f"{address}: the connection to the engine is lost"):
            engine.run(Probe(), [b"x"])


def test_workers_without_the_package_are_refused(tmp_path: Path) -> None:
    (tmp_path / "recommender.py").write_text("raise ModuleNotFoundError(\"No module named 'recommender'\")")
    missing = pytest.raises(UserError, match="do not have this package")
    with server(tmp_path) as (_, address), missing, connected(address):
        pass


@contextmanager
def server(first: Path = Path(__file__).parents[2], **more: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Sail in a process of its own. first: where it looks for packages, before those installed. more: environment."""
    paths = {"PYTHONPATH": str(first), **more}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).parent / "sail", "spark", "server", "--ip", "127.0.0.1", "--port", str(port)]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env={**os.environ, **paths}, cwd="/", stdout=quiet, stderr=quiet)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.1)
        yield process, f"sc://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
