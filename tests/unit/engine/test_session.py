"""What is refused before an engine is asked, with or without the extra ``spark``."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from recommender.engine.backend import backend_at
from recommender.engine.session import LOCAL, explained
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


def test_a_traceback_of_the_package_stays_a_bug() -> None:
    error = explained(Exception("Traceback\n File recommender/models/als.py\nKeyError: 3"), LOCAL)
    assert type(error) is RuntimeError
