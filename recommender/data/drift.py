"""How far data has moved from what a model was trained on, each measure with a plain sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recommender.data.dataset import Dataset, Table
from recommender.data.profile import coverage, degree, profile, shift
from recommender.errors import UserError
from recommender.files import write_json, write_table
from recommender.hashing import of_content

FOLDER = "reference"  # in the OUT of a train, beside the model, which serves without it
_JSON, IDS = "reference.json", "reference.parquet"


def reference(data: Dataset) -> dict[str, Any]:
    """What ``drift`` needs to remember of the training data: ids and counts, and a profile per column.

    Plain JSON values; the profiles are those of ``profile.py``.
    """
    return {
        "name": data.name,
        "n_interactions": data.interactions.height,
        "user_ids": data.users.ids.filter(pl.Series(data.user_counts > 0)).to_list(),
        "item_ids": data.items.ids.to_list(),
        "item_counts": data.item_counts.tolist(),
        "columns": {name: profile(column, role) for name, (column, role) in _columns(data).items()},
    }


def save_reference(data: Dataset, folder: Path) -> None:
    """Writes ``reference.json`` and ``reference.parquet`` (the long lists) into a folder, new or not."""
    saved = reference(data)
    long = {("", key): saved.pop(key) for key in ("user_ids", "item_ids", "item_counts")}
    for column, described in saved["columns"].items():
        if "tokens" in described:
            long[(column, "tokens")] = described.pop("tokens")
    folder.mkdir(exist_ok=True)
    rows = [(column, key, json.dumps(values)) for (column, key), values in long.items()]
    write_table(folder / IDS, pl.DataFrame(rows, schema=["column", "key", "values"], orient="row"))
    saved = json.loads(json.dumps(saved, default=str))
    write_json(folder / _JSON, saved | {"sha256": of_content(saved)})


def load_reference(folder: Path) -> dict[str, Any]:
    """What ``save_reference`` wrote. Raises UserError where it is not there, or has changed since."""
    if not (folder / _JSON).is_file() or not (folder / IDS).is_file():
        raise UserError(f"{folder}: holds no {_JSON}. Name the OUT folder of a finished train.")
    try:
        saved: dict[str, Any] = json.loads((folder / _JSON).read_text(encoding="utf-8"))
        if saved.pop("sha256") != of_content(saved):
            raise ValueError(f"{_JSON} has changed")
        for column, key, values in pl.read_parquet(folder / IDS).iter_rows():
            place = saved["columns"][column] if column else saved
            place[key] = json.loads(values)
    except (ValueError, LookupError, AttributeError, TypeError, pl.exceptions.PolarsError) as error:
        raise UserError(f"{folder}: a file is damaged ({error}). Train again, or copy the folder again.") from None
    return saved


def drift(trained: dict[str, Any] | Dataset, data: Dataset) -> list[dict[str, Any]]:
    """Rows of measure, trained, now (numbers) and sentence: ``data`` against what was trained on.

    popularity_shift is the total variation distance of the items' shares of interactions (0 = the same,
    1 = nothing in common), popularity_rank_correlation Spearman's, each with ``chance``, what luck alone would move;
    for columns see ``profile.shift``.
    """
    then = reference(trained) if isinstance(trained, Dataset) else trained
    volume = f"The model learned from {then['n_interactions']:,} interactions; here are {data.interactions.height:,}."
    rows = [_row("interactions", then["n_interactions"], data.interactions.height, volume)]
    return rows + _newcomers(then, data) + _popularity(then, data) + _features(then["columns"], data)


def _row(measure: str, trained: float, now: float, sentence: str) -> dict[str, Any]:
    return {"measure": measure, "trained": float(trained), "now": float(now), "sentence": sentence}


def _newcomers(then: dict[str, Any], data: Dataset) -> list[dict[str, Any]]:
    active = data.users.ids.filter(pl.Series(data.user_counts > 0))
    new_users, user_events = _unseen(active, then["user_ids"], data.interactions["user_id"])
    new_items, item_events = _unseen(data.items.ids, then["item_ids"], data.interactions["item_id"])
    return [
        _row(
            "new_user_share",
            0,
            new_users,
            f"{new_users:.0%} of the users, with {user_events:.0%} of the interactions, were unknown in training: "
            "until it is trained again, the model knows them only by their features and recent history.",
        ),
        _row(
            "new_item_share",
            0,
            new_items,
            f"{new_items:.0%} of the items, with {item_events:.0%} of the interactions, were unknown in training: "
            "only rungs that use content can recommend them.",
        ),
    ]


def _unseen(ids: pl.Series, known: list[Any], events: pl.Series) -> tuple[float, float]:
    """Share of ``ids`` that are not known, and of the events that are theirs."""
    seen = set(map(str, known))
    new = ids.filter(pl.Series([str(i) not in seen for i in ids.to_list()], dtype=pl.Boolean))
    theirs = events.is_in(new.implode()).mean()
    return len(new) / max(1, len(ids)), float(theirs or 0.0)  # type: ignore[arg-type]


def _popularity(then: dict[str, Any], data: Dataset) -> list[dict[str, Any]]:
    before = dict(zip(map(str, then["item_ids"]), then["item_counts"], strict=True))
    after = dict(zip(map(str, data.items.ids.to_list()), data.item_counts.tolist(), strict=True))
    every = sorted(before.keys() | after.keys())
    p, q = (np.array([counts.get(i, 0) for i in every], np.float64) for counts in (before, after))
    if not p.sum() or not q.sum():
        return []
    moved = float(np.abs(p / p.sum() - q / q.sum()).sum() / 2)
    sentence = f"{moved:.0%} of the attention has moved to other items; what was popular {degree(moved)}."
    by_luck, rank_by_luck = _luck(p, int(q.sum()))
    rows = [_row("popularity_shift", 0, moved, sentence) | {"chance": by_luck}]
    both = (p > 0) & (q > 0)
    correlation = _rank_correlation(p[both], q[both])
    if correlation is not None:
        agreement = "about the same" if correlation > 0.9 else "similar" if correlation > 0.6 else "rather different"
        order = f"the order of popularity is {agreement} (rank correlation {correlation:.2f})"
        sentence = f"Among items used then and now, {order}."
        rows.append(_row("popularity_rank_correlation", 1, correlation, sentence) | {"chance": rank_by_luck})
    return rows


def _luck(counts: np.ndarray, n: int) -> tuple[float, float]:
    """How far ``n`` interactions drawn from the same popularity are from it: total variation, 1 - rank correlation."""
    drawn = np.random.default_rng(0).multinomial(n, counts / counts.sum()).astype(np.float64)
    both = (counts > 0) & (drawn > 0)
    correlation = _rank_correlation(counts[both], drawn[both])
    return float(np.abs(counts / counts.sum() - drawn / n).sum() / 2), 0.0 if correlation is None else 1 - correlation


def _rank_correlation(p: np.ndarray, q: np.ndarray) -> float | None:
    """Spearman's; None where it is not defined."""
    ranks = [pl.Series(x).rank("average").to_numpy() for x in (p, q)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1]) if len(p) > 2 and all(r.std() for r in ranks) else None


