"""The service behind ``make serve``: one model in use, events since, and the log; requests are answered in batches."""

from __future__ import annotations

import logging
import queue
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recommender.data.dataset import NO_TIME
from recommender.errors import DataError
from recommender.files import write_json
from recommender.serving import log as service_log
from recommender.serving.bodies import Events, Id, Recommend
from recommender.serving.bundle import Bundle, queries_of
from recommender.serving.explain import item_row
from recommender.serving.in_use import InUse, ServedList
from recommender.serving.known import Known
from recommender.serving.live import LiveKnown, Recent, counts_as_take, shown_column
from recommender.serving.log_writer import LogWriter
from recommender.serving.new_rows import extended
from recommender.serving.new_rows_file import saved_rows
from recommender.serving.related import related
from recommender.serving.request import check_size, query_frame
from recommender.serving.values import as_frame, as_times, check_ids, stamps_of
from recommender.serving.variants import CANDIDATE, CHAMPION, VariantSplit, interleaved

log = logging.getLogger(__name__)
Load = Callable[[], tuple[Bundle, str]]  # gives a model and its version
MOST_TOGETHER = 64  # requests that are answered as one batch
MOST_EXPLAINED = 100  # places of one request: each costs tens of scores
MOST_WAITING = 1_000  # requests that wait; with more, the server says that it is busy


class Busy(Exception):
    """Too many requests wait."""


@dataclass(frozen=True)
class Answers:
    """version: of the champion."""

    request_id: str
    version: str
    lists: list[ServedList]


