"""What a client asks of the TURN server, as messages: who it is, what it may reach, and nothing else."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from aioice.stun import Class, Message, Method, parse_message

from sfu.tcp.turn import MAX_FAILURES, NONCE_LIFETIME, Outcome, TurnOptions, TurnSession, make_credential

NOW = 1_800_000_000.0
SECRET = b"a secret that is long enough"
OURS, OTHER = ("203.0.113.5", 4000), ("198.51.100.7", 4000)
OPTIONS = TurnOptions(
    realm="court.example",
    secret=SECRET,
    peers={"203.0.113.5": (4000, 4001), "2001:db8::5": (4000, 4001)},
    max_legs=4,
)


class Client:
    """A client that knows its credentials."""

    def __init__(self, expires: float = NOW + 60, user: str = "alice") -> None:
        self.session = TurnSession(OPTIONS, ("192.0.2.9", 50000), lambda: OURS, NOW, lambda count: b"r" * count)
        self.now = NOW
        self.username = f"{int(expires)}:{user}"
        self.password = make_credential(SECRET, self.username)
        self.nonce = b""
        self.last: Outcome | None = None

    def send(self, method: Method, **attributes: Any) -> Message:
        """A message without credentials."""
        named = {name.replace("_", "-").upper(): value for name, value in attributes.items()}
        return self._exchange(Message(method, Class.REQUEST, b"t" * 12, named))

    def _exchange(self, message: Message) -> Message:
        self.last = self.session.handle_message(bytes(message), self.now)
        return parse_message(self.last.reply)

    def ask(self, method: Method, **attributes: Any) -> Message:
        """A message with credentials; the nonce is fetched first."""
        if not self.nonce:
            self.nonce = self.send(Method.ALLOCATE).attributes["NONCE"]
        named = {name.replace("_", "-").upper(): value for name, value in attributes.items()}
        named |= {"USERNAME": self.username, "REALM": "court.example", "NONCE": self.nonce}
        message = Message(method, Class.REQUEST, b"t" * 12, named)
        key = hashlib.md5(f"{self.username}:court.example:{self.password}".encode()).digest()
        message.add_message_integrity(key)
        answer = self._exchange(message)
        if answer.message_class is Class.RESPONSE:
            assert answer.check_message_integrity(key)
        return answer

    def allocate(self) -> Message:
        return self.ask(Method.ALLOCATE, requested_transport=17 << 24)


def code_of(answer: Message) -> int:
    assert answer.message_class is Class.ERROR
    return int(answer.attributes["ERROR-CODE"][0])


def test_an_allocation_tells_where_the_client_is_and_how_long_it_lasts() -> None:
    client = Client()
    told = client.allocate().attributes
    assert (told["XOR-MAPPED-ADDRESS"], told["XOR-RELAYED-ADDRESS"], told["LIFETIME"]) == (
        ("192.0.2.9", 50000),
        OURS,
        600,
    )
    assert (client.session.user, client.session.expires) == ("alice", NOW + 600)


def test_credentials_are_asked_for_and_a_stale_nonce_is_told() -> None:
    client = Client()
    first = client.send(Method.ALLOCATE, requested_transport=17 << 24)
    assert (code_of(first), first.attributes["REALM"]) == (401, "court.example")
    client.nonce = first.attributes["NONCE"]
    client.now += NONCE_LIFETIME + 1
    assert code_of(client.allocate()) == 438
    client.now -= NONCE_LIFETIME + 2
    assert code_of(client.allocate()) == 438, "of a time to come"


@pytest.mark.parametrize("what", ["password", "username", "nonce", "expired", "no time", "huge"])
def test_who_does_not_know_the_password_gets_nothing(what: str) -> None:
    client = Client(expires=NOW - 1 if what == "expired" else NOW + 60)
    client.send(Method.ALLOCATE)
    if what == "password":
        client.password = "guessed"
    elif what == "username":
        client.username = f"{int(NOW + 9999)}:alice"
    elif what == "nonce":
        client.nonce = b"7-guessed"
    elif what in ("no time", "huge"):
        client.username = "alice" if what == "no time" else f"{'9' * 400}:alice"
        client.password = make_credential(SECRET, client.username)
    assert code_of(client.allocate()) == (438 if what == "nonce" else 401)
    assert not client.session.allocated


def test_one_client_has_one_allocation_and_stays_who_it_is() -> None:
    client = Client()
    client.allocate()
    assert code_of(client.allocate()) == 437
    client.username = f"{int(NOW + 50)}:mallory"
    client.password = make_credential(SECRET, client.username)
    assert code_of(client.ask(Method.REFRESH)) == 441


def test_what_was_begun_goes_on_after_its_credentials_have_expired() -> None:
    client = Client()
    client.allocate()
    client.now += 120
    assert client.ask(Method.REFRESH, lifetime=600).attributes["LIFETIME"] == 600
    assert client.session.expires == NOW + 720


@pytest.mark.parametrize("asked", [0xFFFFFFFF, 1])
def test_every_allocation_has_the_same_lifetime(asked: int) -> None:
    client = Client()
    client.allocate()
    assert client.ask(Method.REFRESH, lifetime=asked).attributes["LIFETIME"] == 600


def test_a_refresh_to_nothing_ends_the_connection() -> None:
    client = Client()
    client.allocate()
    assert client.ask(Method.REFRESH, lifetime=0).attributes["LIFETIME"] == 0
    assert client.last is not None and client.last.ends


@pytest.mark.parametrize("peer", [OURS, ("2001:db8::5", 4001)])
def test_a_peer_of_ours_gets_a_leg_once(peer: tuple[str, int]) -> None:
    client = Client()
    client.allocate()
    client.ask(Method.CREATE_PERMISSION, xor_peer_address=peer)
    assert client.last is not None
    ((number, address, prefix),) = client.last.opened
    assert (number, address) == (0, peer)
    begun = parse_message(prefix)
    assert (begun.message_method, begun.message_class) == (Method.DATA, Class.INDICATION)
    assert begun.attributes == {"XOR-PEER-ADDRESS": peer, "DATA": b""}
    client.ask(Method.CREATE_PERMISSION, xor_peer_address=peer)
    assert client.last.opened == []
    client.ask(Method.CHANNEL_BIND, xor_peer_address=peer, channel_number=0x4000)
    assert (client.last.opened, client.last.bound) == ([], (0, 0x4000))


def test_a_permission_without_a_port_is_for_all_of_the_address() -> None:
    client = Client()
    client.allocate()
    client.ask(Method.CREATE_PERMISSION, xor_peer_address=(OURS[0], 0))
    assert client.last is not None
    assert [peer for _, peer, _ in client.last.opened] == [(OURS[0], 4000), (OURS[0], 4001)]


@pytest.mark.parametrize(
    "peer", [OTHER, ("127.0.0.1", 4000), ("10.0.0.1", 22), ("169.254.169.254", 80), ("::1", 4000), ("0.0.0.0", 4000)]
)
@pytest.mark.parametrize("method", [Method.CREATE_PERMISSION, Method.CHANNEL_BIND])
def test_nobody_else_is_reached(method: Method, peer: tuple[str, int]) -> None:
    client = Client()
    client.allocate()
    assert code_of(client.ask(method, xor_peer_address=peer, channel_number=0x4000)) == 403
    assert client.last is not None and client.last.opened == []


def test_nor_another_port_of_ours() -> None:
    client = Client()
    client.allocate()
    asked = {"xor_peer_address": (OURS[0], 22), "channel_number": 0x4000}
    assert code_of(client.ask(Method.CHANNEL_BIND, **asked)) == 403


def test_a_channel_has_one_peer_and_a_peer_one_channel() -> None:
    client = Client()
    client.allocate()
    bind = lambda channel, port: client.ask(  # noqa: E731
        Method.CHANNEL_BIND, xor_peer_address=(OURS[0], port), channel_number=channel
    )
    assert bind(0x4000, 4000).message_class is Class.RESPONSE
    assert bind(0x4000, 4000).message_class is Class.RESPONSE, "again, as each ten minutes"
    assert [code_of(bind(0x4001, 4000)), code_of(bind(0x4000, 4001))] == [400, 400]
    assert bind(0x4001, 4001).message_class is Class.RESPONSE
    assert [code_of(bind(0x3FFF, 4001)), code_of(bind(0x5000, 4001))] == [400, 400]


def test_legs_are_bounded() -> None:
    client = Client()
    client.session._options = TurnOptions("court.example", SECRET, {OURS[0]: tuple(range(1, 9))}, max_legs=4)
    client.allocate()
    for port in range(1, 5):
        assert client.ask(Method.CREATE_PERMISSION, xor_peer_address=(OURS[0], port)).message_class is Class.RESPONSE
    assert code_of(client.ask(Method.CREATE_PERMISSION, xor_peer_address=(OURS[0], 5))) == 508


def test_what_is_too_much_at_once_opens_nothing() -> None:
    client = Client()
    client.session._options = TurnOptions("court.example", SECRET, {OURS[0]: tuple(range(1, 9))}, max_legs=4)
    client.allocate()
    assert code_of(client.ask(Method.CREATE_PERMISSION, xor_peer_address=(OURS[0], 0))) == 508
    client.ask(Method.CREATE_PERMISSION, xor_peer_address=(OURS[0], 1))
    assert client.last is not None
    assert [(number, peer) for number, peer, _ in client.last.opened] == [(0, (OURS[0], 1))]


def test_who_goes_on_for_days_is_not_ended_for_each_hours_stale_nonce() -> None:
    client = Client()
    client.allocate()
    for _ in range(2 * MAX_FAILURES):
        client.now += NONCE_LIFETIME + 1
        stale = client.ask(Method.REFRESH)
        assert client.last is not None
        assert (code_of(stale), client.last.ends) == (438, False)
        client.nonce = stale.attributes["NONCE"]
        assert client.ask(Method.REFRESH).message_class is Class.RESPONSE


def test_nothing_is_permitted_before_an_allocation() -> None:
    client = Client()
    assert code_of(client.ask(Method.CREATE_PERMISSION, xor_peer_address=OURS)) == 437
    assert code_of(client.ask(Method.REFRESH)) == 437
    assert code_of(client.ask(Method.ALLOCATE, requested_transport=6 << 24)) == 442


def test_a_binding_is_answered_to_anybody() -> None:
    assert Client().send(Method.BINDING).attributes["XOR-MAPPED-ADDRESS"] == ("192.0.2.9", 50000)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x01\x00\x00",
        b"\x00\x03\x00\x04\x21\x12\xa4\x42" + bytes(12) + b"\x00\x0d\x00\x00",  # LIFETIME of no octets
        b"\x00\x03\x00\x04\x21\x12\xa4\x42" + bytes(12) + b"\x00\x0d\x40\x00",
        b"\x00\x03\x00\x08\x21\x12\xa4\x42" + bytes(12) + b"\x00\x06\x00\x02\xff\xfe\x00\x00",  # no text
        b"\x3f\xff\x00\x00\x21\x12\xa4\x42" + bytes(12),
        b"\x01\x01\x00\x00\x21\x12\xa4\x42" + bytes(12),
        b"\x00\x03\x00\x08\x21\x12\xa4\x42" + bytes(12) + b"\x00\x12\x00\x04\x00\x01\x00\x00",
    ],
)
def test_what_cannot_be_read_gets_no_answer_and_ends_in_the_end(data: bytes) -> None:
    session = Client().session
    for _ in range(MAX_FAILURES - 1):
        outcome = session.handle_message(data, NOW)
        assert (outcome.reply, outcome.ends) == (b"", False)
    assert session.handle_message(data, NOW).ends
