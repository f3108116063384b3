"""Errors of the server API, as Twirp writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

from starlette.responses import Response

from sfu.errors import LimitError, RemoteError
from sfu.signaling.http.admission import NotAdmittedError
from sfu.signaling.http.problem import describe_error

Code = Literal[
    "bad_route",
    "malformed",
    "invalid_argument",
    "unauthenticated",
    "permission_denied",
    "not_found",
    "already_exists",
    "failed_precondition",
    "resource_exhausted",
    "deadline_exceeded",
    "canceled",
    "unimplemented",
    "unavailable",
    "internal",
]

STATUS: Mapping[Code, int] = {
    "bad_route": 404,
    "malformed": 400,
    "invalid_argument": 400,
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "already_exists": 409,
    "failed_precondition": 412,
    "resource_exhausted": 429,
    "deadline_exceeded": 408,
    "canceled": 408,
    "unimplemented": 501,
    "unavailable": 503,
    "internal": 500,
}
"""The HTTP status of each code that is used here (Twirp specification, Error Codes)."""

_BY_STATUS: Mapping[int, Code] = {
    400: "invalid_argument",
    401: "unauthenticated",
    403: "permission_denied",
    404: "not_found",
    409: "failed_precondition",
    429: "resource_exhausted",
    501: "unimplemented",
    503: "unavailable",
}


class TwirpError(Exception):
    """A call that is refused; the message is told to the caller."""

    def __init__(self, code: Code, message: str, **meta: str) -> None:
        super().__init__(message)
        self.code = code
        self.meta = meta
        self.headers: Mapping[str, str] = {}

    @classmethod
    def of(cls, error: RemoteError) -> TwirpError:
        """What becomes of an error of the public API."""
        code, meta = _BY_STATUS.get(error.status, "invalid_argument"), {}
        if isinstance(error, NotAdmittedError):
            meta = {"reason": error.refusal.reason}
        elif isinstance(error, LimitError) and error.status != 503:
            code, meta = "resource_exhausted", {"setting": error.key}
        found = cls(code, str(error), **meta)
        found.headers = describe_error(error).headers  # when to try again
        return found


def build_error(error: TwirpError) -> Response:
    """The response of an error: JSON, whatever the request was."""
    body: dict[str, object] = {"code": error.code, "msg": str(error)}
    if error.meta:
        body["meta"] = error.meta
    content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    headers = {"Cache-Control": "no-store", **error.headers}
    return Response(content, STATUS[error.code], headers, media_type="application/json")
