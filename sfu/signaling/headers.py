"""The headers that WHIP and WHEP lean on: Link, ETag and If-Match."""

from __future__ import annotations

from collections.abc import Iterable

from sfu.signaling.options import IceServer

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"


def media_type(content_type: str) -> str:
    """The media type without its parameters, in lower case (RFC 9110 section 8.3.1)."""
    return content_type.partition(";")[0].strip().lower()


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def build_ice_links(servers: Iterable[IceServer]) -> str:
    """The value of a Link header that lists ICE servers (RFC 9725 section 4.6, RFC 8288)."""
    links = []
    for server in servers:
        link = f'<{server.url}>; rel="ice-server"'
        if server.username:
            link += f"; username={_quote(server.username)}; credential={_quote(server.credential)}"
            link += '; credential-type="password"'
        links.append(link)
    return ", ".join(links)


def if_match(header: str, etag: str) -> bool:
    """Whether an If-Match header holds for `etag` by strong comparison (RFC 9110 sections 13.1.1 and 8.8.3.2)."""
    return any(tag in ("*", etag) for tag in (part.strip() for part in header.split(",")))
