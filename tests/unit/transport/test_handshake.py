"""DTLS through an Endpoint: keys, identity, profiles, loss."""

from __future__ import annotations

import itertools

import pytest
from OpenSSL import SSL

from sfu.transport import Closed, CloseReason, SrtpProfile
from sfu.transport.dtls import MAX_DATAGRAM_LENGTH, RETRANSMIT_INITIAL
from tests.unit.transport.openssl_clock import wait_for_timer

ALL = list(SrtpProfile)


def test_both_sides_get_the_same_keys(new_pair):
    pair = new_pair()
    pair.connect()
    keys = pair.connected().keys
    mirrored = pair.client.keys()
    assert keys.profile is mirrored.profile is SrtpProfile.AEAD_AES_128_GCM
    assert keys.local == mirrored.remote
    assert keys.remote == mirrored.local
    assert keys.local != keys.remote
    assert pair.selected() == [pair.address]
    assert pair.closed() is None
    assert pair.client.connection.get_protocol_version_name() == "DTLSv1.2"
    assert pair.client.connection.get_cipher_name() == "ECDHE-ECDSA-AES128-GCM-SHA256"
    assert not pair.endpoint.drops


def test_the_client_sees_the_certificate_of_the_fingerprint(new_pair, identity):
    pair = new_pair()
    pair.connect()
    certificate = pair.client.connection.get_peer_certificate()
    assert certificate.digest("sha256").decode() == identity.fingerprint


def test_secrets_do_not_show_in_reprs(new_pair):
    pair = new_pair()
    pair.connect()
    assert pair.endpoint.credentials.pwd not in repr(pair.endpoint.credentials)
    assert repr(pair.connected().keys.local) not in repr(pair.connected())


@pytest.mark.parametrize("profile", ALL, ids=lambda profile: profile.name)
def test_each_profile(new_pair, new_client, profile):
    pair = new_pair(client=new_client([profile]))
    pair.connect()
    keys = pair.connected().keys
    assert keys.profile is profile
    assert keys.local == pair.client.keys().remote
    assert len(keys.local) == len(keys.remote) == profile.key_length + profile.salt_length


@pytest.mark.parametrize("first", ALL, ids=lambda profile: profile.name)
def test_the_servers_preference_decides(new_pair, new_client, first):
    ours = [first, *(profile for profile in ALL if profile is not first)]
    pair = new_pair(profiles=ours, client=new_client(ours[::-1]))
    pair.connect()
    assert pair.connected().keys.profile is first


@pytest.mark.parametrize("offered", [[], [SrtpProfile.AES128_CM_HMAC_SHA1_80]], ids=["no extension", "another"])
def test_no_common_profile_fails_the_handshake(new_pair, new_client, offered):
    pair = new_pair(profiles=[SrtpProfile.AEAD_AES_128_GCM], client=new_client(offered))
    pair.connect()
    assert pair.connected() is None
    assert pair.closed() == Closed(CloseReason.HANDSHAKE_FAILED, "the peer supports none of our SRTP profiles")
    assert pair.endpoint.poll_timeout() is None


def test_a_wrong_fingerprint_closes_and_yields_no_keys(new_pair, new_client):
    pair = new_pair()
    pair.set_remote(new_client().fingerprints)
    pair.check(use_candidate=True)
    pair.send(pair.client.step())
    pair.deliver()
    assert pair.connected() is None
    assert pair.closed().reason is CloseReason.FINGERPRINT_MISMATCH
    assert pair.client.closed


@pytest.mark.parametrize("index", [0, 1, 2], ids=["sha-256", "sha-384", "sha-512"])
def test_one_right_fingerprint_is_enough_in_any_case(new_pair, index):
    pair = new_pair()
    algorithm, value = pair.client.fingerprints[index]
    pair.set_remote([("sha-1", "00:11"), ("sha-256", "AB:CD"), ("md5", "x"), (algorithm.upper(), value.lower())])
    pair.check()
    pair.send(pair.client.step())
    pair.deliver()
    assert pair.connected() is not None


@pytest.mark.parametrize("given", [[], [("sha-1", "00:11:22")], [("sha-256", "hello")], [("sha-256", "")]])
def test_without_a_usable_fingerprint_nobody_is_trusted(new_pair, given):
    pair = new_pair()
    pair.set_remote(given)
    pair.check()
    pair.send(pair.client.step())
    pair.deliver()
    assert pair.connected() is None
    assert pair.closed().reason is CloseReason.FINGERPRINT_MISMATCH


def test_a_handshake_before_the_answer_waits_for_it(new_pair):
    pair = new_pair()
    pair.check(use_candidate=True)
    pair.send(pair.client.step())
    pair.deliver()
    assert pair.client.established
    assert pair.connected() is None
    pair.set_remote()
    assert pair.connected() is not None


def test_an_answer_that_never_comes_times_out(new_pair):
    pair = new_pair()
    pair.check()
    pair.send(pair.client.step())
    pair.deliver()
    pair.advance()
    assert pair.closed() == Closed(CloseReason.HANDSHAKE_TIMEOUT, "the peer's SDP answer never came")


