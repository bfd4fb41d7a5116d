"""One colour per rung wherever it is drawn."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle

from recommender.hashing import sha256
from recommender.models import RECOMMENDERS
from recommender.names import ORACLE, PLAIN, ROUTER

# The controls are grey, the router stands out on light and dark ground.
_OTHERS = {ROUTER: "#7A3FF2", PLAIN: "#C4A5FF", ORACLE: "#5F5F5F"}
RUNG_COLOURS = {name: recommender.colour for name, recommender in RECOMMENDERS.items()} | _OTHERS


def colour(rung: str) -> str:
    """``RUNG_COLOURS``; a rung of another name always gets the same one of them (not the router's)."""
    others = [c for name, c in RUNG_COLOURS.items() if name not in _OTHERS]
    return RUNG_COLOURS.get(rung) or others[int(sha256([rung.encode()]), 16) % len(others)]


def in_turn(names: Iterable[str]) -> dict[str, str]:
    """A colour for each of what is no rung, grey left out: one after the other, so that few share one."""
    return dict(zip(dict.fromkeys(names), cycle(list(RUNG_COLOURS.values())[1:]), strict=False))
