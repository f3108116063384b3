"""A TURN server that relays to ourselves alone (RFC 8656), sans-IO: what a client asks by TCP or UDP, decided.

It is no open proxy by construction: a peer is one of our own media addresses or refused, and what a client sends goes
to a socket that is connected to one of them. So permissions and channels need no end of their own; they last as long as
the allocation, and that as long as the connection. Packets do not come here, only what asks for something.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aioice.stun import Class, Message, Method, parse_message

Address = tuple[str, int]

LIFETIME = 600
"""Seconds of an allocation, whatever is asked for (RFC 8656 section 7.2): it holds a connection that may be dead."""
DATAGRAM_LIFETIME = 180
"""And of one by UDP, where nothing else tells that a client is gone."""
NONCE_LIFETIME = 3600
_MAC_BYTES = 8
"""Of a nonce: with more, what is answered to a stranger by UDP would be more than three times what he has sent."""
FIRST_CHANNEL, LAST_CHANNEL = 0x4000, 0x4FFF
MAX_FAILURES = 10
"""Refused requests of one connection in a row, before it is ended."""
_UDP = 17


@dataclass(frozen=True, slots=True)
class TurnOptions:
    """What all connections share."""

    realm: str
    secret: bytes = field(repr=False)
    """From which credentials follow: `EXPIRY:USER` and the HMAC of that (draft-uberti-behave-turn-rest-00)."""
    peers: Mapping[str, tuple[int, ...]]
    """The addresses that are ours, and the ports of each."""
    max_legs: int


@dataclass(slots=True)
class Outcome:
    """What is to be done for a request."""

    reply: bytes
    opened: list[tuple[int, Address, bytes]] = field(default_factory=list)
    """Legs to be opened: number, the peer, and what a Data indication from there begins with."""
    bound: tuple[int, int] | None = None
    """A leg and its channel."""
    ends: bool = False
    """The connection is to be ended once the reply is out."""


class _RefusedError(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def make_credential(secret: bytes, username: str) -> str:
    """The password of a user name."""
    return base64.b64encode(hmac.digest(secret, username.encode(), "sha1")).decode()


def _hash_key(username: str, realm: str, password: str) -> bytes:
    """The key of messages under long-term credentials (RFC 8489 section 9.2.2), which that section makes of MD5."""
    return hashlib.md5(f"{username}:{realm}:{password}".encode(), usedforsecurity=False).digest()


class TurnSession:
    """One client's connection, or by UDP its address. Times are seconds since the Unix epoch, as in its credentials.

    By UDP a session is nothing that a stranger can make last: before there is an allocation a new one answers the same.
    """

    def __init__(
        self,
        options: TurnOptions,
        client: Address,
        allot: Callable[[], Address | None],
        now: float,
        random: Callable[[int], bytes],
        *,
        datagrams: bool = False,
    ) -> None:
        """`allot`: called when an allocation begins; returns what the client is told as its relayed address, to which
        nothing is ever sent, or None where there is no room. `datagrams`: the client comes by UDP, so anybody can write
        its address.
        """
        self._options = options
        self._client = client
        self._allot = allot
        self._datagrams = datagrams
        self._lifetime = DATAGRAM_LIFETIME if datagrams else LIFETIME
        self._transaction = random(12)
        self._salt = repr(client).encode() if datagrams else random(8)
        self._answered = b"", b""
        self._username = ""
        self._legs: list[Address] = []
        self._channels: dict[int, int] = {}  # by leg
        self._failures = 0
        self.expires = now
        """When the allocation ends; there is none before it begins."""

    @property
    def allocated(self) -> bool:
        """Whether there is an allocation."""
        return bool(self._username)

    @property
    def user(self) -> str:
        """Whose it is, as its credentials say; empty before there is an allocation."""
        return self._username.partition(":")[2]

    def handle_message(self, data: bytes, now: float) -> Outcome:
        """Answer a STUN message. What cannot be read, or asks for nothing, gets no answer and counts as a failure."""
        try:
            asked = parse_message(data)
        except (ValueError, KeyError, IndexError, struct.error):
            return self._fail(b"")
        if asked.message_class != Class.REQUEST:
            return self._fail(b"")
        if self._datagrams and data == self._answered[0]:  # the answer was lost (RFC 8489 section 6.3.1)
            return Outcome(self._answered[1])
        if asked.message_method == Method.BINDING:
            return Outcome(self._reply(asked, {"XOR-MAPPED-ADDRESS": self._client}, None))
        key = None
        try:
            key = self._authenticate(asked, now)
            outcome = self._carry_out(asked, key, now)
        except _RefusedError as error:
            return self._refuse(asked, error, key, now)
        self._answered = data, outcome.reply
        self._failures = 0  # each hour a nonce is stale: that is no fault
        return outcome

    # credentials

    def _nonce(self, now: float) -> bytes:
        stamp = f"{int(now):x}"
        mac = hmac.digest(self._options.secret, self._salt + stamp.encode(), "sha256")[:_MAC_BYTES]
        return f"{stamp}-{mac.hex()}".encode()

    def _is_fresh(self, nonce: bytes, now: float) -> bool:
        stamp, _, _ = nonce.partition(b"-")
        try:
            issued = int(stamp, 16)
        except ValueError:
            return False
        return hmac.compare_digest(nonce, self._nonce(issued)) and 0 <= now - issued <= NONCE_LIFETIME

    def _authenticate(self, asked: Message, now: float) -> bytes:
        """The key of a request whose sender knows the password; refuses others."""
        known = asked.attributes
        username, nonce = known.get("USERNAME"), known.get("NONCE")
        if "MESSAGE-INTEGRITY" not in known:
            raise _RefusedError(401, "Unauthorized")
        if username is None or nonce is None or known.get("REALM") is None:
            raise _RefusedError(400, "Bad Request")
        if not self._is_fresh(nonce, now):
            raise _RefusedError(438, "Stale Nonce")
        expiry = username.partition(":")[0]
        if not expiry.isdecimal() or len(expiry) > 12:
            raise _RefusedError(401, "Unauthorized")
        key = _hash_key(username, self._options.realm, make_credential(self._options.secret, username))
        if not asked.check_message_integrity(key):
            raise _RefusedError(401, "Unauthorized")
        if self._username and username != self._username:
            raise _RefusedError(441, "Wrong Credentials")
        if not self._username and int(expiry) < now:  # what was begun may go on
            raise _RefusedError(401, "Unauthorized")
        return key

    # requests

    def _carry_out(self, asked: Message, key: bytes, now: float) -> Outcome:
        if asked.message_method == Method.ALLOCATE:
            return self._allocate(asked, key, now)
        if not self._username:
            raise _RefusedError(437, "Allocation Mismatch")
        if asked.message_method == Method.REFRESH:
            return self._refresh(asked, key, now)
        if asked.message_method == Method.CREATE_PERMISSION:
            return Outcome(self._reply(asked, {}, key), self._permit(self._find_peer(asked)))
        if asked.message_method == Method.CHANNEL_BIND:
            return self._bind(asked, key)
        raise _RefusedError(400, "Bad Request")

    def _allocate(self, asked: Message, key: bytes, now: float) -> Outcome:
        if self._username:
            raise _RefusedError(437, "Allocation Mismatch")
        if asked.attributes.get("REQUESTED-TRANSPORT", 0) >> 24 != _UDP:
            raise _RefusedError(442, "Unsupported Transport Protocol")
        relayed = self._allot()
        if relayed is None:
            raise _RefusedError(508, "Insufficient Capacity")
        self.expires = now + self._lifetime
        self._username = asked.attributes["USERNAME"]
        told = {
            "XOR-RELAYED-ADDRESS": relayed,
            "XOR-MAPPED-ADDRESS": self._client,
            "LIFETIME": self._lifetime,
        }
        return Outcome(self._reply(asked, told, key))

    def _refresh(self, asked: Message, key: bytes, now: float) -> Outcome:
        if asked.attributes.get("LIFETIME") == 0:
            return Outcome(self._reply(asked, {"LIFETIME": 0}, key), ends=True)
        self.expires = now + self._lifetime
        return Outcome(self._reply(asked, {"LIFETIME": self._lifetime}, key))

    def _find_peer(self, asked: Message) -> Address:
        peer: Address | None = asked.attributes.get("XOR-PEER-ADDRESS")
        if peer is None:
            raise _RefusedError(400, "Bad Request")
        if peer[0] not in self._options.peers:
            raise _RefusedError(403, "Forbidden")
        return peer

    def _permit(self, peer: Address) -> list[tuple[int, Address, bytes]]:
        """Open what leads to a peer. A permission is for an address: where its port is none of ours it means all."""
        ports = self._options.peers[peer[0]]
        wanted = [(peer[0], port) for port in (ports if peer[1] not in ports else (peer[1],))]
        opened = [each for each in wanted if each not in self._legs]
        first = len(self._legs)
        if first + len(opened) > self._options.max_legs:
            raise _RefusedError(508, "Insufficient Capacity")
        self._legs += opened
        return [(first + number, each, self._begin_indication(each)) for number, each in enumerate(opened)]

    def _bind(self, asked: Message, key: bytes) -> Outcome:
        peer, channel = self._find_peer(asked), asked.attributes.get("CHANNEL-NUMBER", 0)
        if not FIRST_CHANNEL <= channel <= LAST_CHANNEL:
            raise _RefusedError(400, "Bad Request")
        if peer[1] not in self._options.peers[peer[0]]:
            raise _RefusedError(403, "Forbidden")
        leg = self._legs.index(peer) if peer in self._legs else None
        if channel in self._channels.values() or leg in self._channels:
            if leg is None or self._channels.get(leg) != channel:  # bound otherwise
                raise _RefusedError(400, "Bad Request")
            return Outcome(self._reply(asked, {}, key))
        opened = self._permit(peer)
        leg = self._legs.index(peer)
        self._channels[leg] = channel
        return Outcome(self._reply(asked, {}, key), opened, (leg, channel))

    def _begin_indication(self, peer: Address) -> bytes:
        """A Data indication from a peer up to its data; the pump writes the lengths."""
        made = Message(Method.DATA, Class.INDICATION, self._transaction, {"XOR-PEER-ADDRESS": peer, "DATA": b""})
        return bytes(made)

    # answers

    def _reply(self, asked: Message, attributes: dict[str, object], key: bytes | None) -> bytes:
        made = Message(asked.message_method, Class.RESPONSE, asked.transaction_id, attributes)
        if key is not None:
            made.add_message_integrity(key)
        return bytes(made)

    def _refuse(self, asked: Message, error: _RefusedError, key: bytes | None, now: float) -> Outcome:
        told: dict[str, object] = {"ERROR-CODE": (error.code, error.reason)}
        if error.code in (401, 438):
            told |= {"REALM": self._options.realm, "NONCE": self._nonce(now)}
        made = Message(asked.message_method, Class.ERROR, asked.transaction_id, told)
        if key is not None:
            made.add_message_integrity(key)
        return self._fail(bytes(made))

    def _fail(self, reply: bytes) -> Outcome:
        self._failures += 1
        return Outcome(reply, ends=self._failures >= MAX_FAILURES and not self._datagrams)
