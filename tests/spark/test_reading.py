"""A folder read and checked on the engine is the folder read here: the same rows, or the same words."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recommender.data.dataset import Dataset
from recommender.engine import reading
from recommender.engine.reading import EngineReader
from recommender.engine.session import Engine
from recommender.errors import UserError
from recommender.sources.load import load
from tests.conftest import BESIDE
from tests.helpers.folders import Folder, shop
from tests.helpers.mutations import mutated

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("few_blocks")]
CASES = Path(os.environ.get("RECOMMENDER_RAW_DIR") or BESIDE).parent / "cases"
ROWS = 100


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Small parts; the data sets that were left to one machine."""
    left: list[str] = []
    monkeypatch.setattr(reading, "ROWS", ROWS)
    monkeypatch.setattr(reading, "load", lambda data, **how: left.append(data) or load(data, **how))
    return left


def write(data: Folder, to: Path, repairs: dict[str, str] | None = None) -> Path:
    data.spec["repairs"] = repairs or {}
    data.write(to)
    data.interactions.write_parquet(to / "interactions.parquet", row_group_size=ROWS)
    return to


def outcome(reader: Callable[..., Dataset], folder: Path) -> Any:
    """Everything that a train could see of the data, or the message."""
    try:
        data = reader(str(folder), raw_dir=None)
    except UserError as error:
        return type(error).__name__, str(error)
    rows = [data.interactions, data.signals, data.items.frame, data.users.frame]
    plain = [(frame.schema, repr(frame.rows())) for frame in rows]  # as text: NaN is NaN
    return data.name, plain, data.repairs, data.notes, data.reading, data.match, data.items.roles, data.users.roles


def spoil(rows: list[int], **columns: pl.Expr) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Other values in some rows."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        at = pl.int_range(pl.len()).is_in(rows)
        return frame.with_columns(pl.when(at).then(v).otherwise(pl.col(c)).alias(c) for c, v in columns.items())

    return change


