"""The STUN and TURN servers that clients are told of (RFC 9725 section 4.6), and credentials for them."""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass, field

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
        username = f"{int(now + self.ttl)}:{user}"
        digest = hmac.digest(self.secret.encode(), username.encode(), "sha1")
        credential = base64.b64encode(digest).decode()
        return [IceServer(url, username, credential) for url in self.urls]
