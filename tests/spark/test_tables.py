"""Tables that the engine reads are the data set that a folder of the same rows is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from recommender.engine import ordering, tables
from recommender.engine.reading import EngineReader
from recommender.engine.session import Engine
from recommender.errors import ConfigError, DataError, UserError
from recommender.sources.load import load
from tests.helpers.folders import Folder, shop

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("few_blocks")]


@pytest.fixture(scope="module")
def rows() -> Folder:
    """With times that tie, so that the order of rows counts, and a user without an id."""
    data = shop()
    data.items, data.users = data.items.select("item_id", "title", "city"), data.users.select("user_id", "city")
    times = data.interactions.with_columns(pl.col("timestamp").dt.truncate("5d"), event=pl.lit("buy"))
    data.interactions = times.with_columns(user_id=pl.when(pl.int_range(pl.len()) != 400).then("user_id"))
    data.spec = {"repairs": {"null_ids": "drop"}}
    return data


@pytest.fixture(scope="module")
def here(rows: Folder, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What this machine reads of the same rows in their order."""
    ordered = rows.interactions.sort("timestamp", "user_id", "item_id", "event")
    folder = Folder(ordered, rows.items, rows.users, rows.spec).write(tmp_path_factory.mktemp("plain") / "shop")
    return load(str(folder), raw_dir=None)


def written(engine: Engine, rows: Folder, kind: str, to: Path) -> str:
    """The address of tables that the engine itself wrote."""
    for name in ("interactions", "items", "users"):
        task = getattr(rows, name)
        frame = (
            engine.spark.createDataFrame(task.to_arrow().cast(_plain(task))) if len(task) else _nothing(engine, task)
        )
        if kind == "table":
            frame.write.option("path", str(to / name)).mode("overwrite").saveAsTable(f"default.{name}")
        else:
            frame.repartition(3).write.format(kind).save(str(to / name))
    return "table:default" if kind == "table" else f"{kind}:{to}"


def _nothing(engine: Engine, frame: pl.DataFrame) -> Any:
    types = {pl.String(): "string"}
    columns = (f"CAST(NULL AS {types.get(dtype, 'timestamp')}) AS {name}" for name, dtype in frame.schema.items())
    return engine.spark.range(0).selectExpr(*columns)


def _plain(frame: pl.DataFrame) -> Any:
    """The Arrow schema that every engine takes: no views of strings."""
    import pyarrow as pa

    of = frame.to_arrow().schema
    text = {pa.string_view(), pa.large_string()}
    return pa.schema([pa.field(f.name, pa.string() if f.type in text else f.type) for f in of])


@pytest.mark.parametrize(
    ("kind", "partitions"), [("delta", 1), ("delta", 7), ("iceberg", 2), ("parquet", 2), ("table", 2)]
)
def test_tables_of_the_engine_are_the_data_set_of_a_folder(
    sail: Engine,
    rows: Folder,
    here: Any,
    tmp_path: Path,
    kind: str,
    partitions: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ordering, "ROWS", 150)  # several ranges
    address = written(sail, rows, kind, tmp_path / "shop")
    there = EngineReader(replace(sail, partitions=partitions))(address, raw_dir=None, repairs={"null_ids": "drop"})
    assert there.name == ("default" if kind == "table" else "shop")
    assert there.interactions.rows() == here.interactions.rows()
    for name in ("items", "users"):
        one, other = (getattr(data, name).frame for data in (here, there))
        assert one.rows() == other.rows()
    assert [(r.rule, r.count) for r in there.repairs] == [(r.rule, r.count) for r in here.repairs]


