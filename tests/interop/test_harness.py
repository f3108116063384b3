"""The browsers themselves, without a node: what the other tests build on sees, hears, and can fail."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.browsers import BROWSERS
from tests.interop.conftest import OpenPage
from tests.interop.seeing import hears_tone, sees_movement

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

VIDEO = "document.querySelector('video')"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """This directory on 127.0.0.1, where browsers grant camera and microphone."""
    handler = functools.partial(QuietHandler, directory=Path(__file__).parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["chromium", "firefox"])
async def test_two_connections_in_one_page_see_and_hear(open_page: OpenPage, site: str, name: str) -> None:
    page = await open_page(name)
    await page.goto(f"{site}/loop.html")
    await page.evaluate("window.ready.then(() => true)")
    await sees_movement(page, VIDEO)
    await hears_tone(page, f"{VIDEO}.srcObject", BROWSERS[name].tone_hertz)


@pytest.mark.parametrize("name", ["chromium", "firefox"])
async def test_a_still_picture_is_told_apart(open_page: OpenPage, site: str, name: str) -> None:
    page = await open_page(name)
    await page.goto(f"{site}/loop.html")
    await page.evaluate("window.ready.then(() => true)")
    await sees_movement(page, VIDEO)
    await page.evaluate(f"{VIDEO}.pause()")
    with pytest.raises(AssertionError, match="a movement"):
        await sees_movement(page, VIDEO, deadline=1.0)


@pytest.mark.parametrize("name", ["chromium", "firefox"])
async def test_a_switched_off_microphone_is_silent(open_page: OpenPage, site: str, name: str) -> None:
    page = await open_page(name)
    await page.goto(f"{site}/loop.html")
    await page.evaluate("window.ready.then(local => { local.getAudioTracks()[0].enabled = false; })")
    with pytest.raises(AssertionError, match="a tone"):
        await hears_tone(page, "window.ready", BROWSERS[name].tone_hertz, deadline=3.0)
    assert await page.evaluate("window.ear.state") == "running"
