"""Ids of every type from a file through train, save, load, recommend and serving: byte for byte, and nobody else's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings

import recommender
from pipelines import recommend
from recommender.serving.mlflow_model import ServedRouter
from tests.helpers.exact_ids import INTEGERS, TEXTS, integers, interactions, not_taken, sound
from tests.helpers.folders import run

FORMS = ("parquet", "csv", "jsonl")
NASTY: dict[str, list[Any]] = {
    "int8": [-128, -1, 0, 1, 127],
    "int64": [-(2**63), 0, 2**53, 2**53 + 1, 2**60, 2**60 + 1, 2**63 - 1],
    "uint64": [0, 2**53 + 1, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 1],
    "int128": [-(2**100), 0, 2**64, 2**64 + 1, 2**100],
    "text": ["1e2", "100", "0", "-0", "01", "1", " 1", "1 ", "+1", "a", "A", "é", "e\u0301", "\ufeff1", "a,b", 'a"b'],
}
SOME = [("int8", "csv"), ("int64", "csv"), ("int64", "jsonl"), ("uint64", "parquet"), ("uint64", "csv"),
        ("int128", "jsonl"), ("text", "csv"), ("text", "parquet")]  # fmt: skip


@pytest.mark.parametrize(("kind", "form"), SOME)
def test_ids_come_back_exactly_and_nobody_gets_the_history_of_another(tmp_path: Path, kind: str, form: str) -> None:
    check(tmp_path, NASTY[kind], NASTY["text" if kind == "int64" else kind], kind, form)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", [*INTEGERS, "text"])
def test_any_ids_come_back_exactly_and_nobody_gets_the_history_of_another(
    tmp_path_factory: pytest.TempPathFactory, kind: str, form: str
) -> None:
    ids = TEXTS.map(sound).filter(lambda ids: len(ids) > 1) if kind == "text" else integers(kind)

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(ids, ids)
    def checked(users: list[Any], items: list[Any]) -> None:
        check(tmp_path_factory.mktemp("ids"), users, items, kind, form)

    checked()


def check(place: Path, users: list[Any], items: list[Any], kind: str, form: str) -> None:
    """A list as long as the catalogue holds all but what its user took: alone, beside others, from every program."""
    items = [*items, *(i for i in ((1, 2, 3) if isinstance(items[0], int) else ("x", "y", "z")) if i not in items)]
    users = users[: len(items) - 1]
    dtype = INTEGERS[kind][0] if kind in INTEGERS else pl.String
    user_ids = pl.Series("user_id", users, dtype)
    item_ids = pl.Series("item_id", items, dtype if isinstance(items[0], int) else pl.String)
    folder = place / "set"
    folder.mkdir()
    stored(interactions(user_ids, item_ids), folder / f"interactions.{form}")
    stored(item_ids.to_frame(), folder / f"items.{form}")
    recommender.fit(recommender.load_data(folder), "als", factors=2, iterations=1).save(place / "model")
    model = recommender.load_model(place / "model")

    wanted = not_taken(users, items)
    strangers = [u for u in ("abc", "1.5", " 7", "1e2", str(2**70)) if u not in wanted]
    alone = pl.concat([model.recommend(user_ids[n : n + 1], k=99) for n in range(len(users))])
    assert shown(alone) == wanted
    beside = model.recommend([*map(str, users), *strangers], k=99)
    assert shown(beside) == wanted | {u: {*map(str, items)} for u in strangers}

    stored(user_ids.to_frame(), place / f"queries.{form}")
    to = place / ("lists.csv" if form == "csv" else "lists.parquet")
    files = ("--model", place / "model", "--queries", place / f"queries.{form}", "--to", to, "--k", 99)
    assert run(recommend.main, *files).code == 0
    assert shown(pl.read_csv(to, infer_schema=False) if form == "csv" else pl.read_parquet(to)) == wanted

    served = ServedRouter()
    served.bundle = model.bundle
    texts = model.bundle.data.users.ids.dtype == pl.String
    frame = served.predict(None, pd.DataFrame({"user_id": [str(u) if texts else int(u) for u in users]}), {"k": 99})
    assert shown(pl.from_pandas(frame.drop(columns="score"))) == wanted


def shown(lists: pl.DataFrame) -> dict[str, set[str]]:
    """user -> items, both as they are written."""
    return {str(user): {*map(str, rows["item_id"])} for (user,), rows in lists.group_by("user_id")}


def stored(frame: pl.DataFrame, file: Path) -> None:
    match file.suffix:
        case ".csv":
            frame.write_csv(file, quote_style="always")
        case ".parquet":
            frame.write_parquet(file)
        case _:
            file.write_text("".join(json.dumps(row, default=str) + "\n" for row in frame.to_dicts()))
