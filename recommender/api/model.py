"""Models: one fitted rung, or the router that a train ships; asked, saved and loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from recommender.api.frames import PLAIN, Frame, ScenarioLike, scenario
from recommender.config import Scenario, Slots
from recommender.data.dataset import Dataset
from recommender.data.gate import to_polars
from recommender.data.ids import as_column
from recommender.experiment.out_folder import finished
from recommender.serving import persistence
from recommender.serving.bundle import Bundle, serve

RungLike = str | Mapping[str, Any]  # a name, or an entry of a ladder as in YAML: {name, recommender, params}


@dataclass(frozen=True)
class Model:
    """A fitted recommender with the data that it knows. Made by ``fit``, ``load_model`` and ``Run.model``."""

    bundle: Bundle

    @property
    def routes(self) -> dict[str, str]:
        """Group of users (by their number of interactions) -> the rung that serves them."""
        return dict(self.bundle.router.routes)

    def recommend(
        self,
        users: Frame | Sequence[str] | Sequence[int],
        k: int = 10,
        *,
        candidates: Sequence[str] | Sequence[int] | pl.Series | None = None,
        new_items: Frame | None = None,
        new_users: Frame | None = None,
        new_interactions: Frame | None = None,
    ) -> pl.DataFrame:
        """The k best items for each user, known or not, from the model as fitted.

        Args:
            users: ids, or a frame with user_id and optionally as_of (UTC: the history and what is available then).
            k: length of the lists, at least 1.
            candidates: item ids that may be shown. None: all that are available.
            new_items: rows of items that the model has not seen, in the columns of its data.
            new_users: rows of users likewise.
            new_interactions: rows of interactions likewise; they become part of the histories.

        Returns:
            user_id, rank (1 = best), item_id, score (null where the list was completed), source (the rung, or what
            else put the item there). Ids are as in the data. Fewer than k rows where fewer items are eligible.

        Raises:
            DataError: rows or ids that cannot be read.
            ValueError: k below 1.

        Example:
            >>> model.recommend(["u7", "a stranger"], k=5)  # doctest: +SKIP
        """
        if k < 1:
            raise ValueError(f"k={k}: a list holds at least one item.")
        added = {"items": new_items, "users": new_users, "interactions": new_interactions}
        frames: dict[str, Any] = {table: None if f is None else to_polars(table, f) for table, f in added.items()}
        shown = None if candidates is None else as_column("item_id", candidates)
        return serve(self.bundle, _queries(users), k, candidates=shown, **frames)

    def save(self, folder: str | Path) -> None:
        """Writes the model to a new folder, whole or not at all; no pickle. ``load_model`` reads it.

        Args:
            folder: must be absent or empty.

        Raises:
            UserError: the folder is in use.
        """
        persistence.save(self.bundle, Path(folder))


def fit(data: Dataset, rung: RungLike, *, scenario: ScenarioLike | None = None, **params: Any) -> Model:
    """Fits one rung on all of the data, to serve everyone.

    Args:
        data: from ``dataset`` or ``load_data``.
        rung: a recommender (``"popularity"``, ``"content"``, ``"als"`` ...), a rung of the scenario's ladder by its
            name, or an entry as in a ladder: ``{"name": "als-32", "recommender": "als", "params": {"factors": 32}}``.
        scenario: whose rules (expiry, repeats, reach ...), seed and threads apply. None: the defaults.
        params: parameters of the recommender, on top of those of the rung.

    Returns:
        The fitted Model.

    Raises:
        ConfigError: an unknown recommender, parameter or value, or a rung that needs what the data do not have.
        DataError: too little data for this rung.

    Example:
        >>> model = recommender.fit(data, "als", factors=32, iterations=10)  # doctest: +SKIP
    """
    from recommender.api import flow  # with all that trains, which a model that is only asked does not need
    from recommender.evaluation.effort import EffortLog
    from recommender.experiment import requirements, rungs
    from recommender.experiment.decision import Decision

    chosen = only(_scenario(PLAIN if scenario is None else scenario), [rung], params)
    flow.check(chosen)
    chosen, _ = requirements.supported(chosen, data)
    entry = chosen.ladder[0]
    allowed, lacking = rungs.options(entry, chosen, data)
    rungs.can_serve({entry.name: allowed}, {entry.name: lacking}, chosen)
    decision = Decision.for_everyone(entry.name, allowed[0])
    return Model(flow.serving_bundle(data, decision, chosen, EffortLog(), lambda _: None))


def load_model(model: str | Path) -> Model:
    """A model that a train shipped or that ``Model.save`` wrote.

    Args:
        model: the run folder of a train, the folder of a saved model, or ``models:/<name>@champion`` of the tracking
            server (``MLFLOW_TRACKING_URI``).

    Returns:
        The Model, ready to be asked.

    Raises:
        UserError: no such model, or a damaged one.
        TrackingError: the tracking server fails.

    Example:
        >>> model = recommender.load_model("artifacts/latest")  # doctest: +SKIP
    """
    if str(model).startswith("models:/"):
        from recommender.tracking.registry import model_folder

        return Model(persistence.load(model_folder(str(model))))
    folder = Path(model)
    return Model(persistence.load(folder if persistence.holds(folder) else finished(folder) / "model"))


def only(given: Scenario, wanted: Sequence[RungLike], params: Mapping[str, Any] | None = None) -> Scenario:
    """The scenario with these rungs as its ladder and nothing that re-orders their lists."""
    ladder_ = {rung.name: rung.model_dump() for rung in given.ladder}
    entries = [
        ladder_.get(rung, {"name": rung, "recommender": rung}) if isinstance(rung, str) else dict(rung)
        for rung in wanted
    ]
    if params:
        entries = [{**entry, "params": {**entry.get("params", {}), **params}, "candidates": []} for entry in entries]
    plain = given.model_copy(update={"slots": Slots(), "rerank": []})
    return _scenario(
        {**plain.model_dump(mode="json"), "ladder": [{"name": e.get("recommender"), **e} for e in entries]}
    )


def _queries(users: Any) -> pl.DataFrame:
    """A frame as it is, and ids (a list, an array, a column) as the frame's column user_id."""
    ids = isinstance(users, pl.Series) or not (hasattr(users, "columns") or hasattr(users, "__arrow_c_stream__"))
    return as_column("user_id", users).to_frame() if ids else to_polars("queries", users)


_scenario = scenario  # where a parameter has the name
