from __future__ import annotations

import asyncio
import dataclasses

import pytest

from sfu.signaling import SignalingOptions
from sfu.signaling.sessions.viewer_stream import ViewerReading, ViewerState, ViewerStream

ALL = frozenset({"active", "inactive", "layers", "viewercount"})
IDLE = ViewerState(active=False, layers="{}", viewers=0)
BUSY = ViewerState(active=True, layers='{"1":{}}', viewers=3)


class Viewer:
    """A reading, and the state that it sees."""

    def __init__(self, state: ViewerState = IDLE, events: frozenset[str] = ALL, **options: float) -> None:
        self.state = state
        self.attending = 0
        self.forgotten = 0
        settings = SignalingOptions(**{"viewer_events_interval": 0.0, "viewer_events_refresh": 60.0, **options})  # type: ignore[arg-type]
        self.reading = ViewerReading(events, lambda: self.state, settings, attend=self._attend, forget=self._forget)

    def _attend(self, reading: ViewerReading) -> None:
        self.attending += 1

    def _forget(self, reading: ViewerReading) -> None:
        self.forgotten += 1

    def change(self, **about: object) -> None:
        self.state = dataclasses.replace(self.state, **about)
        self.reading.wake()

    def told(self) -> list[str]:
        return [
            block.split("\n")[0].removeprefix("event: ") for block in self.reading.take().decode().split("\n\n")[:-1]
        ]


async def test_it_begins_with_all_there_is() -> None:
    viewer = Viewer(BUSY)
    assert viewer.reading.take().decode() == (
        'event: active\ndata: {}\n\nevent: layers\ndata: {"1":{}}\n\nevent: viewercount\ndata: {"viewercount":3}\n\n'
    )
    assert viewer.attending == 1


async def test_it_never_begins_with_inactive() -> None:
    viewer = Viewer(IDLE)
    assert viewer.told() == ["layers", "viewercount"]
    viewer.change(active=True)
    assert viewer.told() == ["active"]
    viewer.change(active=False)
    assert viewer.told() == ["inactive"]


async def test_only_what_changed_is_told() -> None:
    viewer = Viewer(BUSY)
    viewer.told()
    assert viewer.told() == []
    viewer.change(viewers=4)
    assert viewer.told() == ["viewercount"]
    viewer.change(layers="{}")
    viewer.change(layers='{"1":{}}')
    assert viewer.told() == []


@pytest.mark.parametrize("event", sorted(ALL))
async def test_only_what_was_asked_for_is_told(event: str) -> None:
    viewer = Viewer(BUSY, frozenset({event}))
    told = viewer.told()
    viewer.change(active=False, layers="{}", viewers=0)
    assert set(told + viewer.told()) == {event}


async def test_a_change_ends_the_wait() -> None:
    viewer = Viewer()
    viewer.reading.take()
    waiting = asyncio.ensure_future(viewer.reading.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    viewer.change(viewers=1)
    await asyncio.wait_for(waiting, 5)


async def test_changes_in_quick_succession_wait_for_the_interval() -> None:
    viewer = Viewer(viewer_events_interval=0.1)
    loop = asyncio.get_running_loop()
    before = loop.time()
    viewer.reading.take()
    viewer.change(viewers=1)
    await viewer.reading.wait()
    assert loop.time() - before >= 0.099
    assert viewer.told() == ["viewercount"]


async def test_it_looks_again_though_nobody_calls() -> None:
    viewer = Viewer(viewer_events_refresh=0.01)
    viewer.reading.take()
    viewer.state = BUSY
    await asyncio.wait_for(viewer.reading.wait(), 5)
    assert "layers" in viewer.told()


async def test_the_end_does_not_wait_for_the_interval() -> None:
    viewer = Viewer(viewer_events_interval=60.0)
    viewer.reading.take()
    viewer.reading.close()
    await asyncio.wait_for(viewer.reading.wait(), 5)
    assert (viewer.reading.take(), viewer.reading.closed) == (b"", True)


async def test_a_new_reader_takes_the_place_of_the_old() -> None:
    stream, first, second = ViewerStream("s", ALL), Viewer(), Viewer()
    stream.read_by(first.reading)
    stream.read_by(second.reading)
    assert (first.reading.closed, second.reading.closed) == (True, False)
    stream.close()
    assert second.reading.closed
    first.reading.end()
    assert first.forgotten == 1
