"""Numbers as text, with as many decimals as their interval supports."""

from __future__ import annotations

from math import floor, isfinite, log10

MOST = 6  # decimals


def decimals(low: float, high: float) -> int:
    """Decimals that half the width of an interval supports, by the rule of the Particle Data Group: two digits of it up
    to 35, else one; more where a bound would else look like 0."""
    half = (high - low) / 2
    if not isfinite(half) or half <= 0:
        return 3
    exponent = floor(log10(half))
    places = max(0, -exponent + (half / 10.0**exponent < 3.55))
    while places < MOST and any(bound and not round(bound, places) for bound in (low, high)):
        places += 1
    return min(places, MOST)


def with_interval(
    value: float | None, low: float | None, high: float | None, places: int | None = None, sign: bool = False
) -> str:
    """``0.123 [0.120, 0.130]``; a dash where there is no value. places: decimals; None: as the interval supports."""
    if value is None or value != value:
        return "–"
    bounded = low is not None and high is not None and low == low and high == high
    if places is None:
        places = decimals(low, high) if bounded else 3  # type: ignore[arg-type]
    form = f"{'+' if sign else ''}.{places}f"
    return f"{value:{form}} [{low:{form}}, {high:{form}}]" if bounded else f"{value:{form}}"


def percent(share: float | None) -> str:
    """``3.5%``; what is not 0, but rounds to it, keeps its first digit."""
    if share is None:
        return "–"
    return f"{share:.2%}" if 0 < abs(share) < 0.001 else f"{share:.0%}" if abs(share) >= 0.1 else f"{share:.1%}"
