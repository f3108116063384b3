"""ICE-lite through an Endpoint: checks, nomination, restart, consent."""

from __future__ import annotations

import os
import string

import pytest
from aioice import stun

from sfu.transport import Closed, CloseReason, IceCredentials
from sfu.transport.ice import MAX_ADDRESSES

OTHER = ("198.51.100.7", 50000)
NEW = IceCredentials("newufrag", "new-password-of-24-octet")
NEWER = IceCredentials("newerufr", "newer-password-24-octets")


def test_credentials_are_ice_chars_and_long_enough():
    made = {IceCredentials.generate(os.urandom) for _ in range(100)}
    assert len(made) == 100
    for credentials in made:
        assert len(credentials.ufrag) >= 4
        assert len(credentials.pwd) >= 22
        assert set(credentials.ufrag + credentials.pwd) <= set(string.ascii_letters + string.digits + "+/")


def test_credentials_come_from_the_given_randomness():
    assert IceCredentials.generate(bytes) == IceCredentials("A" * 8, "A" * 24)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (("192.0.2.1", 40000), ("192.0.2.1", 40000)),
        (("255.255.255.255", 65535), ("255.255.255.255", 65535)),
        (("2001:db8::1", 1), ("2001:db8::1", 1)),
        (("fe80::1%eth0", 5000), ("fe80::1", 5000)),
        (("::ffff:192.0.2.9", 5000), ("192.0.2.9", 5000)),
    ],
)
def test_a_check_is_answered_with_the_senders_address(new_pair, check, address, told):
    pair = new_pair()
    request = check()
    pair.endpoint.handle_datagram(request, address, pair.now)
    datagram, destination = pair.endpoint.poll_transmit()
    response = stun.parse_message(datagram)
    assert destination == address
    assert response.message_class is stun.Class.RESPONSE
    assert response.message_method is stun.Method.BINDING
    assert response.transaction_id == request[8:20]
    assert response.attributes["XOR-MAPPED-ADDRESS"] == told
    assert response.check_message_integrity(pair.endpoint.credentials.pwd.encode())
    assert list(response.attributes)[-1] == "FINGERPRINT"
    assert pair.endpoint.poll_transmit() is None


def test_the_first_check_selects_and_a_nomination_moves(new_pair):
    pair = new_pair()
    pair.check()
    pair.check(OTHER)
    assert pair.selected() == [pair.address]
    pair.check(OTHER, use_candidate=True)
    assert pair.selected() == [pair.address, OTHER]
    pair.check()
    pair.check(OTHER, use_candidate=True)
    assert pair.selected() == [pair.address, OTHER]
    pair.check(use_candidate=True)
    assert pair.selected() == [pair.address, OTHER, pair.address]


def test_media_follows_the_nomination_after_the_handshake(new_pair):
    pair = new_pair()
    pair.connect()
    pair.check(OTHER, use_candidate=True)
    assert pair.selected() == [pair.address, OTHER]
    pair.address = OTHER
    pair.endpoint.close(pair.now)
    pair.drain()  # asserts where close_notify goes


def test_until_a_nomination_the_handshake_shows_the_address(new_pair):
    pair = new_pair()
    pair.set_remote()
    pair.check(OTHER)
    pair.check()
    pair.send(pair.client.step())
    pair.deliver()
    assert pair.selected() == [OTHER, pair.address]
    assert pair.connected() is not None


def test_a_handshake_from_elsewhere_does_not_undo_a_nomination(new_pair):
    pair = new_pair()
    pair.set_remote()
    pair.check(use_candidate=True)
    pair.check(OTHER)
    pair.send(pair.client.step(), OTHER)
    pair.deliver()
    assert pair.selected() == [pair.address]
    assert pair.connected() is not None


def test_only_the_newest_address_waits_as_an_event(new_pair, check):
    pair = new_pair()
    for port in range(1, 200):
        pair.endpoint.handle_datagram(check(use_candidate=True), ("192.0.2.3", port), pair.now)
        assert pair.endpoint.poll_transmit() is not None
    pair.drain()
    assert pair.selected() == [("192.0.2.3", 199)]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"key": b"wrong"}, "ice_wrong_password"),
        ({"key": b""}, "ice_wrong_password"),
        ({"username": "elsewhere:remo"}, "ice_wrong_username"),
        ({"username": "localufr"}, "ice_wrong_username"),
        ({"username": "localufr:"}, "ice_wrong_username"),
        ({"username": "localufr:stranger"}, "ice_wrong_username"),
        ({"username": "localufr2:remo"}, "ice_wrong_username"),
        ({"username": ":remo"}, "ice_wrong_username"),
        ({"username": "ü:ü"}, "ice_wrong_username"),
    ],
)
def test_a_check_that_proves_nothing_is_dropped(new_pair, options, reason):
    pair = new_pair()
    pair.set_remote()
    assert pair.check(**options) is None
    assert pair.endpoint.drops == {reason: 1}
    assert pair.events == []
    pair.now += 1.0
    assert pair.endpoint.poll_timeout() == 1010.0  # no consent began


def test_the_remote_fragment_is_open_until_signalling_names_it(new_pair):
    pair = new_pair()
    assert pair.check(remote="whoever") is not None
    pair.set_remote()
    assert pair.check(remote="whoever") is None
    assert pair.check() is not None