class Service:
    """Thread-safe. load: gives the model to serve and its version; candidate: another one, tested beside it as
    ``split`` says. Close it, so that the log is complete."""

    def __init__(
        self, load: Load, folder: Path, *, pseudonymous: bool = True, candidate: Load | None = None,
        split: VariantSplit | None = None,
    ) -> None:  # fmt: skip
        self.split, self.candidate = split or VariantSplit(), None
        self.writer = LogWriter(folder, pseudonymous=pseudonymous)
        self.recent = Recent()
        self._changing = threading.Lock()  # held by whoever replaces ``used``
        self._waiting: queue.Queue[tuple[Recommend, Future[Answers]] | None] = queue.Queue(MOST_WAITING)
        try:
            self.swap(*load())
            if candidate is not None:
                self.swap(*candidate(), CANDIDATE)
            takes = counts_as_take(self.used.known.data)
            self.recent.replay(service_log.read_log(folder), takes, shown=self._discounts)
        except BaseException:
            self.writer.close()
            raise
        self._worker = threading.Thread(target=self._work, name="lists", daemon=True)
        self._worker.start()

    def swap(self, bundle: Bundle, version: str, variant: str = CHAMPION) -> None:
        """Serves another model from the next batch on; it answers once before, so that no request waits for it."""
        with self._changing:
            known = bundle.known
            for items, users in saved_rows(self.writer.folder, bundle.data, version):
                known = Known.of(extended(known.dataset(), items, users, None))
            used = self._prepared(bundle, known, version)
            stranger = queries_of(used.ids([-1 if _integer(used) else "a new user"]), np.array([NO_TIME]), used.known)
            used.route(stranger, used.candidates, 1)
            if variant == CHAMPION:
                self.used = used
            else:
                self.candidate = used

    def ask(self, request: Recommend) -> Future[Answers]:
        """Raises Busy where too many wait, DataError for ids or times that the model cannot have."""
        self._check(request)
        future: Future[Answers] = Future()
        try:
            self._waiting.put_nowait((request, future))
        except queue.Full:
            raise Busy from None
        return future

    def related(self, item_id: Id, k: int) -> tuple[str, list[ServedList]]:
        """The version of the model, and the items most related to one as a list of nobody, which is not logged.

        Raises DataError for an unknown item.
        """
        used = self.used
        items = used.known.data.items
        at = used.known.latest()
        near = related(used.bundle.router, used.candidates, used.known.data.users, item_row(items, item_id), k, at)
        scores = [None if s != s else s for s in near.score.tolist()]
        shown = items.ids.gather(near.item_idx).to_list()
        return used.version, [ServedList("", "", at, shown, scores, near.sources, [used.version] * len(shown))]

    def add(self, given: Events) -> int:
        """Logs events and makes them, and new rows of items and users, part of the next list. How many there were.

        Raises DataError, before anything is written, for ids, times or rows that cannot be; OSError where the log takes
        no more.
        """
        used, events = self.used, given.events
        query_frame({"user_id": [e.user_id for e in events]}, used.known.data.users.ids.dtype)
        check_ids([e.item_id for e in events], used.known.data.items.ids.dtype, "item_id")
        stamps = stamps_of([e.timestamp for e in events], used.known.data.reading.times)
        if given.items or given.users:
            self._add_rows(given.items, given.users)
        rows: list[dict[str, Any]] = [
            {"user_id": self.writer.user(e.user_id), "item_id": e.item_id, "event": e.event, "timestamp": stamp,
             "list_id": e.list_id} for e, stamp in zip(events, stamps, strict=True)
        ]  # fmt: skip
        on_lists, others = [r for r in rows if r["list_id"]], [r for r in rows if not r["list_id"]]
        if on_lists:
            self.writer.feedback(**{c: [r[c] for r in on_lists] for c in service_log.TABLES["feedback"].columns})
        if others:
            self.writer.interactions(**{c: [r[c] for r in others] for c in service_log.TABLES["interactions"].columns})
        is_take = counts_as_take(used.known.data)
        for row in rows:
            if is_take(row["event"]):
                self.recent.add(row["user_id"], row["item_id"], row["timestamp"])
            else:
                self.recent.seen(row["timestamp"])
        return len(rows)

    def close(self) -> None:
        """Answers what waits, then completes the log."""
        if self._worker.is_alive():
            self._waiting.put(None)
            self._worker.join()
            self.writer.close()

    def _prepared(self, bundle: Bundle, known: Known, version: str) -> InUse:
        candidates = bundle.candidates if known is bundle.known else bundle.to_choose(known.data.items)
        return InUse(
            bundle,
            LiveKnown.over(known, self.recent, self.writer.user, shown_column(bundle.router)),
            candidates,
            version,
        )

    def _add_rows(self, items: list[dict[str, Any]], users: list[dict[str, Any]]) -> None:
        new_items, new_users = as_frame(items, "items"), as_frame(users, "users")
        with self._changing:
            used = self._with_rows(self.used, new_items, new_users)
            candidate = self.candidate and self._with_rows(self.candidate, new_items, new_users)
            to = self.writer.folder / "rows" / f"{service_log.now()}.json"
            to.parent.mkdir(exist_ok=True)
            write_json(to, {"version": used.version, "items": items, "users": users})
            self.used, self.candidate = used, candidate

    def _with_rows(self, used: InUse, items: pl.DataFrame | None, users: pl.DataFrame | None) -> InUse:
        bare = Known(used.known.data, used.known.histories, used.known.first, used.known.last)
        known = Known.of(extended(bare.dataset(), items, users, None))
        return self._prepared(used.bundle, known, used.version)

    def _check(self, request: Recommend) -> None:
        used = self.used
        users = _users(request)
        check_size(len(users), request.k)
        query_frame({"user_id": users}, used.known.data.users.ids.dtype)
        if request.explain and len(users) * request.k > MOST_EXPLAINED:
            raise DataError(f"explain: at most {MOST_EXPLAINED} places of one request; ask for fewer users or items.")
        for name in ("candidates", "exclude"):
            check_ids(getattr(request, name) or [], used.known.data.items.ids.dtype, name)
        _as_of(request, used)
        if request.candidates:
            used.allowed(request)

    def _work(self) -> None:
        while True:
            taken = [self._waiting.get()]
            while taken[-1] is not None and len(taken) < MOST_TOGETHER and not self._waiting.empty():
                taken.append(self._waiting.get())
            together: dict[Any, list[tuple[Recommend, Future[Answers]]]] = {}
            for n, entry in enumerate(taken):
                if entry is not None:
                    alone = entry[0].candidates or entry[0].exclude or entry[0].explain
                    together.setdefault((entry[0].k, n if alone else None), []).append(entry)
            for entries in together.values():
                self._answer(entries)
            if taken[-1] is None:
                return

    def _answer(self, entries: Sequence[tuple[Recommend, Future[Answers]]]) -> None:
        """Requests of one k; one alone where it names candidates or exclusions."""
        try:
            answers = self._lists([request for request, _ in entries])
        except Exception as error:
            for _, future in entries:
                future.set_exception(error)
            return
        for (_, future), answer in zip(entries, answers, strict=True):
            future.set_result(answer)

    def _lists(self, requests: Sequence[Recommend]) -> list[Answers]:
        used, users = self.used, [_users(request) for request in requests]
        as_of = np.concatenate([np.full(len(u), _as_of(r, used)) for r, u in zip(requests, users, strict=True)])
        lists = self._by_variant(requests[0], [user for several in users for user in several], as_of, used)
        answers, start = [], 0
        for request, several in zip(requests, users, strict=True):
            answer = Answers(secrets.token_hex(16), used.version, lists[start : start + len(several)])
            start += len(several)
            self._log(request, answer)
            answers.append(answer)
        return answers

    def _by_variant(self, request: Recommend, users: list[Id], as_of: np.ndarray, used: InUse) -> list[ServedList]:
        """Every list by the champion, or as the split says where a candidate is tested."""
        candidate = self.candidate
        if candidate is None or candidate.version == used.version:
            return used.lists(request, users, as_of, None)
        now = max(used.known.latest(), candidate.known.latest())  # the same for both: neither shows what is over
        as_of = np.where(as_of == NO_TIME, now, as_of)
        if self.split.how == "interleaved":
            both = [side.lists(request, users, as_of, None) for side in (used, candidate)]
            return [interleaved(one, other, request.k) for one, other in zip(*both, strict=True)]
        sees = self.split.sees_candidate(users, candidate.version)
        answers: dict[int, ServedList] = {}
        for side, name, rows in ((used, CHAMPION, ~sees), (candidate, CANDIDATE, sees)):
            if rows.any():
                theirs = np.flatnonzero(rows)
                lists = side.lists(request, [users[q] for q in theirs], as_of[theirs], name)
                answers |= dict(zip(theirs.tolist(), lists, strict=True))
        return [answers[q] for q in range(len(users))]

    @property
    def _discounts(self) -> bool:
        return any(one is not None and one.known.shown is not None for one in (self.used, self.candidate))

    def _log(self, request: Recommend, answer: Answers) -> None:
        for shown in answer.lists:
            if self._discounts:
                self.recent.show(self.writer.user(shown.user_id), shown.items, shown.as_of)
            self.writer.served(
                list_id=shown.list_id, request_id=answer.request_id, user_id=self.writer.user(shown.user_id),
                as_of=shown.as_of, model_version=_one_or_all(shown.versions) or answer.version,
                variant=_one_or_all(shown.variants or []) or request.variant, surface=request.surface,
                rank=list(range(1, len(shown.items) + 1)), item_id=shown.items, source=shown.sources,
                propensity=shown.propensities,
            )  # fmt: skip


def _one_or_all(values: list[str]) -> str | list[str]:
    """The value of all places where it is one, else that of each."""
    return (values[0] if len(set(values)) == 1 else values) if values else ""


def _users(request: Recommend) -> list[Id]:
    if (request.user is None) == (request.users is None):
        raise DataError("Give user or users, one of the two.")
    return request.users if request.user is None else [request.user]  # type: ignore[return-value]


def _integer(used: InUse) -> bool:
    return bool(used.known.data.users.ids.dtype.is_integer())


def _as_of(request: Recommend, used: InUse) -> int:
    return NO_TIME if request.as_of is None else as_times([request.as_of], "as_of", used.known.data.reading.times)[0]
