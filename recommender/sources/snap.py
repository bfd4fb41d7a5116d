"""Networks of people from SNAP (Leskovec & Krevl 2014), in its layouts: lines of two members, and perhaps a time.

collegemsg: private messages at a college (Panzarasa, Opsahl & Carley 2009). bitcoinotc: who trusts whom on a trading
platform, -10 to 10 (Kumar et al. 2016); a rating above 0 is a link, one below is a signal. ego-facebook: friendships
without times (McAuley & Leskovec 2012). None describes its members. A link is the first line of a pair in either
direction (``symmetric: false``: in this one): the later ones are counted as a repair. SNAP states no licence and asks
for citation.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recommender.data.spec import RelationSpec, Spec, Tables
from recommender.errors import DataError
from recommender.sources.files import find, read_csv


@dataclass(frozen=True)
class Layout:
    """files: names in the order tried, as published or unpacked. event: what a line is called."""

    files: tuple[str, ...]
    separator: str
    columns: tuple[str, ...]
    event: str


LAYOUTS = {
    "collegemsg": Layout(("CollegeMsg.txt", "CollegeMsg.txt.gz"), " ", ("a", "b", "time"), "message"),
    "bitcoinotc": Layout(
        ("soc-sign-bitcoinotc.csv", "soc-sign-bitcoinotc.csv.gz"), ",", ("a", "b", "rating", "time"), "trust"
    ),
    "ego-facebook": Layout(("facebook_combined.txt", "facebook_combined.txt.gz"), " ", ("a", "b"), "friend"),
}


def load(name: str, raw_dir: Path | None, symmetric: bool = True) -> Tables:
    """Links of one of LAYOUTS, and every member that a line names.

    symmetric: who wrote to whom, or trusts whom, counts as a link of both; False: as a link one way. Raises DataError
    where the file is missing or is not in this layout.
    """
    layout = LAYOUTS[name]
    folder, file = find(name, raw_dir, (name, name.replace("-", "_")), {file: (file,) for file in layout.files})
    path = folder / file
    lines = read_csv(path, separator=layout.separator, has_header=False)
    if lines.width != len(layout.columns) or not all(dtype.is_numeric() for dtype in lines.dtypes):
        raise DataError(
            f"{path}: expected {len(layout.columns)} numbers a line ({', '.join(layout.columns)}), found "
            f"{lines.width} columns of {', '.join(sorted({str(d) for d in lines.dtypes}))}. Fetch the original again."
        )
    lines.columns = list(layout.columns)
    event = pl.lit(layout.event)
    if "rating" in lines.columns:
        event = pl.when(pl.col("rating") > 0).then(event).otherwise(pl.lit("distrust"))
    timed = [(pl.col("time") * 1_000_000).cast(pl.Int64).cast(pl.Datetime("us", "UTC")).alias("timestamp")]
    links = lines.select(
        pl.col("a").alias("user_id"), pl.col("b").alias("item_id"), event.alias("event"), *timed * ("time" in lines)
    )
    members = pl.concat([lines["a"], lines["b"]]).unique().sort().alias("user_id").to_frame()
    spec = Spec(
        relation=RelationSpec(symmetric=symmetric),
        repairs={"self_links": "drop", "link_times": "keep_first", "duplicates": "keep_first"},
        positive=[layout.event],
    )
    return Tables(name, links, members.rename({"user_id": "item_id"}), members, spec)
