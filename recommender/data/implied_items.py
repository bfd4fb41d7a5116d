"""Items of data that come without an items table: those that the interactions name, or the members themselves."""

from __future__ import annotations

import polars as pl

from recommender.data.notes import Note
from recommender.data.spec import Spec


def implied_items(
    interactions: pl.DataFrame, users: pl.DataFrame | None, spec: Spec
) -> tuple[pl.DataFrame, list[Note]]:
    """The items table that the other tables imply, and what to say of it.

    With ``relation`` the items are the members: the rows of ``users``, or both ends of the links where there is no such
    table. Else one item without features for each that ``interactions`` (not checked yet) names.
    """
    key = spec.names("items").get("item_id", "item_id")
    if spec.relation is not None:
        return _members(interactions, users, spec, key), []
    named = spec.names("interactions").get("item_id", "item_id")
    if named not in interactions.columns:
        return pl.DataFrame({key: pl.Series([], dtype=pl.String)}), []
    items = interactions[named].drop_nulls().unique(maintain_order=True).to_frame()
    items.columns = [key]
    text = f"there is no items table: {items.height:,} items without features are made from the interactions."
    return items, [Note("items", None, text)]


def _members(interactions: pl.DataFrame, users: pl.DataFrame | None, spec: Spec, key: str) -> pl.DataFrame:
    if users is not None:
        return users.rename({spec.names("users").get("user_id", "user_id"): key}, strict=False)
    named = spec.names("interactions")
    ends = [c for c in (named.get(n, n) for n in ("user_id", "item_id")) if c in interactions.columns]
    both = [interactions[c].drop_nulls().alias(key) for c in ends]
    return pl.concat(both, how="vertical").unique(maintain_order=True).to_frame() if both else pl.DataFrame({key: []})
