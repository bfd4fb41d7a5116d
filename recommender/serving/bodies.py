"""What the bodies of requests to ``make serve`` hold; whatever else they hold is refused in one sentence."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, ValidationError

from recommender.errors import DataError, nearest
from recommender.serving.request import DEFAULT_K, MOST_ID_BYTES, MOST_K, MOST_USERS

Id = Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)] | Annotated[StrictStr, Field(max_length=MOST_ID_BYTES)]
Label = Annotated[StrictStr, Field(max_length=100)]
Ids = Annotated[list[Id], Field(max_length=10_000)]
MOST_EVENTS = 1_000
MOST_NEW_ROWS = 1_000
Parsed = TypeVar("Parsed", bound=BaseModel)


class Body(BaseModel):
    """A part of a request; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


class Recommend(Body):
    """Lists for one user or several. as_of: the history and what is available then; by default the latest time that
    the server knows of. candidates: show nothing else. exclude: never show these.
    explain: with a sentence for each item, why it is there."""

    user: Id | None = None
    users: Annotated[list[Id], Field(min_length=1, max_length=MOST_USERS)] | None = None
    k: Annotated[StrictInt, Field(ge=1, le=MOST_K)] = DEFAULT_K
    as_of: StrictInt | StrictStr | None = None
    candidates: Annotated[Ids, Field(min_length=1)] | None = None
    exclude: Ids | None = None
    variant: Label = ""
    surface: Label = ""
    explain: StrictBool = False


class Event(Body):
    """What a user did with an item. event: ``impression`` where they saw it, else a kind of event of the data.
    timestamp: UTC; by default now. list_id: of the answer that showed the item."""

    user_id: Id
    item_id: Id
    event: Annotated[StrictStr, Field(min_length=1, max_length=100)]
    timestamp: StrictInt | StrictStr | None = None
    list_id: Label | None = None


class Events(Body):
    """items, users: rows that the model has not seen, in the columns of its data; they replace rows of the same id."""

    events: Annotated[list[Event], Field(max_length=MOST_EVENTS)] = []
    items: Annotated[list[dict[str, Any]], Field(max_length=MOST_NEW_ROWS)] = []
    users: Annotated[list[dict[str, Any]], Field(max_length=MOST_NEW_ROWS)] = []


def parsed(kind: type[Parsed], body: bytes) -> Parsed:
    """Raises DataError with one sentence, which names the place of the first fault and never repeats the body."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        # Of a value of two types the one with the longest way fits best, such as user.int against user.str.
        first = faults[0]
        where = ".".join(str(part) for part in first["loc"] if not str(part).startswith(("constrained", "function")))
        unknown = first["type"] == "extra_forbidden" and len(first["loc"]) == 1  # a key of the request itself
        fault = f"no such key{nearest(where, kind.model_fields)}" if unknown else first["msg"]
        raise DataError(f"{where or 'The body'}: {fault}. See /docs for what a request holds.") from None
