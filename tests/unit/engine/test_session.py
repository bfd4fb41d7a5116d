"""What is refused before an engine is asked, with or without the extra ``spark``."""

from __future__ import annotations

import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest

from recommender.engine import session
from recommender.engine.backend import backend_at
from recommender.engine.faults import explained
from recommender.engine.session import LOCAL
from recommender.errors import ConfigError, UserError
from recommender.ranking.asker import HERE


@pytest.mark.parametrize("address", ["spark", "http://host:1", "sc://", "local"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match=r"expected local-spark, or .* sc://host:port"), backend_at(address):
        pass


def test_without_the_extra_the_message_names_the_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysail.spark", None)
    with pytest.raises(ConfigError, match="make setup-spark"), backend_at(LOCAL):
        pass


def test_a_shared_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"SHARED=.*no such folder"), backend_at(LOCAL, tmp_path / "absent"):
        pass


def test_a_server_that_does_not_answer_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening
        address = f"sc://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UserError, match="no server answers there"), backend_at(address):
            pass


def test_no_message_shows_a_token() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"sc://127.0.0.1:{taken.getsockname()[1]}/;token=secret"
        with pytest.raises(UserError, match=r"^ENGINE=sc://127.0.0.1:\d+: no server") as caught, backend_at(address):
            pass
    with pytest.raises(ConfigError) as refused, backend_at("http://host/;token=secret"):
        pass
    assert "secret" not in str(caught.value) + str(refused.value)


def test_without_an_engine_lists_are_made_here() -> None:
    with backend_at(None) as backend:
        assert backend.asker is HERE


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        ("Traceback ...\nModuleNotFoundError: No module named 'recommender'", "do not have this package"),
        ("StatusCode.UNAVAILABLE: failed to connect", "connection to the engine is lost"),
        ("StatusCode.UNIMPLEMENTED: MapPartitions", "cannot run Python functions"),
        ("[INTERNAL] disk is full", r"engine failed \(\[INTERNAL\] disk is full"),
    ],
)
def test_every_failure_of_an_engine_is_one_message(raised: str, expected: str) -> None:
    error = explained(Exception(raised), "sc://host:1")
    assert isinstance(error, UserError)
    with pytest.raises(UserError, match=f"sc://host:1: .*{expected}"):
        raise error


class WithoutFunctions:
    """A server's session that plans, and cannot run Python."""

    def __init__(self, *_: object) -> None: ...

    def range(self, *_: int) -> WithoutFunctions:
        return self

    def mapInArrow(self, *_: object) -> WithoutFunctions:
        return self

    def toArrow(self) -> pa.Table:
        raise RuntimeError("StatusCode.UNIMPLEMENTED: mapInArrow")

    addArtifacts = toArrow


def test_a_server_without_python_functions_is_refused_before_any_data_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_reachable", lambda address: address)
    monkeypatch.setattr(session, "_session", WithoutFunctions)
    with pytest.raises(UserError, match=r"^sc://host: .*cannot run Python functions"), backend_at("sc://host"):
        pass


def engine() -> session.Engine:
    return session.Engine(cast(Any, None), "sc://host", None, 4, ExitStack())


def rows(blocks: list[int]) -> pa.Table:
    contents = pa.array([str(n).encode() for n in blocks], pa.binary())
    return pa.table({"block": blocks, "content": contents, "fault": pa.nulls(len(blocks), pa.string())})


def test_partitions_that_come_back_shuffled_are_put_in_order() -> None:
    assert engine()._results(rows([12, 10, 11]), range(10, 13)) == [b"10", b"11", b"12"]


@pytest.mark.parametrize("blocks", [[0, 1], [0, 1, 1, 2], [0, 1, 3]])
def test_blocks_that_are_lost_or_come_twice_are_never_a_result(blocks: list[int]) -> None:
    with pytest.raises(UserError, match=rf"returned {len(blocks)} blocks where 3 were given"):
        engine()._results(rows(blocks), range(3))


def test_waves_hold_all_blocks_in_order_and_one_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "WAVE_BYTES", 10)
    blocks = [b"a" * n for n in (4, 6, 1, 30, 2)]
    assert list(session._waves(blocks)) == [blocks[:2], blocks[2:3], blocks[3:4], blocks[4:]]
    assert list(session._waves([])) == []


def test_a_traceback_of_the_package_stays_a_bug() -> None:
    error = explained(Exception("Traceback\n File recommender/models/als.py\nKeyError: 3"), LOCAL)
    assert type(error) is RuntimeError
