"""Every answer of MLflow's scoring server that is no list is one sentence with a status, and no request is too large.

MLflow's own answers to a request that it cannot read hold the request, a stack trace and paths of the server.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from recommender.errors import UserError
from recommender.serving.request import EXAMPLE, MOST_BODY_BYTES, check_body

log = logging.getLogger(__name__)
Answer = Callable[[Request], Awaitable[Response]]
MOST_DRAINED = 64 * MOST_BODY_BYTES  # of a body that is too large: a client reads the answer after it has sent all
LOST = "The model failed on this request; the log of the server has the reason."


class _BodyRefused(Exception):
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def in_sentences(answer: Answer) -> Answer:
    """Wraps the handler of /invocations; takes the place of MLflow's own wrapper (``mlflow_model.py``)."""

    @wraps(answer)
    async def handler(request: Request) -> Response:
        try:
            await _read(request)
            return await answer(request)
        except _BodyRefused as refused:
            return _response(refused.status, str(refused))
        except Exception as error:
            if isinstance(error.__cause__, UserError):
                return _response(400, one_line(error.__cause__))
            if 400 <= _status(error) < 500:
                return _response(400, f"MLflow cannot read this request; send {EXAMPLE}.")
            log.exception("A request failed")
            return _response(500, LOST)

    return handler


def one_line(error: UserError) -> str:
    """The message of an error without line breaks."""
    return " ".join(str(error).split())


async def _read(request: Request) -> None:
    """Reads the body, at most ``MOST_BODY_BYTES`` of it into memory, and checks it."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise _BodyRefused(415, f"The body is no JSON by its Content-Type; send application/json, as in {EXAMPLE}.")
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MOST_BODY_BYTES:
            chunks.append(chunk)
        elif size > MOST_DRAINED:
            break
    if size > MOST_BODY_BYTES:
        raise _BodyRefused(413, f"The body is larger than {MOST_BODY_BYTES:,} bytes; ask for fewer users at a time.")
    body = b"".join(chunks)
    try:
        check_body(json.loads(body))
    except UserError as error:
        raise _BodyRefused(400, one_line(error)) from None
    except (ValueError, RecursionError):
        raise _BodyRefused(400, f"The body is no JSON in UTF-8; send {EXAMPLE}.") from None
    request._body = body  # what Request.body() gives to MLflow's handler


def _status(error: Exception) -> int:
    """HTTP status that MLflow gives an exception of its own; 500 of any other."""
    status = getattr(error, "get_http_status_code", None)
    return int(status()) if status else 500


def _response(status: int, sentence: str) -> Response:
    code: Any = "INTERNAL_ERROR" if status >= 500 else "INVALID_PARAMETER_VALUE"
    return JSONResponse({"error_code": code, "message": sentence}, status)
