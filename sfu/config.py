"""The settings of a Server. Whatever an outsider can make grow has its bound here."""

from __future__ import annotations

import dataclasses
import ipaddress
from dataclasses import dataclass

from sfu.errors import ConfigError

CODECS = ("opus", "VP8", "VP9", "H264", "AV1")
"""All codecs that can be forwarded, in the order of preference."""

SRTP_PROFILES = ("AEAD_AES_128_GCM", "AEAD_AES_256_GCM", "AES128_CM_HMAC_SHA1_80")
"""All SRTP protection profiles, in the order of preference (GCM costs half of what the last one does)."""

SOCKET_BUFFER_BYTES = 8 * 1024 * 1024
"""What a media socket asks for, in each direction: a quarter of a second of 256 Mbit/s."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of one Server, checked when they are made: `ConfigError` names the wrong one. Times are seconds."""

    host: str = "127.0.0.1"
    """IP address that the media sockets bind; `0.0.0.0` or `::` for all."""
    udp_port: int = 0
    """UDP port of the first shard, whose successors take the ports after it; 0 lets the system choose."""
    announce: tuple[str, ...] = ()
    """IP addresses that candidates name, e.g. the public one; by default the bound ones."""
    shards: int = 1
    """Number of planes (a socket and a thread each): one for each core that is to forward media."""
    consent_timeout: float = 30.0
    """A connection closes after this time without a valid check or authentic media (RFC 7675 section 5.1)."""
    handshake_timeout: float = 10.0
    """A connection closes if it is not up this long after negotiation."""
    return_timeout: float = 10.0
    """How long a viewer that made the offer waits for a publisher that has left; see `ClientOffered`."""
    keyframe_interval: float = 0.33
    """Least time between two key-frame requests for one Track. Browsers ignore one within 0.3 s of another."""
    max_rooms: int = 1024
    """Rooms that have Peers at once."""
    max_peers_per_room: int = 500
    """Peers in one room, viewers included."""
    max_connections_per_peer: int = 64
    """Connections that one Peer may have at once; each WHIP or WHEP session is one."""
    max_tracks_per_peer: int = 8
    """Tracks that one Peer publishes at once, on all its connections."""
    max_media_per_connection: int = 256
    """Media sections in one session description."""
    max_name_length: int = 128
    """Characters in the name of a room or Peer."""
    max_held_names: int = 10_000
    """Names in one room that are kept for those who have left; see `Room.join`."""
    max_queued_events: int = 1024
    """Events that may wait for one slow reader; its stream ends when one more comes."""
    max_event_streams: int = 1024
    """Event streams that may be open on one room, and as many on the server."""
    max_history_packets: int = 16384
    """Packets of all Tracks together that each shard keeps for retransmission; each takes 2 kB."""
    max_repaired_subscriptions: int = 8192
    """Subscriptions of each shard that can have lost packets sent again; each takes 12 kB from its first use on."""
    max_resent_subscriptions: int = 1024
    """Subscriptions of each shard that can have lost packets sent again without RTX; each takes 256 kB from its first
    use on, or 32 kB for audio.
    """
    congestion_control: bool = True
    """Estimate what each client's path carries, pace what goes to it, and share the budget over its video."""
    last_n_audio: int | None = None
    """Most audio Tracks that a room forwards, those of its speakers; None: all. See `Room.set_last_n`."""
    last_n_video: int | None = None
    """The same for video."""
    data_channels: bool = False
    """Take data channels on every connection. Off: what nobody reads is an open door, and WHIP and WHEP have none;
    `Peer.answer` and `Peer.offer` take them for one connection."""
    max_data_channels: int = 64
    """Data channels of one connection."""
    max_data_message: int = 262_144
    """Octets of one message that a client may send on a data channel (`a=max-message-size`)."""
    max_data_buffer: int = 1 << 20
    """Octets that wait to be sent on the data channels of one connection, 128 more for each message."""
    codecs: tuple[str, ...] = CODECS
    """Codecs to accept. This is the order of preference in our offers; in a client's offer its own order counts."""
    srtp_profiles: tuple[str, ...] = SRTP_PROFILES
    """SRTP protection profiles to accept, preferred first."""

    def __post_init__(self) -> None:
        _check_address("host", self.host)
        for address in self.announce:
            if _check_address("announce", address).is_unspecified:
                raise ConfigError("announce", f"{address} is no address that a client could send to")
        _check_range("udp_port", self.udp_port, 0, 65535)
        _check_range("shards", self.shards, 1, 32)
        if self.udp_port and self.udp_port + self.shards > 65536:
            raise ConfigError("udp_port", f"no {self.shards} ports from {self.udp_port} on; choose a lower one")
        _check_range("consent_timeout", self.consent_timeout, 1.0, 300.0)
        _check_range("handshake_timeout", self.handshake_timeout, 1.0, 300.0)
        _check_range("return_timeout", self.return_timeout, 0.0, 3600.0)
        _check_range("keyframe_interval", self.keyframe_interval, 0.0, 60.0)
        for field in dataclasses.fields(self):
            if field.name.startswith("max_"):
                _check_range(field.name, getattr(self, field.name), 1, 1 << 24)
        _check_range("max_data_message", self.max_data_message, 1024, 1 << 20)
        _check_range("max_data_buffer", self.max_data_buffer, 64 * 1024, 1 << 24)
        for key in ("last_n_audio", "last_n_video"):
            limit = getattr(self, key)
            if limit is not None:
                _check_range(key, limit, 0, 1 << 24)
        _check_choice("codecs", self.codecs, CODECS)
        _check_choice("srtp_profiles", self.srtp_profiles, SRTP_PROFILES)


def _check_address(key: str, address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        raise ConfigError(key, f"{address!r} is no IP address (names are not resolved)") from None


def _check_range(key: str, value: float, least: float, most: float) -> None:
    if isinstance(value, bool) or not least <= value <= most:
        raise ConfigError(key, f"{value!r} is not within {least} to {most}")


def _check_choice(key: str, chosen: tuple[str, ...], known: tuple[str, ...]) -> None:
    unknown = [name for name in chosen if name not in known]
    if unknown or not chosen or len(set(chosen)) != len(chosen):
        raise ConfigError(key, f"{list(chosen)} must name one or more of {', '.join(known)}, each once")
