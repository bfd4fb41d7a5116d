"""The service behind ``make serve``: one model in use, events since, and the log; requests are answered in batches."""

from __future__ import annotations

import logging
import queue
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recommender.config import Scoring
from recommender.data.dataset import NO_TIME
from recommender.data.queries import Queries
from recommender.errors import DataError
from recommender.files import write_json
from recommender.ranking.candidates import Candidates
from recommender.ranking.router import Routed
from recommender.serving import log as service_log
from recommender.serving.bodies import Events, Id, Recommend
from recommender.serving.bundle import Bundle, allowed_items, queries_of
from recommender.serving.explain import explain, item_row
from recommender.serving.known import Known
from recommender.serving.live import LiveKnown, Recent, counts_as_take
from recommender.serving.log_writer import LogWriter
from recommender.serving.new_rows import extended
from recommender.serving.new_rows_file import saved_rows
from recommender.serving.related import related
from recommender.serving.request import check_size, query_frame
from recommender.serving.values import as_frame, as_times, check_ids, stamps_of

log = logging.getLogger(__name__)
MOST_TOGETHER = 64  # requests that are answered as one batch
MOST_EXPLAINED = 100  # places of one request: each costs tens of scores
MOST_WAITING = 1_000  # requests that wait; with more, the server says that it is busy


class Busy(Exception):
    """Too many requests wait."""


@dataclass(frozen=True)
class InUse:
    """A model with everything that a request needs of it; replaced whole, so that a request sees one or the other."""

    bundle: Bundle
    known: LiveKnown
    candidates: Candidates
    version: str

    def route(self, queries: Queries, candidates: Candidates, k: int) -> Routed:
        return self.bundle.router.recommend(queries, candidates, k, Scoring())


@dataclass(frozen=True)
class Answer:
    """One list, best first. as_of: int64 microseconds."""

    list_id: str
    user_id: Id
    as_of: int
    items: list[Id]
    scores: list[float | None]
    sources: list[str]
    reasons: list[str] | None = None  # a sentence for each item, where they were asked for


@dataclass(frozen=True)
class Answers:
    request_id: str
    version: str
    lists: list[Answer]


