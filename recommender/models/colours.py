"""One colour per rung wherever it is drawn."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle

from recommender.hashing import sha256
from recommender.names import ORACLE, PLAIN, ROUTER

# One colour per rung wherever it is drawn. Hues after Okabe & Ito and P. Tol (colour-blind safe);
# the controls are grey, the router stands out on light and dark ground.
RUNG_COLOURS = {
    "random": "#9A9A9A",
    "popularity": "#E69F00",
    "trending": "#999933",
    "social": "#661100",
    "content": "#44AA99",
    "lightfm": "#CC79A7",
    "item_knn": "#D55E00",
    "als": "#0072B2",
    "bpr": "#882255",
    "ease": "#117733",
    "user_ease": "#CC6677",
    "ranker": "#332288",
    ROUTER: "#7A3FF2",
    PLAIN: "#C4A5FF",
    ORACLE: "#5F5F5F",
}


def colour(rung: str) -> str:
    """``RUNG_COLOURS``; a rung of another name always gets the same one of them (not the router's)."""
    others = [c for name, c in RUNG_COLOURS.items() if name not in (ROUTER, PLAIN, ORACLE)]
    return RUNG_COLOURS.get(rung) or others[int(sha256([rung.encode()]), 16) % len(others)]


def in_turn(names: Iterable[str]) -> dict[str, str]:
    """A colour for each of what is no rung, grey left out: one after the other, so that few share one."""
    return dict(zip(dict.fromkeys(names), cycle(list(RUNG_COLOURS.values())[1:]), strict=False))
