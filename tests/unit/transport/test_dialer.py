"""The dialer against the lite agent that clients meet, in virtual time."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from aioice import stun

from sfu.transport.dialer import CONSENT_INTERVAL, MAX_PENDING, NOMINATION_TRIES, PACE, Dialer
from sfu.transport.ice import MAX_ADDRESSES, IceCredentials, IceLite

REMOTE = IceCredentials("farufrag", "far-password-of-24-octet")
HERE = ("192.0.2.7", 50000)
A, B, C = ("192.0.2.1", 1), ("192.0.2.2", 2), ("2001:db8::3", 3)


def new_dialer(candidates=(A,), remote=REMOTE):
    drops = Counter()
    return Dialer("nearufrag", remote, candidates, random.Random(1).randbytes, drops, 0.0), drops


def new_lite():
    drops = Counter()
    lite = IceLite(REMOTE, drops)
    lite.set_remote("nearufrag")
    return lite, drops


def ask(dialer, now=None):
    """The next check, as the general library reads it, and where it goes."""
    dialer_now = dialer.due if now is None else now
    data, address = dialer.poll_check(dialer_now)
    check = stun.parse_message(data)
    assert check.check_message_integrity(REMOTE.pwd.encode())
    return data, check, address


def test_one_candidate_is_nominated_at_once():
    dialer, drops = new_dialer()
    lite, _ = new_lite()
    data, check, address = ask(dialer)
    assert address == A
    assert "USE-CANDIDATE" in check.attributes
    assert dialer.handle_response(lite.handle_datagram(data, HERE, 0.0), A, 0.01)
    assert dialer.selected == A
    assert lite.selected == HERE
    assert not drops


def test_of_several_each_is_checked_in_turn_and_the_first_that_answers_is_nominated():
    dialer, _ = new_dialer((A, B, C))
    lite, _ = new_lite()
    asked = [ask(dialer) for _ in range(4)]
    assert [address for _, _, address in asked] == [A, B, C, A]
    assert not any("USE-CANDIDATE" in check.attributes for _, check, _ in asked)
    assert dialer.due == pytest.approx(4 * PACE)
    assert dialer.handle_response(lite.handle_datagram(asked[1][0], HERE, 0.2), B, 0.2)
    assert dialer.selected is None
    data, check, address = ask(dialer, 0.2)
    assert address == B
    assert "USE-CANDIDATE" in check.attributes
    # An answer that comes late changes nothing: one pair is nominated.
    assert dialer.handle_response(lite.handle_datagram(asked[0][0], HERE, 0.2), A, 0.2)
    assert dialer.handle_response(lite.handle_datagram(data, HERE, 0.2), B, 0.21)
    assert dialer.selected == B


def test_a_nominee_that_falls_silent_is_given_up():
    dialer, _ = new_dialer((A, B))
    lite, _ = new_lite()
    data, _, _ = ask(dialer)
    assert dialer.handle_response(lite.handle_datagram(data, HERE, 0.0), A, 0.0)
    assert {ask(dialer)[2] for _ in range(NOMINATION_TRIES)} == {A}
    assert {ask(dialer)[2] for _ in range(2)} == {A, B}


def test_nothing_is_sent_before_it_is_due():
    dialer, _ = new_dialer()
    ask(dialer)
    assert dialer.poll_check(PACE / 2) is None
    assert dialer.poll_check(PACE) is not None


def test_consent_is_asked_for_every_five_seconds_or_so():
    dialer, _ = new_dialer()
    lite, _ = new_lite()
    intervals = []
    for _ in range(200):
        now = dialer.due
        data, _, _ = ask(dialer)
        assert dialer.handle_response(lite.handle_datagram(data, HERE, now), A, now)
        intervals.append(dialer.due - now)
    assert 0.8 * CONSENT_INTERVAL - 1e-6 <= min(intervals) < 0.85 * CONSENT_INTERVAL
    assert 1.15 * CONSENT_INTERVAL < max(intervals) <= 1.2 * CONSENT_INTERVAL + 1e-6


def test_what_does_not_prove_who_answers_is_counted_and_spoils_nothing():
    dialer, drops = new_dialer()
    lite, _ = new_lite()
    data, _, _ = ask(dialer)
    good = lite.handle_datagram(data, HERE, 0.0)
    forger = IceLite(IceCredentials(REMOTE.ufrag, "x" * 24), Counter())
    forged_check, _ = Dialer(
        "nearufrag", IceCredentials(REMOTE.ufrag, "x" * 24), (A,), random.Random(1).randbytes, Counter(), 0.0
    ).poll_check(0.0)
    assert not dialer.handle_response(forger.handle_datagram(forged_check, HERE, 0.0), A, 0.0)
    assert not dialer.handle_response(good, B, 0.0)
    assert not dialer.handle_response(b"\x01\x01", A, 0.0)
    assert drops == {"ice_wrong_password": 1, "ice_asymmetric_response": 1, "stun_malformed": 1}
    assert dialer.selected is None
    assert dialer.handle_response(good, A, 0.0)
    assert not dialer.handle_response(good, A, 0.0)
    assert drops["ice_unexpected_response"] == 1


def test_a_refusal_is_counted():
    dialer, drops = new_dialer()
    _, check, _ = ask(dialer)
    refusal = stun.Message(stun.Method.BINDING, stun.Class.ERROR, transaction_id=check.transaction_id)
    refusal.attributes["ERROR-CODE"] = (487, "Role Conflict")
    refusal.add_message_integrity(REMOTE.pwd.encode())
    assert not dialer.handle_response(bytes(refusal), A, 0.0)
    assert drops == {"ice_check_refused": 1}
    assert dialer.selected is None


def test_a_peer_that_never_answers_leaves_nothing_that_grows():
    dialer, drops = new_dialer()
    lite, _ = new_lite()
    first, _, _ = ask(dialer)
    answers = [lite.handle_datagram(first, HERE, 0.0)]
    for _ in range(MAX_PENDING):
        data, _, _ = ask(dialer)
        answers.append(lite.handle_datagram(data, HERE, 0.0))
    assert not dialer.handle_response(answers[0], A, 4.0)
    assert drops == {"ice_unexpected_response": 1}
    assert dialer.handle_response(answers[1], A, 4.0)


def test_candidates_are_bounded_and_taken_once():
    many = [("192.0.2.1", 1 + number // 2) for number in range(100)]
    dialer, _ = new_dialer(many)
    assert {ask(dialer)[2] for _ in range(60)} == {("192.0.2.1", port) for port in range(1, MAX_ADDRESSES + 1)}


@pytest.mark.parametrize(
    ("candidates", "remote"),
    [((), REMOTE), ((A,), IceCredentials("farufrag", "pässword")), ((A,), IceCredentials("ü", REMOTE.pwd))],
)
def test_what_cannot_be_dialled_is_refused(candidates, remote):
    with pytest.raises(ValueError, match=r"candidate|credentials"):
        new_dialer(candidates, remote)
