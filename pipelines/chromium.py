"""Drives Debian's chromium over its DevTools protocol, through a pipe: nothing to install beside the browser."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

BINARY = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--remote-debugging-pipe",
)


class Page:
    """One page of a fresh browser profile. ``with Page(1500, 1700) as page: page.open(url)``."""

    def __init__(self, width: int, height: int) -> None:
        self.profile = tempfile.mkdtemp(prefix="chromium-")
        read_by_browser, self.writer = os.pipe()
        self.reader, written_by_browser = os.pipe()
        # The browser reads descriptor 3 and writes descriptor 4; the shell puts them there.
        script = f'exec 3<&{read_by_browser} 4>&{written_by_browser}; exec "$0" "$@"'
        flags = [*FLAGS, f"--window-size={width},{height}", f"--user-data-dir={self.profile}", "about:blank"]
        self.process = subprocess.Popen(
            ["bash", "-c", script, str(BINARY), *flags],
            pass_fds=(read_by_browser, written_by_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_by_browser)
        os.close(written_by_browser)
        self.buffer = b""
        self.number = 0
        self.session: str | None = None

    def __enter__(self) -> Self:
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.writer)
        os.close(self.reader)
        shutil.rmtree(self.profile, ignore_errors=True)

    def open(self, url: str) -> None:
        self.send("Page.navigate", url=url)

    def evaluate(self, script: str) -> Any:
        """Value of a JavaScript expression in the page."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True)
        return answer["result"].get("value")

    def wait_for(self, script: str, timeout_s: float = 60) -> Any:
        """Value of an expression as soon as it is true; TimeoutError with the page's text where it never is."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            value = self.evaluate(script)
            if value:
                return value
            time.sleep(0.25)
        raise TimeoutError(f"never true: {script}\n{self.evaluate('document.body.innerText')}")

    @contextmanager
    def frame(self, timeout_s: float = 60) -> Iterator[None]:
        """Expressions within are of the page's <iframe>, where it is sandboxed and so a target of its own.

        It becomes one some time after the element is there. Raises LookupError where it never does.
        """
        page, self.session = self.session, None
        try:
            target = self._frame(timeout_s)
            self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            yield
        finally:
            self.session = page

    def _frame(self, timeout_s: float) -> str:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for target in self.send("Target.getTargets")["targetInfos"]:
                if target["type"] == "iframe" and target["url"] not in ("", "about:blank"):
                    return str(target["targetId"])
            time.sleep(0.25)
        raise LookupError("The page has no <iframe> of its own.")

    def picture(self, path: Path, clip: Mapping[str, float] | None = None) -> Path:
        """Writes a PNG of the window, or of ``clip`` (x, y, width, height in CSS pixels of the document)."""
        part = {"clip": {**clip, "scale": 1}, "captureBeyondViewport": True} if clip else {}
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", **part)["data"]))
        return path

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.number += 1
        message: dict[str, Any] = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.writer, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive(timeout_s=60)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer["result"])

    def _receive(self, timeout_s: float) -> dict[str, Any]:
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.reader], [], [], timeout_s)
            part = os.read(self.reader, 1 << 20) if ready else b""
            if not part:
                raise RuntimeError("chromium does not answer")
            self.buffer += part
        line, _, self.buffer = self.buffer.partition(b"\0")
        return dict(json.loads(line))
