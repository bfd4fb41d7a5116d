"""MLflow's chart views, read back."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any


def unpacked(value: str) -> dict[str, Any]:
    state = json.loads(value)["state"].removeprefix("deflate;")
    return dict(json.loads(zlib.decompress(base64.b64decode(state))))
