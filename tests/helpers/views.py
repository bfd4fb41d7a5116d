"""MLflow's chart views, read back."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any


def charted_names(value: str) -> set[str]:
    """The metrics that a view draws, also as an axis."""
    cards = unpacked(value)["compareRunCharts"]
    return {name for card in cards for name in (card["metricKey"], card.get("selectedXAxisMetricKey")) if name}


def unpacked(value: str) -> dict[str, Any]:
    state = json.loads(value)["state"].removeprefix("deflate;")
    return dict(json.loads(zlib.decompress(base64.b64decode(state))))
