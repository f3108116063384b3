"""The node's settings: their names, types, defaults and rules. `sources` says where they come from."""

from __future__ import annotations

import ipaddress
import re
import secrets
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

import sfu
from sfu.node.config.bounds import BoundSettings
from sfu.node.config.cluster import ClusterSettings
from sfu.node.config.texts import Texts, check_ip, parse_ice_servers, parse_pairs
from sfu.node.http.connections import TrustedProxies
from sfu.node.http.limits import HttpLimits
from sfu.node.logs.setup import LogFormat, LogLevel
from sfu.node.tokens import DEV_KEY_ID, MAX_LIFETIME
from sfu.signaling import IceServer, SignalingOptions, TurnServers
from sfu.signaling.http import ice_servers as turn
from sfu.signaling.http.signed_tokens import MIN_SECRET_BYTES
from sfu.signaling.livekit.options import LiveKitOptions

ENV_PREFIX = "SFU_"

_HTTP = HttpLimits()
_RECORDING = sfu.RecordingOptions()
_SIGNALING = SignalingOptions()
_KEY_ID = re.compile(r"[A-Za-z0-9_.\-]{1,64}")


class IceServerSetting(BaseModel):
    """One entry of `ice_servers`, written as browsers write it (`RTCIceServer`)."""

    model_config = ConfigDict(extra="forbid")

    urls: Texts
    username: str = ""
    credential: SecretStr = SecretStr("")

    def build(self) -> list[IceServer]:
        """Return one IceServer per URL; raises ValueError for one that no Link header could carry."""
        return [IceServer(url, self.username, self.credential.get_secret_value()) for url in self.urls]


