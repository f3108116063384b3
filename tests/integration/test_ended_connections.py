"""A connection that has ended is freed at once, with all that belonged to it: no garbage collection has to find it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from sfu import Config, Connection, ConnectionState, DataChannel, Peer, RemoteError, Server, SigningKey
from tests.integration.clients import client, until
from tests.integration.raw_peer import RawPeer
from tests.leftovers import count_ours, nothing_left_over
from tests.unit.offers import BOTH, RECEIVE_BOTH, make_answer, make_offer


@pytest.fixture
def config() -> Config:
    return Config(host="127.0.0.1", data_channels=True, max_tracks_per_peer=2, max_connections_per_peer=1)


@pytest.fixture
async def server(config: Config) -> AsyncIterator[Server]:
    async with Server(config) as running:
        answer(running).leave()  # what is made once is there
        yield running
        assert not running.rooms
        assert "drop_internal_error" not in running.counters()


def answer(server: Server, name: str = "alice") -> Peer:
    """Somebody who publishes, and has never come."""
    peer = server.room("lobby").join(name, leave_when_idle=True)
    peer.answer(make_offer(*BOTH))
    return peer


def answer_a_viewer(server: Server) -> None:
    alice = answer(server)
    bob = server.room("lobby").join("bob")
    bob.answer(make_offer(*RECEIVE_BOTH), subscribe="all")
    assert len(bob.subscriptions) == 2
    bob.leave()
    alice.leave()


def offer(server: Server) -> None:
    alice = answer(server)
    bob = server.room("lobby").join("bob")
    connection = bob.offer(publish=["audio"])
    connection.accept(make_answer(connection.offer()))
    connection.offer(restart_ice=True)
    bob.leave()
    alice.leave()


def steer(server: Server) -> None:
    alice = answer(server)
    bob = server.room("lobby").join("bob")
    bob.steer(make_offer(*RECEIVE_BOTH), request=dict.fromkeys(alice.tracks))
    assert len(bob.subscriptions) == 2
    bob.leave()
    alice.leave()


def negotiate_anew(server: Server) -> None:
    """The picture's codec changes, then there is only sound; ICE restarts."""
    peer = server.room("lobby").join("alice", leave_when_idle=True)
    connection = peer.answer(make_offer(*BOTH)).connection
    connection.answer(make_offer(("audio", "sendonly"), ("VP9", "sendonly")))
    connection.answer(make_offer(("audio", "sendonly"), ("video", "inactive"), ufrag="wxyz", pwd="z" * 22))
    assert [track.kind for track in peer.tracks] == ["audio"]
    connection.close()


def close_the_room(server: Server) -> None:
    answer(server)
    answer(server, "bob")
    server.rooms["lobby"].close()


def refuse(server: Server) -> None:
    for wrong in (make_offer(*BOTH).replace("VP8/", "H265/"), "v=0\r\n", make_offer(*BOTH, ("audio", "sendonly"))):
        with contextlib.suppress(RemoteError):
            server.room("lobby").join("alice", leave_when_idle=True).answer(wrong)
            raise AssertionError(wrong)
        assert not server.rooms
    peer = answer(server)
    for once_more in (lambda: peer.answer(make_offer(*BOTH)), peer.offer, lambda: server.room("lobby").join("alice")):
        with contextlib.suppress(RemoteError):
            once_more()
            raise AssertionError("a second connection")
    peer.leave()


@pytest.mark.parametrize(
    "scene",
    [lambda server: answer(server).leave(), answer_a_viewer, offer, steer, negotiate_anew, close_the_room, refuse],
    ids=["answered", "viewer", "offered", "steered", "renegotiated", "room", "refused"],
)
async def test_of_who_never_came_nothing_is_left(server: Server, scene: Callable[[Server], None]) -> None:
    async with nothing_left_over():
        scene(server)


async def come(server: Server, name: str, direction: str, *, passive: bool = False) -> tuple[RawPeer, Connection]:
    """A client that is connected and publishes sound, or receives what there is."""
    raw = RawPeer(passive=passive)
    peer = server.room("lobby").join(name, leave_when_idle=True)
    sdp = make_offer(("audio", direction), setup="passive" if passive else "actpass")
    answered = peer.answer(raw.describe(sdp), subscribe="all" if direction == "recvonly" else None)
    raw.read(answered.sdp)
    await raw.connect(raw.open())
    await raw.until(lambda: answered.connection.state is ConnectionState.CONNECTED)
    return raw, answered.connection


async def flow(publisher: RawPeer, viewer: RawPeer) -> None:
    """Media, until some have come through."""
    (source,), (sink,) = publisher.heard, viewer.heard
    for sequence in range(500):
        publisher.send_rtp(source, sequence)
        viewer.send_report(sink)
        await asyncio.sleep(0.02)
        if len(viewer.heard[sink]) > 4:
            return
    raise AssertionError("no media came through")


