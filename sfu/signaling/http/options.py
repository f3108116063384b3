"""What can be set about the HTTP side."""

from __future__ import annotations

from dataclasses import dataclass

from sfu.signaling.http.ice_servers import IceServer, OwnTurn, TurnServers


@dataclass(frozen=True, slots=True)
class SignalingOptions:
    """Limits and headers of the ASGI app. Times are in seconds."""

    ice_servers: tuple[IceServer, ...] = ()
    """STUN and TURN servers to tell clients of. Everyone gets the credentials here, and they last: prefer `turn`."""
    turn: TurnServers | None = None
    """TURN servers for which each session gets credentials of its own, of limited time."""
    own_turn: OwnTurn | None = None
    """The same of our own port, where the program that serves us listens for that."""
    cors_origins: tuple[str, ...] = ("*",)
    """Origins that scripts may call from. To allow all does no harm, since only its token gives a request rights."""
    token_grace: float = 60.0
    """Time from the expiry of a token to the end of its sessions and event streams, in which the client can show
    another.
    """
    expiry_interval: float = 1.0
    """Time between two looks for tokens that have expired."""
    max_body_bytes: int = 65536
    """Most bytes of a body, except for session descriptions, whose limit follows from
    `Config.max_media_per_connection`.
    """
    body_timeout: float = 10.0
    max_streams: int = 4096
    """Event streams open at once."""
    max_streams_per_room: int = 1024
    """Streams of a room's own events open at once, and as many again of its WHEP sessions."""
    max_streams_per_token: int = 1024
    """Event streams of both kinds open at once with one token."""
    max_streams_per_address: int = 1024
    """Event streams of both kinds open at once from one IPv4 address or one IPv6 network of 64 bits."""
    max_peers_per_token: int = 100
    """Peers at once that one token brings into rooms; a token with a name brings one into each room."""
    max_peers_per_address: int = 500
    max_half_open_per_token: int = 32
    """Sessions by one token that have not connected yet."""
    max_half_open_per_address: int = 128
    kept_for_named: float = 0.1
    """Part of `Config.max_peers_per_room` that only tokens with a name can take."""
    max_streams_per_session: int = 4
    """Event streams that the viewer of one WHEP session may make."""
    max_queued_events: int = 256
    """Events that wait for one slow stream before it is given a new snapshot in their place."""
    stream_keepalive: float = 15.0
    stream_send_timeout: float = 30.0
    """A stream whose client takes nothing for this long is ended."""
    viewer_events_interval: float = 1.0
    """Least time between two messages on the event stream of a WHEP session."""
    viewer_events_refresh: float = 5.0
    """Longest time between two looks of such a stream whether bit rates have changed."""
    statistics_interval: float = 1.0
    """A room's statistics are gathered once in this time, however many ask."""
