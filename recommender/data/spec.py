"""What ``dataset.yaml`` may say, and the tables that a source or folder hands to the gate."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from recommender.data.dataset import ROLES
from recommender.data.notes import Note, Repair
from recommender.data.protocols import Truth
from recommender.data.repairs import check_repairs
from recommender.data.threshold import PATTERN
from recommender.data.times import check_format
from recommender.errors import ConfigError, nearest

if TYPE_CHECKING:
    from recommender.data.findings import Findings

STANDARD = {
    "interactions": ("user_id", "item_id", "timestamp", "event", "weight"),
    "items": ("item_id", "available_from", "expires_at"),
    "users": ("user_id",),
}
KEYS = {"items": "item_id", "users": "user_id"}
TIME_COLUMNS = ("timestamp", "available_from", "expires_at", "as_of")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Features(_Strict):
    """Role of each feature column; a column that is not named has its role guessed."""

    items: dict[str, str] = {}
    users: dict[str, str] = {}

    @field_validator("items", "users")
    @classmethod
    def _known_roles(cls, roles: dict[str, str]) -> dict[str, str]:
        for column, role in roles.items():
            if role not in ROLES:
                raise ValueError(f"column '{column}' has the unknown role '{role}'{nearest(role, ROLES)}")
        return roles


class MatchSpec(_Strict):
    """A user column and an item column that speak one language."""

    user: str
    item: str


class Read(_Strict):
    """How text files are written, where that is not to be detected.

    null_values: texts that mean "no value", in every column. decimal: "," where 3,5 is a number.
    thousands: the mark between thousands, removed from numbers.
    """

    separator: str | None = None
    encoding: str | None = None
    null_values: list[str] = []
    decimal: str = "."
    thousands: str | None = None

    @field_validator("separator", "decimal", "thousands")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        if value is not None and (len(value) != 1 or not value.isascii() or value.isalnum()):
            raise ValueError(f"expected one mark such as ';' or ',', found {value[:20]!r}")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        try:
            "".encode(value or "utf-8")
        except LookupError:
            raise ValueError(f"unknown encoding {value!r}; such as utf-8, utf-16, latin-1, cp1252") from None
        return value


class Origin(_Strict):
    """Where a table comes from that no file of the folder holds: a query of a database, or another file or address.

    connection: an address such as postgresql://..., or $NAME of the environment variable that holds it.
    """

    sql: str | None = None
    connection: str | None = None
    file: str | None = None


class RelationSpec(_Strict):
    """The items are the users. symmetric: a link holds in both directions, from one time on."""

    symmetric: bool


class Threshold(_Strict):
    """Which interactions count as "took it": the kinds of event (None: all), and a bound of the weight (">= 4")."""

    event: list[str] | None = None
    weight: str | None = None

    @field_validator("event", mode="before")
    @classmethod
    def _texts(cls, events: object) -> object:
        return as_texts(events)

    @field_validator("weight")
    @classmethod
    def _readable(cls, weight: str | None) -> str | None:
        if weight is not None and not re.match(PATTERN, weight):
            raise ValueError(f"expected a bound such as '>= 4', found {weight[:40]!r}")
        return weight


class ProblemSpec(_Strict):
    """What the data are for, in the words of who has them; a report shows it instead of the scenario's."""

    what: str
    for_whom: str
    cost_of_error: str = ""


