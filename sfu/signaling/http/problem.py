"""Errors as HTTP answers: problem details (RFC 9457), and what the public API's errors become."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sfu.errors import DrainingError, LimitError, RemoteError, SfuError
from sfu.signaling.http.admission import NotAdmittedError

_log = logging.getLogger("sfu.signaling")

PROBLEM_TYPE = "application/problem+json"


class Problem(Exception):
    """A request that is refused: HTTP status, a short title, and a sentence that says what to do about it."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, str | float] | None = None,
    ) -> None:
        """`members`: what programs go by, beside the status, such as a `reason` (RFC 9457 section 3.2)."""
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = dict(members or {})


def build_problem(problem: Problem) -> Response:
    """Return the response for a problem (RFC 9457 section 3). `type` is left out, which means `about:blank`."""
    body = {**problem.members, "title": problem.title, "status": problem.status}
    if problem.detail:
        body["detail"] = problem.detail
    headers = {"Cache-Control": "no-store", **problem.headers}
    content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    return Response(content, problem.status, headers, media_type=PROBLEM_TYPE)


async def handle_problem(request: Request, error: Exception) -> Response:
    """Handle a `Problem`."""
    assert isinstance(error, Problem)
    return build_problem(error)


async def handle_http_exception(request: Request, error: Exception) -> Response:
    """Handle what Starlette itself refuses (404, 405)."""
    assert isinstance(error, HTTPException)
    title = HTTPStatus(error.status_code).phrase
    detail = error.detail if error.detail != title else ""
    return build_problem(Problem(error.status_code, title, detail, headers=error.headers))


async def handle_sfu_error(request: Request, error: Exception) -> Response:
    """Handle errors of the public API: the client is told of its own; ours are logged and not told."""
    if isinstance(error, RemoteError):
        return build_problem(describe_error(error))
    return await handle_crash(request, error)


def describe_error(error: RemoteError) -> Problem:
    """What a client is told of its error; where a bound was met, which one, and when to try again."""
    headers = {} if error.retry_after is None else {"Retry-After": str(math.ceil(error.retry_after))}
    members: dict[str, str | float] = {}
    if isinstance(error, NotAdmittedError):
        figures = {"limit": error.refusal.limit, "used": error.refusal.used}
        members = {"reason": error.refusal.reason}
        members |= {name: value for name, value in figures.items() if value is not None}
    elif isinstance(error, LimitError):
        members = {"reason": error.key}
    elif isinstance(error, DrainingError):
        members = {"reason": "draining"}
    return Problem(error.status, error.title, str(error), headers=headers, members=members)


async def handle_crash(request: Request, error: Exception) -> Response:
    """Handle everything else: it is our fault, logged with its traceback, and told without it."""
    _log.error("request failed", exc_info=error, extra={"method": request.method, "path": request.url.path})
    detail = "The server failed at this request and has logged why. Trying again later may help."
    return build_problem(Problem(500, "Internal Server Error", detail))


EXCEPTION_HANDLERS = {
    Problem: handle_problem,
    HTTPException: handle_http_exception,
    SfuError: handle_sfu_error,
}
