"""ICE-lite through an Endpoint: checks, nomination, restart, consent."""

from __future__ import annotations

import os
import string

import pytest
from aioice import stun

from sfu.transport import Closed, CloseReason, IceCredentials
from sfu.transport.endpoint import STALL_GRACE
from sfu.transport.ice import MAX_ADDRESSES
from sfu.transport.transactions import REMEMBERED, Transactions

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
    datagram, destination, _ = pair.endpoint.poll_transmit()
    response = stun.parse_message(datagram)
    assert destination == address
    assert response.message_class is stun.Class.RESPONSE
    assert response.message_method is stun.Method.BINDING
    assert response.transaction_id == request[8:20]
    assert response.attributes["XOR-MAPPED-ADDRESS"] == told
    assert response.check_message_integrity(pair.endpoint.credentials.pwd.encode())
    assert list(response.attributes)[-1] == "FINGERPRINT"
    assert pair.endpoint.poll_transmit() is None


def test_who_comes_by_a_relay_of_ours_is_told_where_it_is_itself(new_pair, check):
    relay = ("127.0.0.1", 50007)
    pair = new_pair(find_origin=lambda address: OTHER if address == relay else address)
    for address, told in ((relay, OTHER), (("192.0.2.1", 4), ("192.0.2.1", 4))):
        pair.endpoint.handle_datagram(check(), address, pair.now)
        datagram, destination, _ = pair.endpoint.poll_transmit()
        assert destination == address
        assert stun.parse_message(datagram).attributes["XOR-MAPPED-ADDRESS"] == told


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
    pair.wait(0.6, media=OTHER)
    assert pair.selected() == [pair.address, OTHER]
    pair.address = OTHER
    pair.endpoint.close(pair.now)
    pair.drain()  # asserts where close_notify goes


@pytest.mark.parametrize("media", [True, False])
def test_another_nomination_counts_once_it_is_borne_out(new_pair, media):
    """By media from there, or else by silence where the peer was; a check alone may be one that was captured."""
    pair = new_pair()
    pair.check(use_candidate=True)
    pair.connect()
    pair.check()
    pair.check(OTHER, use_candidate=True)
    pair.wait(0.5)
    assert pair.selected() == [pair.address]
    if media:
        pair.wait(0.5, media=OTHER)
    else:
        pair.wait(2.5)
        pair.check(OTHER, use_candidate=True)
        pair.wait(0.5)
    assert pair.selected() == [pair.address, OTHER]


def test_where_media_come_from_already_a_nomination_counts_at_once(new_pair):
    pair = new_pair()
    pair.check(use_candidate=True)
    pair.connect()
    pair.check(OTHER)
    pair.wait(0.6, media=OTHER)
    pair.check()
    pair.check(OTHER, use_candidate=True)
    assert pair.selected() == [pair.address, OTHER]


def test_who_is_still_there_is_not_moved_by_old_nominations(new_pair):
    """Even one that is so old that it was forgotten: the peer goes on with checks, as browsers do each 2.5 s."""
    pair = new_pair()
    pair.check(use_candidate=True)
    pair.connect()
    for turn in range(40):
        pair.check(("203.0.113.5", 9), use_candidate=True)
        pair.wait(2.5 if turn % 2 else 0.5)
        pair.check()
    assert pair.selected() == [pair.address]


def test_a_check_that_is_sent_again_from_elsewhere_is_nothing(new_pair, check):
    pair = new_pair()
    pair.connect()
    captured = check(use_candidate=True)
    pair.endpoint.handle_datagram(captured, pair.address, pair.now)
    pair.drain()
    told = pair.selected()
    pair.endpoint.handle_datagram(captured, OTHER, pair.now)
    assert pair.endpoint.poll_transmit() is None
    assert pair.endpoint.drops == {"ice_replayed_check": 1}
    assert pair.selected() == told == [pair.address]


def test_a_check_that_is_sent_again_is_answered_and_no_sign_of_life(new_pair, check):
    """Some agents repeat a request that was not answered in time (RFC 8489 section 6.2.1); so does who captured it."""
    pair = new_pair()
    pair.connect()
    captured = check()
    pair.endpoint.handle_datagram(captured, pair.address, pair.now)
    deadline = pair.endpoint.poll_timeout()
    for _ in range(3):
        pair.now += 4.0
        pair.endpoint.handle_datagram(captured, pair.address, pair.now)
        assert pair.endpoint.poll_transmit() is not None
    assert pair.endpoint.poll_timeout() == deadline
    pair.advance()
    assert pair.closed() == Closed(CloseReason.CONSENT_LOST)


def test_ids_are_remembered_in_bounded_memory():
    seen = Transactions()
    ids = [os.urandom(12) for _ in range(3 * REMEMBERED)]
    assert all(seen.is_new(one) for one in ids)
    assert not any(seen.is_new(one) for one in ids[-REMEMBERED:])
    assert seen.is_new(ids[0])
    assert len(seen._ids) == 8 * REMEMBERED


def test_what_lies_between_two_ids_is_none():
    seen = Transactions()
    first, second = bytes(range(12)), bytes(range(100, 112))
    assert seen.is_new(first)
    assert seen.is_new(second)
    assert seen.is_new(bytes(4) + first[8:] + second[4:8])
    assert not seen.is_new(second)


def test_after_a_stall_of_ours_a_peer_has_time_to_be_heard(new_pair):
    pair = new_pair()
    pair.connect()
    pair.check()
    pair.now += 30.0
    pair.endpoint.handle_stall(pair.now)
    pair.endpoint.handle_timeout(pair.now)
    assert pair.closed() is None
    assert pair.endpoint.poll_timeout() == pair.now + STALL_GRACE
    pair.advance()
    assert pair.closed() == Closed(CloseReason.CONSENT_LOST)


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
