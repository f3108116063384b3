"""The player's page in a browser: what is seen at a time, that all media stay together, and that it can be steered."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sfu import SigningKey
from tests.interop.browsers import Page
from tests.interop.conftest import OpenPage
from tests.interop.seeing import until
from tests.recorded.hearing import COLOURS, DURATION_MS, MARKS, PAUSE_MS, build_hearing
from tests.recorded.media import STEP_MS
from tests.recording_samples import begin_record

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

TOGETHER_MS = 40
PEERS = ("judge", "counsel", "witness")
# The step that a picture shows (eight cells below, least first), its mean colour above, and all times.
LOOK = """(() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 160, height: 90 });
  const draw = canvas.getContext("2d", { willReadFrequently: true });
  return Object.fromEntries([...document.querySelectorAll(".tile")].map((tile) => {
    const video = tile.querySelector("video.shown");
    const seen = { picture: tile.dataset.picture, reason: tile.dataset.reason, mic: tile.dataset.mic,
                   speaking: "speaking" in tile.dataset, words: tile.querySelector(".reason").textContent };
    if (video) {
      draw.drawImage(video, 0, 0, 160, 90);
      const at = (x, y) => [...draw.getImageData(x, y, 1, 1).data].slice(0, 3);
      seen.colour = at(80, 30);
      seen.step = [...Array(8).keys()].reduce((sum, bit) => sum + (at(bit * 20 + 10, 80)[0] > 128 ? 1 << bit : 0), 0);
    }
    return [tile.dataset.peer, seen];
  }));
})()"""
TIMES = """[...document.querySelectorAll("[data-source]")].filter(e => !e.paused && !e.ended)
  .map(e => [Number(e.dataset.source), e.currentTime * 1000])"""
STILL = """[...document.querySelectorAll("[data-source]")].every(e => !e.seeking && e.readyState >= 2)"""


class PlayProcess:
    """`sfu play` as a person starts it."""

    def __init__(self, record: Path, *arguments: str) -> None:
        self._record = record
        self._arguments = arguments
        self.url = ""

    async def __aenter__(self) -> PlayProcess:
        self._process = await asyncio.create_subprocess_exec(
            *(Path(sys.executable).with_name("sfu"), "play", self._record, *self._arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            while line := (await self._process.stdout.readline()).decode():
                if match := re.fullmatch(r"(http://127\.0\.0\.1:\d+/[\w-]{32}/)\n", line):
                    self.url = match[1]
                    return self
        raise AssertionError(f"it ended with {await self._process.wait()} and printed no address")

    async def __aexit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            assert await self._process.wait() == 0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def player(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PlayProcess]:
    path = tmp_path_factory.mktemp("play") / "record"
    # Firefox needs a library of the system's for H.264.
    await asyncio.to_thread(build_hearing, path, codecs=("vp9", "vp8", "vp9"))
    async with PlayProcess(path, "--key", str(path / "public-key.pem")) as process:
        yield process


async def open_player(open_page: OpenPage, browser: str, player: PlayProcess) -> Page:
    page = await open_page(browser)
    await page.goto(player.url)
    await until("a player that is ready", lambda: page.evaluate("document.body.dataset.state === 'ready'"), page)
    return page


async def scrub(page: Page, time_ms: float) -> None:
    """Press on the timeline where a time is."""
    press = f"""(() => {{
      const scrub = document.getElementById("scrub");
      const {{ left, width, top }} = scrub.getBoundingClientRect();
      const about = {{ clientX: left + width * {time_ms / DURATION_MS}, clientY: top + 5, button: 0, pointerId: 1 }};
      scrub.setPointerCapture = () => {{}};
      for (const type of ["pointerdown", "pointerup"]) scrub.dispatchEvent(new PointerEvent(type, about));
    }})()"""
    await page.evaluate(press)


async def press_key(page: Page, key: str) -> None:
    await page.evaluate(
        f"document.body.dispatchEvent(new KeyboardEvent('keydown', {{ key: {json.dumps(key)}, bubbles: true }}))"
    )


async def elapsed(page: Page) -> str:
    return str(await page.evaluate("document.getElementById('elapsed').textContent"))


async def sees(page: Page, time_ms: int, shown: dict[str, bool]) -> dict[str, Any]:
    """The pictures of that time, in the right colours, in the tiles of those who are shown; `what` is in each tile."""
    step = time_ms // STEP_MS

    async def right() -> Any:
        if not await page.evaluate(STILL):
            return None
        seen = await page.evaluate(LOOK)
        for peer, expected in shown.items():
            if (seen[peer]["picture"] == "on") is not expected:
                return None
            if expected and seen[peer]["step"] != step:
                return None
        return seen

    seen: dict[str, Any] = await until(f"the pictures of {time_ms} ms", right, page, deadline=10)
    for peer, expected in shown.items():
        if expected:
            assert all(abs(a - b) < 30 for a, b in zip(seen[peer]["colour"], COLOURS[peer], strict=True)), (peer, seen)
    return seen


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_each_tile_shows_its_speaker_at_any_time(open_page: OpenPage, player: PlayProcess, browser: str) -> None:
    page = await open_player(open_page, browser, player)
    await scrub(page, 14_250)
    seen = await sees(page, 14_250, {"judge": True, "counsel": True, "witness": False})
    assert (seen["counsel"]["mic"], seen["counsel"]["speaking"]) == ("off", True)
    assert (seen["judge"]["mic"], seen["judge"]["speaking"]) == ("on", False)
    assert seen["witness"]["words"] == "Not there yet"
    await scrub(page, 48_250)
    seen = await sees(page, 48_250, {"judge": True, "counsel": False, "witness": True})
    assert seen["counsel"]["words"] == "Connection lost"
    assert seen["witness"]["speaking"]
    await scrub(page, 28_000)
    seen = await sees(page, 28_000, dict.fromkeys(PEERS, False))
    assert {each["words"] for each in seen.values()} == {"Off the record"}
    assert "Deliberation" in await page.evaluate("document.getElementById('off-record').textContent")
    await scrub(page, 57_250)
    seen = await sees(page, 57_250, {"judge": True, "counsel": True, "witness": False})
    assert seen["witness"]["words"] == "Camera off"
    await scrub(page, 2_250)
    await sees(page, 2_250, {"judge": True, "counsel": True, "witness": False})


async def test_all_media_play_together_and_skip_the_pause(open_page: OpenPage, player: PlayProcess) -> None:
    # Not in Firefox: without a sound card its tests have a clock of sound that is wrong by several per cent.
    page = await open_player(open_page, "chromium", player)
    begin, end = PAUSE_MS
    await scrub(page, begin - 2_000)
    await press_key(page, " ")

    async def together() -> Any:
        times = [time for _, time in await page.evaluate(TIMES)]
        return times if len(times) == 6 and max(times) - min(times) < TOGETHER_MS else None

    await until("six media that play together", together, page)

    async def under_way() -> bool:  # the first moments after a start belong to the browser
        return min(time for _, time in await page.evaluate(TIMES)) > begin - 1_500

    await until("the first half second to have been played", under_way, page)
    worst, seen = 0.0, []
    while not seen or seen[-1] < end + 1_000:
        times = [time for _, time in await page.evaluate(TIMES)]
        if len(times) == 6:
            seen.append(min(times))
            # What crosses the pause is between two places for a moment.
            if not begin - 400 < min(times) < end + 900:
                worst = max(worst, max(times) - min(times))
        await asyncio.sleep(0.05)
    assert not any(begin + 300 < time < end - 300 for time in seen)
    assert worst < TOGETHER_MS
    await press_key(page, "k")
    await until("silence", lambda: page.evaluate(f"{TIMES}.length === 0"), page)


async def test_marks_keys_and_buttons_lead_to_their_times(open_page: OpenPage, player: PlayProcess) -> None:
    page = await open_player(open_page, "chromium", player)
    for at_ms, name in MARKS.items():
        wanted = f"[...document.querySelectorAll('.event')].find(e => e.textContent.includes({json.dumps(name)}))"
        await page.evaluate(f"{wanted}.click()")
        await until(name, lambda at_ms=at_ms: shows(page, at_ms), page)
        assert await page.evaluate(f"{wanted}.getAttribute('aria-current')") == "true"
    await page.evaluate("document.querySelector('.flag').click()")
    await until("the first flag", lambda: shows(page, 8_000), page)
    await page.evaluate("document.querySelectorAll('.phase')[1].click()")
    await until("the second phase", lambda: shows(page, 35_000), page)
    for key, at_ms in [("5", 30_000), ("j", 20_000), ("l", 30_000), ("ArrowLeft", 25_000), ("ArrowRight", 30_000),
                       ("Home", 0), ("End", 60_000), ("PageUp", 0)]:  # fmt: skip
        await press_key(page, key)
        await until(key, lambda at_ms=at_ms: shows(page, at_ms), page)
    assert await page.evaluate("document.getElementById('scrub').getAttribute('aria-valuetext')") == (
        "0:00:00 of 0:01:00"
    )
    await press_key(page, "ArrowUp")
    assert await page.evaluate("document.getElementById('rate').value") == "1.25"


async def shows(page: Page, at_ms: int) -> bool:
    return await elapsed(page) == f"0:{at_ms // 60_000:02}:{at_ms // 1000 % 60:02}"


async def test_each_speaker_has_a_volume(open_page: OpenPage, player: PlayProcess) -> None:
    page = await open_player(open_page, "chromium", player)
    muted = """[...document.querySelectorAll("audio")].map(e => [e.muted, e.volume])"""
    await page.evaluate("document.querySelector('[data-peer=counsel] .volume button').click()")
    assert await page.evaluate(muted) == [[False, 1], [True, 1], [False, 1]]
    await page.evaluate("""(() => {
      const range = document.querySelector("[data-peer=witness] .volume input");
      range.value = 25;
      range.dispatchEvent(new Event("input"));
    })()""")
    assert await page.evaluate(muted) == [[False, 1], [True, 1], [False, 0.25]]
    await press_key(page, "m")
    assert [each for each, _ in await page.evaluate(muted)] == [True, True, True]


async def test_the_badge_says_that_the_record_is_intact(open_page: OpenPage, player: PlayProcess) -> None:
    page = await open_player(open_page, "chromium", player)
    await until("a verdict", lambda: page.evaluate("document.getElementById('badge').dataset.state === 'intact'"), page)
    assert not [line for line in page.logs() if line.startswith("error")]


@pytest.fixture
def recovered(tmp_path: Path) -> Path:
    """A record that was cut off, with what a moderator ordered before, and that `sfu recover` has closed."""
    key, secret = SigningKey.generate(), tmp_path / "key.pem"
    secret.touch(0o600)
    secret.write_bytes(key.private_pem)
    made = begin_record(tmp_path / "record", key)
    made.event("block", 6_000_000, peer="judge", kind="audio", subject="clerk", track=None)
    made.event("remove", 6_000_000, peer="judge", subject=None)
    made.head(6_000_000)
    made.event("mark", 6_000_000, name="never signed")
    done = subprocess.run(
        [Path(sys.executable).with_name("sfu"), "recover", made.folder, "--key", secret],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return made.folder


async def test_the_badge_of_a_recovered_record_has_a_word_and_a_colour_of_its_own(
    open_page: OpenPage, recovered: Path
) -> None:
    look = """(() => {
      const badge = document.getElementById("badge");
      const { color, backgroundColor, display, visibility } = getComputedStyle(badge);
      const { width, height } = badge.getBoundingClientRect();
      return { state: badge.dataset.state, word: badge.querySelector("span").textContent, title: badge.title, color,
               backgroundColor, seen: display !== "none" && visibility === "visible" && width > 20 && height > 10 };
    })()"""
    page = await open_page("chromium")
    async with PlayProcess(recovered, "--key", str(recovered / "public-key.pem")) as player:
        await page.goto(player.url)

        async def verdict() -> Any:
            found = await page.evaluate(look)
            return None if found["state"] in ("unverified", "checking") else found

        found = await until("a verdict", verdict, page)
        assert (found["state"], found["word"], found["title"]) == ("recovered", "Recovered", "Recovered")
        assert found["seen"]

        async def coloured() -> bool:
            seen = await page.evaluate(look)
            return (seen["color"], seen["backgroundColor"][:20]) == ("rgb(140, 200, 255)", "rgba(108, 184, 255, ")

        await until("its colour, once no transition runs any more", coloured, page)
        others = await page.evaluate("""(() => {
          const badge = document.getElementById("badge").cloneNode(true);
          badge.style.transition = "none";
          document.getElementById("badge").after(badge);
          const states = ["intact", "unpinned", "other-key", "open", "altered", "unverified", "checking"];
          const colours = states.map((state) => { badge.dataset.state = state; return getComputedStyle(badge).color; });
          badge.remove();
          return colours;
        })()""")
        assert "rgb(140, 200, 255)" not in others
        await page.evaluate("document.getElementById('badge').click()")
        told = await page.evaluate("document.querySelector('dialog[open] .verdict').textContent")
        assert "A recovery closed this record." in told and "signed it up to line" in told
        await page.evaluate("document.querySelector('dialog[open]').close()")
        listed = await page.evaluate("[...document.querySelectorAll('.event')].map((each) => each.innerText)")
        (blocked,) = (text for text in listed if "Sound of judge blocked" in text)
        assert "Ordered with the token of: clerk" in blocked
        assert any("judge removed" in text for text in listed)
        assert not any("never signed" in text for text in listed)
