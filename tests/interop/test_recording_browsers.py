"""What a browser publishes with each codec is in the record, in time: its flash is seen when its beep is heard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import av
import httpx
import pytest
import pytest_asyncio

from sfu import SigningKey
from sfu.media.track import UNWANTED_AFTER
from sfu.recording.reader import RecordSource, read_record
from sfu.recording.verify import Outcome, verify_record
from tests.integration.flashing import find_beeps, find_flashes, match
from tests.integration.growing_record import covered_s, fragments_of, written_until_us
from tests.interop.conftest import OpenPage
from tests.interop.layered import WIDTH, Stage, simulcast
from tests.interop.node_process import NodeProcess, new_room
from tests.interop.seeing import DEADLINE, until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

SCRIPTS = [Path(__file__).with_name(name).read_text() for name in ("whip.js", "flashing.js")]
CODECS = ("VP8", "VP9", "H264", "AV1")
SECONDS = 12.0
MOST_OFFSET_S = 0.04


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[SigningKey, Path]:
    key, path = SigningKey.generate(), tmp_path_factory.mktemp("key") / "key.pem"
    path.touch(0o600)
    path.write_bytes(key.private_pem)
    return key, path


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("records")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def recording_node(key: tuple[SigningKey, Path], records: Path) -> AsyncIterator[NodeProcess]:
    variables = {"SFU_RECORD_DIR": str(records), "SFU_RECORD_KEY": str(key[1])}
    async with NodeProcess(variables=variables) as node:
        yield node


async def test_flash_and_beep_coincide_at_start_middle_and_end_with_each_codec(
    recording_node: NodeProcess, open_page: OpenPage, key: tuple[SigningKey, Path], records: Path
) -> None:
    before = set(records.iterdir())
    room = f"{recording_node.url}/rooms/{new_room()}"
    headers = {"Authorization": f"Bearer {recording_node.token(room.rpartition('/')[2], record=True)}"}
    page = await open_page("chromium")
    await page.goto(f"{recording_node.url}/")
    for script in SCRIPTS:
        await page.evaluate(script)
    await page.evaluate("flashing.start()")
    token = headers["Authorization"].removeprefix("Bearer ")
    codecs = [
        codec
        for codec in CODECS
        if await page.evaluate(f"flashing.publish('{room}/whip?peer={codec}', '{token}', '{codec}')")
    ]
    assert codecs == list(CODECS)
    async with httpx.AsyncClient(headers=headers) as http:
        assert (await http.post(f"{room}/recording")).status_code == 201

        (folder,) = set(records.iterdir()) - before

        async def covered() -> bool:
            return covered_s(folder, 2 * len(CODECS)) >= SECONDS

        await until(f"{SECONDS} s of everybody are recorded", covered, page, deadline=SECONDS + DEADLINE)
        closed = await http.delete(f"{room}/recording")
    assert closed.status_code == 200, closed.text
    verdict = verify_record(folder, key[0].public)
    assert verdict.outcome is Outcome.INTACT, verdict.problem
    found = {(source.peer, source.kind): source for source in read_record(folder).sources}
    assert {name for name, _ in found} == set(CODECS)
    for codec in CODECS:
        video, audio = found[codec, "video"], found[codec, "audio"]
        assert video.codec == codec
        assert_whole(video)
        assert_whole(audio)
        offsets = match(find_flashes(video.file), find_beeps(audio.file))
        assert len(offsets) >= SECONDS - 2, f"{codec}: {offsets}"
        for part in (offsets[:2], offsets[len(offsets) // 2 : len(offsets) // 2 + 2], offsets[-2:]):
            assert max(map(abs, part)) < MOST_OFFSET_S, f"{codec}: {offsets}"


async def test_the_best_encoding_is_recorded_though_nobody_watches_and_the_next_where_it_stops(
    recording_node: NodeProcess, open_page: OpenPage, key: tuple[SigningKey, Path], records: Path
) -> None:
    before = set(records.iterdir())
    room = new_room()
    url = f"{recording_node.url}/rooms/{room}/recording"
    headers = {"Authorization": f"Bearer {recording_node.token(room, record=True)}"}
    async with httpx.AsyncClient(headers=headers) as http:
        assert (await http.post(url)).status_code == 201
        sender = await Stage(recording_node, room).publish(await open_page("chromium"), "VP8", simulcast())
        assert sender is not None
        await sender.sends(["q", "h", "f"])
        (folder,) = set(records.iterdir()) - before

        async def width() -> int:
            return max([entry.integer("width") for entry in fragments_of(folder)[-1:]], default=0)

        async def is_whole() -> bool:
            return await width() == WIDTH

        await until("the best Encoding is recorded", is_whole, sender.page)
        known, since_us = len(fragments_of(folder)), written_until_us(folder)

        async def goes_on() -> bool:
            return covered_s(folder, 1, since_us) >= UNWANTED_AFTER + 2.5

        await until("more than it takes to give up an Encoding that nobody takes", goes_on, sender.page)
        assert {entry.integer("width") for entry in fragments_of(folder)[known:]} == {WIDTH}
        await sender.activate(f=False)

        async def is_half() -> bool:
            return await width() == WIDTH // 2

        await until("the next Encoding is recorded", is_half, sender.page)
        assert (await http.delete(url)).status_code == 200
    assert verify_record(folder, key[0].public).outcome is Outcome.INTACT
    (source,) = read_record(folder).sources
    assert_whole(source, "stall")  # until the Encoding is known to have stopped
    with av.open(str(source.file)) as container:
        seen = {frame.width for frame in container.decode(video=0)}
    assert {WIDTH, WIDTH // 2} <= seen


def assert_whole(source: RecordSource, *gaps: str) -> None:
    """The file is what an ordinary player expects: rising times, a key frame first, nothing that does not decode."""
    causes = {gap.cause for gap in source.gaps}
    assert causes <= {"key_frame", "disconnect", *gaps}, source.gaps
    with av.open(str(source.file)) as container:
        assert container.format.name.startswith("matroska")
        packets = [packet for packet in container.demux() if packet.size]
    times = [packet.pts for packet in packets]
    assert times == sorted(set(times))
    assert packets[0].is_keyframe
