"""Downloads, against a local server that behaves badly on request."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from recommender.errors import ConfigError, UserError
from recommender.sources import SOURCES
from recommender.sources import fetch as fetching
from recommender.sources.fetch import ARCHIVES, CHUNK, fetch

RATINGS = b"1\t1\t5\t881250949\n" * 40_000


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return file.getvalue()


ARCHIVE = zipped({"ml-100k/u.data": RATINGS, "ml-100k/u.item": b"", "ml-100k/u.user": b""})


@dataclass
class Site:
    """What the server serves and how; ``ranges`` records what it was asked for."""

    content: bytes = ARCHIVE
    cut_after: list[int | None] = field(default_factory=list)  # bytes of each answer; None: all; past the end: all
    knows_ranges: bool = True
    status: int | None = None
    ranges: list[str | None] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            byte_range = self.headers.get("Range")
            site.ranges.append(byte_range)
            if site.status:
                self.send_error(site.status)
                return
            start = int(byte_range.removeprefix("bytes=").removesuffix("-")) if byte_range and site.knows_ranges else 0
            if start and start >= len(site.content):
                self.send_error(416)
                return
            body = site.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            cut = site.cut_after.pop(0) if site.cut_after else None
            self.wfile.write(body if cut is None else body[:cut])

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}/files/ml-100k.zip"
    known = "sha256:" + hashlib.sha256(ARCHIVE).hexdigest()
    monkeypatch.setitem(ARCHIVES, "ml-100k", replace(ARCHIVES["ml-100k"], url=site.url, known_hash=known))
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


def test_fetched_folder_holds_the_files_and_nothing_else_is_left(site: Site, tmp_path: Path) -> None:
    folder = fetch("ml-100k", tmp_path)
    assert folder == tmp_path / "ml-100k"
    assert (folder / "u.data").read_bytes() == RATINGS
    assert [p.name for p in tmp_path.iterdir()] == ["ml-100k"]


def test_fetched_folder_is_what_the_loader_finds(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = b"1|Toy Story (1995)|||" + b"|0" * 19 + b"\n"
    site.content = zipped(
        {"ml-100k/u.data": RATINGS[:16], "ml-100k/u.item": film, "ml-100k/u.user": b"1|24|M|writer|85711\n"}
    )
    known = "sha256:" + hashlib.sha256(site.content).hexdigest()
    monkeypatch.setitem(ARCHIVES, "ml-100k", replace(ARCHIVES["ml-100k"], known_hash=known))
    fetch("ml-100k", tmp_path)
    assert SOURCES["ml-100k"](tmp_path).items["title"].to_list() == ["Toy Story"]


def test_second_fetch_asks_the_publisher_nothing(site: Site, tmp_path: Path) -> None:
    fetch("ml-100k", tmp_path)
    fetch("ml-100k", tmp_path)
    assert len(site.ranges) == 1


def test_progress_ends_at_the_size_of_the_archive(site: Site, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    fetch("ml-100k", tmp_path, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(ARCHIVE), len(ARCHIVE))


def test_cut_download_goes_on_where_it_stopped(site: Site, tmp_path: Path) -> None:
    site.cut_after = [3 * CHUNK, CHUNK]
    fetch("ml-100k", tmp_path)
    assert site.ranges == [None, f"bytes={3 * CHUNK}-", f"bytes={4 * CHUNK}-"]
    assert (tmp_path / "ml-100k" / "u.data").read_bytes() == RATINGS


def test_later_call_goes_on_with_what_an_earlier_one_had(site: Site, tmp_path: Path) -> None:
    site.cut_after = [3 * CHUNK, 0, 0]
    with pytest.raises(UserError, match="could not download"):
        fetch("ml-100k", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["ml-100k.zip.part"]  # never mistaken for the archive
    fetch("ml-100k", tmp_path)
    assert site.ranges[-1] == f"bytes={3 * CHUNK}-"
    assert [p.name for p in tmp_path.iterdir()] == ["ml-100k"]


def test_server_without_ranges_starts_over(site: Site, tmp_path: Path) -> None:
    site.knows_ranges, site.cut_after = False, [3 * CHUNK]
    fetch("ml-100k", tmp_path)
    assert (tmp_path / "ml-100k" / "u.data").read_bytes() == RATINGS


def test_partial_file_that_is_complete_is_used(site: Site, tmp_path: Path) -> None:
    (tmp_path / "ml-100k.zip.part").write_bytes(ARCHIVE)
    fetch("ml-100k", tmp_path)
    assert (tmp_path / "ml-100k" / "u.data").read_bytes() == RATINGS


def test_wrong_hash_is_refused_and_leaves_nothing(site: Site, tmp_path: Path) -> None:
    site.content = ARCHIVE[:-1] + b"!"
    with pytest.raises(UserError, match=r"is not the file known as sha256:.*removed"):
        fetch("ml-100k", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [404, 403, 503])
def test_refusal_names_the_status_and_the_steps_by_hand(site: Site, tmp_path: Path, status: int) -> None:
    site.status = status
    with pytest.raises(UserError, match=f"HTTP {status}.*By hand: get .*u.data, u.item and u.user.*Terms: research"):
        fetch("ml-100k", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_network_gives_the_steps_by_hand(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = "http://127.0.0.1:9/ml-100k.zip"  # the discard port: nobody listens
    monkeypatch.setitem(ARCHIVES, "ml-100k", replace(ARCHIVES["ml-100k"], url=closed))
    with pytest.raises(UserError, match=f"no network.*By hand: get {re.escape(closed)}.*grouplens"):
        fetch("ml-100k", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_answer_is_tried_once_more_and_no_longer_than_seconds() -> None:
    assert fetching.ATTEMPTS == 2
    assert fetching.CONNECT_S <= 5


def test_unwritable_folder_is_the_users_to_mend(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "taken"
    file.write_text("")
    with pytest.raises(UserError, match=r"could not be stored in .*taken"):
        fetch("ml-100k", file)


def test_tar_archive_is_unpacked_too(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        entry = tarfile.TarInfo("KuaiRand-Pure/data/user_features_pure.csv")
        entry.size = 8
        tar.addfile(entry, io.BytesIO(b"user_id\n"))
    site.content = packed.getvalue()
    known = "md5:" + hashlib.md5(site.content).hexdigest()
    archive = replace(ARCHIVES["kuairand-pure"], url=site.url.replace("ml-100k.zip", "K.tar.gz"), known_hash=known)
    monkeypatch.setitem(ARCHIVES, "kuairand-pure", archive)
    folder = fetch("kuairand-pure", tmp_path)
    assert (folder / "data" / "user_features_pure.csv").read_text() == "user_id\n"


def test_set_behind_a_login_gives_the_steps_by_hand(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"log in.*kaggle.com.*Job_Views.csv"):
        fetch("job-views", tmp_path)


def test_unknown_name_offers_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'ml-100k'"):
        fetch("ml-100", tmp_path)


@pytest.mark.parametrize("name", sorted(ARCHIVES))
def test_every_download_is_checked_by_a_hash(name: str) -> None:
    archive = ARCHIVES[name]
    assert (archive.url is None) == (archive.known_hash is None)
    assert archive.url is None or re.fullmatch(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", archive.known_hash or "")
