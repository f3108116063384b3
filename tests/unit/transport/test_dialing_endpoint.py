"""Two nodes' endpoints: one is lite, the other dials it, in virtual time with 10 ms of path each way.

What DTLS does about losses is in test_handshake.py and test_dtls_client.py, since it takes OpenSSL's clock.
"""

from __future__ import annotations

import random

import pytest

from sfu.transport import DEFAULT_PROFILES, Closed, CloseReason, Connected, Endpoint, IceCredentials
from sfu.transport.dialing_endpoint import DialingEndpoint

NEAR, FAR, NOWHERE = ("192.0.2.7", 50000), ("192.0.2.1", 7881), ("192.0.2.2", 7881)
NEAR_ICE = IceCredentials("nearufra", "near-password-24-octets!")
FAR_ICE = IceCredentials("farufrag", "far-password-24-octets!!")
STEP = 0.01


class Nodes:
    """A lite endpoint and one that dials it; `lose(n, datagram)` takes the n-th datagram of both together."""

    def __init__(self, identity, *, dialer_begins, lose=lambda number, data: False):
        self.now = 100.0
        options = {"identity": identity, "profiles": DEFAULT_PROFILES, "consent_timeout": 15.0}
        options |= {"handshake_timeout": 10.0, "now": self.now}
        self.near = DialingEndpoint(credentials=NEAR_ICE, **options)
        self.far = Endpoint(credentials=FAR_ICE, **options)
        self.lose = lose
        self.sent = []
        self.events = {self.near: [], self.far: []}
        prints = [("sha-256", identity.fingerprint)]
        self.near.set_remote(ufrag=FAR_ICE.ufrag, pwd=FAR_ICE.pwd, fingerprints=prints, dtls_client=dialer_begins)
        self.far.set_remote(ufrag=NEAR_ICE.ufrag, pwd=NEAR_ICE.pwd, fingerprints=prints, dtls_client=not dialer_begins)

    def dial(self, candidates=(FAR,), remote=FAR_ICE):
        self.near.dial(candidates, remote, random.Random(2).randbytes, self.now)

    def run(self, seconds):
        for _ in range(round(seconds / STEP)):
            self.step()

    def step(self):
        self.now += STEP
        carried = [*self._take(self.near, FAR), *self._take(self.far, NEAR)]
        for endpoint in (self.near, self.far):
            due = endpoint.poll_timeout()
            if due is not None and due <= self.now:
                endpoint.handle_timeout(self.now)
        for data, to in carried:
            if to == FAR:
                self.far.handle_datagram(data, NEAR, self.now)
            elif to == NEAR:
                self.near.handle_datagram(data, FAR, self.now)
        for endpoint, events in self.events.items():
            while (event := endpoint.poll_event()) is not None:
                events.append(event)

    def find(self, endpoint, kind):
        return [event for event in self.events[endpoint] if isinstance(event, kind)]

    def have_connected(self):
        return all(self.find(endpoint, Connected) for endpoint in self.events)

    def _take(self, endpoint, peer):
        while (transmit := endpoint.poll_transmit()) is not None:
            assert transmit.address in (peer, NOWHERE)
            self.sent.append((self.now, transmit.data))
            if not self.lose(len(self.sent), transmit.data):
                yield transmit.data, transmit.address


@pytest.mark.parametrize("dialer_begins", [True, False])
def test_both_connect_whoever_is_the_client_of_dtls(identity, dialer_begins):
    nodes = Nodes(identity, dialer_begins=dialer_begins)
    nodes.dial()
    nodes.run(0.2)
    [near] = nodes.find(nodes.near, Connected)
    [far] = nodes.find(nodes.far, Connected)
    assert (near.keys.profile, near.keys.local, near.keys.remote) == (
        far.keys.profile, far.keys.remote, far.keys.local,
    )  # fmt: skip


@pytest.mark.parametrize("dialer_begins", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_they_connect_over_a_path_that_loses_half_of_the_checks(identity, dialer_begins, seed):
    lost = random.Random(seed)
    nodes = Nodes(identity, dialer_begins=dialer_begins, lose=lambda number, data: data[0] < 4 and lost.random() < 0.5)
    nodes.dial((NOWHERE, FAR))
    nodes.run(9.9)
    assert nodes.have_connected()


def test_a_candidate_that_nobody_answers_at_does_not_stand_in_the_way(identity):
    nodes = Nodes(identity, dialer_begins=True)
    nodes.dial((NOWHERE, FAR))
    nodes.run(0.5)
    assert nodes.have_connected()


def test_without_dialling_two_nodes_wait_for_each_other_in_vain(identity):
    nodes = Nodes(identity, dialer_begins=True)
    nodes.run(10.1)
    assert nodes.sent == []
    assert [event.reason for event in nodes.find(nodes.near, Closed)] == [CloseReason.HANDSHAKE_TIMEOUT]


def test_who_does_not_know_the_password_gets_no_answer(identity):
    nodes = Nodes(identity, dialer_begins=True)
    nodes.dial(remote=IceCredentials(FAR_ICE.ufrag, "another-password-24-octe"))
    nodes.run(10.1)
    assert nodes.far.drops.keys() == {"ice_wrong_password"}
    assert [event.reason for event in nodes.find(nodes.near, Closed)] == [CloseReason.HANDSHAKE_TIMEOUT]
    assert not any(data[:2] != b"\x00\x01" for _, data in nodes.sent)


def test_checks_alone_keep_both_and_stop_being_many(identity):
    nodes = Nodes(identity, dialer_begins=True)
    nodes.dial()
    nodes.run(60)
    before = len(nodes.sent)
    nodes.run(60)
    assert not nodes.find(nodes.near, Closed)
    assert not nodes.find(nodes.far, Closed)
    assert 2 * 10 <= len(nodes.sent) - before <= 2 * 15


def test_a_peer_that_falls_silent_is_given_up(identity):
    nodes = Nodes(identity, dialer_begins=True)
    nodes.dial()
    nodes.run(1)
    nodes.lose = lambda number, data: True
    nodes.run(16)
    for endpoint in (nodes.near, nodes.far):
        assert [event.reason for event in nodes.find(endpoint, Closed)] == [CloseReason.CONSENT_LOST]
    before = len(nodes.sent)
    nodes.run(6)
    assert len(nodes.sent) == before
    assert nodes.near.poll_timeout() is None


def test_it_dials_once(identity):
    nodes = Nodes(identity, dialer_begins=True)
    nodes.dial()
    with pytest.raises(RuntimeError, match="dials already"):
        nodes.dial()


def test_answers_to_nobody_are_counted(identity):
    nodes = Nodes(identity, dialer_begins=True)
    nodes.near.handle_datagram(b"\x01\x01" + bytes(18), FAR, nodes.now)
    assert nodes.near.drops == {"stun_malformed": 1}
