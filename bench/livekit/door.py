"""What a client knows of a server: its address and a key; and how a token is made of them."""

from __future__ import annotations

import time
from dataclasses import dataclass

import jwt

_LIFE_S = 3600


@dataclass(frozen=True)
class Door:
    """Where a server takes participants."""

    url: str  # ws://host:port
    key: str
    secret: str

    def token(self, identity: str, room: str) -> str:
        """An access token for a participant who publishes and subscribes."""
        now = int(time.time())
        grant = {"roomJoin": True, "room": room, "canPublish": True, "canSubscribe": True}
        claims = {"iss": self.key, "sub": identity, "name": identity, "nbf": now - 10, "exp": now + _LIFE_S}
        return jwt.encode(claims | {"video": grant}, self.secret, algorithm="HS256")

    @property
    def http_url(self) -> str:
        """The same server's for plain requests."""
        return "http" + self.url.removeprefix("ws")