class Service:
    """Thread-safe. load: gives the model to serve and its version. Close it, so that the log is complete."""

    def __init__(self, load: Callable[[], tuple[Bundle, str]], folder: Path, *, pseudonymous: bool = True) -> None:
        self.writer = LogWriter(folder, pseudonymous=pseudonymous)
        self.recent = Recent()
        self._changing = threading.Lock()  # held by whoever replaces ``used``
        self._waiting: queue.Queue[tuple[Recommend, Future[Answers]] | None] = queue.Queue(MOST_WAITING)
        try:
            self.swap(*load())
            self.recent.replay(service_log.read_log(folder), counts_as_take(self.used.known.data))
        except BaseException:
            self.writer.close()
            raise
        self._worker = threading.Thread(target=self._work, name="lists", daemon=True)
        self._worker.start()

    def swap(self, bundle: Bundle, version: str) -> None:
        """Serves another model from the next batch on; it answers once before, so that no request waits for it."""
        with self._changing:
            known = bundle.known
            for items, users in saved_rows(self.writer.folder, bundle.data, version):
                known = Known.of(extended(known.dataset(), items, users, None))
            used = self._prepared(bundle, known, version)
            stranger = queries_of(_ids(used, [-1 if _integer(used) else "a new user"]), np.array([NO_TIME]), used.known)
            used.route(stranger, used.candidates, 1)
            self.used = used

    def ask(self, request: Recommend) -> Future[Answers]:
        """Raises Busy where too many wait, DataError for ids or times that the model cannot have."""
        self._check(request)
        future: Future[Answers] = Future()
        try:
            self._waiting.put_nowait((request, future))
        except queue.Full:
            raise Busy from None
        return future

    def related(self, item_id: Id, k: int) -> tuple[str, list[Answer]]:
        """The version of the model, and the items most related to one as a list of nobody, which is not logged.

        Raises DataError for an unknown item.
        """
        used = self.used
        items = used.known.data.items
        at = used.known.latest()
        near = related(used.bundle.router, used.candidates, used.known.data.users, item_row(items, item_id), k, at)
        scores = [None if s != s else s for s in near.score.tolist()]
        return used.version, [Answer("", "", at, items.ids.gather(near.item_idx).to_list(), scores, near.sources)]

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
        return InUse(bundle, LiveKnown.over(known, self.recent, self.writer.user), candidates, version)

    def _add_rows(self, items: list[dict[str, Any]], users: list[dict[str, Any]]) -> None:
        with self._changing:
            used = self.used
            bare = Known(used.known.data, used.known.histories, used.known.first, used.known.last)
            new_items, new_users = as_frame(items, "items"), as_frame(users, "users")
            known = Known.of(extended(bare.dataset(), new_items, new_users, None))
            to = self.writer.folder / "rows" / f"{service_log.now()}.json"
            to.parent.mkdir(exist_ok=True)
            write_json(to, {"version": used.version, "items": items, "users": users})
            self.used = self._prepared(used.bundle, known, used.version)

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
            _allowed(request, used)

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
        ids = [user for several in users for user in several]
        queries, to_choose = queries_of(_ids(used, ids), as_of, used.known), _allowed(requests[0], used)
        routed = used.route(queries, to_choose, requests[0].k)
        items = used.known.data.items.ids.gather(routed.lists.item_idx.ravel().clip(min=0)).to_list()
        places, width = (routed.lists.item_idx >= 0).sum(axis=1).tolist(), routed.lists.width
        scores, sources, at = routed.lists.score.tolist(), routed.source.tolist(), queries.as_of.tolist()
        lists = [
            Answer(
                secrets.token_hex(16), user, service_log.now() if at[q] == NO_TIME else at[q],
                items[q * width : q * width + n], [None if s != s else s for s in scores[q][:n]], sources[q][:n],
            ) for q, (user, n) in enumerate(zip(ids, places, strict=True))
        ]  # fmt: skip
        if requests[0].explain:
            lists = [
                replace(
                    answer,
                    reasons=_reasons(used, queries.take(np.array([q])), to_choose, routed.lists.item_idx[q], answer),
                )
                for q, answer in enumerate(lists)
            ]
        answers, start = [], 0
        for request, several in zip(requests, users, strict=True):
            answer = Answers(secrets.token_hex(16), used.version, lists[start : start + len(several)])
            start += len(several)
            self._log(request, answer)
            answers.append(answer)
        return answers

    def _log(self, request: Recommend, answer: Answers) -> None:
        for shown in answer.lists:
            self.writer.served(
                list_id=shown.list_id, request_id=answer.request_id, user_id=self.writer.user(shown.user_id),
                as_of=shown.as_of, model_version=answer.version, variant=request.variant, surface=request.surface,
                rank=list(range(1, len(shown.items) + 1)), item_id=shown.items, source=shown.sources, propensity=None,
            )  # fmt: skip


def _reasons(used: InUse, query: Queries, candidates: Candidates, rows: np.ndarray, answer: Answer) -> list[str]:
    places = enumerate(zip(rows.tolist(), answer.sources, strict=False), 1)
    router, k = used.bundle.router, len(rows)
    return [explain(router, query, candidates, row, k, (place, source)).sentence for place, (row, source) in places]


def _users(request: Recommend) -> list[Id]:
    if (request.user is None) == (request.users is None):
        raise DataError("Give user or users, one of the two.")
    return request.users if request.user is None else [request.user]  # type: ignore[return-value]


def _integer(used: InUse) -> bool:
    return bool(used.known.data.users.ids.dtype.is_integer())


def _ids(used: InUse, ids: Sequence[Id]) -> pl.Series:
    return pl.Series("user_id", ids, used.known.data.users.ids.dtype)


def _as_of(request: Recommend, used: InUse) -> int:
    return NO_TIME if request.as_of is None else as_times([request.as_of], "as_of", used.known.data.reading.times)[0]


def _allowed(request: Recommend, used: InUse) -> Candidates:
    items, candidates = used.known.data.items, used.candidates
    if request.candidates:
        asked = pl.Series("item_id", request.candidates, items.ids.dtype)
        candidates = candidates.only(allowed_items(asked, used.known.data))
    if request.exclude:
        rows = items.lookup(pl.Series("item_id", request.exclude, items.ids.dtype))
        shown = np.ones(len(items), bool)
        shown[rows[rows >= 0]] = False
        candidates = candidates.only(shown)
    return candidates
