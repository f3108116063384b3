"""Browsers play the files of a record as they are, though these have no length, no index, and begin late."""

from __future__ import annotations

import base64

import pytest

from tests.interop.conftest import OpenPage
from tests.unit.recording.captured import decode, file_of, fragments, record, recorder_of, take

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PLAY = """
(async () => {
  const octets = Uint8Array.from(atob("%s"), (one) => one.charCodeAt(0));
  const media = document.createElement("video");
  media.muted = true;
  const over = new Promise((resolve) => {
    media.onended = () => resolve("ended");
    media.onerror = () => resolve(`error: ${media.error.message}`);
  });
  const sizes = [];
  media.onresize = () => sizes.push([media.videoWidth, media.videoHeight]);
  media.src = URL.createObjectURL(new Blob([octets], { type: "%s" }));
  document.body.append(media);
  media.play().catch(() => {});
  const how = await over;
  const { totalVideoFrames, corruptedVideoFrames } = media.getVideoPlaybackQuality();
  return { how, time: media.currentTime, frames: totalVideoFrames, corrupted: corruptedVideoFrames || 0, sizes };
})()
"""
FILES = [
    ("whole/chromium_vp8_simulcast", "video/webm"),
    ("whole/chromium_vp9_l3t3_key", "video/webm"),
    ("whole/chromium_av1_l3t3", "video/webm"),
    ("whole/chromium_h264_simulcast", "video/x-matroska"),
    ("whole/firefox_vp9", "video/webm"),
    ("chromium_opus_red", "video/webm"),
]


CASES = [("chromium", *one) for one in FILES] + [("firefox", *one) for one in FILES if one[1] == "video/webm"]
"""Firefox plays no other Matroska than WebM."""


@pytest.mark.parametrize(("browser", "name", "kind"), CASES)
async def test_a_recorded_file_plays_to_its_end(open_page: OpenPage, browser: str, name: str, kind: str) -> None:
    page = await open_page(browser)
    taken = take(name)
    recorder = recorder_of(taken.codec, fragment_us=500_000)
    packets = taken.of(max(packet.encoding for packet in taken.packets))
    out = record(recorder, packets)
    out += recorder.close(packets[-1].arrival_us)
    data = file_of(out)
    played = await page.evaluate(PLAY % (base64.b64encode(data).decode(), kind))
    assert played["how"] == "ended"
    begin_us, end_us = fragments(out)[0].begin_us, fragments(out)[-1].end_us
    if browser == "firefox":  # begins at 0, whatever the file says
        end_us -= begin_us
    assert abs(played["time"] * 1e6 - end_us) < 250_000
    assert played["corrupted"] == 0
    if taken.codec != "opus":
        frames = len(decode(data).frames)
        # Firefox counts one more now and then
        assert played["frames"] in (frames, frames + 1 if browser == "firefox" else frames)
        assert tuple(max(played["sizes"])) == max(decode(data).sizes) or browser == "firefox"
