"""Takes the picture of the page that the docs show: `python -m tests.reference.picture`. Look at it before you keep it.

A node as `make run` starts it, and two people in headless Chromium, whose cameras are Chromium's moving pictures.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from pathlib import Path

from playwright.async_api import BrowserContext, Page, async_playwright

from tests.interop.browsers import CHROMIUM_FLAGS
from tests.reference.pages import REFERENCE

PICTURE = REFERENCE.parent / "pictures" / "room.png"
MOST_BYTES = 300_000
PEOPLE = ("Grace Hopper", "Ada Lovelace")
WIDTH, HEIGHT = 1120, 640
SETTLE_S = 7.0


async def enter(context: BrowserContext, link: str, name: str) -> Page:
    """Go through the lobby as a person does."""
    page = await context.new_page()
    await page.goto(link)
    await page.fill("input:visible", name)
    await page.click("button[type=submit]:visible")
    return page


async def main() -> None:
    node = await asyncio.create_subprocess_exec(
        *(Path(sys.executable).with_name("sfu"), "serve", "--dev", "--port", "0"), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert node.stdout is not None
        async with asyncio.timeout(240), async_playwright() as playwright:
            link = ""
            while not link:
                line = (await node.stdout.readline()).decode()
                link = line.strip() if re.match(r"http://127\.0\.0\.1:\d+/#room=", line) else ""
            chromium = shutil.which("chromium")
            flags = [*CHROMIUM_FLAGS, "--use-fake-device-for-media-stream"]
            browser = await playwright.chromium.launch(executable_path=chromium, args=flags)
            context = await browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="dark")
            pages = [await enter(context, link, name) for name in PEOPLE]
            await asyncio.sleep(SETTLE_S)
            await pages[-1].screenshot(path=PICTURE)
            await browser.close()
    finally:
        node.terminate()
        await node.wait()
    size = PICTURE.stat().st_size
    assert size < MOST_BYTES, f"{PICTURE} has {size} bytes"


if __name__ == "__main__":
    asyncio.run(main())
