"""Which checks the plane answers is told by commands, and the password is gone where it is not needed."""

from __future__ import annotations

from sfu.routing.kernels.check_records import AnswerChecks

from .conftest import build_check, wait_until

UFRAG = "ourfrag+"
AGREED = {"ufrag": UFRAG, "pwd": "password", "remote_ufrag": "remo", "nominated": True}


def key_of(plane, row):
    return plane._tables.checks["pads"][row]


def test_a_check_is_answered_until_checks_are_left_to_python(plane, make_peer):
    peer = make_peer(plane, 1)
    plane.set_ufrags(peer.connection, [UFRAG])
    plane.checks.answer(peer.connection, **AGREED)
    wait_until(lambda: plane.settled)
    peer.socket.send(build_check(UFRAG))
    wait_until(lambda: not peer.silent())
    assert peer.socket.recv(200)[:2] == b"\x01\x01"
    assert plane.notices_written == 0
    [(address, _)] = plane.addresses.checked(peer.connection)
    assert address == peer.socket.getsockname()
    plane.checks.leave(peer.connection)
    wait_until(lambda: plane.settled)
    peer.socket.send(build_check(UFRAG))
    wait_until(lambda: plane.notices_written == 1)
    assert peer.silent()


def test_a_fragment_too_long_for_the_plane_leaves_the_checks_to_python(plane, make_peer):
    peer = make_peer(plane, 1)
    plane.set_ufrags(peer.connection, [UFRAG])
    plane.checks.answer(peer.connection, **AGREED | {"remote_ufrag": "r" * 33})
    wait_until(lambda: plane.settled)
    peer.socket.send(build_check(UFRAG, remote="r" * 33))
    wait_until(lambda: plane.notices_written == 1)


def test_the_password_is_not_shown_and_does_not_stay(plane, make_peer):
    assert "secret" not in repr(AnswerChecks(True, 1, b"secret", b"remo"))
    peer = make_peer(plane, 1)
    plane.checks.answer(peer.connection, **AGREED)
    wait_until(lambda: plane.settled)
    assert key_of(plane, peer.connection).all()
    assert b"password" not in plane._queue.records.tobytes()
    assert b"password" not in plane._tables.checks.tobytes()
    plane.close_connection(peer.connection)
    wait_until(lambda: plane.settled)
    assert not key_of(plane, peer.connection).any()
