"""One who uses the court's pages in a window: what she does and sees, by the names that stand on the page."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from court.demo.people import PEOPLE, STAFF
from court_process import CourtProcess
from tests.interop.browsers import Page
from tests.interop.seeing import until

DRIVER = Path(__file__).with_name("driver.js").read_text()
PATIENCE_S = 60.0
NAMES = {role: name for role, name, *_ in (*STAFF, *PEOPLE)}
STAFF_ROLES = {role for role, *_ in STAFF}
ROOM = ".stage"


class Person:
    """`role`: of the demonstration; `page`: her window."""

    def __init__(self, court: CourtProcess, role: str, page: Page) -> None:
        self.court, self.role, self.page = court, role, page
        self.name = NAMES.get(role, role)
        self.base = ""
        """The path of the court that she is in, if it is a practice."""

    # what she does

    async def goes(self, path: str) -> None:
        """Opens a page of the court, as `/hearings`; each role has a host's name and so a log-in of its own."""
        await self.page.goto(f"{self.court.url(f'{self.role}.localhost')}{self.base}/#{path}")

    async def _tries(self, what: str, call: str, *arguments: Any, patience: float = PATIENCE_S) -> Any:
        said = ", ".join(json.dumps(each) for each in arguments)

        async def look() -> Any:
            return await self.page.evaluate(f"({DRIVER}, person.{call}({said}))")

        try:
            return await until(f"{self.role}: {what}", look, self.page, deadline=patience)
        except AssertionError as failed:
            shown = await self.page.evaluate("document.body.innerText")
            raise AssertionError(f"{failed}\nThe page of {self.role} shows:\n{shown[:3000]}") from None

    async def presses(self, name: str, within: str = "") -> None:
        await self._tries(f"presses {name!r}", "press", name, within)

    async def fills(self, label: str, value: str, within: str = "") -> None:
        await self._tries(f"fills {label!r}", "fill", label, value, within)

    async def checks(self, label: str, within: str = "") -> None:
        await self._tries(f"checks {label!r}", "check", label, within)

    async def attaches(
        self, *files: tuple[str, bytes] | tuple[str, bytes, int], selector: str = "input[type=file]"
    ) -> None:
        """Files by name and bytes; a third item is the length up to which zeroes follow."""
        coded = [(name, base64.b64encode(data).decode(), *length) for name, data, *length in files]
        await self._tries("attaches files", "attach", coded, selector)

    async def answers(self, text: str = "") -> None:
        """In the box that has just asked for a reason, or whether she is sure."""
        box = "document.querySelector('.el-message-box__btns')?.getClientRects().length"
        await self.asserts("a box asks", box)
        if text:
            await self.fills("", text)
        await self.presses("确定")

    async def asserts(self, what: str, expression: str, patience: float = PATIENCE_S) -> Any:
        """Something of her page is true, soon; returns what it is."""
        return await until(f"{self.role}: {what}", lambda: self.page.evaluate(expression), self.page, deadline=patience)

    async def sees(self, text: str, patience: float = PATIENCE_S) -> None:
        await self._tries(f"sees {text!r}", "sees", text, patience=patience)

    async def reads(self, pattern: str) -> str:
        """What stands on the page: the last group of a regular expression."""
        return str(await self._tries(f"reads {pattern!r}", "reads", pattern))

    async def reads_address(self, pattern: str) -> str:
        """The same of the window's address."""

        async def look() -> Any:
            found = re.search(pattern, await self.page.evaluate("location.href"))
            return found and found[1]

        return str(await until(f"{self.role}'s address is {pattern!r}", look, self.page))

    async def moves_on(self, name: str, to: str) -> None:
        """Presses what leads to another court's pages; `to`: a regular expression of their address."""
        async with self.page.driven.expect_navigation(url=re.compile(to)):  # type: ignore[attr-defined]
            await self.presses(name)

    async def downloads(self, name: str, within: str = "") -> Path:
        """What a link of this name brings, in Chromium."""
        async with self.page.driven.expect_download() as download:  # type: ignore[attr-defined]
            await self.presses(name, within)
        return Path(await (await download.value).path())

    async def misses(self, text: str, patience: float = PATIENCE_S) -> None:
        """The text goes away, or is not there."""

        async def look() -> bool:
            return not await self.page.evaluate(f"document.body.innerText.includes({json.dumps(text)})")

        await until(f"{self.role}: {text!r} goes away", look, self.page, deadline=patience)

    async def api(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """What the court answers to this person, past the page."""
        call = f"person.api({json.dumps(method)}, {json.dumps(path)}, {json.dumps(body)})"
        answer = await self.page.evaluate(f"({DRIVER}, {call})")
        return answer["status"], answer["body"]

    # her way through a hearing

    async def comes(self) -> None:
        """By the demonstration's link."""
        await self.goes(f"/demo/{self.role}")
        await self.asserts("has come in", "/#\\/(hearings|board)/.test(location.href)")

    async def lists_connections(self) -> None:
        """From now on `window.peers` holds all connections of her page."""
        await self.page.evaluate(f"({DRIVER}, person.listConnections())")

    async def hearing(self) -> dict[str, Any]:
        """The first of her hearings, as the API tells it."""
        status, found = await self.api("GET", "api/hearings")
        assert status == 200 and found["items"], found
        return found["items"][0]  # type: ignore[no-any-return]

    async def goes_to_hearing(self) -> None:
        """To the lobby."""
        await self.goes(f"/hearings/{(await self.hearing())['id']}")
        await self.asserts("the lobby", "!!document.querySelector('.stand')")

    async def goes_to_record(self, hearing: str = "", part: str = "") -> None:
        """To what belongs to a hearing, hers unless one is named; `part`: a tab, as `证据`."""
        await self.goes(f"/hearings/{hearing or (await self.hearing())['id']}/record")
        await self.asserts("the record's tabs", "!!document.querySelector('#part')")
        if part:
            await self.presses(part)

    async def gets_ready(self, identity: str = "") -> None:
        """Identity and declaration, where they are asked of this role; the demonstration's people need not type it."""
        if self.role not in STAFF_ROLES:
            if identity:
                await self.fills("身份证号", identity)
            await self.presses("核验")
            await self.sees("身份已核验")
            await self.checks("本人承诺")
            await self.presses("我承诺遵守")
            await self.sees("已作出承诺")

    async def enters(self) -> None:
        """From the lobby into the room, as soon as that is allowed."""
        await self.presses("进入法庭")
        await self.asserts("the room", f"!!document.querySelector('{ROOM}')")

    async def stands_ready(self) -> None:
        """By the link, through the lobby, up to the door."""
        await self.comes()
        await self.goes_to_hearing()
        await self.gets_ready()

    async def attends(self) -> None:
        """All of it: link, lobby, room."""
        await self.stands_ready()
        await self.enters()

    async def watches(self, *names: str, patience: float = PATIENCE_S) -> None:
        """Moving pictures in the tiles of these people."""

        async def look() -> bool:
            tiles = await self.page.evaluate(f"({DRIVER}, person.watched())")
            moving = [tile["text"] for tile in tiles if tile["moved"] and tile["width"]]
            return all(any(name in text for text in moving) for name in names)

        await until(f"{self.role} watches {names}", look, self.page, deadline=patience)


Meet = Callable[..., Awaitable[Person]]
"""The fixture `meet`."""
OpenCourt = Callable[..., Awaitable[CourtProcess]]
"""The fixture `open_court`."""
