"""The session resources of WHIP and WHEP: which connection an HTTP client may end, restart or complete."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from sfu import Connection, Peer, Subscription
from sfu.events import ConnectionState, ConnectionStateChanged, Event, EventsLost
from sfu.signaling.http.authorization import Grants, Right, digest_token
from sfu.signaling.http.problem import Problem
from sfu.signaling.http.quotas import Place
from sfu.signaling.sessions.viewer_stream import ViewerReading, ViewerStream


@dataclass(slots=True)
class Session:
    """One session resource. It is named by 128 random bits and lives as long as its connection."""

    id: str
    room: str
    peer: Peer
    connection: Connection
    right: Right
    """What the connection is for, which is also the right that a token needs to touch it."""
    place: Place
    """The session's place in the quotas of who opened it."""
    token_digest: bytes
    expires: float | None
    """When the session's token expires, in seconds since the Unix epoch."""
    generation: int = 1
    """The number of ICE restarts."""
    viewer_streams: dict[str, ViewerStream] = field(default_factory=dict)
    """Event streams of the WHEP extension, by their ids."""
    readings: set[ViewerReading] = field(default_factory=set)
    """Responses that carry events of the session, and end with it."""

    @property
    def etag(self) -> str:
        """The strong entity-tag of the current ICE session (RFC 9725 section 4.3.1)."""
        return f'"{self.id[:8]}.{self.generation}"'

    @property
    def mids(self) -> tuple[str, ...]:
        """The mids of the media sections, in the order of the session description."""
        return self.connection.mids

    @property
    def path(self) -> str:
        """The resource's path below the place where the app is mounted."""
        return f"/rooms/{self.room}/sessions/{self.id}"

    def received(self) -> dict[int, Subscription]:
        """Return what the connection receives, by the index of the media section, in that order."""
        held = {one.mid: one for one in self.connection.subscriptions if not one.vacant}
        return {index: held[mid] for index, mid in enumerate(self.mids) if mid in held}

    def opened_by(self, token: str) -> bool:
        """Whether `token` is the very one that made this session."""
        return hmac.compare_digest(self.token_digest, digest_token(token))

    def is_over(self, expired_at: float) -> bool:
        """Whether the session's token had expired by then."""
        return self.expires is not None and self.expires <= expired_at

    def extend(self, grants: Grants, token: str) -> None:
        """Extend the session to the expiry of `token`, which may touch it, if that is later than its present end."""
        if self.expires is None or (grants.expires is not None and grants.expires <= self.expires):
            return
        self.expires = grants.expires
        self.token_digest = digest_token(token)
        if not self.peer.named:
            self.peer.renew_subject(grants.subject(token))


class SessionTable:
    """All session resources. It holds no more of them than there are open connections."""

    def __init__(self, random: Callable[[int], bytes]) -> None:
        """`random(n)` returns n unpredictable bytes."""
        self._random = random
        self._by_id: dict[str, Session] = {}
        self._by_connection: dict[str, Session] = {}
        self._by_peer: dict[tuple[str, str], dict[str, Session]] = {}
        self._closed = False

    def close(self) -> None:
        """Let nobody begin any more: the server is going down, or another process takes its place."""
        self._closed = True

    def check_open(self) -> None:
        """Raise a Problem if nothing may begin any more, nor be changed: another process may have it by now."""
        if self._closed:
            detail = "This server is going down, and what begins now would end at once; ask again."
            raise Problem(503, "Shutting down", detail, headers={"Retry-After": "1"})

    def __len__(self) -> int:
        return len(self._by_id)

    def open(
        self, room: str, peer: Peer, connection: Connection, right: Right, grants: Grants, place: Place
    ) -> Session:
        """Add a session for `connection`, opened with a token that gives `grants`; the session keeps `place` until it
        ends.
        """
        session_id = self._random(16).hex()
        session = Session(session_id, room, peer, connection, right, place, place.holder.token, grants.expires)
        self._by_id[session.id] = session
        self._by_connection[connection.id] = session
        self._by_peer.setdefault((room, peer.name), {})[session.id] = session
        return session

    def get(self, room: str, session_id: str, expired_at: float) -> Session | None:
        """Return the session, unless it is unknown or of another room, or its token has expired, or its connection is
        closed.
        """
        session = self._by_id.get(session_id)
        if session is None or session.room != room:
            return None
        if session.is_over(expired_at):
            self._end(session)
            return None
        if session.connection.state is ConnectionState.CLOSED:
            self.discard(session)
            return None
        return session

    def of_peer(self, room: str, peer: str, right: Right) -> list[Session]:
        """Return the peer's sessions with one right, the oldest first."""
        return [session for session in self._by_peer.get((room, peer), {}).values() if session.right == right]

    def discard(self, session: Session) -> None:
        """Forget a session, and end its event streams; its connection stays."""
        if self._by_id.pop(session.id, None) is None:
            return
        session.place.release()
        for stream in session.viewer_streams.values():
            stream.close()
        for reading in session.readings:
            reading.close()
        del self._by_connection[session.connection.id]
        key = (session.room, session.peer.name)
        of_peer = self._by_peer[key]
        del of_peer[session.id]
        if not of_peer:
            del self._by_peer[key]

    def discard_closed(self) -> None:
        """Forget sessions whose connection is closed, without waiting for the event of it."""
        for session in [each for each in self._by_id.values() if each.connection.state is ConnectionState.CLOSED]:
            self.discard(session)

    def end_expired(self, expired_at: float) -> None:
        """End the sessions whose token had expired at that time."""
        for session in [each for each in self._by_id.values() if each.is_over(expired_at)]:
            self._end(session)

    def _end(self, session: Session) -> None:
        self.discard(session)
        session.connection.close("token_expired")

    def handle_event(self, event: Event) -> None:
        """Forget the sessions of connections that closed."""
        if isinstance(event, ConnectionStateChanged):
            session = self._by_connection.get(event.connection)
            if session is not None and event.state is ConnectionState.CLOSED:
                self.discard(session)
            elif session is not None and event.state is ConnectionState.CONNECTED:
                session.place.note_connected()
        elif isinstance(event, EventsLost):
            for session in list(self._by_id.values()):
                if session.connection.state is ConnectionState.CLOSED:
                    self.discard(session)
                elif session.connection.state is ConnectionState.CONNECTED:
                    session.place.note_connected()
