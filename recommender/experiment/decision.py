"""The decision: who gets which rung, on what evidence. Made on validation, complete before the test; decision.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from recommender.config import DecisionRule, Slots
from recommender.experiment.blends import Blend
from recommender.experiment.climb import Choice
from recommender.experiment.slots import SlotEvidence
from recommender.files import write_json
from recommender.names import IN_SESSION, RETURNING, USER_BUCKETS, WITH_HISTORY

FILE = "decision.json"


@dataclass(frozen=True)
class Decision:
    """What validation decided for one scenario and data set; without choices, nothing was decided.

    Segments of queries are ``<bucket>`` (in a visit) and ``<bucket>_returning``; groups of users are ``0``,
    ``with_history`` and ``with_history_returning``, behind which the segments of their buckets stand.
    """

    metric: str = DecisionRule().metric
    alpha: float = DecisionRule().alpha
    min_gain: float = DecisionRule().min_gain
    decided_on: Sequence[str] = ()  # validation origins
    choices: Mapping[str, Choice] = field(default_factory=dict)  # by segment, and by group with history
    may_blend: bool = False  # whether a second rung was looked for
    blends: Mapping[str, Blend] = field(default_factory=dict)  # by group: the second rung, where one pays
    slots: Slots = field(default_factory=Slots)  # ``n`` is a number
    slot_evidence: Sequence[SlotEvidence] = ()  # where validation sized them
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # rung -> its setting
    skipped: Mapping[str, str] = field(default_factory=dict)  # rungs and parts that could not take part, with reasons
    sentences: Sequence[str] = ()

    @classmethod
    def for_everyone(cls, rung: str, parameters: Mapping[str, Any]) -> Self:
        """One rung for all users, without evidence."""
        choices = dict.fromkeys((WITH_HISTORY, *USER_BUCKETS), Choice(rung))
        return cls(choices=choices, parameters={rung: parameters})

    @property
    def routes(self) -> dict[str, str]:
        """Segment -> the rung that serves it."""
        return {s: choice.rung for s, choice in self.choices.items() if not s.startswith(WITH_HISTORY)}

    @property
    def blended(self) -> dict[str, str]:
        """Segment -> the rung whose lists are blended in, for segments with one."""
        return {s: self.blends[g].rung for s in _SEGMENTS if (g := _group(s)) in self.blends}

    @property
    def served(self) -> list[str]:
        """Rungs that the router is made of, each once: they serve, are blended in or choose new items."""
        second = (blend.rung for blend in self.blends.values())
        return list(dict.fromkeys([*self.routes.values(), *second, *([self.slots.rung] if self.slots.n else [])]))

    def shipped(self, blends: bool = True) -> dict[str, tuple[Choice, Blend | None]]:
        """Segment -> the choice that serves it and, where another rung is blended in, that blend; in order of buckets.

        A bucket has one entry where users within a visit and users who return get the same rungs: the choice with more
        queries behind it. Else it has two, ``<bucket>_in_session`` and ``<bucket>_returning``. blends: whether a
        difference in blends alone makes two entries.
        """
        shown: dict[str, tuple[Choice, Blend | None]] = {}
        for bucket in (b for b in USER_BUCKETS if b in self.choices):
            here = self._entry(bucket)
            there = self._entry(bucket + RETURNING) if bucket + RETURNING in self.choices else here
            if _rungs(here, blends) == _rungs(there, blends):
                shown[bucket] = max(here, there, key=lambda entry: entry[0].n_queries)
            else:
                shown |= {bucket + IN_SESSION: here, bucket + RETURNING: there}
        return shown

    def uses(self, rung: str) -> list[str]:
        """What a rung is shipped for: segments and groups (on return only where that differs), blends, new items."""
        here = {s: c.rung for s, c in self.choices.items() if not s.endswith(RETURNING)}
        back = {s: c.rung for s, c in self.choices.items() if s.endswith(RETURNING)}
        return [
            *(s for s, chosen in here.items() if chosen == rung),
            *(s for s, chosen in back.items() if chosen == rung and here.get(s.removesuffix(RETURNING)) != rung),
            *(f"{group} (blended in)" for group, blend in self.blends.items() if blend.rung == rung),
            *(["new items"] if self.slots.n and self.slots.rung == rung else []),
        ]

    def _entry(self, segment: str) -> tuple[Choice, Blend | None]:
        choice, blend = self.choices[segment], self.blends.get(_group(segment))
        return choice, None if blend is None or blend.rung == choice.rung else blend

    def tree(self) -> dict[str, Any]:
        """The content of decision.json: names that other tools rely on."""
        returning = {s: c for s, c in self.choices.items() if s.endswith(RETURNING)}
        return {
            "metric": self.metric,
            "alpha": self.alpha,
            "min_gain": self.min_gain,
            "decided_on": list(self.decided_on),
            "buckets": {s: asdict(c) for s, c in self.choices.items() if s not in returning},
            "returning": {s.removesuffix(RETURNING): asdict(c) for s, c in returning.items()},
            **({"blends": {group: asdict(b) for group, b in self.blends.items()}} if self.may_blend else {}),
            "slots": {**self.slots.model_dump(), "evidence": [asdict(e) for e in self.slot_evidence]},
            "parameters": self.parameters,
            "skipped": self.skipped,
            "sentences": list(self.sentences),
        }

    def write(self, folder: Path) -> None:
        write_json(folder / FILE, self.tree())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The decision of a run's folder; one without choices where the run decided nothing."""
        path = folder / FILE
        return cls.from_tree(json.loads(path.read_text())) if path.exists() else cls()

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Self:
        slots = dict(tree.get("slots", {}))
        evidence = slots.pop("evidence", [])
        returning = {s + RETURNING: c for s, c in tree.get("returning", {}).items()}
        return cls(
            **{name: tree[name] for name in _PLAIN if name in tree},
            choices={s: Choice(**c) for s, c in {**tree.get("buckets", {}), **returning}.items()},
            may_blend="blends" in tree,
            blends={group: Blend(**b) for group, b in tree.get("blends", {}).items()},
            slots=Slots.model_validate(slots),
            slot_evidence=[SlotEvidence(**e) for e in evidence],
            skipped=tree.get("skipped", {}),
        )


_PLAIN = ("metric", "alpha", "min_gain", "decided_on", "parameters", "sentences")  # stand in the file as they are
_SEGMENTS = (USER_BUCKETS[0], *(bucket + visit for visit in ("", RETURNING) for bucket in USER_BUCKETS[1:]))


def _group(segment: str) -> str:
    """The group of users that a segment belongs to."""
    if segment.startswith(USER_BUCKETS[0]):
        return USER_BUCKETS[0]
    return WITH_HISTORY + (RETURNING if segment.endswith(RETURNING) else "")


def _rungs(entry: tuple[Choice, Blend | None], blends: bool) -> tuple[str, str | None]:
    choice, blend = entry
    return choice.rung, blend.rung if blend and blends else None
