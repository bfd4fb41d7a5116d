"""Object storage: files at an address, from a server on this machine that answers as S3 and as HTTP do."""

from __future__ import annotations

import gzip
import http.server
import io
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from recommender.data.folder import read_folder
from recommender.data.gate import build
from recommender.errors import DataError

FRAME = pl.DataFrame({"user_id": ["u1", "007"], "item_id": ["é", "b;c"], "timestamp": ["2024-01-31", "2024-02-01"]})
TEXT = FRAME.write_csv(separator=";").encode() + b"\n\n"


def _written(method: str) -> bytes:
    out = io.BytesIO()
    getattr(FRAME, method)(out)
    return out.getvalue()


FILES = {
    "rows.parquet": _written("write_parquet"),
    "rows.arrow": _written("write_ipc"),
    "rows.jsonl": _written("write_ndjson"),
    "rows.csv": TEXT,
    "rows.csv.gz": gzip.compress(TEXT),
}


class _Store(http.server.BaseHTTPRequestHandler):
    """Ranges of ``FILES`` below /shop, which is a bucket to S3."""

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_GET(self) -> None:
        self._answer(FILES.get(Path(self.path.split("?")[0]).name))

    def _answer(self, body: bytes | None) -> None:
        content = FILES.get(Path(self.path.split("?")[0]).name)
        if content is None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        byte_range = re.match(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        start, end = 0, len(content)
        if byte_range and byte_range[1]:
            start, end = int(byte_range[1]), min(int(byte_range[2]) + 1, end)
        elif byte_range:
            start = max(0, end - int(byte_range[2]))
        self.send_response(206 if byte_range else 200)
        if byte_range:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        self.send_header("Content-Length", str(end - start))
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        self.end_headers()
        self.wfile.write(content[start:end] if body else b"")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the requests are no news."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Store) as store, pytest.MonkeyPatch.context() as patch:
        threading.Thread(target=store.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{store.server_port}"
        patch.setenv("AWS_ENDPOINT_URL", address)
        patch.setenv("AWS_ALLOW_HTTP", "true")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
            patch.setenv(name, "test")
        yield address
        store.shutdown()


def folder(place: Path, address: str) -> Path:
    (place / "dataset.yaml").write_text(f"interactions: {{file: '{address}'}}\nread: {{separator: ';'}}")
    return place


@pytest.mark.parametrize("base", ["s3://shop", "{server}/shop"])
@pytest.mark.parametrize("name", FILES)
def test_a_file_at_an_address_is_read_value_by_value(tmp_path: Path, server: str, name: str, base: str) -> None:
    data = build(read_folder(folder(tmp_path, f"{base.format(server=server)}/{name}")))
    assert data.interactions.select("user_id", "item_id").rows() == FRAME.select("user_id", "item_id").rows()
    assert data.interactions["timestamp"].dt.day().to_list() == [31, 1]


@pytest.mark.parametrize("name", ["absent.csv", "absent.parquet", "rows.zip", "rows.csv.zip", "rows.json"])
def test_what_cannot_be_read_at_an_address_is_named(tmp_path: Path, server: str, name: str) -> None:
    with pytest.raises(DataError, match=rf"s3://shop/{name}: (cannot be read|at an address)"):
        read_folder(folder(tmp_path, f"s3://shop/{name}"))
