"""From which of our addresses what is sent to a client leaves."""

from __future__ import annotations

from sfu.transport import IceCredentials

OTHER = ("198.51.100.7", 50000)
HERE, THERE = b"one address of ours", b"another one"
NEW = IceCredentials("newufrag", "new-password-of-24-octet")


def test_what_is_sent_leaves_from_where_the_client_sends_to(new_pair):
    pair = new_pair()
    pair.local = HERE
    pair.check()
    pair.local = THERE
    pair.check()
    assert pair.locals == [HERE, THERE], "each check is answered from where it came to"
    assert pair.sent_from() == [HERE], "another check beside it moves nothing"
    pair.connect()
    assert pair.sent_from() == [HERE, THERE], "it nominates where it sends to"
    pair.local = HERE
    pair.check()
    pair.locals.clear()
    pair.endpoint.close(pair.now)
    pair.drain()
    assert pair.locals == [THERE], "what answers nothing leaves from the nominated one"


def test_until_a_pair_is_nominated_the_one_that_the_handshake_takes_counts(new_pair):
    pair = new_pair()
    pair.set_remote()
    pair.local = HERE
    pair.check()
    pair.local = THERE
    pair.check()
    assert pair.sent_from() == [HERE]
    pair.send(pair.client.step())
    pair.deliver()
    assert pair.connected() is not None
    assert pair.sent_from() == [HERE, THERE]


def test_each_address_of_the_client_s_has_its_own_of_ours(new_pair):
    pair = new_pair()
    pair.local = HERE
    pair.check(use_candidate=True)
    pair.local = THERE
    pair.check(OTHER, use_candidate=True)
    assert pair.sent_from() == [HERE, THERE]
    pair.endpoint.forget_address(OTHER)
    pair.drain()
    assert pair.sent_from() == [HERE, THERE, HERE]


def test_a_nomination_under_old_credentials_moves_nothing(new_pair):
    pair = new_pair()
    pair.local = HERE
    pair.check(use_candidate=True)
    pair.endpoint.restart_ice(NEW)
    pair.local = THERE
    pair.check(use_candidate=True)
    assert pair.sent_from() == [HERE]
