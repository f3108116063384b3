from __future__ import annotations

import aioice.stun

from bench.client import stun


def _read(data: bytes, key: bytes) -> aioice.stun.Message:
    message = aioice.stun.parse_message(data)
    assert message.check_message_integrity(key)
    return message


def test_a_check_is_what_another_implementation_reads() -> None:
    data = stun.build_check("remote:local", "password", tie_breaker=b"12345678", nominate=True)
    message = _read(data, b"password")
    assert message.message_method == aioice.stun.Method.BINDING
    assert message.message_class == aioice.stun.Class.REQUEST
    assert message.attributes["USERNAME"] == "remote:local"
    assert message.attributes["ICE-CONTROLLING"] == int.from_bytes(b"12345678", "big")
    assert "USE-CANDIDATE" in message.attributes


def test_only_a_nominating_check_has_the_attribute() -> None:
    data = stun.build_check("remote:local", "password", tie_breaker=b"12345678", nominate=False)
    assert "USE-CANDIDATE" not in _read(data, b"password").attributes


def test_a_success_mirrors_the_transaction_and_the_address() -> None:
    request = stun.build_check("a:b", "password", tie_breaker=bytes(8), nominate=False)
    answer = stun.build_success(request, ("10.203.0.1", 40000), "ours")
    message = _read(answer, b"ours")
    assert stun.message_type(answer) == stun.BINDING_SUCCESS
    assert message.transaction_id == stun.transaction_id(request)
    assert message.attributes["XOR-MAPPED-ADDRESS"] == ("10.203.0.1", 40000)


def test_what_is_no_stun_has_no_type() -> None:
    assert stun.message_type(b"") == -1
    assert stun.message_type(bytes(20)) == -1
    assert stun.message_type(b"\x80" + bytes(30)) == -1
