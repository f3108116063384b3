"""Answers of parts of media (RFC 9110 section 14)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from sfu.node.player.media_cache import Media

PART_BYTES = 1 << 19
"""Most bytes of one answer to a range. Browsers open six connections to a host, and a media element keeps one open
while it wants no more bytes: only with short parts can there be as many elements as a hearing has sources.
"""
_RANGE = re.compile(r"bytes=(\d{1,19})?-(\d{1,19})?")


def answer_media(request: Request, media: Media) -> Response:
    """Return the requested part, or at least its beginning; everything if no part was requested."""
    headers = {"Accept-Ranges": "bytes"}
    asked = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if asked is None or (asked[1] is None and asked[2] is None):
        # Of several ranges, or one that is none, a server need take no notice.
        headers["Content-Length"] = str(media.size)
        return StreamingResponse(_stream(media), 200, headers, media.content_type)
    begin, end = _resolve(asked[1], asked[2], media.size)
    if begin >= end:
        return Response(b"", 416, {**headers, "Content-Range": f"bytes */{media.size}"})
    end = min(end, begin + PART_BYTES)
    data = media.read(begin, end - begin)
    if len(data) < end - begin:
        return Response(b"The file has become shorter.\n", 500)
    headers["Content-Range"] = f"bytes {begin}-{end - 1}/{media.size}"
    return Response(data, 206, headers, media.content_type)


def _resolve(first: str | None, last: str | None, size: int) -> tuple[int, int]:
    """Return where the part begins, and where it ends (exclusive)."""
    if first is None:
        return max(0, size - int(last or 0)), size
    return int(first), min(size, int(last) + 1) if last is not None else size


async def _stream(media: Media) -> AsyncIterator[bytes]:
    for offset in range(0, media.size, PART_BYTES):
        data = await asyncio.to_thread(media.read, offset, PART_BYTES)
        yield data
        if len(data) < min(PART_BYTES, media.size - offset):
            return