class Settings(BoundSettings, ClusterSettings):
    """All settings of the node. The key of a setting is the field's name; times are in seconds."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, extra="forbid", enable_decoding=False, validate_default=False, frozen=True
    )

    _dev_secret: str = PrivateAttr(default_factory=lambda: secrets.token_urlsafe(MIN_SECRET_BYTES))

    dev: bool = False
    """Make a key at each start and print a link with a token; only on a loopback address."""
    host: str = "127.0.0.1"
    """IP address of the HTTP server, and of the media sockets unless `udp_host` is set.

    In development the media sockets take every interface: Firefox never pairs a candidate on loopback. They answer only
    clients that came in by HTTP, which stays on loopback.
    """
    port: int = Field(default=8080, ge=0, le=65535)
    """TCP port of the HTTP server; 0 lets the system choose."""
    tls_cert: str = ""
    """PEM file of the certificate and its chain: HTTPS is served on `port` beside HTTP. Read again when it changes."""
    tls_key: str = ""
    """PEM file of the certificate's key."""
    tcp: bool = True
    """Take media on `port`, too, over TLS or without: by ICE-TCP, and by a TURN server that leads to this node alone.
    Clients are told of both, unless `host` is none of the addresses that they are told.
    """
    turn_udp: bool = False
    """Serve TURN by UDP on the media ports, too, and name it to clients. For those that are to relay all that they
    send: libwebrtc (Chromium) takes nothing that comes directly from an address that it knows as a TURN server's.
    """
    udp_host: str = ""
    """IP address of the media sockets; empty: that of `host`."""
    udp_port: int = sfu.Config.udp_port
    congestion_control: bool = sfu.Config.congestion_control
    """Estimate what each client's path carries, pace what goes to it, and share the budget over its video."""
    announce: Texts = sfu.Config.announce
    shards: int = sfu.Config.shards

    keys: Annotated[dict[str, SecretStr], BeforeValidator(parse_pairs)] = Field(default_factory=dict)
    """Secrets that sign tokens, by key id."""
    livekit_keys: Annotated[dict[str, SecretStr], BeforeValidator(parse_pairs)] = Field(default_factory=dict)
    """Secrets by API key, for clients that speak the LiveKit protocol; empty: it is not spoken."""
    livekit_dir: str = ""
    """Folder for webhooks that wait and for ingresses; empty: no webhooks, and ingresses end with the process."""
    livekit_webhook_urls: Texts = ()
    """Where events of LiveKit rooms are posted, until they are taken; needs `livekit_dir`."""
    livekit_webhook_key: str = ""
    """API key that signs webhooks; empty: the first of `livekit_keys`."""
    livekit_egress_dir: str = ""
    """Folder for the files that egress makes; needs `record_dir`. Empty: there is no egress."""
    livekit_url: str = ""
    """Where WHIP clients of ingresses reach this node, as `https://sfu.example`; empty: at `host` and `port`."""
    metrics_token: SecretStr = SecretStr("")
    """Bearer token that `/metrics` requires. Without one, the public port shows metrics only in development."""
    metrics_host: str = "127.0.0.1"
    """IP address of the listener on `metrics_port`."""
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """TCP port of a listener that has `/metrics` and `/healthz` only; 0 lets the system choose."""
    token_audience: str = Field(default="", max_length=256)
    """Audience that tokens must name (claim `aud`); empty: tokens must not have the claim."""
    max_token_lifetime: float = Field(default=MAX_LIFETIME, ge=1.0, le=3650 * 86400.0)
    """Longest time that a token may be valid; one with a longer time is refused."""
    token_grace: float = Field(default=_SIGNALING.token_grace, ge=0.0, le=3600.0)
    """Time from the expiry of a token to the end of its sessions and event streams, in which the client can show
    another.
    """
    cors_origins: Texts = ("*",)
    """Sites whose pages may call this node; in development none unless they are set."""
    ice_servers: Annotated[tuple[IceServerSetting, ...], BeforeValidator(parse_ice_servers)] = ()
    """STUN and TURN servers that clients are told of. Everyone gets the credentials here, and they last: prefer
    `turn_urls`.
    """
    turn_urls: Texts = ()
    """TURN servers (`turn:`, `turns:`) for which clients get credentials of limited time, made with `turn_secret`."""
    turn_secret: SecretStr = SecretStr("")
    """Secret that these TURN servers share with this node: coturn's `static-auth-secret`, with `use-auth-secret`."""
    turn_ttl: float = Field(default=turn.TURN_TTL, ge=60.0, le=7 * 86400.0)
    """Time for which these credentials are valid: as long as the longest call."""
    page: bool = True
    """Serve the page to meet on at `/`."""
    trusted_proxies: Texts = ()
    """Addresses and networks of reverse proxies: their X-Forwarded-For says where a client is, and they do not count as
    clients.
    """
    max_http_connections: int = Field(default=_HTTP.connections, ge=16, le=1 << 20)
    """TCP connections at once, event streams included. At the limit, those that wait for a request are closed for new
    ones.
    """
    max_http_connections_per_address: int = Field(default=_HTTP.connections_per_address, ge=1, le=1 << 20)
    """TCP connections at once from one IPv4 address or one IPv6 network of 64 bits; a trusted proxy's do not count."""
    max_connection_rate_per_address: float = Field(default=_HTTP.connection_rate_per_address, ge=1.0, le=1e6)
    """New connections a second from one address; others get status 429 and are closed."""
    max_connection_burst_per_address: int = Field(default=_HTTP.connection_burst_per_address, ge=1, le=1 << 30)
    """New connections at once from one address; others get status 429 and are closed."""
    max_request_rate_per_address: float = Field(default=_HTTP.requests_per_address, ge=1.0, le=1e6)
    """Whole HTTP requests a second without a valid token from one address; others get status 429."""
    max_request_burst_per_address: int = Field(default=_HTTP.request_burst_per_address, ge=1, le=1 << 30)
    """Requests without a valid token at once from one address; see `HttpLimits` for the reckoning."""
    max_request_rate_per_token: float = Field(default=_HTTP.requests_per_token, ge=1.0, le=1e6)
    """Whole HTTP requests a second with one valid token, from any address; they count for no address."""
    max_request_burst_per_token: int = Field(default=_HTTP.request_burst_per_token, ge=1, le=1 << 30)
    """Requests with one valid token at once, from any address."""
    http_request_timeout: float = Field(default=_HTTP.request_timeout, ge=1.0, le=3600.0)
    """Longest time from a request's first byte to its last."""

    max_peers_per_token: int = Field(default=_SIGNALING.max_peers_per_token, ge=1)
    """Peers at once that one token brings into rooms; a token with a name (`sub`) brings one into each room."""
    max_peers_per_address: int = Field(default=_SIGNALING.max_peers_per_address, ge=1)
    """Peers in rooms at once from one IPv4 address or one IPv6 network of 64 bits."""
    max_half_open_per_token: int = Field(default=_SIGNALING.max_half_open_per_token, ge=1)
    """Sessions by one token that are not connected yet; they end after `handshake_timeout`."""
    max_half_open_per_address: int = Field(default=_SIGNALING.max_half_open_per_address, ge=1)
    """Sessions that are not connected yet, from one IPv4 address or one IPv6 network of 64 bits."""
    kept_for_named: float = Field(default=_SIGNALING.kept_for_named, ge=0.0, le=1.0)
    """Part of `max_peers_per_room` that only tokens with a name can take."""
    max_streams_per_token: int = Field(default=_SIGNALING.max_streams_per_token, ge=1)
    """Event streams that are open at once with one token."""
    max_streams_per_address: int = Field(default=_SIGNALING.max_streams_per_address, ge=1)

    record_dir: str = ""
    """Folder that holds a folder for each record of a room; empty: this node does not record."""
    record_mirrors: Texts = ()
    """Folders, best on other disks, in which the same is recorded independently."""
    record_key: str = ""
    """PEM file of the Ed25519 key that signs records. In development one is made beside the records' folder."""
    record_signer: str = ""
    """Unix socket of `sfu sign`, which then has the key, instead of `record_key`."""
    record_journal: str = ""
    """File that lists which records were closed; empty: `<record_dir>-journal.jsonl`, beside the records' folder."""
    recover_records: bool = True
    """Whether records that a crash has left open are recovered at the start, in the background."""
    record_least_free_bytes: int = _RECORDING.least_free_bytes
    """Free bytes of a disk with records below which an alarm is raised."""
    record_key_frame_interval: float = _RECORDING.key_frame_interval
    """Time between two key frames of a recorded video, at which a player can enter."""
    record_fragment: float = _RECORDING.fragment
    """Length of the pieces in which media are written to disk; a crash costs no more."""
    record_repair_wait: float = _RECORDING.repair_wait
    """How long a recorder waits for a packet that is missing."""
    record_head_interval: float = _RECORDING.head_interval
    """Time between two signatures in a record's ledger."""
    record_timestamp_url: str = _RECORDING.timestamp_url
    """Address of an authority that stamps heads (RFC 3161); needs the extra `timestamps`."""
    record_timestamp_interval: float = _RECORDING.timestamp_interval
    max_recordings: int = Field(default=16, ge=1, le=1024)
    """Rooms that are recorded at once; each takes one thread per folder."""

    log_level: LogLevel = "info"
    """Least level of the log lines that are written."""
    log_format: LogFormat = "console"
    """Format of the log: columns for people, or a JSON object a line for programs."""
    drain_timeout: float = Field(default=5.0, ge=0.0, le=7 * 86400.0)
    """Time after SIGTERM in which the rooms that are there go on, and no others open; a node without rooms stops at
    once. What ends the process must wait for longer: `docker stop` waits 10 s, unless it is told otherwise.
    """
    shutdown_timeout: float = Field(default=5.0, ge=0.0, le=300.0)
    """Time after the signal to stop at which requests that still run are cut off."""

    consent_timeout: float = sfu.Config.consent_timeout
    handshake_timeout: float = sfu.Config.handshake_timeout
    return_timeout: float = sfu.Config.return_timeout
    keyframe_interval: float = sfu.Config.keyframe_interval
    max_rooms: int = sfu.Config.max_rooms
    max_peers_per_room: int = sfu.Config.max_peers_per_room
    max_connections_per_peer: int = sfu.Config.max_connections_per_peer
    max_tracks_per_peer: int = sfu.Config.max_tracks_per_peer
    max_media_per_connection: int = sfu.Config.max_media_per_connection
    max_history_packets: int = sfu.Config.max_history_packets
    max_repaired_subscriptions: int = sfu.Config.max_repaired_subscriptions
    max_resent_subscriptions: int = sfu.Config.max_resent_subscriptions
    max_data_channels: int = sfu.Config.max_data_channels
    max_data_message: int = sfu.Config.max_data_message
    max_data_buffer: int = sfu.Config.max_data_buffer
    last_n_audio: int | None = sfu.Config.last_n_audio
    last_n_video: int | None = sfu.Config.last_n_video
    codecs: Texts = sfu.Config.codecs
    srtp_profiles: Texts = sfu.Config.srtp_profiles

    @field_validator("host", "metrics_host")
    @classmethod
    def _check_host(cls, value: str) -> str:
        return check_ip(value)

    @field_validator("udp_host")
    @classmethod
    def _check_udp_host(cls, value: str) -> str:
        return check_ip(value) if value else value

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        TrustedProxies(proxies)
        return proxies

    @field_validator("keys", "livekit_keys")
    @classmethod
    def _check_keys(cls, keys: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for key_id, secret in keys.items():
            value = secret.get_secret_value()
            if _KEY_ID.fullmatch(key_id) is None:
                raise ValueError(f"{key_id[:80]!r} is not a key id: 1 to 64 letters, digits, '_', '.' or '-'")
            if key_id == DEV_KEY_ID:
                raise ValueError(f"{DEV_KEY_ID!r} names the key that a node in development makes; choose another id")
            if len(value.encode()) < MIN_SECRET_BYTES:
                raise ValueError(
                    f"the secret of {key_id!r} is shorter than {MIN_SECRET_BYTES} bytes (RFC 7518 section 3.2); "
                    "make one with: openssl rand -hex 32"
                )
        return keys

    @field_validator("ice_servers")
    @classmethod
    def _check_ice_servers(cls, servers: tuple[IceServerSetting, ...]) -> tuple[IceServerSetting, ...]:
        for server in servers:
            server.build()
        return servers

    def build_config(self) -> sfu.Config:
        """Return the settings of the media server; raises sfu.ConfigError."""
        return sfu.Config(
            host=self.udp_host or ("0.0.0.0" if self.dev else self.host),
            udp_port=self.udp_port,
            announce=self.announce,
            shards=self.shards,
            consent_timeout=self.consent_timeout,
            handshake_timeout=self.handshake_timeout,
            return_timeout=self.return_timeout,
            keyframe_interval=self.keyframe_interval,
            max_rooms=self.max_rooms,
            max_peers_per_room=self.max_peers_per_room,
            max_connections_per_peer=self.max_connections_per_peer,
            max_tracks_per_peer=self.max_tracks_per_peer,
            max_media_per_connection=self.max_media_per_connection,
            congestion_control=self.congestion_control,
            max_history_packets=self.max_history_packets,
            max_repaired_subscriptions=self.max_repaired_subscriptions,
            max_resent_subscriptions=self.max_resent_subscriptions,
            max_data_channels=self.max_data_channels,
            max_data_message=self.max_data_message,
            max_data_buffer=self.max_data_buffer,
            last_n_audio=self.last_n_audio,
            last_n_video=self.last_n_video,
            codecs=self.codecs,
            srtp_profiles=self.srtp_profiles,
        )

    def build_recording_options(self) -> sfu.RecordingOptions:
        """Return how rooms are recorded; raises sfu.ConfigError."""
        try:
            return sfu.RecordingOptions(
                fragment=self.record_fragment,
                repair_wait=self.record_repair_wait,
                head_interval=self.record_head_interval,
                timestamp_url=self.record_timestamp_url,
                timestamp_interval=self.record_timestamp_interval,
                key_frame_interval=self.record_key_frame_interval,
                least_free_bytes=self.record_least_free_bytes,
            )
        except sfu.ConfigError as error:
            raise sfu.ConfigError(f"record_{error.key}", error.reason) from error

    def build_http_limits(self) -> HttpLimits:
        """Return the bounds on what strangers may take of the HTTP server."""
        return HttpLimits(
            connections=self.max_http_connections,
            connections_per_address=self.max_http_connections_per_address,
            connection_rate_per_address=self.max_connection_rate_per_address,
            connection_burst_per_address=self.max_connection_burst_per_address,
            requests_per_address=self.max_request_rate_per_address,
            request_burst_per_address=self.max_request_burst_per_address,
            requests_per_token=self.max_request_rate_per_token,
            request_burst_per_token=self.max_request_burst_per_token,
            head_timeout=min(_HTTP.head_timeout, self.http_request_timeout),
            request_timeout=self.http_request_timeout,
        )

    def build_options(self) -> SignalingOptions:
        """Return the settings of the signalling app."""
        servers = tuple(server for setting in self.ice_servers for server in setting.build())
        own_only = self.dev and "cors_origins" not in self.model_fields_set
        return SignalingOptions(
            ice_servers=servers,
            turn=self.build_turn(),
            cors_origins=() if own_only else self.cors_origins,
            token_grace=self.token_grace,
            max_peers_per_token=self.max_peers_per_token,
            max_peers_per_address=self.max_peers_per_address,
            max_half_open_per_token=self.max_half_open_per_token,
            max_half_open_per_address=self.max_half_open_per_address,
            kept_for_named=self.kept_for_named,
            max_streams_per_token=self.max_streams_per_token,
            max_streams_per_address=self.max_streams_per_address,
        )

    def build_livekit(self) -> LiveKitOptions:
        """The settings of the LiveKit protocol."""
        options = self.build_options()
        return LiveKitOptions(ice_servers=options.ice_servers, turn=options.turn)

    def livekit_secrets(self) -> dict[str, str]:
        """Secret by API key."""
        return {key: secret.get_secret_value() for key, secret in self.livekit_keys.items()}

    def build_turn(self) -> TurnServers | None:
        """Return the TURN servers that share a secret with us; raises sfu.ConfigError."""
        secret = self.turn_secret.get_secret_value()
        if not (self.turn_urls or secret):
            return None
        if not self.turn_urls or not secret:
            missing, there = ("turn_urls", "turn_secret") if secret else ("turn_secret", "turn_urls")
            raise sfu.ConfigError(missing, f"is needed, since {there} is set")
        try:
            return TurnServers(self.turn_urls, secret, self.turn_ttl)
        except ValueError as error:
            key = "turn_secret" if len(secret.encode()) < turn.MIN_SECRET_BYTES else "turn_urls"
            raise sfu.ConfigError(key, str(error)) from error

    def secrets(self) -> dict[str, str]:
        """Return the secrets by key id, in development with the one that was made at this start."""
        found = {key_id: secret.get_secret_value() for key_id, secret in self.keys.items()}
        if self.dev:
            found[DEV_KEY_ID] = self._dev_secret
        return found

    def take_dev_secret(self, secret: str) -> None:
        """In development, go on with the key of the process before, so that its links stay good."""
        if secret and self.dev:
            self._dev_secret = secret

    def list_tenants(self) -> list[str]:
        """Return the ids of all keys: those of one id are one tenant's."""
        return list(dict.fromkeys([*self.secrets(), *self.livekit_keys]))

    def is_loopback(self) -> bool:
        """Whether HTTP, the only way in, is on loopback only."""
        return ipaddress.ip_address(self.host).is_loopback
