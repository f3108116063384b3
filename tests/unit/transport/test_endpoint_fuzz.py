"""Whatever arrives, an Endpoint does not raise, answers within bounds, and still serves its peer."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sfu.transport import MAX_ADDRESSES, AddressesChanged, IceCredentials

ADDRESSES = [("192.0.2.1", 40000), ("192.0.2.2", 1), ("2001:db8::1", 65535), ("::ffff:192.0.2.3", 0)]

relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def drain(endpoint):
    """Take what waits, check its bounds, and return how many octets are to be sent."""
    sent = 0
    while (transmit := endpoint.poll_transmit()) is not None:
        datagram, address, _ = transmit
        assert 0 < len(datagram) <= 1200
        assert address in ADDRESSES
        sent += len(datagram)
    while (event := endpoint.poll_event()) is not None:
        if isinstance(event, AddressesChanged):
            assert len(event.verified) <= MAX_ADDRESSES
            assert event.selected in (event.verified or (None,))
    return sent


@given(
    datagrams=st.lists(
        st.one_of(
            st.binary(max_size=100),
            st.builds(lambda first, rest: bytes([first]) + rest, st.integers(0, 3), st.binary(max_size=100)),
            st.builds(lambda first, rest: bytes([first]) + rest, st.integers(20, 63), st.binary(max_size=100)),
            st.builds(
                lambda kind, epoch, body: bytes([kind, 0xFE, 0xFD, 0, epoch]) + bytes(6) + len(body).to_bytes(2) + body,
                st.integers(20, 24),
                st.integers(0, 1),
                st.binary(max_size=80),
            ),
        ),
        max_size=10,
    ),
    verified=st.booleans(),
    passive=st.booleans(),
)
@relaxed
def test_any_bytes(new_pair, new_client, datagrams, verified, passive):
    pair = new_pair(client=new_client(server=passive))
    pair.set_remote()
    if verified:
        pair.check()
    for datagram in datagrams:
        pair.endpoint.handle_datagram(datagram, pair.address, pair.now)
        sent = drain(pair.endpoint)
        assert verified or not sent
    if not verified:
        assert sum(pair.endpoint.drops.values()) == len(datagrams)


mutation = st.tuples(st.integers(0, 4000), st.integers(0, 255), st.sampled_from(["set", "cut", "insert", "double"]))


def mutate(datagram, mutations):
    data = bytearray(datagram)
    for position, value, kind in mutations:
        at = position % (len(data) or 1)
        if kind == "set" and data:
            data[at] = value
        elif kind == "cut":
            del data[at:]
        elif kind == "insert":
            data.insert(at, value)
        elif kind == "double":
            data[at:at] = data[at : at + value]
    return bytes(data)


@given(st.data())
@relaxed
def test_a_handshake_with_mutated_messages(new_pair, data):
    pair = new_pair()
    pair.set_remote()
    pair.check(use_candidate=True)
    hello = pair.client.step()
    [hello] = hello
    # One mutated before, one instead, one between: the handshake goes on or ends, but in order.
    pair.send([mutate(hello, data.draw(st.lists(mutation, min_size=1, max_size=3)))])
    pair.send([hello])
    answers = []
    while pair._to_client:
        answers += pair.client.step(pair._to_client.popleft())
    for answer in answers:
        pair.send([mutate(answer, data.draw(st.lists(mutation, max_size=3)))])
    pair.send(answers)
    pair.deliver()
    assert max(pair.down_sizes, default=0) <= 1200
    timeout = pair.endpoint.poll_timeout()
    assert (timeout is None) == (pair.closed() is not None)
    assert len([event for event in pair.events if event is pair.closed()]) <= 1


@given(st.data())
@relaxed
def test_a_passive_peers_handshake_with_mutated_messages(new_pair, new_client, data):
    pair = new_pair(client=new_client(server=True))
    pair.set_remote()
    pair.check(use_candidate=True)
    [hello] = pair._to_client
    pair._to_client.clear()
    pair.client.step(mutate(hello, data.draw(st.lists(mutation, max_size=1))))
    answers = pair.client.step(hello)
    for answer in answers:
        pair.send([mutate(answer, data.draw(st.lists(mutation, max_size=3)))])
    pair.send(answers)
    pair.deliver()
    assert max(pair.down_sizes, default=0) <= 1200
    timeout = pair.endpoint.poll_timeout()
    assert (timeout is None) == (pair.closed() is not None)
    assert len([event for event in pair.events if event is pair.closed()]) <= 1


operations = st.lists(
    st.one_of(
        st.tuples(st.just("check"), st.integers(0, 3), st.booleans(), st.sampled_from(["current", "first", "wrong"])),
        st.tuples(st.just("dtls"), st.integers(0, 3)),
        st.tuples(st.just("garbage"), st.integers(0, 3), st.binary(max_size=60)),
        st.tuples(st.just("wait"), st.floats(0, 20)),
        st.tuples(st.just("timer")),
        st.tuples(st.just("restart")),
        st.tuples(st.just("remote"), st.sampled_from(["remo", "other"]), st.sampled_from([False, False, True])),
        st.tuples(st.just("media"), st.integers(0, 3), st.floats(-40, 0)),
        st.tuples(st.just("forget"), st.integers(0, 3)),
        st.tuples(st.just("close")),
    ),
    max_size=30,
)


@given(operations)
@relaxed
def test_any_order_of_operations(new_pair, check, operations):
    pair = new_pair()
    endpoint = pair.endpoint
    first = endpoint.credentials
    hello = pair.client.step()
    for operation in operations:
        name, *arguments = operation
        if name == "check":
            index, use_candidate, which = arguments
            credentials = endpoint.credentials if which == "current" else first
            key = b"wrong" if which == "wrong" else None
            request = check(credentials, use_candidate=use_candidate, key=key)
            endpoint.handle_datagram(request, ADDRESSES[index], pair.now)
        elif name == "dtls":
            for datagram in hello:
                endpoint.handle_datagram(datagram, ADDRESSES[arguments[0]], pair.now)
        elif name == "garbage":
            endpoint.handle_datagram(arguments[1], ADDRESSES[arguments[0]], pair.now)
        elif name == "wait":
            pair.now += arguments[0]
            endpoint.handle_timeout(pair.now)
        elif name == "timer":
            timeout = endpoint.poll_timeout()
            if timeout is not None:
                pair.now = max(pair.now, timeout)
                endpoint.handle_timeout(pair.now)
                later = endpoint.poll_timeout()
                assert later is None or later > timeout
        elif name == "restart":
            endpoint.restart_ice(IceCredentials.generate(os.urandom))
        elif name == "remote":
            ufrag, client = arguments
            endpoint.set_remote(ufrag=ufrag, pwd="x", fingerprints=pair.client.fingerprints, dtls_client=client)
        elif name == "media":
            endpoint.note_media(ADDRESSES[arguments[0]], pair.now + arguments[1])
        elif name == "forget":
            endpoint.forget_address(ADDRESSES[arguments[0]])
        else:
            endpoint.close(pair.now)
        drain(endpoint)
        assert 1 <= len(endpoint.local_ufrags()) <= 2
        assert (endpoint.poll_timeout() is None) == endpoint.closed