def _features(profiles: dict[str, dict[str, Any]], data: Dataset) -> list[dict[str, Any]]:
    columns = _columns(data)
    rows = []
    for name in sorted(profiles.keys() | columns.keys()):
        then = profiles.get(name)
        column, role = columns.get(name, (None, ""))
        before, now = (0.0 if then is None else then["coverage"]), (0.0 if column is None else coverage(column))
        if then is None:
            sentence = f"The column {name} is new: the model does not use it."
        elif column is None:
            sentence = f"The column {name} is gone: the model misses it."
        else:
            change = 100 * (now - before)
            word = (
                "as before"
                if abs(change) < 1
                else f"{abs(change):.0f} points {'more' if change > 0 else 'less'} than before"
            )
            sentence = f"{name} is filled in {now:.0%} of the rows, {word}."
        rows.append(_row(f"{name}/coverage", before, now, sentence))
        moved = shift(name, then, column, role) if then is not None and column is not None else None
        if moved:
            rows.append(_row(f"{name}/shift", 0, *moved))
    return rows


def _columns(data: Dataset) -> dict[str, tuple[pl.Series, str]]:
    """Every column that a model can use, as items.title or users.city, with its role; none that protects a group."""
    tables: tuple[tuple[str, Table], ...] = (("items", data.items), ("users", data.users))
    return {
        f"{name}.{column}": (table.frame[column], role)
        for name, table in tables
        for column, role in table.roles.items()
        if role not in ("ignore", "protected")
    }