class Spec(_Strict):
    """The content of ``dataset.yaml``. Raises ConfigError (by ``parse``) naming the nearest valid name.

    columns: standard name -> name in the files, or table -> such a mapping where the names differ between tables.
    positive: the event kinds that count as "took it" (None: all), or a ``Threshold``. repairs: rule -> action, both
    from ``RULES``. times: column -> format (see ``times.py``). locations: table -> new column -> [latitude column,
    longitude column]. relation: the items are the users (``relation.py``). problem: what the data
    are for.
    """

    columns: dict[str, str | dict[str, str]] = {}
    features: Features = Features()
    match: list[MatchSpec] = []
    repairs: dict[str, str] = {}
    positive: list[str] | Threshold | None = None
    times: dict[str, str] = {}
    locations: dict[str, dict[str, list[str]]] = {}
    read: Read = Read()
    relation: RelationSpec | None = None
    problem: ProblemSpec | None = None
    interactions: Origin | None = None
    items: Origin | None = None
    users: Origin | None = None

    @field_validator("columns")
    @classmethod
    def _known_columns(cls, columns: dict[str, str | dict[str, str]]) -> dict[str, str | dict[str, str]]:
        for name, value in columns.items():
            inner = {name: value} if isinstance(value, str) else value
            valid: set[str] | tuple[str, ...] = {n for names in STANDARD.values() for n in names}
            if not isinstance(value, str):
                if name not in STANDARD:
                    raise ValueError(f"unknown table '{name}'{nearest(name, STANDARD)}")
                valid = STANDARD[name]
            for standard in inner:
                if standard not in valid:
                    raise ValueError(f"unknown standard column '{standard}'{nearest(standard, valid)}")
        return columns

    @field_validator("repairs")
    @classmethod
    def _known_repairs(cls, repairs: dict[str, str]) -> dict[str, str]:
        try:
            check_repairs(repairs)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return repairs

    @field_validator("positive", mode="before")
    @classmethod
    def _some_event(cls, positive: object) -> object:
        if positive == []:
            raise ValueError("names no event, so nothing would count as taken; name some, or leave the key out")
        return as_texts(positive)

    @field_validator("times")
    @classmethod
    def _known_formats(cls, times: dict[str, str]) -> dict[str, str]:
        for column, form in times.items():
            if column not in TIME_COLUMNS:
                raise ValueError(f"unknown time column '{column}'{nearest(column, TIME_COLUMNS)}")
            if (fault := check_format(form)) is not None:
                raise ValueError(f"'{column}': {fault}")
        return times

    @field_validator("locations")
    @classmethod
    def _pairs(cls, locations: dict[str, dict[str, list[str]]]) -> dict[str, dict[str, list[str]]]:
        for table, places in locations.items():
            if table not in KEYS:
                raise ValueError(f"unknown table '{table}'{nearest(table, KEYS)}")
            for column, pair in places.items():
                if len(pair) != 2:
                    raise ValueError(f"'{column}': expected [latitude column, longitude column]")
        return locations

    @classmethod
    def parse(cls, tree: Mapping[str, Any] | None, where: str = "dataset.yaml") -> Spec:
        """A Spec from plain YAML values; ``where`` names the file in the error."""
        try:
            return cls.model_validate(dict(tree or {}))
        except ValidationError as error:
            faults = error.errors()
            more = [f"{where}: and {len(faults) - 20:,} more"] * (len(faults) > 20)
            raise ConfigError("\n".join([*(f"{where}: {_explain(e)}" for e in faults[:20]), *more])) from None

    def names(self, table: str) -> dict[str, str]:
        """standard name -> name in the file of ``table``, where they differ; a table's own entry counts first."""
        common = {s: name for s, name in self.columns.items() if isinstance(name, str) and s in STANDARD[table]}
        special = self.columns.get(table, {})
        special = special if isinstance(special, dict) else {}
        return {s: name for s, name in {**common, **special}.items() if s != name}


class Elsewhere(Protocol):
    """Interactions that are read and checked on other machines."""

    def __call__(self, findings: Findings, spec: Spec, items: pl.Series, positive: Threshold) -> pl.DataFrame:
        """The checked interactions in standard columns, sorted by time; what is wrong goes to ``findings``.
        items: ids of the items. positive: what counts as taken."""


@dataclass
class Tables:
    """Raw tables as a source or folder hands them over: own column names, nothing checked yet.

    interactions may have no columns at all (day zero); users is None where no such table exists.
    repairs are those that the loader itself made, notes what it has to tell. place: table -> words for where a row
    (from 1) stands, such as "line 7". repairable: False where nobody can name a repair (rows given to a model).
    elsewhere: checks the interactions where they lie; ``interactions`` then holds a few, for their columns.
    """

    name: str
    interactions: pl.DataFrame
    items: pl.DataFrame
    users: pl.DataFrame | None = None
    spec: Spec = field(default_factory=Spec)
    repairs: list[Repair] = field(default_factory=list)
    truth: Callable[[], Truth] | None = None  # of simulated data
    notes: list[Note] = field(default_factory=list)
    place: dict[str, Callable[[int], str]] = field(default_factory=dict)
    repairable: bool = True
    blocks: pl.DataFrame | None = None  # with ``relation`` only, as contacts: see ``relation.py``
    contacts: pl.DataFrame | None = None
    elsewhere: Elsewhere | None = None


def as_texts(values: object) -> object:
    """Numbers and booleans of a list as their text, as event kinds are; anything else as it is."""
    if not isinstance(values, list):
        return values
    return [str(v).lower() if isinstance(v, bool) else str(v) if isinstance(v, int | float) else v for v in values]


def _explain(error: Any) -> str:
    parts = [str(part) for part in error["loc"] if part not in ("list[str]", "str", "Threshold", "dict[str,str]")]
    where = ".".join(parts)[:120]
    if error["type"] != "extra_forbidden":
        message = str(error["msg"]).removeprefix("Value error, ")
        shown = repr(error["input"]) if not isinstance(error["input"], dict | list) else type(error["input"]).__name__
        shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
        return f"'{where}': {message}" if error["type"] == "value_error" else f"'{where}': {message} ({shown})"
    models: dict[str, type[BaseModel]] = {"features": Features, "match": MatchSpec, "read": Read, "positive": Threshold}
    models |= {"relation": RelationSpec}
    models |= dict.fromkeys(STANDARD, Origin)
    beside = Spec if len(parts) == 1 else models.get(parts[0], Spec)
    return f"unknown key '{where}'{nearest(parts[-1][:80], beside.model_fields)}"
