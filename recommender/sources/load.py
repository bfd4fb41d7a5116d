"""One word for where data comes from: a source's name, else the path of a dataset folder."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from recommender.data.dataset import Dataset
from recommender.data.folder import read_folder
from recommender.data.gate import Tables, build
from recommender.errors import ConfigError, nearest
from recommender.simulate import truth_files
from recommender.sources import SOURCES

log = logging.getLogger(__name__)

ON_ENGINE = ("table", "delta", "iceberg", "parquet")  # kinds of addresses whose tables an engine reads


def load(
    data: str,
    *,
    raw_dir: Path | None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    repairs: Mapping[str, str] | None = None,
    positive: Sequence[str] | None = None,
    require_interactions: bool = True,
    event_weights: Mapping[str, float] | None = None,
) -> Dataset:
    """The checked Dataset of a source (a key of SOURCES) or of a dataset folder.

    raw_dir: where the public data sets lie. options: source name -> its keyword arguments.
    repairs, positive, require_interactions: see ``gate.build``. event_weights: event -> worth, see
    ``feedback.py``; a kind of event that the data do not have weighs nothing, and is logged.
    Raises ConfigError for an unknown name, repair or option, DataError for what is wrong with the data.
    """
    dataset = build(
        read_tables(data, raw_dir=raw_dir, options=options),
        extra_repairs=repairs,
        positive=positive,
        require_interactions=require_interactions,
    )
    return weighed(dataset, event_weights or {})


def weighed(data: Dataset, weights: Mapping[str, float]) -> Dataset:
    """The data with what an event of each kind is worth to models."""
    tables = [rows for rows in (data.interactions, data.signals) if rows.width]
    there = {event for rows in tables for event in rows["event"].unique()}
    if absent := [event for event in weights if event not in there]:
        log.warning("event_weights of events that the data does not have: %s", ", ".join(absent))
    return replace(data, event_weights={e: w for e, w in weights.items() if e in there})


def read_tables(data: str, *, raw_dir: Path | None, options: Mapping[str, Mapping[str, Any]] | None = None) -> Tables:
    """The tables that ``load`` reads, before the gate."""
    if data in SOURCES:
        return SOURCES[data](raw_dir, **_checked_options(data, (options or {}).get(data, {})))
    folder = Path(data).expanduser()
    if not folder.is_dir():
        if data.partition(":")[0] in ON_ENGINE:
            raise ConfigError(f"{data}: only an engine reads such tables. Name one: ENGINE=sc://host:port.")
        hint = nearest(data, SOURCES)
        raise ConfigError(f"Unknown data '{data}'{hint}. The path of a dataset folder is accepted too; none is there.")
    tables, truth = read_folder(folder), folder / "truth"
    if (truth / truth_files.KNOBS).is_file():  # a simulated set brings what made it
        return replace(tables, truth=partial(truth_files.read, truth))
    return tables


def _checked_options(source: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    parameters = list(inspect.signature(SOURCES[source]).parameters.values())[1:]
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return options  # the source checks them itself
    for name in options:
        valid = [p.name for p in parameters]
        if name not in valid:
            raise ConfigError(f"Source '{source}' has no option '{name}'{nearest(name, valid)}")
    return options