async def meet(server: Server, end: Callable[[RawPeer, Connection], None]) -> None:
    """A publisher and a viewer, each in another role of DTLS; the publisher ends first."""
    alice, publishing = await come(server, "alice", "sendonly")
    bob, viewing = await come(server, "bob", "recvonly", passive=True)
    await flow(alice, bob)
    for raw, connection in ((alice, publishing), (bob, viewing)):
        end(raw, connection)
        await until(lambda ended=connection: ended.state is ConnectionState.CLOSED)  # type: ignore[misc]
        raw.close()


def close(raw: RawPeer, connection: Connection) -> None:
    connection.close()


def say_goodbye(raw: RawPeer, connection: Connection) -> None:
    (where,) = raw.heard
    raw.shut_down(where)


@pytest.mark.parametrize("end", [close, say_goodbye])
async def test_of_who_was_connected_nothing_is_left(server: Server, end: Callable[[RawPeer, Connection], None]) -> None:
    await meet(server, close)
    async with nothing_left_over():
        await meet(server, end)
        await until(lambda: not server.rooms)


async def test_of_who_is_somebody_else_nothing_is_left(server: Server) -> None:
    async def come_with_another_certificate() -> None:
        raw = RawPeer()
        answered = (
            server.room("lobby")
            .join("alice", leave_when_idle=True)
            .answer(raw.describe(make_offer(*BOTH)).replace(raw.fingerprint, ":".join(["CD"] * 32)))
        )
        raw.read(answered.sdp)
        await raw.connect(raw.open())
        await until(lambda: not server.rooms)
        raw.close()

    async with nothing_left_over():
        await come_with_another_certificate()


async def test_who_waits_for_a_publisher_to_return_holds_nothing_of_its_connection(server: Server) -> None:
    alice, publishing = await come(server, "alice", "sendonly")
    bob, viewing = await come(server, "bob", "recvonly")
    gc.collect()
    gc.disable()
    try:
        await flow(alice, bob)
        gone = weakref.ref(publishing)
        publishing.close()
        del publishing
        assert [held.vacant for held in viewing.subscriptions] == [True]
        await until(lambda: gone() is None)
        assert count_ours()["sfu.session.transport.Transport"] == 1  # the viewer's
    finally:
        gc.enable()
    viewing.close()
    for raw in (alice, bob):
        raw.close()


async def test_of_a_recorded_connection_nothing_is_left(server: Server, tmp_path: Path) -> None:
    room = server.room("lobby")

    async def be_recorded(folder: Path) -> None:
        recording = room.record(folder, key=SigningKey.generate())
        await meet(server, close)
        await until(lambda: not room.peers)
        await recording.stop()
        assert not server.recordings  # it forgets them then

    await be_recorded(tmp_path / "first")
    async with nothing_left_over():
        await be_recorded(tmp_path / "second")


async def test_of_data_channels_nothing_is_left(server: Server) -> None:
    async def talk() -> None:
        async with client() as alice:
            theirs = alice.pc.createDataChannel("chat")
            got: list[bytes | str] = []
            connection = server.room("lobby").join("alice", leave_when_idle=True).answer(await alice.offer()).connection
            told: list[DataChannel] = []

            def take(channel: DataChannel) -> None:
                told.append(channel)
                channel.on_message = lambda message: echo(channel, message)

            def echo(channel: DataChannel, message: bytes | str) -> None:
                got.append(message)
                assert connection.data.channels == (channel,)

            connection.data.on_channel = take
            await alice.take_answer(connection.answer(await alice.offer()).sdp)
            await until(lambda: bool(told) and theirs.readyState == "open")
            theirs.send("hello")
            await until(lambda: got == ["hello"])
        await until(lambda: not server.rooms)

    await talk()
    async with nothing_left_over():
        await talk()


class TestSoon:
    """Who is silent for a second is given up."""

    @pytest.fixture
    def config(self) -> Config:
        return Config(host="127.0.0.1", handshake_timeout=1.0, consent_timeout=1.0, return_timeout=0.0)

    async def test_of_who_did_not_come_in_time_nothing_is_left(self, server: Server) -> None:
        async with nothing_left_over():
            answer(server)
            await until(lambda: not server.rooms)

    async def test_of_who_fell_silent_nothing_is_left(self, server: Server) -> None:
        async with nothing_left_over():
            await fall_silent(server)


async def fall_silent(server: Server) -> None:
    raw = RawPeer()
    answered = server.room("lobby").join("alice", leave_when_idle=True).answer(raw.describe(make_offer(*BOTH)))
    raw.read(answered.sdp)
    where = raw.open()
    raw.check(where, nominate=True)  # and no handshake
    await raw.until(lambda: raw.answered[where] > 0)
    await until(lambda: not server.rooms)
    raw.close()