def test_a_peer_that_says_controlled_gets_487(new_pair):
    pair = new_pair()
    response = pair.check(role="ICE-CONTROLLED")
    assert response.message_class is stun.Class.ERROR
    assert response.error_code == 487
    assert response.check_message_integrity(pair.endpoint.credentials.pwd.encode())
    assert pair.events == []
    assert pair.endpoint.drops == {"ice_role_conflict": 1}


def test_controlled_with_the_wrong_password_gets_nothing(new_pair):
    pair = new_pair()
    assert pair.check(role="ICE-CONTROLLED", key=b"wrong") is None


def test_restart_keeps_the_old_credentials_until_the_new_are_used(new_pair):
    pair = new_pair()
    pair.connect()
    old = pair.endpoint.credentials
    pair.endpoint.restart_ice(NEW)
    pair.endpoint.set_remote(ufrag="rem2", pwd="x", fingerprints=pair.client.fingerprints)
    assert pair.endpoint.credentials == NEW
    assert pair.endpoint.local_ufrags() == [NEW.ufrag, old.ufrag]
    assert pair.check(credentials=old) is not None
    assert pair.check(credentials=old, use_candidate=True) is not None

    assert pair.check(OTHER, credentials=NEW, remote="rem2") is not None
    assert pair.endpoint.local_ufrags() == [NEW.ufrag]
    assert pair.selected() == [pair.address]  # media stays until the nomination
    assert pair.check(OTHER, credentials=NEW, remote="rem2", use_candidate=True) is not None
    assert pair.selected() == [pair.address, OTHER]
    assert pair.check(credentials=old) is None
    assert pair.check(credentials=NEW) is None  # the old remote fragment
    assert pair.endpoint.drops == {"ice_wrong_username": 2}
    assert pair.closed() is None


def test_signalling_may_come_in_either_order_in_a_restart(new_pair):
    pair = new_pair()
    pair.connect()
    old = pair.endpoint.credentials
    pair.endpoint.set_remote(ufrag="rem2", pwd="x", fingerprints=pair.client.fingerprints)
    assert pair.check(credentials=old) is not None
    pair.endpoint.restart_ice(NEW)
    assert pair.check(credentials=old) is not None
    assert pair.check(credentials=NEW, remote="rem2") is not None


def test_old_nominations_lose_against_new_credentials(new_pair):
    pair = new_pair()
    pair.connect()
    old = pair.endpoint.credentials
    pair.endpoint.restart_ice(NEW)
    pair.check(OTHER, credentials=old, use_candidate=True)
    assert pair.selected() == [pair.address]


def test_of_two_restarts_the_peer_can_use_the_newest_or_what_it_had(new_pair):
    pair = new_pair()
    pair.connect()
    old = pair.endpoint.credentials
    pair.endpoint.restart_ice(NEW)
    pair.endpoint.restart_ice(NEWER)
    assert pair.endpoint.local_ufrags() == [NEWER.ufrag, old.ufrag]
    assert pair.check(credentials=NEW) is None
    assert pair.check(credentials=old) is not None
    assert pair.check(credentials=NEWER) is not None
    pair.endpoint.restart_ice(NEW)
    assert pair.endpoint.local_ufrags() == [NEW.ufrag, NEWER.ufrag]


def test_checks_keep_consent_and_silence_ends_it(new_pair):
    pair = new_pair()
    pair.connect()
    for _ in range(10):
        pair.now += 14.0
        pair.endpoint.handle_timeout(pair.now)
        assert pair.check() is not None
    assert pair.endpoint.poll_timeout() == pair.now + 15.0
    down = pair.down
    pair.advance()
    assert pair.closed() == Closed(CloseReason.CONSENT_LOST)
    assert pair.down == down  # RFC 7675: nothing more is sent, no close_notify either
    assert pair.endpoint.poll_timeout() is None


@pytest.mark.parametrize("options", [{"key": b"wrong"}, {"role": "ICE-CONTROLLED"}])
def test_a_check_that_fails_is_no_consent(new_pair, options):
    pair = new_pair()
    pair.connect()
    deadline = pair.endpoint.poll_timeout()
    pair.now += 10.0
    pair.check(**options)
    assert pair.endpoint.poll_timeout() == deadline


def test_a_peer_that_never_comes_times_out(new_pair):
    pair = new_pair()
    pair.set_remote()
    pair.endpoint.handle_timeout(pair.now + 9.999)
    assert pair.endpoint.poll_event() is None
    pair.advance()
    assert pair.now == 1010.0
    assert pair.closed() == Closed(CloseReason.HANDSHAKE_TIMEOUT, "no authentic connectivity check came from the peer")


def test_verified_addresses_are_bounded_and_the_quiet_go_first(new_pair):
    pair = new_pair()
    pair.set_remote()
    pair.check(use_candidate=True)
    crowd = [("192.0.2.50", port) for port in range(1, 5 * MAX_ADDRESSES)]
    for address in crowd:
        pair.check(address)
    hello = pair.client.step()
    pair.endpoint.handle_datagram(hello[0], crowd[0], pair.now)
    assert pair.endpoint.drops == {"dtls_unverified_address": 1}
    # The selected address stays, though it was quiet longest.
    pair.send(hello)
    assert pair.down > 0


def test_a_queue_that_nobody_empties_is_bounded(new_pair, check):
    pair = new_pair()
    for _ in range(1000):
        pair.endpoint.handle_datagram(check(), pair.address, pair.now)
    waiting = 0
    while pair.endpoint.poll_transmit() is not None:
        waiting += 1
    assert waiting < 1000
    assert pair.endpoint.drops == {"transmit_queue_full": 1000 - waiting}