def test_another_certificate_in_a_later_description_closes(new_pair, new_client):
    pair = new_pair()
    pair.connect()
    pair.set_remote()
    assert pair.closed() is None
    pair.set_remote(new_client().fingerprints)
    assert pair.closed().reason is CloseReason.FINGERPRINT_MISMATCH


def test_a_lost_server_flight_is_sent_again(new_pair):
    pair = new_pair(lose_down=lambda number, datagram: number <= 2)
    pair.connect()
    assert not pair.client.established
    before = pair.now
    pair.advance()
    assert pair.now - before <= RETRANSMIT_INITIAL
    pair.advance()
    pair.deliver()
    assert pair.connected() is not None
    assert pair.client.established


def test_a_lost_client_flight_comes_again(new_pair):
    lost = []
    pair = new_pair(lose_up=lambda number, datagram: number == 2 and not lost.append(datagram))
    pair.connect()
    assert pair.connected() is None
    # Our flight, repeated, is a replay to this client; its own timer helps.
    pair.advance()
    pair.deliver()
    assert pair.connected() is None
    pair.send(pair.client.last_flight)
    pair.deliver()
    assert lost
    assert pair.connected() is not None


def test_a_lost_last_flight_is_sent_again_when_the_client_repeats_its_own(new_pair):
    pair = new_pair(lose_down=lambda number, datagram: number == 2)
    pair.connect()
    assert pair.connected() is not None
    assert not pair.client.established
    # The client's Finished must come as a new record, and only OpenSSL's clock makes one.
    wait_for_timer(pair.client.connection)
    assert pair.client.connection.DTLSv1_handle_timeout()
    pair.send(pair.client.take())
    pair.deliver()
    assert pair.client.established


def test_openssls_own_timer_makes_new_records(new_pair):
    seen = []
    pair = new_pair(lose_down=lambda number, datagram: not seen.append(datagram))
    pair.connect()
    pair.advance()
    assert seen[1] == seen[0]
    wait_for_timer(pair.endpoint._dtls._connection)
    pair.advance()
    length = 13 + int.from_bytes(seen[0][11:13])
    assert seen[2][13:length] == seen[0][13:length]  # the ServerHello
    assert seen[2][5:11] > seen[0][5:11]  # in a record with a number of its own


def test_retransmission_backs_off_until_the_timeout(new_pair):
    times = []
    pair = new_pair(lose_down=lambda number, datagram: True)
    pair.connect()
    while pair.closed() is None:
        pair.advance()
        times.append(pair.now)
    assert pair.closed() == Closed(CloseReason.HANDSHAKE_TIMEOUT, "the peer did not complete the DTLS handshake")
    intervals = [round(later - earlier, 6) for earlier, later in itertools.pairwise(times)]
    assert intervals[:4] == [0.5, 1.0, 2.0, 4.0]
    assert len(times) < 10
    assert pair.now == pytest.approx(1010.0)


def test_every_datagram_fits_and_a_repeated_hello_changes_nothing(new_pair):
    pair = new_pair()
    pair.set_remote()
    pair.check()
    hello = pair.client.step()
    pair.send(hello)
    pair.send(hello)
    pair.deliver()
    assert pair.connected() is not None
    assert max(pair.down_sizes) <= MAX_DATAGRAM_LENGTH


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)], ids=["in order", "reversed"])
def test_a_client_hello_in_fragments(new_pair, new_client, order):
    client = new_client(padding=3000)
    hello = client.step()
    assert len(hello) >= 3
    pair = new_pair(client=client)
    pair.set_remote()
    pair.check()
    pair.send(hello[order])
    pair.deliver()
    assert pair.connected() is not None


def test_a_hello_from_an_unverified_address_is_not_answered(new_pair):
    pair = new_pair()
    pair.set_remote()
    hello = pair.client.step()
    pair.send(hello)
    assert pair.endpoint.drops == {"dtls_unverified_address": 1}
    pair.check(("192.0.2.77", 1))
    pair.send(hello)
    assert pair.endpoint.drops == {"dtls_unverified_address": 2}
    assert pair.down == 0
    pair.address = ("192.0.2.77", 1)
    pair.send(hello)
    pair.deliver()
    assert pair.connected() is not None


def test_an_address_must_be_checked_again_in_time(new_pair):
    pair = new_pair()
    pair.set_remote()
    pair.check()
    for _ in range(4):
        pair.now += 5.0
        pair.check(("192.0.2.2", 2))
    pair.send(pair.client.step())
    assert pair.endpoint.drops == {"dtls_unverified_address": 1}


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16",
        b"\x16\xfe\xfd" + bytes(10),
        b"\x16\xfe\xfd" + bytes(8) + b"\xff\xff" + bytes(100),
        b"\x14" * 1200,
        b"\x17\xfe\xfd\x00\x01" + bytes(6) + b"\x00\x05hello",
        b"\x3f" * 3,
    ],
)
def test_garbage_before_and_after_changes_nothing(new_pair, garbage):
    pair = new_pair()
    pair.set_remote()
    pair.check()
    pair.send([garbage])
    pair.send(pair.client.step())
    pair.send([garbage])
    pair.deliver()
    pair.send([garbage])
    assert pair.connected() is not None
    assert pair.closed() is None


