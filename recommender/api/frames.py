"""From frames, files and plain values to what the library works on: a Dataset, a Scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import polars as pl

from recommender import config
from recommender.config import Scenario, files
from recommender.config.files import Overrides
from recommender.data.dataset import Dataset
from recommender.data.gate import from_frames
from recommender.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd


class ArrowStream(Protocol):
    """Any frame of the Arrow PyCapsule interface: a pyarrow Table, a DuckDB relation, and others."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


Frame: TypeAlias = "pd.DataFrame | pl.DataFrame | pl.LazyFrame | ArrowStream"
ScenarioLike = str | Path | Mapping[str, Any] | Scenario

# A scenario for who states none: default rules, and a problem that no report shows.
PLAIN: Mapping[str, Any] = {
    "name": "frames",
    "problem": {"what": "Recommend items.", "for_whom": "All users.", "target": 0.0, "cost_of_error": "Not stated."},
    "ladder": [{"name": "popularity", "recommender": "popularity"}],
}


def scenario(given: ScenarioLike, overrides: Overrides = ()) -> Scenario:
    """A scenario: split, rules, ladder, decision, and how data are read.

    Args:
        given: the name of a shipped one (``"jobs"``), the path of a YAML file, plain values as in such a file, or a
            Scenario.
        overrides: keys to change: ``{"split.test": 0.9, "ladder.als.params.factors": 32}``, or ``["split.test=0.9"]``.

    Returns:
        The checked Scenario.

    Raises:
        ConfigError: an unknown name, key or value, with the nearest valid one.

    Example:
        >>> import recommender
        >>> recommender.scenario("jobs", {"split.test": 0.9}).split.test
        0.9
    """
    if isinstance(given, Scenario):
        return config.parse(given.model_dump(mode="json"), overrides) if overrides else given
    return config.parse(given, overrides) if isinstance(given, Mapping) else config.load(given, overrides)


def dataset(
    interactions: Frame | None,
    items: Frame | None = None,
    users: Frame | None = None,
    *,
    relation: Mapping[str, bool] | None = None,
    blocks: Frame | None = None,
    contacts: Frame | None = None,
    columns: Mapping[str, str] | None = None,
    features: Mapping[str, Mapping[str, str]] | None = None,
    match: Sequence[Mapping[str, str]] = (),
    repairs: Mapping[str, str] | None = None,
    positive: Sequence[str] | None = None,
    scenario: ScenarioLike | None = None,
    name: str = "frames",
) -> Dataset:
    """A Dataset from frames, through the same checks as a dataset folder.

    Frames are pandas, polars or Arrow tables, or DuckDB relations.

    Args:
        interactions: user_id, item_id, timestamp (UTC), optionally event and weight. None: day zero.
        items: item_id, optionally available_from and expires_at, and feature columns. None: the items that the
            interactions name, without features.
        users: user_id and feature columns.
        relation: the items are the users, as for people you may know: ``{"symmetric": True}`` for links of two,
            ``{"symmetric": False}`` where one follows another.
        blocks: with ``relation``: user_id, item_id of who blocks whom.
        contacts: with ``relation``: user_id and contact_key, a hash of each entry of an address book.
        columns: standard name -> name in the frames, such as ``{"user_id": "Applicant"}``.
        features: ``{"items": {"title": "text"}, "users": {"city": "category"}}``; the role of a column that is not
            named is guessed from its name, type and values, and logged. ``data.items.roles`` shows all of them.
        match: pairs of columns that speak one language: ``[{"user": "wanted", "item": "title"}]``.
        repairs: rule -> action, such as ``{"duplicates": "keep_first"}``. No row is changed that no repair names.
        positive: kinds of event that count as "took it". None: all.
        scenario: its repairs, positive events and event weights apply too.
        name: in tables, reports and the names of folders.

    Returns:
        The checked Dataset. Its ids are those of the frames: integers stay integers, strings strings.

    Raises:
        DataError: everything that is wrong, at once, with table, column, count, examples and what to do.
        ConfigError: an unknown key, role or repair.

    Example:
        >>> import polars as pl, recommender
        >>> taken = pl.DataFrame({"user_id": [1, 2], "item_id": ["a", "b"], "timestamp": ["2026-01-01", "2026-01-02"]})
        >>> len(recommender.dataset(taken, pl.DataFrame({"item_id": ["a", "b", "c"]})).items)
        3
    """
    from recommender.sources.load import weighed  # with every source, which a model that is only asked does not need

    spec: dict[str, Any] = {"columns": columns, "features": features, "match": list(match), "repairs": repairs}
    spec |= {"positive": positive, "relation": relation}
    if relation is None and (blocks is not None or contacts is not None):
        raise ConfigError("blocks and contacts belong to data whose items are the users: relation={'symmetric': True}.")
    stated = {} if scenario is None else config.loading(_scenario(scenario))
    data = from_frames(
        interactions,
        items,
        users,
        {key: value for key, value in spec.items() if value},
        name,
        blocks=blocks,
        contacts=contacts,
        extra_repairs=stated.get("repairs"),
        positive=None if positive else stated.get("positive"),
        require_interactions=interactions is not None and stated.get("require_interactions", True),
    )
    return weighed(data, stated.get("event_weights", {}))


def load_data(data: str | Path, *, scenario: ScenarioLike | None = None, raw_dir: str | Path | None = None) -> Dataset:
    """A Dataset from a source or a dataset folder.

    Args:
        data: the name of a source (``"ml-100k"``, ``"simulated"``), or the path of a dataset folder.
        scenario: its options, repairs, positive events and event weights apply.
        raw_dir: folder of public data sets. None: ``RECOMMENDER_RAW_DIR``, else ``../shared/data``, else ``./data``.

    Returns:
        The checked Dataset.

    Raises:
        DataError: everything that is wrong with the data, at once.
        ConfigError: an unknown source, option or repair.

    Example:
        >>> import recommender
        >>> data = recommender.load_data("simulated", scenario="jobs")  # doctest: +SKIP
    """
    from recommender.sources.load import load

    stated = {} if scenario is None else config.loading(_scenario(scenario))
    return load(str(data), raw_dir=Path(raw_dir) if raw_dir else files.raw_dir(), **stated)


_scenario = scenario  # where a parameter has the name
