"""The peer waits for us to begin the handshake (`a=setup:passive`): we are the DTLS client."""

from __future__ import annotations

import itertools

import pytest

from sfu.transport import DEFAULT_PROFILES, Closed, CloseReason, SrtpProfile
from sfu.transport.dtls import RETRANSMIT_INITIAL
from tests.unit.transport.openssl_clock import wait_for_timer


@pytest.fixture
def new_passive(new_pair, new_client):
    """Makes a Pair with a peer that is a DTLS server; options are those of Client and of Pair."""

    def make(profiles=DEFAULT_PROFILES, *, rsa=False, ciphers="", cookie=False, **options):
        client = new_client(profiles, server=True, rsa=rsa, ciphers=ciphers, cookie=cookie)
        return new_pair(client=client, **options)

    return make


def test_both_sides_get_the_same_keys(new_passive, identity):
    pair = new_passive()
    pair.connect()
    keys, mirrored = pair.connected().keys, pair.client.keys()
    assert keys.profile is mirrored.profile is SrtpProfile.AEAD_AES_128_GCM
    assert keys.local == mirrored.remote
    assert keys.remote == mirrored.local
    assert keys.local != keys.remote
    assert pair.client.established
    assert pair.client.connection.get_protocol_version_name() == "DTLSv1.2"
    assert pair.client.connection.get_cipher_name() == "ECDHE-ECDSA-AES128-GCM-SHA256"
    assert pair.client.connection.get_peer_certificate().digest("sha256").decode() == identity.fingerprint
    assert pair.closed() is None
    assert not pair.endpoint.drops
    assert max(pair.down_sizes) <= 1200


def test_the_first_verified_address_is_when_to_begin_and_the_answer_comes_first(new_passive):
    pair = new_passive()
    pair.set_remote()
    pair.check(key=b"wrong")
    assert pair.down == 0
    pair.endpoint.handle_datagram(b"\x16 nothing", pair.address, pair.now)
    assert pair.down == 0
    pair.check()
    assert pair.down == 1
    pair.check()
    assert pair.down == 1
    pair.deliver()
    assert pair.connected() is not None


def test_a_check_before_the_description_is_remembered(new_passive):
    pair = new_passive()
    pair.check()
    pair.now += 1.0
    pair.set_remote()
    assert pair.down == 0
    assert pair.endpoint.poll_timeout() <= pair.now
    pair.endpoint.handle_timeout(pair.now)
    pair.drain()
    assert pair.down == 1
    assert pair.endpoint.poll_timeout() > pair.now
    pair.deliver()
    assert pair.connected() is not None


@pytest.mark.parametrize("profile", list(SrtpProfile), ids=lambda profile: profile.name)
def test_each_profile(new_passive, profile):
    pair = new_passive(profiles=[profile])
    pair.connect()
    keys = pair.connected().keys
    assert keys.profile is profile
    assert keys.local == pair.client.keys().remote


def test_no_common_profile_fails_the_handshake(new_pair, new_client):
    client = new_client([SrtpProfile.AES128_CM_HMAC_SHA1_80], server=True)
    pair = new_pair(profiles=[SrtpProfile.AEAD_AES_128_GCM], client=client)
    pair.connect()
    assert pair.connected() is None
    assert pair.closed() == Closed(CloseReason.HANDSHAKE_FAILED, "the peer supports none of our SRTP profiles")


def test_a_wrong_fingerprint_closes_and_yields_no_keys(new_passive, new_client):
    pair = new_passive()
    pair.set_remote(new_client().fingerprints)
    pair.check()
    pair.deliver()
    assert pair.connected() is None
    assert pair.closed().reason is CloseReason.FINGERPRINT_MISMATCH
    assert pair.client.closed


