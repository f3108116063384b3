"""Requests and connections beyond their rate are refused by the listener, and the others are answered in turn."""

from __future__ import annotations

from dataclasses import replace

from sfu.node.http.connections import TrustedProxies
from tests.unit.node.http.served import CLOSE, PATIENT, REQUEST, Counted, connect, serving, talk, until

TWO = replace(PATIENT, request_burst_per_address=2, request_burst_per_token=2)


async def test_who_sends_too_many_requests_is_told_and_left_and_the_others_are_not() -> None:
    app = Counted()
    async with serving(TWO, app) as (server, port):
        received = await talk(port, (REQUEST + b"\r\n") * 20)
        assert received.count(b"hello") == 2
        told = received.rpartition(b"HTTP/1.1 429 ")[2].lower()
        assert b"retry-after: 1\r\n" in told
        assert b"connection: close\r\n" in told
        assert b"application/problem+json" in told
        # whatever he does, it costs the app nothing
        again = await talk(port, REQUEST + b"Authorization: Bearer bad\r\n\r\n")
        assert again.startswith(b"HTTP/1.1 429 ")
        assert (app.begun, server.connections.rates.refused) == (2, {"address": 2})
        other = await connect(port, "127.0.0.2")
        other[1].write(REQUEST + CLOSE + b"\r\n")
        assert (await other[0].read()).endswith(b"hello")


async def test_who_opens_connections_too_fast_is_told_before_he_costs_more() -> None:
    app = Counted()
    proxies = TrustedProxies(["127.0.0.8"])
    async with serving(replace(PATIENT, connection_burst_per_address=2), app, proxies) as (server, port):
        for _ in range(2):
            assert (await talk(port, REQUEST + CLOSE + b"\r\n")).endswith(b"hello")
        for _ in range(3):
            reader, _ = await connect(port)
            assert (await reader.read()).startswith(b"HTTP/1.1 429 ")
        assert (app.begun, server.connections.rates.refused) == (2, {"connection": 3})
        for source in ("127.0.0.2", *["127.0.0.8"] * 4):
            reader, writer = await connect(port, source)
            writer.write(REQUEST + CLOSE + b"\r\n")
            assert (await reader.read()).endswith(b"hello")


async def test_a_refused_request_may_have_a_body() -> None:
    async with serving(TWO) as (_, port):
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
        received = await talk(port, (head + b"abcde") * 3, REQUEST + b"\r\n")
        assert received.count(b"HTTP/1.1 429 ") == 1
        assert received.count(b"hello") == 2


async def test_a_valid_token_has_a_bucket_of_its_own_wherever_it_comes_from() -> None:
    async with serving(TWO) as (server, port):
        bearer = b"Authorization: Bearer good"
        assert (await talk(port, (REQUEST + b"\r\n") * 3)).count(b"hello") == 2
        assert (await talk(port, (REQUEST + bearer + b"\r\n\r\n") * 3)).count(b"hello") == 2
        assert (await talk(port, (REQUEST + bearer + b"2\r\n\r\n") * 3)).count(b"hello") == 2
        watching = b"GET /?a=b&access_token=good3 HTTP/1.1\r\nHost: x\r\n\r\n"
        assert (await talk(port, watching * 3)).count(b"hello") == 2
        assert server.connections.rates.refused == {"address": 1, "token": 3}


async def test_behind_a_trusted_proxy_each_client_has_a_bucket_and_its_connection_stays() -> None:
    proxies = TrustedProxies(["127.0.0.0/30"])
    async with serving(TWO, proxies=proxies) as (_, port):

        def request(client: bytes, more: bytes = b"") -> bytes:
            return REQUEST + more + b"X-Forwarded-For: 198.51.100.9, " + client + b", 127.0.0.2\r\n\r\n"

        same = [request(b"192.0.2.7"), request(b"192.0.2.7:80"), request(b"192.0.2.7")]
        received = await talk(port, *same, request(b"[2001:db8::1]"), request(b"2001:db8::2", CLOSE))
        assert [part[:3] for part in received.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"429", b"200", b"200"]


async def test_of_two_addresses_each_is_answered_in_its_turn_however_many_connections_one_has() -> None:
    app = Counted()
    async with serving(replace(PATIENT, requests_at_once=1), app) as (server, port):
        crowd = [await connect(port) for _ in range(50)]
        other = await connect(port, "127.0.0.2")
        await until(lambda: len(server.connections) == 51)
        for _, writer in crowd:
            writer.write((REQUEST + b"\r\n") * 4)
        await until(lambda: len(server.connections.request_queue) > 20)
        before = app.begun
        other[1].write((REQUEST + b"\r\n") * 4 + REQUEST + CLOSE + b"\r\n")
        await until(lambda: app.clients.count("127.0.0.2") > 0)
        first = app.clients.index("127.0.0.2") - before
        assert (await other[0].read()).count(b"hello") == 5
        last = len(app.clients) - app.clients[::-1].index("127.0.0.2")
        # what it waits for is its bytes' way, and one of the crowd before each of its own
        assert first < 20
        assert last - before < 40 < 200 - before
        for reader, _ in crowd:
            assert (await reader.readuntil(b"hello")).endswith(b"hello")


async def test_who_goes_while_he_waits_for_his_turn_is_forgotten() -> None:
    app = Counted()
    async with serving(replace(PATIENT, requests_at_once=1), app) as (server, port):
        crowd = [await connect(port) for _ in range(50)]
        await until(lambda: len(server.connections) == 50)
        for _, writer in crowd:
            writer.write(REQUEST + b"\r\n")
        await until(lambda: len(server.connections.request_queue) > 20)
        for _, writer in crowd:
            writer.transport.abort()
        await until(lambda: len(server.connections) == 0)
        assert len(server.connections.request_queue) == 0
        assert (await talk(port, REQUEST + CLOSE + b"\r\n")).endswith(b"hello")
