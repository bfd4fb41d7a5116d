"""KuaiRand-Pure: exposures of short videos with the signals that each user gave, April and May 2022.

C. Gao et al.: KuaiRand: An Unbiased Sequential Recommendation Dataset with Randomly Exposed Videos,
CIKM 2022. CC BY-SA 4.0.

Left out of the features: video_features_statistic (sums over the whole month: the future),
visible_status (the state "now", when the data were published), raw follower and friend counts (their
ranges are kept). Left out of the interactions: exposures without any signal, and the log of randomly
exposed videos, which no user was recommended.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from recommender.data.gate import Features, Spec, Tables
from recommender.data.notes import Repair
from recommender.errors import ConfigError
from recommender.sources.files import find, read_csv, read_parquet

SIGNALS = {
    "is_click": "click",
    "is_like": "like",
    "is_follow": "follow",
    "is_comment": "comment",
    "is_forward": "forward",
    "is_hate": "hate",
    "long_view": "long_view",
}
FEATURES = ("user_features_pure.csv", "video_features_basic_pure.csv")
LOGS = {
    "one_log": ("log_standard_0425_0508.parquet",),
    "publisher": ("log_standard_4_08_to_4_21_pure.csv", "log_standard_4_22_to_5_08_pure.csv"),
}
HISTORY = "user_history_0408_0424_last50.parquet"
FOLDERS = ("kuairand-pure", "kuairand-pure/data", "KuaiRand-Pure/data", "KuaiRand-Pure")
VIDEO_COLUMNS = (
    "video_id author_id video_type upload_dt upload_type video_duration server_width server_height "
    "music_id music_type tag"
).split()
MAX_WATCHED = 10  # times through the video; beyond it the app was left open, or the time is wrong
ITEM_ROLES = {
    "author": "category",
    "video_type": "category",
    "upload_type": "category",
    "music": "category",
    "music_type": "category",
    "duration_s": "numeric",
    "portrait": "category",
    "tags": "multi",
}


def load(raw_dir: Path | None, *, history: bool = False) -> Tables:
    """One row per exposure and signal given; "click" is the positive, the others are signals.

    weight: 1, but for long_view how many times the video was watched through (up to 10), where
    that is known. history: adds the user's last 50 exposures of 8-24 April, which state an order
    and no times: what was watched long counts as clicked (in the log, 99.6% of long views are).
    It precedes the log (but for 3 of 24,548 users, by minutes).
    Items state available_from, the upload date at 0:00 UTC.
    Raises DataError where files are missing or unreadable, ConfigError where the publisher's logs,
    which hold those days with times, are asked for the history.
    """
    layouts = {name: (*logs, *FEATURES) for name, logs in LOGS.items()}
    folder, layout = find("kuairand-pure", raw_dir, FOLDERS, layouts)
    if history and not (folder / HISTORY).is_file():
        raise ConfigError(
            f"kuairand-pure: history=true needs {HISTORY}, which is not in {folder}. The publisher's own logs "
            "hold 8-21 April with times already: leave the option out."
        )
    exposures, repairs = _repaired(pl.concat(_log(folder / file) for file in LOGS[layout]))
    interactions = _signals(exposures)
    if history:
        interactions = pl.concat([_history(folder / HISTORY), interactions])
    users, unknown = _users(folder / FEATURES[0])
    return Tables(
        "kuairand-pure",
        interactions,
        _items(folder / FEATURES[1]),
        users,
        Spec(
            features=Features(items=ITEM_ROLES, users={c: "category" for c in users.columns if c != "user_id"}),
            positive=["click"],
            repairs={"duplicates": "keep_first"} | ({"missing_times": "history"} if history else {}),
        ),
        repairs + unknown,
    )


def _log(path: Path) -> pl.DataFrame:
    needs = ["user_id", "video_id", "time_ms", *SIGNALS, "play_time_ms", "duration_ms"]
    return read_parquet(path, needs) if path.suffix == ".parquet" else read_csv(path, needs=needs)


def _repaired(log: pl.DataFrame) -> tuple[pl.DataFrame, list[Repair]]:
    """Exposures with ``watched``, the times that the video was played through (null where not known)."""
    once = log.unique(maintain_order=True)
    played, length = pl.col("play_time_ms"), pl.col("duration_ms")
    empty, beyond = length == 0, (length > 0) & (played > MAX_WATCHED * length)
    watched = once.with_columns(watched=pl.when(~empty & ~beyond).then(played / length))
    repairs = []
    for rule, action, rows, reason in (
        (
            "duplicate_exposures",
            "keep_first",
            log.filter(~pl.struct(pl.all()).is_first_distinct()),
            "the log holds the same exposure more than once, equal in every column",
        ),
        (
            "zero_duration",
            "set_null",
            once.filter(empty),
            "a video of 0 ms cannot be watched in part; signals are kept",
        ),
        (
            "impossible_watch_time",
            "set_null",
            once.filter(beyond),
            f"watched over {MAX_WATCHED} times its length; the watch time goes, the signals are kept",
        ),
    ):
        if rows.height:
            shown = rows.select(
                pl.format("user {} video {}: {} of {} ms", "user_id", "video_id", "play_time_ms", "duration_ms")
            )
            repairs.append(Repair("interactions", rule, action, rows.height, reason, tuple(shown.to_series().head(3))))
    return watched, repairs


def _signals(exposures: pl.DataFrame) -> pl.DataFrame:
    time = pl.from_epoch("time_ms", "ms").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    watched = pl.col("watched").fill_null(1).cast(pl.Float32)
    return pl.concat(
        exposures.filter(pl.col(column) == 1).select(
            "user_id",
            item_id="video_id",
            timestamp=time,
            event=pl.lit(event),
            weight=watched if event == "long_view" else pl.lit(1, pl.Float32),
        )
        for column, event in SIGNALS.items()
    )


def _history(path: Path) -> pl.DataFrame:
    """Rows without a time, each user's oldest first."""
    frame = read_parquet(path, ["user_id", "like_seq", "long_watch_seq"])
    rows = (("click", "long_watch_seq"), ("long_view", "long_watch_seq"), ("like", "like_seq"))
    return pl.concat(
        frame.select("user_id", item_id=column)
        .explode("item_id")
        .drop_nulls()
        .with_columns(
            timestamp=pl.lit(None, pl.Datetime("us", "UTC")), event=pl.lit(event), weight=pl.lit(1, pl.Float32)
        )
        for event, column in rows
    )