def test_without_a_shared_folder_tables_come_to_this_machine(
    sail: Engine, rows: Folder, here: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, alone = written(sail, rows, "delta", tmp_path / "shop"), replace(sail, shared=None)
    there = EngineReader(alone)(address, raw_dir=None, repairs={"null_ids": "drop"})
    assert there.interactions.rows() == here.interactions.rows()
    monkeypatch.setattr(tables, "free_mb", lambda: 0)
    monkeypatch.setattr(tables, "PER_ROW_B", 10_000)
    with pytest.raises(
        UserError, match=r"delta:.*to hold 800 interactions takes about .* MB .*sample_users=.*SHARED=/mnt/shared"
    ):
        EngineReader(alone)(address, raw_dir=None)


@pytest.mark.parametrize("ids", [str, int])
def test_without_a_shared_folder_a_table_comes_some_users_at_a_time_and_all_are_counted(
    sail: Engine, tmp_path: Path, ids: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = shop(ids=ids)
    data.items, data.users = data.items.select("item_id", "title"), data.users.select("user_id", "city")
    nobody = pl.when(pl.int_range(pl.len()) != 400).then("user_id")
    data.interactions = data.interactions.with_columns(nobody)
    address = written(sail, data, "parquet", tmp_path / "shop")
    shared = EngineReader(sail, 20)(address, raw_dir=None, repairs={"null_ids": "drop"})
    monkeypatch.setattr(tables, "free_mb", lambda: 1)
    monkeypatch.setattr(tables, "PER_ROW_B", 1200)  # five passes
    monkeypatch.setattr(ordering, "ROWS", 150)  # several ranges
    alone = EngineReader(replace(sail, shared=None), 20)(address, raw_dir=None, repairs={"null_ids": "drop"})
    assert 0 < alone.interactions["user_id"].n_unique() < 60
    assert alone.interactions.rows() == shared.interactions.rows()
    assert alone.item_totals.tolist() == shared.item_totals.tolist()
    assert [(r.rule, r.count) for r in alone.repairs] == [("null_ids", 1)]
    assert alone.sample == shared.sample
    assert "of 60 users" in alone.sample


def test_a_table_that_changes_between_passes_is_refused(
    sail: Engine, rows: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = written(sail, rows, "delta", tmp_path / "shop")
    monkeypatch.setattr(tables, "rows_of_pass", lambda batches, number, passes: (b.slice(1) for b in batches))
    with pytest.raises(UserError, match=r"interactions came, of 800\. Did the table change"):
        EngineReader(replace(sail, shared=None), 20)(address, raw_dir=None)


def test_a_table_that_is_not_there_is_named(sail: Engine, tmp_path: Path) -> None:
    for address in (f"delta:{tmp_path}", f"parquet:{tmp_path}", "table:nowhere"):
        with pytest.raises(UserError, match=f"{address}: the engine cannot read the table items"):
            EngineReader(sail)(address, raw_dir=None)


def test_a_table_with_other_names_of_columns_is_refused_with_those_it_has(
    sail: Engine, rows: Folder, tmp_path: Path
) -> None:
    other = replace(rows, interactions=rows.interactions.rename({"user_id": "member"}))
    address = written(sail, other, "delta", tmp_path / "shop")
    with pytest.raises(UserError, match=r"interactions has no column user_id, but member, item_id.*Make a view"):
        EngineReader(sail)(address, raw_dir=None)


@pytest.mark.parametrize("shared", [True, False])
def test_a_table_without_rows_is_the_gates_empty_table(
    sail: Engine, rows: Folder, tmp_path: Path, shared: bool
) -> None:
    address = written(sail, replace(rows, interactions=rows.interactions.clear()), "delta", tmp_path / "shop")
    with pytest.raises(DataError, match="empty_table"):
        EngineReader(sail if shared else replace(sail, shared=None))(address, raw_dir=None)


def test_users_may_lack(sail: Engine, rows: Folder, here: Any, tmp_path: Path) -> None:
    address = written(sail, rows, "delta", tmp_path / "shop")
    (tmp_path / "shop/users").rename(tmp_path / "elsewhere")
    there = EngineReader(sail)(address, raw_dir=None, repairs={"null_ids": "drop"})
    assert there.interactions.rows() == here.interactions.rows()
    assert there.users.frame.columns == ["user_id"]


class Recorder:
    """In place of a session: which plan is asked for; ``fails`` as an engine without the reader does."""

    def __init__(self, fails: str = "") -> None:
        self.fails, self.plans = fails, list[tuple[str, ...]]()

    @property
    def read(self) -> Recorder:
        return self

    def format(self, kind: str) -> Recorder:
        self.plans.append((kind,))
        return self

    def load(self, where: str) -> Any:
        if self.fails:
            raise ValueError(self.fails)
        self.plans[-1] += (where,)
        return SimpleNamespace(columns=["item_id"])

    def table(self, name: str) -> Any:
        self.plans.append(("table", name))
        return SimpleNamespace(columns=["item_id"])


@pytest.mark.parametrize(
    ("address", "plan"),
    [
        ("delta:s3://team/shop/", ("delta", "s3://team/shop/items")),
        ("iceberg:abfss://box@team/shop", ("iceberg", "abfss://box@team/shop/items")),
        ("table:main.shop", ("table", "main.shop.items")),
    ],
)
def test_the_plan_reads_the_table_by_its_reader(sail: Engine, address: str, plan: tuple[str, ...]) -> None:
    recorder: Any = Recorder()
    tables._frame(replace(sail, spark=recorder), address, "items")
    assert recorder.plans == [plan]


def test_an_engine_without_the_reader_is_refused_with_the_package_to_add(sail: Engine) -> None:
    missing: Any = Recorder("[DATA_SOURCE_NOT_FOUND] Failed to find the data source: delta.\nJVM stacktrace: ...")
    with pytest.raises(UserError, match=r"no reader for delta \(\[DATA_SOURCE_NOT_FOUND\].*io.delta:delta-spark"):
        tables._frame(replace(sail, spark=missing), "delta:s3://team/shop", "items")


def test_without_an_engine_such_an_address_says_what_it_needs() -> None:
    with pytest.raises(ConfigError, match="only an engine reads such tables"):
        load("delta:s3://team/shop", raw_dir=None)
