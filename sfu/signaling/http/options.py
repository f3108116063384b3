"""What can be set about the HTTP side."""

from __future__ import annotations

from dataclasses import dataclass

from sfu.signaling.http.ice_servers import IceServer, TurnServers


@dataclass(frozen=True, slots=True)
class SignalingOptions:
    """Limits and headers of the ASGI app. Times in seconds."""

    ice_servers: tuple[IceServer, ...] = ()
    """Told to clients as they are. TURN credentials that stand here are everyone's for good: prefer `turn`."""
    turn: TurnServers | None = None
    """TURN servers for which each session gets credentials of its own, of limited time."""
    cors_origins: tuple[str, ...] = ("*",)
    """Origins that scripts may call from. All of them do no harm: a request is trusted for its token alone."""
    token_grace: float = 60.0
    """Sessions and event streams end so long after their token has expired: time to get and show another."""
    expiry_interval: float = 1.0
    """So often is looked for such."""
    max_body_bytes: int = 65536
    """Of all but session descriptions, whose limit follows from `Config.max_media_per_connection`."""
    body_timeout: float = 10.0
    max_streams: int = 4096
    """Event streams open at once."""
    max_streams_per_room: int = 1024
    """Of a room's own events, and as many again of its WHEP sessions."""
    max_streams_per_token: int = 1024
    """Of both kinds, read with one token."""
    max_streams_per_address: int = 1024
    """Of both kinds, read from one IPv4 address or one IPv6 network of 64 bits."""
    max_peers_per_token: int = 100
    """That are in rooms by one token at once; one with a name brings one in each room."""
    max_peers_per_address: int = 500
    max_half_open_per_token: int = 32
    """Sessions that were posted and have not connected yet."""
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
    """So often at least such a stream looks whether bit rates have changed."""
    statistics_interval: float = 1.0
    """A room's statistics are gathered once in this time, however many ask."""