def _items(path: Path) -> pl.DataFrame:
    """Videos with the features that were fixed at upload."""
    videos = read_csv(path, needs=VIDEO_COLUMNS, infer_schema=False)
    code = {
        c: pl.col(c).cast(pl.Float64, strict=False).cast(pl.Int64).cast(pl.String)
        for c in ("author_id", "music_id", "music_type")
    }
    width, height = (pl.col(c).cast(pl.Float64, strict=False) for c in ("server_width", "server_height"))
    return videos.select(
        item_id=pl.col("video_id").cast(pl.Int64, strict=False),
        available_from="upload_dt",
        author=code["author_id"],
        video_type="video_type",
        upload_type="upload_type",
        music=code["music_id"],
        music_type=code["music_type"],
        duration_s=pl.col("video_duration").cast(pl.Float64, strict=False) / 1000,
        portrait=(height > width).cast(pl.String),
        tags=pl.col("tag").str.split(",").fill_null([]),
    ).sort("item_id")


def _users(path: Path) -> tuple[pl.DataFrame, list[Repair]]:
    """Categories of each user; -124 and UNKNOWN, which the publisher writes for "not known", become null."""
    frame = read_csv(path, needs=["user_id"], infer_schema=False)
    named = {"user_active_degree", "is_lowactive_period", "is_live_streamer", "is_video_author"}
    columns = [c for c in frame.columns if c.endswith("_range") or c.startswith("onehot") or c in named]
    unknown = pl.col(columns).is_in(["-124", "-124.0", "UNKNOWN"])
    counts = frame.select(unknown.sum()).row(0, named=True)
    total = sum(counts.values())
    shown = tuple(f"{column}: {n:,}" for column, n in counts.items() if n)[:3]
    reason = "-124 and UNKNOWN stand for a value that the publisher does not know"
    users = frame.select(pl.col("user_id").cast(pl.Int64, strict=False), pl.when(~unknown).then(pl.col(columns))).sort(
        "user_id"
    )
    return users, [Repair("users", "unknown_values", "set_null", total, reason, shown)] if total else []
