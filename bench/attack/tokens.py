"""What people do with a token that has no name in it: take others' names, and fill the room."""

from __future__ import annotations

import secrets

import httpx

from bench.attack.base import Attack
from bench.client import sdp


class Entering(Attack):
    """Offers to publish under some name, and never connects."""

    def open(self) -> None:
        headers = {"Authorization": f"Bearer {self.target.nameless_token}", "Content-Type": "application/sdp"}
        self._http = httpx.Client(base_url=self.target.url, headers=headers, trust_env=False, timeout=10.0)
        self._turn = 0

    def step(self, count: int) -> None:
        self._turn += 1  # one at a time: who waits for an answer has no use for what was due meanwhile
        local = sdp.LocalIdentity(secrets.token_hex(4), secrets.token_hex(12), ":".join(["AB"] * 32), ("127.0.0.1", 9))
        section = sdp.offered_section("audio", "0", "sendonly", ssrc=secrets.randbits(31) + 1)
        offer = sdp.build(local, [section], setup="actpass")
        path = f"/rooms/{self.target.room}/whip"
        try:
            reply = self._http.post(path, params={"peer": self.choose_name()}, content=offer)
        except httpx.TransportError:
            self.tally["no answer"] += 1
        else:
            self.tally[f"status {reply.status_code}"] += 1

    def choose_name(self) -> str:
        """The next name."""
        raise NotImplementedError

    def close(self) -> None:
        self._http.close()


class NameThief(Entering):
    """Wants the names of those who are there, as they are spelt and as they look."""

    name = "names"

    def choose_name(self) -> str:
        name = self.target.publishers[self._turn // 2 % len(self.target.publishers)]
        return name if self._turn % 2 else name.replace("p", "\N{CYRILLIC SMALL LETTER ER}")


class HalfOpen(Entering):
    """Fills the room with peers that never connect."""

    name = "half-open"

    def choose_name(self) -> str:
        return f"nobody-{secrets.token_hex(6)}"
