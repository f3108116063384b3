"""Reading a request's body without trusting its length."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.requests import ClientDisconnect, Request

from sfu.signaling.http.headers import media_type
from sfu.signaling.http.options import SignalingOptions
from sfu.signaling.http.problem import Problem


async def read_body(request: Request, options: SignalingOptions, limit: int | None = None) -> bytes:
    """The whole body, if it has at most `limit` bytes and arrives within `body_timeout`; otherwise a Problem.

    Without `limit`, `max_body_bytes` holds. The limit is kept while reading, so a false or missing Content-Length costs
    no memory.
    """
    limit = options.max_body_bytes if limit is None else limit
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and (len(declared) > 18 or int(declared) > limit):
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(options.body_timeout):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise _too_large(limit)
                parts.append(part)
    except TimeoutError as error:
        raise Problem(408, "Request Timeout", f"The body did not arrive within {options.body_timeout:g} s.") from error
    except ClientDisconnect as error:
        raise Problem(400, "Bad Request", "The client went away before its body was complete.") from error
    return b"".join(parts)


def require_media_type(request: Request, accepted: Sequence[str], header: str) -> str:
    """The request's media type if it is one of `accepted`; otherwise 415 that names them in `header`."""
    given = media_type(request.headers.get("content-type", ""))
    if given not in accepted:
        listed = ", ".join(accepted)
        detail = f"The body must be sent as {' or '.join(accepted)}."
        raise Problem(415, "Unsupported Media Type", detail, headers={header: listed})
    return given


def decode_text(body: bytes) -> str:
    """`body` as UTF-8, or a Problem."""
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem(400, "Bad Request", f"The body is not UTF-8: byte {error.start} is wrong.") from error


def decode_sdp(body: bytes) -> str:
    """`body` as a session description or a fragment of one. RFC 8866 section 5 wants UTF-8; where other octets stand in
    what matters it is refused later, and in a label they do not matter.
    """
    return body.decode("utf-8", "replace")


def _too_large(limit: int) -> Problem:
    # The rest of the body is not read, so the connection cannot be used again.
    return Problem(
        413, "Content Too Large", f"The body may have at most {limit} bytes.", headers={"Connection": "close"}
    )
