"""The STUN and TURN servers that clients are told of (RFC 9725 section 4.6), and credentials for them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Protocol

from sfu.tcp.turn import make_credential

MIN_SECRET_BYTES = 16
TURN_TTL = 12 * 3600.0
"""Seconds for which TURN credentials are valid, unless a setting says otherwise."""

# RFC 7064 and RFC 7065; the characters that would end a Link header's URI or its line cannot occur.
_ICE_URL = re.compile(r"(stun|stuns|turn|turns):[A-Za-z0-9.\-_\[\]:%]+(\?transport=(udp|tcp))?")
_QUOTABLE = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class IceServer:
    """One STUN or TURN server that clients are told of (RFC 9725 section 4.6)."""

    url: str
    username: str = ""
    credential: str = ""

    def __post_init__(self) -> None:
        if _ICE_URL.fullmatch(self.url) is None:
            raise ValueError(f"{self.url!r} is not a stun:, stuns:, turn: or turns: URL (RFC 7064, RFC 7065)")
        if not (_QUOTABLE.fullmatch(self.username) and _QUOTABLE.fullmatch(self.credential)):
            raise ValueError("an ICE server's username and credential are printable ASCII")
        if self.url.startswith("turn") and not (self.username and self.credential):
            raise ValueError(f"{self.url!r} needs a username and a credential, since TURN servers ask for them")


@dataclass(frozen=True, slots=True)
class OwnTurn:
    """The TURN server of our own port (`sfu.tcp`), which clients reach where they reach its HTTP."""

    port: int
    secret: str = field(repr=False)
    tls: bool
    """Whether TLS is spoken there."""
    udp_port: int | None = None
    """Where it is spoken by UDP; None: nowhere."""
    ttl: float = 600.0
    """Seconds in which an allocation has to begin. It goes on as long as it is refreshed."""

    def issue(self, user: str, now: float, host: str) -> list[IceServer]:
        """Return it with credentials for `user`. `host` is the name by which the client has found us; where that can be
        in no URL there is none. `now` is in seconds since the Unix epoch.
        """
        username, credential = make_credentials(self.secret, user, now + self.ttl)
        name = f"[{host}]" if ":" in host else host
        urls = [] if self.udp_port is None else [f"turn:{name}:{self.udp_port}?transport=udp"]
        urls += [
            f"{scheme}:{name}:{self.port}?transport=tcp" for scheme in (("turn", "turns") if self.tls else ("turn",))
        ]
        return [IceServer(url, username, credential) for url in urls if host and _ICE_URL.fullmatch(url)]


def make_credentials(secret: str, user: str, expires: float) -> tuple[str, str]:
    """A user name that says until when it is good, and its password (draft-uberti-behave-turn-rest-00)."""
    username = f"{int(expires)}:{user}"
    return username, make_credential(secret.encode(), username)


@dataclass(frozen=True, slots=True)
class TurnServers:
    """TURN servers that share a secret with us: coturn's `use-auth-secret` (draft-uberti-behave-turn-rest-00).

    They need no database of users, and what a client was given is of no use to anyone once it has expired.
    """

    urls: tuple[str, ...]
    secret: str = field(repr=False)
    ttl: float = TURN_TTL
    """Seconds for which credentials are valid. A client refreshes its allocation with them, so they must outlast a
    call.
    """

    def __post_init__(self) -> None:
        if len(self.secret.encode()) < MIN_SECRET_BYTES:
            # whoever has credentials could find a short one out by trying
            raise ValueError(f"the secret of TURN servers has at least {MIN_SECRET_BYTES} bytes")
        for server in self.issue("check", 0.0):
            if not server.url.startswith(("turn:", "turns:")):
                raise ValueError(f"{server.url!r} is not a turn: or turns: URL, so it asks for no credentials")

    def issue(self, user: str, now: float) -> list[IceServer]:
        """Return the servers with credentials for `user`, whom the TURN server logs. `now` is in seconds since the Unix
        epoch.
        """
        username, credential = make_credentials(self.secret, user, now + self.ttl)
        return [IceServer(url, username, credential) for url in self.urls]


class IceOptions(Protocol):
    """What is set of them."""

    @property
    def ice_servers(self) -> tuple[IceServer, ...]:
        """Told to everybody as they are."""
        ...

    @property
    def turn(self) -> TurnServers | None:
        """TURN servers elsewhere."""
        ...

    @property
    def own_turn(self) -> OwnTurn | None:
        """That of our own port."""
        ...


def issue_ice_servers(options: IceOptions, user: str, now: float, host: str) -> list[IceServer]:
    """All for one client, with fresh credentials of its own; see `OwnTurn.issue`."""
    elsewhere = [] if options.turn is None else options.turn.issue(user, now)
    own = [] if options.own_turn is None else options.own_turn.issue(user, now, host)
    return [*options.ice_servers, *elsewhere, *own]
