"""Datagrams take the proxy both ways between real sockets, and its links do to them what they are told."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from bench.netem.config import LinkConfig
from bench.netem.proxy import ProxyCounts, ThreadedProxy
from bench.netem.schedule import Schedule

DEADLINE_S = 20.0
MEDIA = b"\x80" + bytes(99)
OTHER = b"\x00\x01" + bytes(98)


@contextlib.contextmanager
def sockets(count: int) -> Iterator[list[socket.socket]]:
    """Sockets of a node and of browsers."""
    with contextlib.ExitStack() as stack:
        opened = []
        for _ in range(count):
            one = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            one.bind(("127.0.0.1", 0))
            one.settimeout(DEADLINE_S)
            opened.append(one)
        yield opened


def wait_for(proxy: ThreadedProxy, holds: Callable[[ProxyCounts], bool]) -> ProxyCounts:
    """Wait until what the proxy counted is as expected."""
    deadline = time.monotonic() + DEADLINE_S
    while not holds(counts := proxy.counts()):
        assert time.monotonic() < deadline, counts
        time.sleep(0.002)
    return counts


def through_up(proxy: ThreadedProxy, browser: socket.socket, data: list[bytes]) -> None:
    """Send, and wait until all of it has entered the link: loopback itself does not drop so little."""
    before = proxy.counts().up.sent
    for one in data:
        browser.sendto(one, proxy.address)
    wait_for(proxy, lambda counts: counts.up.sent == before + len(data))


def test_each_browser_has_its_own_way_up_and_back() -> None:
    with sockets(3) as (node, *browsers), ThreadedProxy(node.getsockname()) as proxy:
        ways = []
        for number, browser in enumerate(browsers):
            browser.sendto(b"up %d" % number, proxy.address)
            data, way = node.recvfrom(100)
            assert data == b"up %d" % number
            ways.append(way)
        assert ways[0] != ways[1]
        for number, way in reversed(list(enumerate(ways))):
            node.sendto(b"down %d" % number, way)
        for number, browser in enumerate(browsers):
            assert browser.recvfrom(100) == (b"down %d" % number, proxy.address)
        counts = wait_for(proxy, lambda counts: counts.down.delivered == 2)
        assert counts.up.delivered == 2
        assert counts.up.sent_bytes == 8
        assert counts.up_queued == counts.down_queued == counts.refused == counts.undeliverable == 0


def test_each_direction_has_its_delay_and_keeps_the_order() -> None:
    up, down = LinkConfig(delay_s=0.05), LinkConfig(delay_s=0.1)
    with sockets(2) as (node, browser), ThreadedProxy(node.getsockname(), up=up, down=down) as proxy:
        started = time.monotonic()
        for number in range(50):
            browser.sendto(bytes([number]), proxy.address)
        received = [node.recvfrom(100) for _ in range(50)]
        assert time.monotonic() - started >= 0.05
        assert [data for data, _ in received] == [bytes([number]) for number in range(50)]
        started = time.monotonic()
        node.sendto(b"back", received[0][1])
        assert browser.recv(100) == b"back"
        assert time.monotonic() - started >= 0.1


def test_loss_spares_what_is_not_media() -> None:
    config = LinkConfig(loss=1.0)
    with sockets(2) as (node, browser), ThreadedProxy(node.getsockname(), up=config, media_only=True) as proxy:
        firsts = [0, 20, 63, 64, 127, 128, 160, 191, 192, 255]
        through_up(proxy, browser, [bytes([first]) + b"x" for first in firsts] + [b""])
        received = [node.recv(100)[:1] for _ in range(8)]
        assert received == [bytes([first]) for first in firsts if not 128 <= first <= 191] + [b""]
        assert proxy.counts().up.lost == 3


def test_duplicates_and_burst_limits_take_only_media_too() -> None:
    config = LinkConfig(rate_bps=0, queue_bytes=150, duplicate=1.0, delay_s=0.02)
    with sockets(2) as (node, browser), ThreadedProxy(node.getsockname(), up=config, media_only=True) as proxy:
        through_up(proxy, browser, [MEDIA, MEDIA, OTHER])
        assert node.recv(100) == OTHER
        counts = proxy.counts()
        assert (counts.up.duplicated, counts.up.overflowed, counts.up_queued) == (2, 2, 2)
        proxy.change(up={"rate_bps": None})
        assert [node.recv(100) for _ in range(2)] == [MEDIA, MEDIA]


def test_without_media_only_nothing_is_spared() -> None:
    with (
        sockets(2) as (node, browser),
        ThreadedProxy(node.getsockname(), up=LinkConfig(loss=1.0)) as proxy,
    ):
        through_up(proxy, browser, [OTHER, MEDIA])
        assert proxy.counts().up.lost == 2


def test_loss_repeats_with_the_seed_and_can_be_changed() -> None:
    def survivors(seed: int) -> list[int]:
        with sockets(2) as (node, browser), ThreadedProxy(node.getsockname(), seed=seed) as proxy:
            proxy.change(up={"loss": 0.5})
            through_up(proxy, browser, [bytes([number]) for number in range(100)])
            proxy.change(up={"loss": 0.0})
            through_up(proxy, browser, [b"the end"])
            received = list(iter(lambda: node.recv(100), b"the end"))
            assert len(received) + proxy.counts().up.lost == 100
            return [data[0] for data in received]

    assert survivors(4) == survivors(4)
    assert survivors(4) != survivors(5)


def test_the_rate_is_not_exceeded() -> None:
    config = LinkConfig(rate_bps=400_000)
    with sockets(2) as (node, browser), ThreadedProxy(node.getsockname(), up=config) as proxy:
        started = time.monotonic()
        through_up(proxy, browser, [bytes(500)] * 20)
        for received in range(1, 21):
            node.recv(1000)
            assert time.monotonic() - started >= received * 500 * 8 / 400_000


def test_a_schedule_is_followed() -> None:
    with (
        sockets(2) as (node, browser),
        ThreadedProxy(node.getsockname(), up=LinkConfig(rate_bps=0)) as proxy,
    ):
        through_up(proxy, browser, [MEDIA] * 3)
        started = time.monotonic()
        proxy.play(up=Schedule(((0.05, 1e6),)))
        assert [node.recv(1000) for _ in range(3)] == [MEDIA] * 3
        assert time.monotonic() - started >= 0.05 + 3 * 800 / 1e6


def test_a_description_is_rewritten_and_says_where_up_is() -> None:
    with sockets(2) as (node, browser), ThreadedProxy() as proxy:
        browser.sendto(b"too early", proxy.address)
        wait_for(proxy, lambda counts: counts.refused == 1)
        host, port = node.getsockname()
        sdp = proxy.rewrite(f"v=0\r\na=candidate:1 1 udp 1 {host} {port} typ host\r\n")
        assert sdp == f"v=0\r\na=candidate:1 1 udp 1 127.0.0.1 {proxy.address[1]} typ host\r\n"
        assert proxy.upstream == (host, port)
        browser.sendto(b"now", proxy.address)
        assert node.recv(100) == b"now"


def test_browsers_beyond_the_limit_are_refused() -> None:
    with sockets(3) as (node, first, second), ThreadedProxy(node.getsockname(), max_browsers=1) as proxy:
        first.sendto(b"1", proxy.address)
        assert node.recv(100) == b"1"
        second.sendto(b"2", proxy.address)
        wait_for(proxy, lambda counts: counts.refused == 1)
        first.sendto(b"3", proxy.address)
        assert node.recv(100) == b"3"


def test_a_receiver_that_is_gone_does_not_end_the_proxy() -> None:
    with sockets(2) as (node, browser), ThreadedProxy(("127.0.0.1", 1)) as proxy:  # nobody listens there
        through_up(proxy, browser, [MEDIA] * 20)
        wait_for(proxy, lambda counts: counts.up.delivered == 20)
        proxy.upstream = node.getsockname()
        # The kernel may tell of the last of those by refusing the next one.
        deadline = time.monotonic() + DEADLINE_S
        node.settimeout(0.05)
        while True:
            assert time.monotonic() < deadline
            browser.sendto(b"again", proxy.address)
            with contextlib.suppress(TimeoutError):
                assert node.recv(100) == b"again"
                break


def test_changes_from_several_threads_are_safe() -> None:
    with sockets(2) as (node, browser), ThreadedProxy(node.getsockname()) as proxy:
        errors: list[Exception] = []

        def turn(delay_s: float) -> None:
            try:
                for _ in range(100):
                    proxy.change(up={"delay_s": delay_s, "rate_bps": 1e8}, down={"delay_s": delay_s})
            except Exception as error:  # noqa: BLE001 - handed to the test
                errors.append(error)

        threads = [threading.Thread(target=turn, args=(number / 1000,)) for number in range(4)]
        for thread in threads:
            thread.start()
        through_up(proxy, browser, [MEDIA] * 100)
        for thread in threads:
            thread.join()
        assert errors == []
        assert [node.recv(1000) for _ in range(100)] == [MEDIA] * 100


def test_closing_ends_the_thread_and_frees_the_address() -> None:
    before = threading.active_count()
    proxy = ThreadedProxy(("127.0.0.1", 9), up=LinkConfig(delay_s=60.0))
    assert threading.active_count() == before + 1
    with sockets(1) as (browser,):
        through_up(proxy, browser, [MEDIA])
    proxy.close()
    proxy.close()
    assert threading.active_count() == before
    assert proxy.counts().up_queued == 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(proxy.address)


def test_an_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(OSError, match="assign"):
        ThreadedProxy(host="203.0.113.1")
