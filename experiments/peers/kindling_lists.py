# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["kindling-rec>=1.0.4,<2", "pandas>=2", "pyarrow"]
# ///
"""kindling-rec's side of `make experiment-peers`, with its defaults; see ``experiments/judged_peers.py``.

uv run --script experiments/peers/kindling_lists.py FOLDER
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"
import sys
from pathlib import Path

import kindling
import pandas as pd
from tuned import Family, write

folder = Path(sys.argv[1])
events = pd.read_parquet(folder / "public/interactions.parquet").drop_duplicates(["user_id", "item_id"], keep="last")
items = pd.read_parquet(folder / "public/items.parquet")
for column in items:
    if isinstance(items[column].dtype, pd.DatetimeTZDtype):
        items[column] = items[column].dt.tz_localize(None)  # it subtracts naive times


def lists(pairs, users, settings):
    """Lists of its engine, which reads times where none is missing, and ratings where they differ."""
    if not users:
        return {}
    rows = events.merge(pairs, on=["user_id", "item_id"])
    frame = pd.DataFrame({"entity_id": rows["user_id"], "item_id": rows["item_id"]})
    if rows["timestamp"].notna().all():
        frame["timestamp"] = rows["timestamp"].astype("datetime64[s, UTC]").astype("int64")
    if "weight" in rows and rows["weight"].nunique() > 1:
        frame["rating"] = rows["weight"]
    engine = kindling.Engine().fit(frame, items[items["item_id"].isin(rows["item_id"])].copy())
    recommended = engine.recommend_batch(users, n=80)
    return {user: [one.item_id for one in some] for user, some in zip(users, recommended, strict=True)}


write("kindling", [Family("defaults", lists)], folder)
