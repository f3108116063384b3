"""Reading a request's body without trusting its length."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.requests import ClientDisconnect, Request

from sfu.signaling.http.headers import media_type
from sfu.signaling.http.options import SignalingOptions
from sfu.signaling.http.problem import Problem


async def read_body(request: Request, options: SignalingOptions, limit: int | None = None) -> bytes:
    """Return the whole body; raise a Problem if it is longer than `limit` bytes or takes longer than `body_timeout`.

    The default limit is `max_body_bytes`. It is checked while reading, so a false or missing Content-Length costs no
    memory.
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
    """Return the request's media type; raise Problem 415, which lists `accepted` in `header`, if it is another."""
    given = media_type(request.headers.get("content-type", ""))
    if given not in accepted:
        listed = ", ".join(accepted)
        detail = f"The body must be sent as {' or '.join(accepted)}."
        raise Problem(415, "Unsupported Media Type", detail, headers={header: listed})
    return given


def decode_text(body: bytes) -> str:
    """Return `body` decoded as UTF-8, or raise a Problem."""
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem(400, "Bad Request", f"The body is not UTF-8: byte {error.start} is wrong.") from error


def decode_sdp(body: bytes) -> str:
    """Return `body` as text of a session description or fragment. RFC 8866 section 5 requires UTF-8. Other octets in
    parts that matter are refused later; in a label they do not matter.
    """
    return body.decode("utf-8", "replace")


def _too_large(limit: int) -> Problem:
    # The rest of the body is not read, so the connection cannot be used again.
    return Problem(
        413, "Content Too Large", f"The body may have at most {limit} bytes.", headers={"Connection": "close"}
    )
