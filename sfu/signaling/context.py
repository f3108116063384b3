"""What the resources share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from sfu import Server, ServerOffered
from sfu.negotiation import SdpLimits
from sfu.signaling.http.admission import Admission
from sfu.signaling.http.authorization import Authorizer, digest_token
from sfu.signaling.http.client_address import group_address
from sfu.signaling.http.headers import FRAGMENT, SDP, build_extension_links, build_ice_links
from sfu.signaling.http.homes import Homes
from sfu.signaling.http.ice_servers import issue_ice_servers
from sfu.signaling.http.options import SignalingOptions
from sfu.signaling.http.quotas import Holder, Quotas
from sfu.signaling.records.store import RecordStore
from sfu.signaling.sessions.sessions import Session, SessionTable
from sfu.signaling.sessions.viewer_streams import ViewerStreams
from sfu.signaling.streams.streams import RoomStreams


@dataclass(frozen=True, slots=True)
class Context:
    """One app's server, policy and state."""

    server: Server
    authorizer: Authorizer
    admission: Admission
    options: SignalingOptions
    random: Callable[[int], bytes]
    clock: Callable[[], float]
    """Seconds since the Unix epoch."""
    sessions: SessionTable
    quotas: Quotas
    streams: RoomStreams
    viewers: ViewerStreams
    records: RecordStore | None
    """None: rooms are not recorded over HTTP."""
    homes: Homes

    @property
    def sdp_limits(self) -> SdpLimits:
        """The limits of a session description or a fragment of one: enough for all sections of a connection."""
        return SdpLimits.for_media(self.server.config.max_media_per_connection)

    def holder(self, request: Request, token: str) -> Holder:
        """Return who sends the request, for the quotas."""
        client = request.client
        return Holder(digest_token(token), group_address(client.host) if client is not None else "")

    def created(self, request: Request, session: Session, sdp: str) -> Response:
        """201 with a session description and the session resource's headers (RFC 9725 sections 4.2 and 4.3.1)."""
        headers = {
            "Location": request.scope.get("root_path", "") + session.path,
            "ETag": session.etag,
            "Accept-Patch": f"{FRAGMENT}, {SDP}" if isinstance(session.connection, ServerOffered) else FRAGMENT,
            "Cache-Control": "no-store",
        }
        response = Response(sdp, 201, headers | self.ice_headers(request, session), media_type=SDP)
        if session.right == "subscribe":
            for link in build_extension_links(headers["Location"]):
                response.headers.append("Link", link)
        return response

    def ice_headers(self, request: Request, session: Session) -> dict[str, str]:
        """The Link header that tells a session's client of ICE servers (RFC 9725 section 4.6), if there are any, with
        fresh credentials of its own where they can be made.
        """
        host = request.url.hostname or ""
        links = build_ice_links(issue_ice_servers(self.options, session.peer.stream_id, self.clock(), host))
        return {"Link": links} if links else {}
