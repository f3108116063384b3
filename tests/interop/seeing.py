"""Seeing and hearing: what a person would check in a page, as assertions with a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.interop.browsers import Page

PROBE = Path(__file__).with_name("probe.js").read_text()
DEADLINE = 30.0
"""Seconds until something that should be seen or heard counts as missing."""
POLL = 0.1

DARK = 8.0
"""Mean brightness (0..255) below which a picture is black."""
CHANGED = 2.0
"""Mean difference of values (0..255) between two frames from which on the picture moved. Coding noise stays below."""
SILENT = 0.01
"""Amplitude (0..1) below which a stream is silent. Both browsers' fake microphones are above 0.1."""
NEAR = 60.0
"""Hertz that a tone may be off: three steps of the analyser."""


async def until(what: str, look: Callable[[], Awaitable[Any]], *pages: Page, deadline: float = DEADLINE) -> Any:
    """Poll `look` until it returns something true, and return that; fail with the pages' consoles."""
    end = time.monotonic() + deadline
    while not (found := await look()):
        if time.monotonic() > end:
            consoles = "\n".join(f"console: {line}" for page in pages for line in page.logs()[-20:])
            raise AssertionError(f"not within {deadline:.0f} s: {what}; last seen: {found!r}\n{consoles}")
        await asyncio.sleep(POLL)
    return found


async def sees_movement(page: Page, video: str, *, deadline: float = DEADLINE) -> None:
    """The `<video>` that the JavaScript expression names shows a picture that is not black, and it changes."""
    await page.evaluate(PROBE)

    async def picture() -> Any:
        frame = await page.evaluate(f"probe.frame({video})")
        return frame if frame and frame["mean"] > DARK else None

    first = await until(f"a picture in {video}", picture, page, deadline=deadline)

    async def moved() -> bool:
        now = await picture()
        if not now:
            return False
        differences = [abs(a - b) for a, b in zip(first["values"], now["values"], strict=True)]
        return sum(differences) / len(differences) > CHANGED

    await until(f"a movement in {video}", moved, page, deadline=deadline)


async def hears_tone(page: Page, stream: str, hertz: float, *, deadline: float = DEADLINE) -> None:
    """The stream that the JavaScript expression names carries a tone of this frequency: a browser's `tone_hertz`."""
    await page.evaluate(PROBE)
    listen = f"stream => {{ window.ear = probe.listen(stream, {SILENT}); }}"
    await page.evaluate(f"Promise.resolve({stream}).then({listen})")

    async def heard() -> bool:
        ear = await page.evaluate("window.ear")
        return any(abs(found - hertz) < NEAR for found in ear["hertz"])

    await until(f"a tone of {hertz} Hz in {stream}", heard, page, deadline=deadline)
