"""Whether the peer is there, and where: checks and media are signs of life, and a peer that moves is followed."""

from __future__ import annotations

import pytest

from sfu.transport import MAX_ADDRESSES, Closed, CloseReason
from sfu.transport.endpoint import REVIEW_INTERVAL
from sfu.transport.ice import FOLLOW_CHECKS, FOLLOW_MEDIA

OTHER = ("198.51.100.7", 50000)
THIRD = ("198.51.100.8", 50000)
CONSENT = 15.0  # what the Pair is made with


def test_media_keep_consent_without_any_further_check_and_silence_ends_it(new_pair):
    pair = new_pair()
    pair.connect()
    pair.wait(100.0, media=pair.address)
    assert pair.closed() is None
    last = pair.now
    pair.wait(2 * CONSENT)
    assert pair.closed() == Closed(CloseReason.CONSENT_LOST)
    assert pair.now - last == pytest.approx(CONSENT, abs=0.2)


def test_media_are_asked_for_at_deadlines_only(new_pair):
    pair = new_pair()
    pair.connect()
    asked = 0
    while pair.now < 1000.0 + 10 * CONSENT:
        pair.now = pair.endpoint.poll_timeout()
        pair.endpoint.note_media(pair.address, pair.now - 1.0)
        pair.endpoint.handle_timeout(pair.now)
        asked += 1
    assert pair.endpoint.closed is False
    assert asked <= 12


def test_old_media_are_no_sign_of_life(new_pair):
    pair = new_pair()
    pair.connect()
    pair.check()
    for _ in range(100):
        pair.endpoint.note_media(pair.address, pair.now - 1.0)
    assert pair.endpoint.poll_timeout() == pair.now + CONSENT


def test_media_from_an_address_that_no_check_has_verified_are_no_sign_of_life(new_pair):
    pair = new_pair()
    pair.endpoint.note_media(OTHER, pair.now)
    assert pair.endpoint.poll_timeout() == 1010.0
    pair.connect()
    pair.wait(2 * CONSENT, media=OTHER)
    assert pair.closed() == Closed(CloseReason.CONSENT_LOST)


def test_media_from_any_verified_address_are_signs_of_life(new_pair):
    pair = new_pair()
    pair.connect()
    pair.check(OTHER)
    pair.address = OTHER
    pair.wait(4 * CONSENT, media=OTHER)
    assert pair.closed() is None


def test_every_verified_address_is_told_once(new_pair):
    pair = new_pair()
    pair.connect()
    assert pair.verified() == (pair.address,)
    pair.check(OTHER)
    assert pair.verified() == (pair.address, OTHER)
    told = len(pair.events)
    for _ in range(5):
        pair.check(OTHER)
        pair.check()
    assert len(pair.events) == told
    assert pair.selected() == [pair.address]


def test_dtls_is_taken_from_each_verified_address_for_as_long_as_it_is_known(new_pair):
    pair = new_pair()
    pair.connect()
    pair.check(OTHER)
    pair.wait(4 * CONSENT, media=pair.address)
    pair.client.connection.shutdown()
    pair.send(pair.client.take(), OTHER)
    assert pair.closed() == Closed(CloseReason.REMOTE_CLOSE)


@pytest.mark.parametrize("nominated", [False, True])
def test_a_peer_that_sends_from_another_verified_address_is_followed(new_pair, nominated):
    pair = new_pair()
    pair.connect()
    pair.wait(10.0, media=pair.address)
    pair.check(OTHER, use_candidate=nominated)
    before = pair.address
    pair.address = OTHER
    pair.wait(FOLLOW_MEDIA + 2 * REVIEW_INTERVAL, media=OTHER)
    assert pair.selected() == [before, OTHER]
    pair.wait(60.0, media=OTHER)
    assert pair.selected() == [before, OTHER]
    assert pair.closed() is None


def test_a_peer_that_sends_from_two_addresses_is_not_followed_to_and_fro(new_pair):
    pair = new_pair()
    pair.connect()
    pair.check(OTHER)
    for _ in range(50):
        pair.wait(0.3, media=pair.address)
        pair.wait(0.3, media=OTHER)
    assert pair.selected() == [pair.address]


def test_media_beside_checks_of_the_nominated_pair_do_not_overrule_it(new_pair):
    pair = new_pair()
    pair.connect()
    pair.check(OTHER)
    for _ in range(20):
        pair.wait(0.8, media=OTHER)
        pair.check(use_candidate=True)
    assert pair.selected() == [pair.address]


def test_one_that_comes_back_is_followed_back(new_pair):
    pair = new_pair()
    pair.connect()
    home = pair.address
    pair.check(OTHER)
    pair.address = OTHER
    pair.wait(3.0, media=OTHER)
    pair.address = home
    pair.wait(3.0, media=home)
    assert pair.selected() == [home, OTHER, home]


def test_where_only_checks_come_they_count_after_a_longer_silence(new_pair):
    pair = new_pair()
    pair.connect()
    before = pair.address
    for _ in range(3):
        pair.wait(1.0)
        pair.check()
        pair.check(OTHER)
    assert pair.selected() == [before]
    pair.address = OTHER
    for _ in range(int(FOLLOW_CHECKS)):
        assert pair.selected() == [before]
        pair.wait(1.0)
        pair.check(OTHER)
    pair.wait(2 * REVIEW_INTERVAL)
    assert pair.selected() == [before, OTHER]
    assert FOLLOW_CHECKS > FOLLOW_MEDIA


def test_media_from_where_no_check_came_divert_nothing(new_pair):
    pair = new_pair()
    pair.connect()
    pair.check(OTHER)
    pair.wait(10.0, media=THIRD)
    assert pair.selected() == [pair.address]


def test_the_bound_spares_the_selected_and_those_that_media_come_from(new_pair):
    pair = new_pair()
    pair.connect()
    pair.check(OTHER)
    pair.check(THIRD)
    for port in range(1, 10 * MAX_ADDRESSES):
        pair.wait(0.1, media=OTHER)
        pair.endpoint.note_media(OTHER, pair.now)
        pair.check(("192.0.2.50", port))
        assert len(pair.verified()) <= MAX_ADDRESSES
        pair.check(pair.address)
    assert pair.address in pair.verified()
    assert OTHER in pair.verified()
    assert THIRD not in pair.verified()
    assert ("192.0.2.50", 1) not in pair.verified()
    assert ("192.0.2.50", port) in pair.verified()


def test_an_address_that_is_anothers_now_is_left_and_can_be_claimed_back(new_pair):
    pair = new_pair()
    pair.connect()
    home = pair.address
    pair.check(OTHER)
    pair.endpoint.forget_address(THIRD)
    pair.endpoint.forget_address(home)
    pair.drain()
    assert pair.selected() == [home, OTHER]
    assert pair.verified() == (OTHER,)
    pair.endpoint.forget_address(OTHER)
    pair.drain()
    assert pair.selected() == [home, OTHER, None]
    assert pair.verified() == ()
    pair.check()
    assert pair.selected() == [home, OTHER, None, home]
    assert pair.closed() is None


def test_one_with_no_address_left_is_closed_in_time(new_pair):
    pair = new_pair()
    pair.connect()
    pair.endpoint.forget_address(pair.address)
    pair.wait(2 * CONSENT)
    assert pair.closed() == Closed(CloseReason.CONSENT_LOST)
    pair.endpoint.forget_address(OTHER)
    assert pair.endpoint.poll_event() is None
