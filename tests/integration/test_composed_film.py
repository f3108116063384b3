"""A film of a hearing that took place: real clients, a real recorder, and the film seen with a player's eyes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from sfu import Config, Server, SigningKey
from sfu.recording.compose.film import compose_film
from sfu.recording.compose.options import ComposeOptions
from sfu.recording.reader import read_record
from sfu.recording.verify import Outcome, verify_record
from tests.integration.clients import client
from tests.integration.flashing import Beat, Beep, Flash, find_beeps, find_flashes, match, seen_to_begin
from tests.integration.growing_record import covers, written_until_us

MOST_OFFSET_S = 0.06
"""40 ms of the recording, and half a frame of the film."""
PAUSE_S = 4.0
MEDIA_S = 3.2
"""Before the pause, and behind it."""


@pytest.mark.breadth
async def test_flash_and_beep_coincide_in_the_film_of_a_real_recording_before_and_after_a_pause(tmp_path: Path) -> None:
    key = SigningKey.generate()
    async with Server(Config()) as server, client() as alice:
        folder = tmp_path / "record"
        recording = server.room("court").record(folder, key=key)
        beat = Beat()
        alice.pc.addTrack(Beep(beat))
        alice.pc.addTrack(Flash(beat))
        peer = server.room("court").join("alice", metadata={"name": "Alice", "role": "judge"})
        await alice.take_answer(peer.answer(await alice.offer()).sdp)
        await covers(folder, 0.1, sources=2)
        recording.phase("evidence")
        await covers(folder, MEDIA_S, sources=2)
        recording.pause(ground="recess", authoriser="judge")
        await beat.more(PAUSE_S)
        before_us = written_until_us(folder)
        recording.resume(authoriser="judge")
        await covers(folder, MEDIA_S, sources=2, since_us=before_us)
        (closed,) = await recording.stop()
    options = ComposeOptions(width=640, height=360)
    film = await asyncio.to_thread(compose_film, tmp_path / "record", tmp_path / "film.mp4", options)
    assert (film.warnings, film.problems) == ((), ())
    assert json.loads(film.link.read_text())["head"] == closed.head
    assert verify_record(tmp_path / "record", key.public).outcome is Outcome.INTACT, "the record is only read"
    stretches = json.loads(film.link.read_text())["stretches"]
    begins_us = [span.begin_us for source in read_record(folder).sources for span in source.spans]
    begins_s = [
        (stretch["film_us"] + max(at, stretch["begin_us"]) - stretch["begin_us"]) / 1e6
        for stretch in stretches
        for at in (stretch["begin_us"], *begins_us)
        if stretch["shows"] != "card" and at < stretch["end_us"]
    ]
    flashes, beeps = find_flashes(film.path, 60.0), find_beeps(film.path)
    assert len(match(flashes, beeps)) >= 4
    offsets = match(seen_to_begin(flashes, begins_s), beeps)
    assert max(map(abs, offsets)) < MOST_OFFSET_S, offsets
    card = next(each for each in stretches if each["shows"] == "card")
    begin, end = card["film_us"] / 1e6, card["film_us"] / 1e6 + 3
    assert card["end_us"] - card["begin_us"] >= PAUSE_S * 1e6 * 0.95
    assert not [at for at in beeps if begin + 0.1 < at < end]