def again(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows that are there already, far from where they stood first; one of them thrice."""
    return pl.concat([frame, frame[[5, 250, 5, 777]]])


def weighted(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(weight=pl.int_range(pl.len()).cast(pl.Float64) % 4)


NOBODY = pl.lit(None, pl.String)
TIME = pl.Datetime("us", "UTC")
LATE, EPOCH = (pl.lit(t, TIME) for t in (datetime.now(UTC) + timedelta(days=900), datetime(1970, 1, 1, tzinfo=UTC)))
FAULTS: dict[str, tuple[str, Callable[[pl.DataFrame], pl.DataFrame]]] = {  # rule -> a repair, what calls for it
    "null_ids": ("drop", spoil([3, 120, 340, 790], user_id=NOBODY)),
    "unknown_items": ("drop", spoil([3, 120, 340, 790], item_id=pl.lit("absent"))),
    "duplicates": ("keep_first", again),
    "future_times": ("keep", spoil([450, 20, 700], timestamp=LATE)),
    "sentinel_times": ("drop", spoil([450, 20, 700, 701], timestamp=EPOCH)),
    "missing_times": ("history", spoil([450, 20, 700], timestamp=pl.lit(None, TIME))),
    "zero_weights": ("drop", weighted),
    "placeholder_ids": ("drop", spoil([450, 20, 700], user_id=pl.lit("null"))),
}


@pytest.mark.parametrize("partitions", [1, 2, 7])
@pytest.mark.parametrize("ids", [str, int])
def test_a_sound_folder_is_the_same_data_set(
    sail: Engine, tmp_path: Path, local: list[str], ids: type, partitions: int
) -> None:
    folder = write(shop(ids=ids), tmp_path / "shop")
    here, there = outcome(load, folder), outcome(EngineReader(replace(sail, partitions=partitions)), folder)
    assert here == there
    assert local == []


@pytest.mark.parametrize("repaired", [False, True], ids=["refused", "repaired"])
@pytest.mark.parametrize("rule", FAULTS)
def test_a_fault_has_the_same_count_examples_and_words(
    sail: Engine, tmp_path: Path, local: list[str], rule: str, repaired: bool
) -> None:
    data = shop()
    data.interactions = FAULTS[rule][1](data.interactions)
    folder = write(data, tmp_path / "shop", {rule: FAULTS[rule][0]} if repaired else None)
    here, there = outcome(load, folder), outcome(EngineReader(sail), folder)
    assert rule in str(here)
    assert here == there
    assert local == []  # the engine knew


def test_several_faults_at_once_come_in_the_same_order(sail: Engine, tmp_path: Path, local: list[str]) -> None:
    data = shop()
    for rule in ("null_ids", "unknown_items", "zero_weights", "duplicates"):
        data.interactions = FAULTS[rule][1](data.interactions)
    folder = write(data, tmp_path / "shop")
    here, there = outcome(load, folder), outcome(EngineReader(sail), folder)
    assert here[1].count("\n") == 2  # three; those without a user are not told of their items
    assert here == there
    assert local == []


@pytest.mark.parametrize("order", ["shuffled", "reversed"])
def test_the_order_of_the_rows_is_that_of_the_file(sail: Engine, tmp_path: Path, local: list[str], order: str) -> None:
    """Times tie, so the order of the file decides which of two rows is the first."""
    data = shop()
    data.interactions = data.interactions.with_columns(pl.col("timestamp").dt.truncate("10d"))
    rows = data.interactions.sample(fraction=1, shuffle=True, seed=1)
    data.interactions = rows if order == "shuffled" else data.interactions[::-1]
    folder = write(data, tmp_path / "shop")
    assert outcome(load, folder) == outcome(EngineReader(sail), folder)
    assert local == []


def test_a_folder_of_files_as_engines_write_them_is_one_table(sail: Engine, tmp_path: Path, local: list[str]) -> None:
    folder = write(shop(), tmp_path / "shop")
    rows = pl.read_parquet(folder / "interactions.parquet")
    (folder / "interactions.parquet").unlink()
    (folder / "interactions.parquet").mkdir()
    for n, (start, length) in enumerate([(0, 300), (300, 0), (300, 500)]):  # one of them is empty
        rows.slice(start, length).write_parquet(folder / f"interactions.parquet/part-{n}.parquet", row_group_size=ROWS)
    here = outcome(load, folder)
    assert here == outcome(EngineReader(sail), folder)
    assert here[1][0][1].count("'u") == rows.height
    assert local == []


def test_csv_is_read_by_a_worker(sail: Engine, tmp_path: Path, local: list[str]) -> None:
    folder = write(shop(ids=int), tmp_path / "shop")
    pl.read_parquet(folder / "interactions.parquet").write_csv(folder / "interactions.csv")
    (folder / "interactions.parquet").unlink()
    assert outcome(load, folder) == outcome(EngineReader(sail), folder)
    assert local == []


def test_one_user_with_most_rows_is_no_other_case(sail: Engine, tmp_path: Path, local: list[str]) -> None:
    data = shop()
    mostly = pl.when(pl.int_range(pl.len()) % 10 > 0).then(pl.lit("u0")).otherwise("user_id")
    data.interactions = data.interactions.with_columns(user_id=mostly)
    folder = write(data, tmp_path / "shop", {"duplicates": "keep_first"})
    assert outcome(load, folder) == outcome(EngineReader(sail), folder)
    assert local == []


def test_what_only_the_whole_table_tells_is_left_to_one_machine(sail: Engine, tmp_path: Path, local: list[str]) -> None:
    """Seconds in most rows, milliseconds in one part: no part alone can tell which is odd."""
    data = shop()
    seconds = data.interactions["timestamp"].dt.epoch("s")
    data.interactions = data.interactions.with_columns(
        timestamp=pl.when(pl.int_range(pl.len()) < 2 * ROWS).then(seconds * 1000).otherwise(seconds)
    )
    folder = write(data, tmp_path / "shop")
    here, there = outcome(load, folder), outcome(EngineReader(sail), folder)
    assert "mixed_time_units, 200 rows" in here[1]
    assert here == there
    assert local


@pytest.mark.parametrize("sample", [1, 20, 1000])
def test_a_sample_of_users_is_the_one_that_one_machine_draws(
    sail: Engine, tmp_path: Path, local: list[str], sample: int
) -> None:
    folder = write(shop(), tmp_path / "shop")
    there = EngineReader(sail, sample)(str(folder), raw_dir=None)
    assert local == []
    here = reading.sampled(load(str(folder), raw_dir=None), sample)
    assert there.interactions.equals(here.interactions)
    assert there.notes == here.notes
    for data in (here, there):
        assert f"fitted on {there.interactions['user_id'].n_unique():,} of 60 users" in data.sample
    whole = load(str(folder), raw_dir=None).interactions
    assert there.interactions.equals(whole.filter(pl.col("user_id").is_in(there.interactions["user_id"].implode())))


@pytest.mark.parametrize("seed", range(4))
def test_spoilt_folders_have_the_same_verdict(sail: Engine, tmp_path: Path, local: list[str], seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(15):
        folder = mutated(rng, tmp_path / "set")
        assert outcome(load, folder) == outcome(EngineReader(sail), folder)
    assert len(local) < 15


def cases() -> list[Path]:
    """Folders of a shared collection, where it lies beside the checkout."""
    return [c for c in sorted(CASES.iterdir()) if list(c.glob("interactions*"))] if CASES.is_dir() else []


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_known_cases_have_the_same_verdict(sail: Engine, local: list[str], case: Path) -> None:
    assert outcome(load, case) == outcome(EngineReader(sail), case)
