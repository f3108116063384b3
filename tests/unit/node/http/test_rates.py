from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.requests import Request

import sfu.node
from sfu.node.http.connections import TrustedProxies
from sfu.node.http.limits import HttpLimits
from sfu.node.http.rates import Client, RequestRates
from sfu.signaling import SignalingOptions
from sfu.signaling.http.authorization import read_token
from sfu.signaling.http.problem import Problem

PAGE = Path(sfu.node.__file__).parent / "page"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def build(clock: Clock, **limits: float) -> RequestRates:
    return RequestRates(HttpLimits(**limits), lambda token: token == "good", clock)  # type: ignore[arg-type]


def taken(rates: RequestRates, client: Client, count: int) -> int:
    return sum(rates.take(client) == 0.0 for _ in range(count))


@pytest.mark.parametrize("kind", ["address", "token", "connection"])
def test_a_burst_passes_and_then_the_rate(clock: Clock, kind: str) -> None:
    names = {"connection": ("connection_rate_per_address", "connection_burst_per_address")}
    rate, burst = names.get(kind, (f"requests_per_{kind}", f"request_burst_per_{kind}"))
    rates = build(clock, **{rate: 4.0, burst: 10})
    client = Client(kind, "someone")  # type: ignore[arg-type]
    assert taken(rates, client, 30) == 10
    assert rates.take(client) == pytest.approx(0.25)
    assert rates.refused == {kind: 21}
    assert taken(rates, Client(kind, "another"), 30) == 10  # type: ignore[arg-type]
    clock.now += 1.0
    assert taken(rates, client, 30) == 4
    clock.now += 60.0
    assert taken(rates, client, 30) == 10


def test_who_is_refused_gets_no_less_for_having_asked(clock: Clock) -> None:
    rates = build(clock, requests_per_address=1.0, request_burst_per_address=1)
    client = rates.find_client("192.0.2.1", b"/", [])
    assert rates.take(client) == 0.0
    for _ in range(9):
        clock.now += 0.1
        assert rates.take(client) > 0
    clock.now += 0.1
    assert rates.take(client) == 0.0


@pytest.mark.parametrize(
    ("host", "url", "headers", "client"),
    [
        ("192.0.2.1", b"/", [], "192.0.2.1"),
        ("::ffff:192.0.2.1", b"/", [], "192.0.2.1"),
        ("2001:db8::1", b"/", [], "2001:db8::/64"),
        ("2001:db8::ffff:2", b"/", [], "2001:db8::/64"),
        ("", b"/", [], ""),
        ("192.0.2.1", b"/", [(b"authorization", b"Bearer bad")], "192.0.2.1"),
        ("192.0.2.1", b"/", [(b"authorization", b"Basic good")], "192.0.2.1"),
        ("192.0.2.1", b"/", [(b"authorization", b"\xff\xfe")], "192.0.2.1"),
        ("192.0.2.1", b"/?access_token=bad", [], "192.0.2.1"),
        ("192.0.2.1", b"/", [(b"authorization", b"bearer  good ")], None),
        ("192.0.2.1", b"/events?x=1&access_token=good", [], None),
        ("192.0.2.1", b"/events?access_token=go%6fd#x", [], None),
        ("192.0.2.1", b"/events?access_token=good&access_token=bad", [], "192.0.2.1"),
        ("192.0.2.1", b"/events?access_token=good", [(b"authorization", b"Bearer")], "192.0.2.1"),
        ("192.0.2.1", b"/events?access_token=\xff", [], "192.0.2.1"),
    ],
)
def test_whose_a_request_is(
    clock: Clock, host: str, url: bytes, headers: list[tuple[bytes, bytes]], client: str | None
) -> None:
    found = build(clock).find_client(host, url, headers)
    assert found.kind == ("token" if client is None else "address")
    if client is not None:
        assert found.value == client


@pytest.mark.parametrize("url", [b"/", b"/?access_token=good", b"/?access_token=go%6fd", b"/?access_token=%ff&a=\xff"])
@pytest.mark.parametrize("header", [b"", b"Bearer good", b"bearer  good ", b"Bearer", b"Basic good", b"\xff"])
def test_the_token_is_the_one_that_signaling_finds(clock: Clock, url: bytes, header: bytes) -> None:
    headers = [(b"authorization", header)] if header else []
    request = Request({"type": "http", "headers": headers, "query_string": url.partition(b"?")[2]})
    try:
        good = read_token(request, in_query=True) == "good"
    except Problem:
        good = False
    assert (build(clock).find_client("192.0.2.1", url, headers).kind == "token") is good


def test_of_clients_no_more_are_remembered_than_are_set(clock: Clock) -> None:
    rates = build(clock, request_buckets=100, requests_per_address=1.0, request_burst_per_address=10)
    for number in range(1000):
        rates.take(Client("address", f"a{number}"))
        assert len(rates) <= 100
    assert taken(rates, Client("address", "a999"), 20) == 9  # who was heard last is remembered
    clock.now += 100.0
    for number in range(60):
        rates.take(Client("address", f"b{number}"))
    assert len(rates) <= 61  # those whose bucket is full are forgotten meanwhile


@pytest.mark.parametrize(
    ("told", "client"),
    [
        ([], "10.0.0.1"),
        ([b""], "10.0.0.1"),
        ([b"192.0.2.7"], "192.0.2.7"),
        ([b"192.0.2.9, 192.0.2.7 , 10.0.0.2"], "192.0.2.7"),
        ([b"192.0.2.9", b"192.0.2.7:4711"], "192.0.2.7"),
        ([b"[2001:db8::7]:4711"], "2001:db8::7"),
        ([b"2001:db8::7"], "2001:db8::7"),
        ([b"10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ([b"nonsense"], "nonsense"),
    ],
)
def test_who_comes_by_a_trusted_proxy_is_whom_it_names_last(told: list[bytes], client: str) -> None:
    proxies = TrustedProxies(["10.0.0.0/8"])
    headers = [(b"host", b"x"), *((b"x-forwarded-for", value) for value in told)]
    assert proxies.find_client("10.0.0.1", headers) == client
    assert proxies.find_client("192.0.2.1", headers) == "192.0.2.1"


def test_a_hearing_of_three_hundred_behind_one_address_meets_no_limit(clock: Clock) -> None:
    """All at once, so that nothing of the rate helps: with a token each, and a hundred with one for all of them."""
    rates = RequestRates(HttpLimits(), lambda token: token.startswith("good"), clock)
    files = [path.name for path in PAGE.iterdir()]
    publishers = 30

    def join(token: bytes) -> bool:
        page: list[tuple[bytes, list[tuple[bytes, bytes]]]] = [(f"/{name}".encode(), []) for name in files]
        mine = [(b"/rooms/a", [(b"authorization", b"Bearer " + token)])] * (6 + 5 * publishers)
        return all(rates.take(rates.find_client("192.0.2.1", *request)) == 0.0 for request in page + mine)

    assert all(join(b"good%d" % number) for number in range(300))
    assert all(rates.take(Client("connection", "192.0.2.1")) == 0.0 for _ in range(300 * 6 * 2))
    clock.now += 3600.0
    assert all(join(b"good") for _ in range(SignalingOptions().max_peers_per_token))
    assert not rates.refused


def test_the_reckoning_counts_the_files_of_the_page() -> None:
    source = (Path(sfu.node.__file__).parent / "http" / "limits.py").read_text()
    assert f"loads the page, {len(list(PAGE.iterdir()))}\n" in source
    assert re.search(r"makes 13,200;", source)
