"""What WHIP and WHEP say in headers (Link, ETag, If-Match, media types)."""

from __future__ import annotations

from collections.abc import Iterable

from sfu.signaling.http.ice_servers import IceServer

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
JSON = "application/json"

VIEWER_EVENTS = ("active", "inactive", "layers", "viewercount")
"""The events that the streams of a WHEP session can carry."""
_EXTENSION = "urn:ietf:params:whep:ext:core:"


def media_type(content_type: str) -> str:
    """Return the media type without its parameters, in lower case (RFC 9110 section 8.3.1)."""
    return content_type.partition(";")[0].strip().lower()


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def build_ice_links(servers: Iterable[IceServer]) -> str:
    """Return the value of a Link header that lists ICE servers (RFC 9725 section 4.6, RFC 8288)."""
    links = []
    for server in servers:
        link = f'<{server.url}>; rel="ice-server"'
        if server.username:
            link += f"; username={_quote(server.username)}; credential={_quote(server.credential)}"
            link += '; credential-type="password"'
        links.append(link)
    return ", ".join(links)


def build_extension_links(session_path: str) -> list[str]:
    """Return one Link header for each extension of a WHEP session (draft-ietf-wish-whep, Protocol Extensions)."""
    events = ",".join(VIEWER_EVENTS)
    return [
        f'<{session_path}/layer>; rel="{_EXTENSION}layer"',
        f'<{session_path}/sse>; rel="{_EXTENSION}server-sent-events"; events="{events}"',
    ]


def if_match(header: str, etag: str) -> bool:
    """Whether an If-Match header holds for `etag` by strong comparison (RFC 9110 sections 13.1.1 and 8.8.3.2)."""
    return any(tag in ("*", etag) for tag in (part.strip() for part in header.split(",")))
