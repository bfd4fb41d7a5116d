"""What is logged to MLflow names no user."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from recommender.hashing import KEY
from recommender.tracking.private import without_ids
from recommender.tracking.runs import ARTIFACTS

TABLE = pl.DataFrame({"user_id": ["anna", "ben", "anna", None], "ndcg_at_10": [0.1, 0.2, 0.3, 0.4]})


def logged(folder: Path) -> pl.DataFrame:
    with without_ids(folder / "per_query.parquet") as path:
        assert path.name == "per_query.parquet"
        return pl.read_parquet(path)


def test_a_logged_table_has_pseudonyms_that_tell_users_apart(tmp_path: Path) -> None:
    TABLE.write_parquet(tmp_path / "per_query.parquet")
    table = logged(tmp_path)
    anna, ben, again, nobody = table["user_id"]
    assert anna == again != ben
    assert nobody is None
    assert not {"anna", "ben"} & set(table["user_id"])
    assert table["ndcg_at_10"].equals(TABLE["ndcg_at_10"])
    assert pl.read_parquet(tmp_path / "per_query.parquet").equals(TABLE)


def test_the_key_stays_in_the_folder_is_private_and_never_logged(tmp_path: Path) -> None:
    TABLE.write_parquet(tmp_path / "per_query.parquet")
    first = logged(tmp_path)
    assert logged(tmp_path).equals(first)
    assert (tmp_path / KEY).stat().st_mode & 0o777 == 0o600
    assert not [p for pattern in ARTIFACTS for p in tmp_path.glob(pattern) if p.name == KEY]


def test_another_folder_has_other_pseudonyms(tmp_path: Path) -> None:
    tables = []
    for name in "ab":
        (tmp_path / name).mkdir()
        TABLE.write_parquet(tmp_path / name / "per_query.parquet")
        tables.append(logged(tmp_path / name))
    assert not set(tables[0]["user_id"].drop_nulls()) & set(tables[1]["user_id"].drop_nulls())


def test_a_table_without_users_is_logged_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "metrics.parquet"
    TABLE.drop("user_id").write_parquet(path)
    with without_ids(path) as same:
        assert same == path
    assert not (tmp_path / KEY).exists()
