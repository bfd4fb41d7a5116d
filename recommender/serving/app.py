"""The HTTP side of ``make serve``: routes, keys, limits, one sentence for every error, and figures for Prometheus."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from recommender.data.ids import CANONICAL
from recommender.errors import UserError
from recommender.serving.bodies import Events, Recommend, parsed
from recommender.serving.figures import Figures
from recommender.serving.http import one_line
from recommender.serving.in_use import ServedList
from recommender.serving.request import DEFAULT_K, MOST_BODY_BYTES, check_k
from recommender.serving.service import Answers, Busy, Service

log = logging.getLogger(__name__)
TIMEOUT_S = 10.0  # for a body to arrive, and for an answer to be made
OPEN = ("/health", "/docs", "/openapi.json")  # without a key; they say nothing of data
Handler = Callable[[Request], Awaitable[Response]]


def app(service: Service, keys: Sequence[str] = (), timeout_s: float = TIMEOUT_S) -> FastAPI:
    """keys: any of them must come as ``Authorization: Bearer <key>`` or ``X-API-Key``; none: everyone may ask."""
    figures = Figures(service)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.close)

    application = FastAPI(title="recommender", version="1", lifespan=lifespan, redoc_url=None)

    def route(method: str, path: str, body: Any = None) -> Callable[[Handler], Handler]:
        described = None
        if body is not None:
            described = {"content": {"application/json": {"schema": body.model_json_schema()}}, "required": True}
        extra = {} if described is None else {"requestBody": described}

        def add(handler: Handler) -> Handler:
            async def guarded(request: Request) -> Response:
                begun = time.perf_counter()
                response = await _guarded(request, handler, keys if path not in OPEN else ())
                figures.answered(path, response.status_code, time.perf_counter() - begun)
                return response

            guarded.__doc__, guarded.__name__ = handler.__doc__, handler.__name__
            application.add_api_route(path, guarded, methods=[method], openapi_extra=extra, response_class=Response)
            return handler

        return add

    @route("POST", "/recommend", Recommend)
    async def recommend(request: Request) -> Response:
        """Lists for one user or several, known or not."""
        wanted = parsed(Recommend, await _body(request, timeout_s))
        if request.query_params.get("explain") == "1":
            wanted = wanted.model_copy(update={"explain": True})
        async with asyncio.timeout(timeout_s):
            answers = await asyncio.wrap_future(service.ask(wanted))
        figures.listed(answers, wanted.k)
        return _json(as_json(answers))

    @route("POST", "/events", Events)
    async def events(request: Request) -> Response:
        """Takes and impressions; rows of new items and users. They are on the disk when the answer comes."""
        given = parsed(Events, await _body(request, timeout_s))
        n = await asyncio.to_thread(service.add, given)
        figures.events.inc(n)
        return _json({"events": n, "items": len(given.items), "users": len(given.users)})

    @route("GET", "/items/{item_id}/related")
    async def related(request: Request) -> Response:
        """The items most related to one; k: how many, by default 10."""
        text, k = request.path_params["item_id"], request.query_params.get("k", str(DEFAULT_K))
        whole = service.used.known.data.items.ids.dtype.is_integer() and re.fullmatch(CANONICAL, text)
        answered = asyncio.to_thread(
            service.related, int(text) if whole else text, check_k(int(k) if k.isdecimal() else k)
        )
        version, lists = await asyncio.wait_for(answered, timeout_s)
        return _json({"model_version": version, "item_id": text, "items": _places(lists[0])})

    @route("GET", "/health")
    async def health(request: Request) -> Response:
        """Whether lists can be had, and of which version of the model."""
        return _json({"status": "ok", "model_version": service.used.version})

    @route("GET", "/metrics")
    async def metrics(request: Request) -> Response:
        """Figures for Prometheus."""
        return Response(figures.text(), media_type=figures.media_type)

    @application.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> Response:
        return refusal(error.status_code, f"{error.detail}: see /docs for what there is.")

    return application


def as_json(answers: Answers) -> dict[str, Any]:
    """What ``POST /recommend`` answers."""
    return {
        "request_id": answers.request_id,
        "model_version": answers.version,
        "lists": [
            {
                "list_id": shown.list_id, "user_id": shown.user_id,
                "as_of": datetime.fromtimestamp(shown.as_of / 1e6, UTC).isoformat(),
                "items": _places(shown),
            } for shown in answers.lists
        ],
    }  # fmt: skip


def _places(shown: ServedList) -> list[dict[str, Any]]:
    rows = enumerate(zip(shown.items, shown.scores, shown.sources, strict=True), 1)
    places = [{"rank": rank, "item_id": i, "score": score, "source": source} for rank, (i, score, source) in rows]
    for name, values in (("reason", shown.reasons), ("variant", shown.variants)):
        if values:
            places = [place | {name: value} for place, value in zip(places, values, strict=True)]
    return places


def refusal(status: int, sentence: str) -> Response:
    """An error as the service answers it: one sentence, no trace."""
    return _json({"error": sentence}, status)


class _RequestRefused(Exception):
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


async def _guarded(request: Request, handler: Handler, keys: Sequence[str]) -> Response:
    if keys and not _has_key(request, keys):
        return refusal(401, "A key is needed: send Authorization: Bearer <key>.")
    try:
        return await handler(request)
    except _RequestRefused as refused:
        return refusal(refused.status, str(refused))
    except UserError as error:
        return refusal(400, one_line(error))
    except Busy:
        return refusal(503, "Too many requests wait; try again in a moment.")
    except TimeoutError:
        return refusal(503, "The answer took too long; ask for fewer users or try again.")
    except OSError as error:
        log.error("The log cannot be written: %s", error)
        return refusal(503, "The log cannot be written, so nothing was accepted; try again later.")
    except Exception:
        log.exception("A request failed")
        return refusal(500, "The request failed; the server's output has the reason.")


def _has_key(request: Request, keys: Sequence[str]) -> bool:
    given = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
    same = [hmac.compare_digest(given.encode(), key.encode()) for key in keys]  # all of them: time tells nothing
    return any(same)


async def _body(request: Request, timeout_s: float) -> bytes:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise _RequestRefused(415, "The body is no JSON by its Content-Type; send application/json.")
    try:
        async with asyncio.timeout(timeout_s):  # unlike wait_for, without a task of its own
            return await _read(request)
    except TimeoutError:
        raise _RequestRefused(408, f"The body did not arrive within {timeout_s:g} seconds.") from None


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BODY_BYTES:
            raise _RequestRefused(
                413, f"The body is larger than {MOST_BODY_BYTES:,} bytes; ask for fewer users at a time."
            )
    return bytes(body)


def _json(tree: Any, status: int = 200) -> Response:
    text = json.dumps(tree, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Response(text.encode("utf-8", "replace"), status, media_type="application/json")
