"""The faults that a named repair may mend, and what each repair does."""

from __future__ import annotations

from collections.abc import Mapping

from recommender.errors import ConfigError, nearest

# Every repair that ``repairs`` may name: rule -> the actions allowed. Rules without an entry have none.
RULES: dict[str, tuple[str, ...]] = {
    "null_ids": ("drop",),
    "placeholder_ids": ("drop", "keep"),
    "float_ids": ("to_integer", "keep"),
    "shortened_ids": ("keep",),
    "duplicate_ids": ("keep_first", "keep_last"),
    "unparsable_times": ("drop", "set_null"),
    "implausible_times": ("drop", "set_null"),
    "future_times": ("drop", "set_null", "keep"),
    "sentinel_times": ("drop", "set_null", "keep"),
    "mixed_time_units": ("convert",),
    "missing_times": ("history", "drop"),
    "missing_events": ("drop", "keep"),
    "duplicates": ("keep_first", "keep_all", "sum"),
    "self_links": ("drop",),
    "link_times": ("keep_first",),
    "unknown_items": ("drop",),
    "expires_before_start": ("set_null", "drop"),
    "bad_weights": ("drop", "set_one"),
    "zero_weights": ("drop", "keep"),
    "bad_numbers": ("set_null",),
    "bad_embeddings": ("set_null",),
    "ragged_embeddings": ("set_null",),
}


def check_repairs(repairs: Mapping[str, str]) -> None:
    """Raises ConfigError for an unknown rule or action, naming the nearest valid one."""
    for rule, action in repairs.items():
        if rule not in RULES:
            raise ConfigError(f"unknown repair '{rule}'{nearest(rule, RULES)}")
        if action not in RULES[rule]:
            raise ConfigError(f"repair '{rule}' has no action '{action}'{nearest(action, RULES[rule])}")
