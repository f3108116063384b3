"""A viewer that has offered follows a publisher that comes again, as far as its answer goes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from sfu import Config, Connection, ConnectionState, Peer, Room, Server, Subscription
from tests.unit.fakes import NO_ROWS, FakeClock
from tests.unit.offers import BOTH, RECEIVE_BOTH, make_offer

AUDIO, VIDEO, VP9, SIMULCAST = BOTH[:1], BOTH[1:], (("VP9", "sendonly"),), (("simulcast", "sendonly"),)
EITHER = (("VP8 or VP9", "recvonly"),)
WAIT = 10.0

Media = Sequence[tuple[str, str]]


class Hall:
    """A room in which time goes by when the test says so."""

    def __init__(self, server: Server, clock: FakeClock) -> None:
        self.room: Room = server.room("lobby")
        self.clock = clock

    def join(self, name: str) -> Peer:
        return self.room.peers.get(name) or self.room.join(name, leave_when_idle=True)

    async def publish(self, *media: tuple[str, str], name: str = "alice") -> Connection:
        return self.join(name).answer(make_offer(*media)).connection

    async def watch(self, *media: tuple[str, str], publisher: str = "alice", name: str = "bob") -> Connection:
        answered = self.join(name).answer(make_offer(*media), publish=False, subscribe=publisher)
        return answered.connection

    def pass_time(self, connection: Connection, seconds: float = 0.0) -> None:
        self.clock.now += seconds
        connection.handle_timeout(self.clock.now)


@pytest.fixture
async def hall() -> AsyncIterator[Hall]:
    clock = FakeClock()
    config = Config(handshake_timeout=300.0, return_timeout=WAIT)
    async with Server(config, clock=clock) as server:
        yield Hall(server, clock)
        for room in list(server.rooms.values()):
            room.close()
        assert server.rows_in_use() == NO_ROWS


def live(connection: Connection) -> list[Subscription]:
    return [held for held in connection.subscriptions if not held.vacant]


@pytest.mark.parametrize("before", [BOTH, AUDIO, VIDEO, SIMULCAST])
@pytest.mark.parametrize("overlap", [True, False], ids=["replaced", "left"])
async def test_a_section_goes_on_with_the_publishers_next_track(hall: Hall, before: Media, overlap: bool) -> None:
    first = await hall.publish(*before)
    viewing = await hall.watch(*RECEIVE_BOTH)
    held = live(viewing)
    ssrcs = [one.ssrc for one in held]
    if overlap:
        await hall.publish(*before)
        first.close("replaced")
    else:
        first.close("deleted")
        hall.pass_time(viewing, WAIT - 1.0)
        assert not live(viewing)
        assert all(one.current is None for one in held)
        await hall.publish(*before)
    hall.pass_time(viewing)
    assert live(viewing) == held
    assert [one.ssrc for one in held] == ssrcs
    assert [one.track for one in held] == list(hall.join("alice").tracks)
    assert all(list(one.track.subscriptions.values()) == [one] for one in held)
    hall.pass_time(viewing, 2 * WAIT)
    assert viewing.state is ConnectionState.CONNECTING


@pytest.mark.parametrize("change", [(SIMULCAST, VIDEO), (VIDEO, SIMULCAST)], ids=["to one", "to several"])
async def test_the_number_of_encodings_may_differ(hall: Hall, change: tuple[Media, Media]) -> None:
    first = await hall.publish(*change[0])
    viewing = await hall.watch(("video", "recvonly"))
    first.close()
    await hall.publish(*change[1])
    hall.pass_time(viewing)
    (held,) = live(viewing)
    assert held.track.encodings is hall.join("alice").tracks[0].encodings
    assert held.target is not None and held.target_index == len(held.track.encodings) - 1


async def test_what_the_viewer_chose_holds_for_the_next_track(hall: Hall) -> None:
    first = await hall.publish(*SIMULCAST)
    viewing = await hall.watch(("video", "recvonly"))
    (held,) = live(viewing)
    held.set_ceiling(held.ceiling._replace(spatial=0))
    held.pause()
    first.close()
    await hall.publish(*SIMULCAST)
    hall.pass_time(viewing)
    assert held.paused and held.stopped
    held.resume()
    assert held.target_index == 0


async def test_it_follows_again_and_again(hall: Hall) -> None:
    publishing = await hall.publish(*BOTH)
    viewing = await hall.watch(*RECEIVE_BOTH)
    for _ in range(5):
        publishing.close()
        hall.pass_time(viewing, 1.0)
        publishing = await hall.publish(*BOTH)
        hall.pass_time(viewing)
        assert [one.track for one in live(viewing)] == list(publishing.tracks)


async def test_all_viewers_follow(hall: Hall) -> None:
    first = await hall.publish(*BOTH)
    viewings = [await hall.watch(*RECEIVE_BOTH, name=f"viewer {k}") for k in range(5)]
    second = await hall.publish(*BOTH)
    first.close("replaced")
    for viewing in viewings:
        hall.pass_time(viewing)
        assert [one.track for one in live(viewing)] == list(second.tracks)


@pytest.mark.parametrize("offer", [EITHER, (("audio", "recvonly"), *EITHER)])
async def test_another_codec_that_the_viewer_offered_ends_the_session(hall: Hall, offer: Media) -> None:
    first = await hall.publish(*AUDIO, *VIDEO)
    viewing = await hall.watch(*offer)
    first.close()
    await hall.publish(*AUDIO, *VP9)
    hall.pass_time(viewing)
    assert viewing.state is ConnectionState.CLOSED
    again = await hall.watch(*offer)
    assert "VP9" in [one.track.codec.name for one in live(again)]
    hall.pass_time(again, 2 * WAIT)
    assert again.state is ConnectionState.CONNECTING


async def test_a_codec_that_the_viewer_does_not_know_ends_it_only_if_nothing_else_is_left(hall: Hall) -> None:
    first = await hall.publish(*BOTH)
    whole, video = await hall.watch(*RECEIVE_BOTH), await hall.watch(("video", "recvonly"), name="carol")
    first.close()
    await hall.publish(*AUDIO, *VP9)
    for viewing in (whole, video):
        hall.pass_time(viewing)
        assert viewing.state is ConnectionState.CONNECTING
    hall.pass_time(whole, WAIT)
    hall.pass_time(video)
    assert whole.state is ConnectionState.CONNECTING
    assert video.state is ConnectionState.CLOSED


async def test_who_does_not_come_back_ends_the_session(hall: Hall) -> None:
    publishing = await hall.publish(*BOTH)
    viewing = await hall.watch(*RECEIVE_BOTH)
    publishing.close()
    hall.pass_time(viewing)
    deadline = viewing.poll_timeout()
    assert deadline is not None and deadline <= hall.clock.now + WAIT
    hall.pass_time(viewing, WAIT - 0.1)
    assert viewing.state is ConnectionState.CONNECTING
    hall.pass_time(viewing, 0.1)
    assert viewing.state is ConnectionState.CLOSED


@pytest.mark.parametrize("first", [AUDIO, VIDEO], ids=["audio first", "video first"])
async def test_what_a_publisher_adds_ends_the_session_of_who_offered_to_take_it(hall: Hall, first: Media) -> None:
    await hall.publish(*first)
    whole, narrow = await hall.watch(*RECEIVE_BOTH), await hall.watch((first[0][0], "recvonly"), name="carol")
    await hall.publish(*(VIDEO if first is AUDIO else AUDIO))
    hall.pass_time(whole)
    hall.pass_time(narrow)
    assert whole.state is ConnectionState.CLOSED
    assert narrow.state is ConnectionState.CONNECTING
    assert len(live(await hall.watch(*RECEIVE_BOTH))) == 2


async def test_a_screen_that_stops_and_starts_again_has_its_section_back(hall: Hall) -> None:
    camera, screen = await hall.publish(*BOTH), await hall.publish(*VIDEO)
    viewing = await hall.watch(*RECEIVE_BOTH, ("video", "recvonly"))
    held = live(viewing)[2]
    screen.close()
    hall.pass_time(viewing, 3 * WAIT)
    assert viewing.state is ConnectionState.CONNECTING
    screen = await hall.publish(*VIDEO)
    hall.pass_time(viewing)
    assert live(viewing)[2] is held
    assert held.track is screen.tracks[0]
    assert [one.track for one in live(viewing)[:2]] == list(camera.tracks)


async def test_who_watches_all_keeps_a_section_for_who_left_and_then_gives_it_to_others(hall: Hall) -> None:
    alice, _ = await hall.publish(*VIDEO), await hall.publish(*VIDEO, name="carol")
    viewing = await hall.watch(("video", "recvonly"), ("video", "recvonly"), publisher="all")
    held = live(viewing)[0]
    alice.close()
    dave = await hall.publish(*VIDEO, name="dave")
    hall.pass_time(viewing, WAIT - 1.0)
    assert held.vacant
    alice = await hall.publish(*VIDEO)
    hall.pass_time(viewing)
    assert held.track is alice.tracks[0]
    alice.close()
    hall.pass_time(viewing)
    hall.pass_time(viewing, WAIT)
    assert held.track is dave.tracks[0]
    assert viewing.state is ConnectionState.CONNECTING


async def test_newcomers_do_not_end_the_session_of_who_watches_all(hall: Hall) -> None:
    await hall.publish(*AUDIO)
    viewing = await hall.watch(*RECEIVE_BOTH, publisher="all")
    await hall.publish(*BOTH, name="carol")
    hall.pass_time(viewing, 2 * WAIT)
    assert viewing.state is ConnectionState.CONNECTING


async def test_who_publishes_too_keeps_the_connection(hall: Hall) -> None:
    publishing = await hall.publish(*VIDEO)
    offer = make_offer(("audio", "sendonly"), ("video", "recvonly"))
    both = hall.join("bob").answer(offer, subscribe="alice").connection
    publishing.close()
    hall.pass_time(both)
    hall.pass_time(both, WAIT)
    assert both.state is ConnectionState.CONNECTING
    publishing = await hall.publish(*VIDEO)
    hall.pass_time(both)
    assert [one.track for one in live(both)] == list(publishing.tracks)


async def test_the_clients_next_offer_fills_what_is_vacant(hall: Hall) -> None:
    first = await hall.publish(*VIDEO)
    answered = hall.join("bob").answer(make_offer(*EITHER), publish=False, subscribe="alice")
    viewing = answered.connection
    first.close()
    await hall.publish(*VP9)
    assert viewing.answer(make_offer(*EITHER)).unfilled == ()
    (held,) = viewing.subscriptions
    assert held.track.codec.name == "VP9" and not held.vacant
    hall.pass_time(viewing, 2 * WAIT)
    assert viewing.state is ConnectionState.CONNECTING


async def test_who_had_nothing_from_the_beginning_may_wait_for_ever(hall: Hall) -> None:
    answered = hall.join("bob").answer(make_offer(*RECEIVE_BOTH), publish=False, subscribe="all")
    publishing = await hall.publish(*BOTH)
    publishing.close()
    hall.pass_time(answered.connection, 2 * WAIT)
    assert answered.connection.state is ConnectionState.CONNECTING