@pytest.mark.parametrize("rsa", [False, True], ids=["ecdsa", "rsa"])
@pytest.mark.parametrize("suite", ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA", "AES256-SHA"])
def test_servers_of_either_kind_of_certificate_and_of_old_suites(new_passive, rsa, suite):
    name = f"ECDHE-{'RSA' if rsa else 'ECDSA'}-{suite}"
    pair = new_passive(rsa=rsa, ciphers=name)
    pair.connect()
    assert pair.connected() is not None
    assert pair.client.connection.get_cipher_name() == name


def test_a_server_that_first_asks_for_a_cookie(new_passive):
    pair = new_passive(cookie=True)
    pair.connect()
    assert pair.connected() is not None
    assert pair.client.established


@pytest.mark.parametrize("lost", [1, 2, 3], ids=lambda number: f"flight {number}")
def test_a_lost_flight_of_ours_is_sent_again(new_passive, lost):
    pair = new_passive(lose_down=lambda number, datagram: number == lost)
    pair.connect()
    before = pair.now
    for _ in range(3):
        if pair.connected() is not None:
            break
        pair.advance()
        pair.deliver()
    else:
        assert pair.connected() is not None
    assert pair.now - before <= 2 * RETRANSMIT_INITIAL


def test_each_flight_has_a_timer_of_its_own(new_passive):
    held = []
    pair = new_passive(lose_up=lambda number, datagram: number == 1 and not held.append(datagram))
    pair.connect()
    for _ in range(3):
        pair.advance()  # the ClientHello again: 0.25, 0.5, 1 s
    pair.send(held)  # the server's answer, late
    sent = pair.now
    assert pair.endpoint.poll_timeout() - sent == pytest.approx(RETRANSMIT_INITIAL)
    pair.deliver()
    assert pair.connected() is not None


def test_a_lost_last_flight_of_the_servers_is_asked_for_by_new_records(new_passive):
    pair = new_passive(lose_up=lambda number, datagram: datagram[0] == 20 or b"\x14\xfe\xfd" in datagram)
    pair.connect()
    assert pair.client.established
    assert pair.connected() is None
    pair._lose_up = lambda number, datagram: False
    # Only OpenSSL's clock makes new records, and to the server the old ones are replays.
    wait_for_timer(pair.endpoint._dtls._connection)
    pair.advance()
    pair.deliver()
    assert pair.connected() is not None


def test_retransmission_backs_off_until_the_timeout(new_passive):
    times = []
    pair = new_passive(lose_down=lambda number, datagram: True)
    pair.connect()
    while pair.closed() is None:
        pair.advance()
        times.append(pair.now)
    assert pair.closed() == Closed(CloseReason.HANDSHAKE_TIMEOUT, "the peer did not complete the DTLS handshake")
    intervals = [round(later - earlier, 6) for earlier, later in itertools.pairwise(times)]
    assert intervals[:4] == [0.5, 1.0, 2.0, 4.0]


def test_a_hello_of_the_peers_is_a_conflict_that_is_counted_and_named(new_passive, new_client):
    pair = new_passive()
    pair.set_remote()
    pair.check()
    stranger = new_client()
    pair.send(stranger.step())
    assert pair.endpoint.drops == {"dtls_role_conflict": 1}
    assert pair.closed() is None
    pair._to_client.clear()
    while pair.closed() is None:
        pair.advance()
        pair._to_client.clear()
    assert pair.closed() == Closed(
        CloseReason.HANDSHAKE_TIMEOUT, "the peer began a DTLS handshake, although its SDP says a=setup:passive"
    )


def test_a_forged_hello_does_not_stop_our_handshake(new_passive, new_client):
    pair = new_passive()
    pair.set_remote()
    pair.check()
    hello = new_client().step()
    pair.send(hello)
    pair.deliver()
    assert pair.connected() is not None
    pair.send(hello)
    assert pair.closed() is None
    assert pair.endpoint.drops == {"dtls_role_conflict": 2}


@pytest.mark.parametrize("early", [b"\x16 nothing", None], ids=["garbage", "hello"])
def test_what_came_before_the_answer_does_not_decide_the_role(new_passive, new_client, early):
    pair = new_passive()
    pair.check()
    pair.send([early] if early else new_client().step())
    pair._to_client.clear()
    pair.set_remote()
    pair.endpoint.handle_timeout(pair.now)
    pair.drain()
    pair.deliver()
    assert pair.connected() is not None


def test_an_answer_that_contradicts_a_finished_handshake_closes(new_pair):
    pair = new_pair()
    pair.check(use_candidate=True)
    pair.send(pair.client.step())
    pair.deliver()
    assert pair.client.established
    pair.endpoint.set_remote(ufrag="remo", pwd="x", fingerprints=pair.client.fingerprints, dtls_client=True)
    pair.drain()
    assert pair.connected() is None
    assert pair.closed().reason is CloseReason.HANDSHAKE_FAILED
    assert "a=setup:passive" in pair.closed().detail


@pytest.mark.parametrize("server", [False, True], ids=["we are the server", "we are the client"])
def test_a_later_description_cannot_change_the_roles(new_pair, new_client, server):
    pair = new_pair(client=new_client(server=server))
    pair.connect()
    pair.set_remote()
    assert pair.closed() is None
    pair.endpoint.set_remote(ufrag="remo", pwd="x", fingerprints=pair.client.fingerprints, dtls_client=not server)
    pair.drain()
    assert pair.closed().reason is CloseReason.HANDSHAKE_FAILED
    assert "new connection" in pair.closed().detail


def test_an_unverified_address_takes_no_part(new_passive):
    pair = new_passive()
    pair.set_remote()
    pair.check()
    answers = [answer for datagram in pair._to_client for answer in pair.client.step(datagram)]
    pair._to_client.clear()
    pair.send(answers, ("192.0.2.200", 1))
    assert pair.endpoint.drops == {"dtls_unverified_address": len(answers)}
    pair.send(answers)
    pair.deliver()
    assert pair.connected() is not None


def test_close_and_the_peers_close(new_passive):
    pair = new_passive()
    pair.connect()
    pair.endpoint.close(pair.now)
    pair.drain()
    pair.deliver()
    assert pair.client.closed
    pair = new_passive()
    pair.connect()
    pair.client.connection.shutdown()
    pair.send(pair.client.take())
    assert pair.closed() == Closed(CloseReason.REMOTE_CLOSE)


def test_close_before_the_handshake_begins_nothing(new_passive):
    pair = new_passive()
    pair.set_remote()
    pair.endpoint.close(pair.now)
    pair.check()
    pair.endpoint.handle_timeout(pair.now + 1.0)
    pair.drain()
    assert pair.down == 0
