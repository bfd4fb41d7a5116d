"""Errors that a user can cause, and the checks of names and parameters that raise them.

Programs turn each into one message and exit code 2.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

Built = TypeVar("Built")


class UserError(Exception):
    """Something a user can mend: the message says what, where, how many, examples, and what to do."""


class ConfigError(UserError):
    """Configuration: an unknown key, name or value."""


class TrackingError(Exception):
    """The tracking server failed; results on disk are kept (exit code 3)."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with one table."""

    table: str
    column: str | None
    rule: str  # short name; where a repair exists, its key in ``repairs``
    count: int  # rows; 0: it is not about rows
    examples: tuple[str, ...]
    advice: str

    def __str__(self) -> str:
        where = f"{self.table}.{self.column}" if self.column else self.table
        shown = f" (e.g. {', '.join(self.examples[:3])})" if self.examples else ""
        rows = f", {self.count:,} row{'s' * (self.count != 1)}" if self.count else ""
        return f"{where}: {self.rule}{rows}{shown}. {self.advice}"


class DataError(UserError):
    """Data that breaks the contract. Carries *all* problems found, not the first."""

    def __init__(self, problems: Sequence[Problem] | str) -> None:
        self.problems = () if isinstance(problems, str) else tuple(problems)
        super().__init__(problems if isinstance(problems, str) else "\n".join(map(str, self.problems)))


def nearest(name: str, valid: Iterable[str]) -> str:
    """``"; did you mean 'jobs'? Valid: catalog, jobs, ugc"`` for an error about an unknown name.

    Names that differ only in case, blanks, '-' and '_' come first; at most 30 are listed.
    """
    names = sorted(valid)
    same = [other for other in names if tidy(other) == tidy(name) and tidy(name)]
    close = same or difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; did you mean {_visible(close[0])}?" if close else "."
    shown = ", ".join(other[:60] for other in names[:30])
    return f"{hint} Valid: {shown}" + (f" and {len(names) - 30:,} more" if len(names) > 30 else "")


def _visible(name: str) -> str:
    return f"'{name}'" if name.isprintable() else repr(name)


def tidy(name: str) -> str:
    """A name without case, blanks and marks: "Item-ID " -> "itemid"."""
    return re.sub(r"[\W_]+", "", name).lower()


def construct(
    where: str,
    kind: str,
    builders: Mapping[str, Callable[..., Built]],
    name: str,
    params: Mapping[str, Any],
    defaults: Mapping[str, Any] | None = None,
    given: Mapping[str, Any] | None = None,
) -> Built:
    """``builders[name]`` called with parameters that a user wrote, all checked first.

    where: what messages begin with. kind: what ``builders`` hold, for messages. defaults: values that ``params`` may
    replace; given: values that they may not. Of both only what the builder takes is passed on.
    Raises ConfigError for an unknown name or parameter, a value of the wrong type, a parameter that is missing, and
    whatever the builder refuses by a ValueError or TypeError.
    """
    build = chosen(where, kind, builders, name)
    valid = inspect.signature(build).parameters
    passed = {key: value for key, value in (given or {}).items() if key in valid}
    params = check_parameters(where, build, name, params, given=passed)
    settable = [key for key in valid if key not in passed]
    if missing := [key for key in settable if valid[key].default is inspect.Parameter.empty and key not in params]:
        raise ConfigError(f"{where}: {name} needs the parameter '{missing[0]}'.")
    passed |= {key: value for key, value in (defaults or {}).items() if key in valid}
    try:
        return build(**{**passed, **params})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from None


def chosen(where: str, kind: str, builders: Mapping[str, Built], name: str) -> Built:
    """The entry of this name. Raises ConfigError, naming the nearest, where there is none."""
    if name not in builders:
        raise ConfigError(f"{where}: unknown {kind} '{name}'{nearest(name, builders)}")
    return builders[name]


def check_parameters(
    where: str, build: Callable[..., Any], name: str, params: Mapping[str, Any], given: Iterable[str] = ()
) -> dict[str, Any]:
    """The parameters, text that denotes a number (YAML reads 1e9 as text) as that number. Raises ConfigError for a
    parameter that ``build`` does not have, or a value that is not of its type."""
    typed = dict(params)
    valid = {k: p for k, p in inspect.signature(build, eval_str=True).parameters.items() if k not in set(given)}
    for key, value in params.items():
        if key not in valid:
            raise ConfigError(f"{where}: {name} has no parameter '{key}'{nearest(key, valid)}")
        try:
            read = TypeAdapter(valid[key].annotation).validate_python(value)
        except ValidationError as error:
            raise ConfigError(f"{where}: parameter {key}={value!r} of {name}: {error.errors()[0]['msg']}.") from None
        typed[key] = read if isinstance(value, str) else value
    return typed
