"""How many Peers, and how many sessions that are not connected yet, one token and one address may have."""

from __future__ import annotations

import collections
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from sfu.signaling.http.options import SignalingOptions
from sfu.signaling.http.problem import Problem

_SOON_S = "2"
"""Seconds after which to try again at the half-open limit: sessions connect, or are given up, within seconds."""
_LATER_S = "30"
"""Seconds after which to try again at another limit, when somebody may have left."""


class Holder(NamedTuple):
    """Who opens sessions and streams: a token and the address that it is used from."""

    token: bytes = b""
    """Digest of the token; empty: not known, and not counted."""
    address: str = ""
    """Group of the address (`group_address`); empty: not known, and not counted."""

    def parts(self) -> list[tuple[str, Hashable]]:
        """Return the keys under which the holder is counted."""
        return [(kind, value) for kind, value in zip(self._fields, self, strict=True) if value]


NOBODY = Holder()


class Place:
    """The place of one session in the quotas, from the request that asks for it to its end."""

    def __init__(self, quotas: Quotas, holder: Holder, room: str, peer: str, *, named: bool) -> None:
        self.holder = holder
        self.room = room
        self.peer = peer
        self.named = named
        self.half_open = True
        self._quotas = quotas
        self._released = False

    def note_connected(self) -> None:
        """Note that the session has connected, so that it is half-open no more."""
        if self.half_open and not self._released:
            self.half_open = False
            self._quotas.close_half(self)

    def release(self) -> None:
        """Give the place back, since the session is over. Idempotent."""
        if not self._released:
            self._released = True
            if self.half_open:
                self._quotas.close_half(self)
            self._quotas.forget(self)


class Quotas:
    """Counts sessions by who opened them. Half-open ones also count separately, and end after `handshake_timeout`."""

    def __init__(self, options: SignalingOptions, most_peers: int) -> None:
        """`most_peers` is the most Peers that a room can have."""
        self.refused: collections.Counter[str] = collections.Counter()
        """Requests for a session, by reason."""
        self._options = options
        self._most_nameless = most_peers - int(most_peers * options.kept_for_named)
        self._half_open: collections.Counter[tuple[str, Hashable]] = collections.Counter()
        self._peers: dict[tuple[str, Hashable], collections.Counter[tuple[str, str]]] = {}

    @contextmanager
    def take(self, holder: Holder, room: str, peer: str, *, named: bool) -> Iterator[Place]:
        """Take a place for a session, and give it back if the block fails; raise Problem 429 or 409 if there is none.

        `named`: the token says who its bearer is. Others cannot take the places of a room that are `kept_for_named`.
        """
        self._check(holder, room, peer, named)
        place = Place(self, holder, room, peer, named=named)
        for part in holder.parts():
            self._half_open[part] += 1
        for part in _parts(place):
            self._peers.setdefault(part, collections.Counter())[room, peer] += 1
        try:
            yield place
        except BaseException:
            place.release()
            raise

    def close_half(self, place: Place) -> None:
        """Count a session as half-open no more, since it has connected or is over."""
        for part in place.holder.parts():
            self._half_open[part] -= 1
            if not self._half_open[part]:
                del self._half_open[part]

    def forget(self, place: Place) -> None:
        """Count a session no more, since it is over."""
        key = place.room, place.peer
        for part in _parts(place):
            peers = self._peers[part]
            peers[key] -= 1
            if not peers[key]:
                del peers[key]
            if not peers:
                del self._peers[part]

    def _check(self, holder: Holder, room: str, peer: str, named: bool) -> None:
        options = self._options
        most = {
            "token": (options.max_half_open_per_token, options.max_peers_per_token),
            "address": (options.max_half_open_per_address, options.max_peers_per_address),
        }
        for part in holder.parts():
            kind = part[0]
            half_open, peers = most[kind]
            if self._half_open[part] >= half_open:
                detail = f"Of this {kind} {half_open} sessions are being set up; let them come up first."
                raise self._refuse(f"{kind}_half_open", 429, "Too many sessions at once", detail, _SOON_S)
            if self._is_full(part, room, peer, peers):
                detail = f"This {kind} has brought {peers} peers, as many as it may."
                raise self._refuse(f"{kind}_peers", 429, "Too many peers", detail, _LATER_S)
        if not named and self._is_full(("room", room), room, peer, self._most_nameless):
            detail = "What is left of the room is kept for those whose token has their name."
            raise self._refuse("room", 409, "Room full", detail, _LATER_S)

    def _is_full(self, part: tuple[str, Hashable], room: str, peer: str, most: int) -> bool:
        peers = self._peers.get(part)
        return peers is not None and len(peers) >= most and (room, peer) not in peers

    def _refuse(self, reason: str, status: int, title: str, detail: str, after: str) -> Problem:
        self.refused[reason] += 1
        return Problem(status, title, detail, headers={"Retry-After": after}, members={"reason": reason})


def _parts(place: Place) -> list[tuple[str, Hashable]]:
    """Return the keys under which a session's Peer is counted."""
    return place.holder.parts() + ([] if place.named else [("room", place.room)])
