"""What can be set about the LiveKit protocol."""

from __future__ import annotations

from dataclasses import dataclass

from sfu.signaling.http.ice_servers import IceServer, OwnTurn, TurnServers
from sfu.signaling.livekit.socket import SocketLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveKitOptions:
    """Limits and times of the protocol. Times in seconds."""

    ice_servers: tuple[IceServer, ...] = ()
    """Told to clients as they are."""
    turn: TurnServers | None = None
    """TURN servers for which each participant gets credentials of its own."""
    own_turn: OwnTurn | None = None
    """The same of our own port, where the program that serves us listens for that."""
    auto_create: bool = True
    """Make a room when its first participant comes; else only `CreateRoom` does."""
    empty_timeout: int = 300
    """A room that was created and that nobody entered ends so long after."""
    departure_timeout: int = 20
    """A room that everybody left ends so long after."""
    ping_interval: int = 5
    """So often clients shall ask whether we are there."""
    ping_timeout: int = 15
    """A client that asked before and is silent for so long is no more at the other end of its socket."""
    resume_timeout: float = 20.0
    """A participant whose socket is gone stays so long, to come back and go on."""
    refresh_interval: float = 300.0
    """So often a participant gets a fresh token to come back with."""
    request_rate: float = 100.0
    """Signal requests a second that a client may send; what is beyond waits. A large one counts as several."""
    request_burst: int = 1000
    """And so many at once."""
    max_request_bytes: int = 2 << 20
    """Of one signal request."""
    max_queued_responses: int = 4096
    """Signal responses that wait for one client to read them; beyond that it is cut off, and may come back."""
    max_queued_bytes: int = 8 << 20
    """The same in bytes."""
    send_timeout: float = 60.0
    """So long a client may take for one response; one that is slower is cut off, and may come back."""
    max_metadata_bytes: int = 64_000
    """Of a participant's or a room's metadata."""
    max_attributes_bytes: int = 64_000
    """Of a participant's attributes, keys and values together."""
    remote_unmute: bool = False
    """Let the server API unmute tracks: without it nobody's microphone is opened but by himself."""
    max_pending_tracks: int = 64
    """Tracks that one participant has announced and not published yet."""
    data_rate: float = 5000.0
    """Data packets a second of one client, each counted once and once more for everybody to whom it goes. What is
    beyond waits, with the client's window shut; of what may get lost it is dropped.
    """
    data_burst: int = 10_000
    """And so many at once."""
    data_keep_seconds: float = 10.0
    """Reliable packets are kept so long for participants who have no open channel."""
    data_joining_bytes: int = 256 << 10
    """So much is kept for one of them until he has his first channel."""
    data_keep_bytes: int = 1 << 20
    """And so much of a room, for those who lose theirs."""
    data_patience: float = 10.0
    """While a client takes no reliable data any more, all who send to it wait: so long."""
    data_least_bytes: int = 64 << 10
    """It has to take so many bytes within that time, or it is cut off."""
    max_data_tracks: int = 256
    """Data tracks of one participant."""
    max_data_tracks_bytes: int = 64_000
    """Of all that is said of them, as others are told it."""
    max_data_subscriptions: int = 1024
    """Data tracks that one participant receives."""
    data_track_rate: float = 20_000.0
    """Packets of data tracks that one participant may have passed on in a second, each counted once, and once more for
    every subscriber. What is beyond is dropped.
    """
    max_blobs: int = 256
    """Data blobs that one participant has stored."""
    max_blobs_bytes: int = 64_000
    """Of all of them, keys and contents together."""
    max_blob_key_bytes: int = 256
    """Of the key of one."""

    @property
    def socket_limits(self) -> SocketLimits:
        """Those of one client's socket."""
        return SocketLimits(
            rate=self.request_rate,
            burst=self.request_burst,
            max_frame_bytes=self.max_request_bytes,
            max_queued=self.max_queued_responses,
            max_queued_bytes=self.max_queued_bytes,
            send_timeout=self.send_timeout,
            silence=self.ping_timeout,
        )