def test_a_broken_handshake_closes_with_a_reason_and_an_alert(new_pair):
    pair = new_pair()
    pair.set_remote()
    pair.check()
    [hello] = pair.client.step()
    at = 13 + 12 + 2 + 32 + 1 + 1  # record, message, version, random, empty session id, empty cookie
    length = int.from_bytes(hello[at : at + 2])
    pair.send([hello[: at + 2] + b"\x7f\x7f" * (length // 2) + hello[at + 2 + length :]])
    assert pair.closed().reason is CloseReason.HANDSHAKE_FAILED
    assert pair.closed().detail.startswith("no shared cipher;")
    pair.deliver()
    assert pair.client.failed


@pytest.mark.parametrize(
    "suites",
    [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-SHA",
        "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-SHA384",
    ],
)
@pytest.mark.parametrize("rsa", [False, True], ids=["ecdsa", "rsa"])
def test_old_suites_are_taken_whatever_the_clients_certificate(new_pair, new_client, suites, rsa):
    pair = new_pair(client=new_client(ciphers=suites, rsa=rsa))
    pair.connect()
    assert pair.connected().keys.local == pair.client.keys().remote
    assert pair.client.connection.get_cipher_name().startswith("ECDHE-ECDSA-")


@pytest.mark.parametrize(
    "suites", ["ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-SHA", "AES128-SHA:AES128-GCM-SHA256"], ids=["rsa", "no dh"]
)
def test_a_client_without_ecdsa_hears_what_we_would_take(new_pair, new_client, suites):
    pair = new_pair(client=new_client(ciphers=suites))
    pair.connect()
    assert pair.closed() == Closed(
        CloseReason.HANDSHAKE_FAILED,
        "no shared cipher; our certificate is ECDSA, so offer ECDHE-ECDSA-AES128-GCM-SHA256 (RFC 8827 section 6.5)",
    )
    pair.deliver()
    assert pair.client.failed


def test_the_better_suite_is_chosen_whatever_the_clients_order(new_pair, new_client):
    pair = new_pair(client=new_client(ciphers="ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES128-GCM-SHA256"))
    pair.connect()
    assert pair.client.connection.get_cipher_name() == "ECDHE-ECDSA-AES128-GCM-SHA256"


def test_the_peers_close_is_noticed(new_pair):
    pair = new_pair()
    pair.connect()
    pair.client.connection.shutdown()
    pair.send(pair.client.take())
    assert pair.closed() == Closed(CloseReason.REMOTE_CLOSE)
    assert pair.endpoint.poll_timeout() is None


def test_our_close_tells_the_peer_and_ends_everything(new_pair):
    pair = new_pair()
    pair.connect()
    pair.endpoint.close(pair.now)
    pair.drain()
    pair.deliver()
    assert pair.client.closed
    assert pair.closed() is None
    assert pair.endpoint.closed
    assert pair.check() is None
    assert pair.endpoint.drops == {"closed": 1}
    assert pair.endpoint.poll_timeout() is None
    pair.endpoint.handle_timeout(pair.now + 100)
    pair.endpoint.close(pair.now)
    pair.endpoint.set_remote(ufrag="other", pwd="", fingerprints=[])
    assert pair.endpoint.poll_event() is None
    assert pair.endpoint.poll_transmit() is None


def test_close_before_anything(new_pair):
    pair = new_pair()
    pair.endpoint.close(pair.now)
    assert pair.endpoint.poll_transmit() is None
    assert pair.endpoint.poll_timeout() is None


def test_application_data_is_counted_and_dropped(new_pair):
    pair = new_pair()
    pair.connect()
    for _ in range(3):
        pair.client.connection.send(b"a data channel, perhaps")
    pair.send(pair.client.take())
    assert pair.endpoint.drops == {"dtls_application_data": 3}
    assert pair.closed() is None


def test_renegotiation_is_refused_with_an_alert(new_pair):
    alerts = []
    pair = new_pair(lose_down=lambda number, datagram: datagram[0] == 21 and bool(alerts.append(datagram)))
    pair.connect()
    before = pair.down
    pair.client.connection.renegotiate()
    with pytest.raises(SSL.WantReadError):
        pair.client.connection.do_handshake()
    pair.send(pair.client.take())
    assert len(alerts) == pair.down - before == 1
    assert pair.closed() is None
    pair.deliver()  # this client takes the refusal for a failure and says so
    assert pair.client.failed
    assert pair.closed() == Closed(CloseReason.REMOTE_CLOSE, "tls alert handshake failure")
