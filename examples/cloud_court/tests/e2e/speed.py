"""`make court-speed`: how soon a page can be used on a phone, and how soon a change stands on another's screen.

The phone is Chromium with its CPU held to a quarter, 1.6 Mbit/s down, 750 kbit/s up and 150 ms there and back, and an
empty cache. Changes go from a window to another in the same hearing, of three who have arrived and send pictures.
Told is what was measured; nothing is asserted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from court_process import CourtProcess
from person import Person
from tests.interop.browsers import Chromium

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
NETWORK = {"offline": False, "latency": 150, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 750e3 / 8}
PAGES = {
    "the opening page": ("", ".hero .btn"),
    "the link in the message": ("#/join/100200300/ABCDEFGH", "form .primary"),
}
NOW = "performance.timeOrigin + performance.now()"
USABLE = """(() => {
  const look = () => {
    const found = document.querySelector(%s);
    if (found && !found.disabled && found.getClientRects().length) {
      window.usable ??= performance.now();
    } else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})()"""
"""When the page's main button is there, by the page's own clock, which begins at the navigation."""
SHOWN = f"""new Promise((done) => {{
  const look = () => document.querySelector(%s)?.innerText.includes(%s)
    ? requestAnimationFrame(() => done({NOW})) : setTimeout(look, 5);
  look();
}})"""


async def measure_page(browser: Chromium, court: CourtProcess, path: str, button: str) -> tuple[float, int]:
    """Milliseconds until the button can be pressed, and the bytes that came until then."""
    page = await browser.open(**PHONE)
    await page.driven.add_init_script(USABLE % json.dumps(button))
    session = await page.driven.context.new_cdp_session(page.driven)
    received = 0

    def count(told: dict[str, float]) -> None:
        nonlocal received
        received += int(told["encodedDataLength"])

    session.on("Network.loadingFinished", count)
    await session.send("Network.enable")
    await session.send("Network.clearBrowserCache")
    await session.send("Network.emulateNetworkConditions", NETWORK)
    await session.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    await page.goto(f"{court.url()}/{path}")
    await page.driven.wait_for_function("window.usable")
    usable = float(await page.evaluate("window.usable"))
    await page.close()
    return usable, received


async def measure_change(
    act: Callable[[], Awaitable[object]], author: Person, reader: Person, place: str, text: str
) -> float:
    """Milliseconds from an act in one window, which notes when it `began`, until a text stands in another."""
    shown = asyncio.create_task(reader.page.evaluate(SHOWN % (json.dumps(place), json.dumps(text))))
    await act()
    return float(await shown) - float(await author.page.evaluate("window.began"))


async def measure_changes(browser: Chromium, court: CourtProcess, count: int) -> dict[str, list[float]]:
    """Segments that the clerk types, and breaks that the judge orders, on the plaintiff's screen."""
    people = {role: Person(court, role, await browser.open()) for role in ("judge", "clerk", "plaintiff")}
    judge, clerk, plaintiff = people.values()
    for each in people.values():
        await each.stands_ready()
    await judge.enters()
    path = f"api/hearings/{(await judge.hearing())['id']}/acts"

    async def order(act: str) -> None:
        call = f"person.api('POST', {json.dumps(path)}, {json.dumps({'act': act})})"
        said = await judge.page.evaluate(f"(window.began = {NOW}, {call})")
        assert said["status"] == 200, said

    await order("open")
    for each in (clerk, plaintiff):
        await each.enters()
        await each.presses("笔录")
    await clerk.asserts("the form", "!!document.querySelector('form.type textarea')")
    for each in people.values():  # all have arrived: who just enters has more to do than to read news
        await each.watches(*(other.name for other in people.values()))
    noted = f"(addEventListener('keydown', () => (window.began = {NOW}), true), 1)"
    await clerk.page.evaluate(noted)
    field = clerk.page.driven.locator("form.type textarea")  # type: ignore[attr-defined]
    told: dict[str, list[float]] = {"a typed segment": [], "a change of the hearing's state": []}
    for number in range(count):
        text = f"审判长：第{number}句。"
        await field.fill(text)
        told["a typed segment"].append(
            await measure_change(lambda: field.press("Enter"), clerk, plaintiff, ".panel", text)
        )
        await clerk.asserts("an empty form", "!document.querySelector('form.type textarea').value")
    for number in range(count):
        act, text = (("recess", "休庭"), ("resume", "正在进行"))[number % 2]
        told["a change of the hearing's state"].append(
            await measure_change(lambda act=act: order(act), judge, plaintiff, "header .tag", text)  # type: ignore[misc]
        )
    return told


async def measure(repeats: int, count: int, folder: Path) -> None:
    """Measure all, and tell it."""
    async with CourtProcess(folder, countdown=0) as court, Chromium() as browser:
        for name, (path, button) in PAGES.items():
            found = [await measure_page(browser, court, path, button) for _ in range(repeats)]
            times = sorted(time / 1000 for time, _ in found)
            print(
                f"{name} can be used after {statistics.median(times):.2f} s (of {repeats}: {times[0]:.2f} to "
                f"{times[-1]:.2f}), with {found[0][1] / 1000:.0f} kB received",
                flush=True,
            )
        for name, changes in (await measure_changes(browser, court, count)).items():
            print(
                f"{name} stands on another's screen after {statistics.median(changes):.0f} ms, "
                f"the slowest of {count} after {max(changes):.0f} ms",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--changes", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="court-speed-") as folder:
        uvloop.run(measure(given.repeats, given.changes, Path(folder, "court")))


if __name__ == "__main__":
    main()
