"""Every page in both languages, on a phone and on a desktop: no serious finding of axe, nothing wider than the window.

`--pictures FOLDER` keeps what was seen.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from person import Meet, Person
from tests.interop.browsers import ChromiumPage
from tests.interop.seeing import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]

WEB = Path(__file__).parents[2] / "web"
SIZES: dict[str, dict[str, Any]] = {
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
    "desktop": {"viewport": {"width": 1440, "height": 900}},
}
OPEN = (
    "/",
    "/login",
    "/register",
    "/join/100200300/ABCDEFGH",
    "/guide",
    "/self-test",
    "/search",
    "/standins",
    "/nowhere",
)
AXE = """axe.run(document, {resultTypes: ["violations"]}).then((told) => told.violations
  .filter((each) => ["serious", "critical"].includes(each.impact))
  .map((each) => each.id + ": " + each.nodes.slice(0, 3).map((node) => node.target.join(" ")).join(", ")))"""


class Tour:
    """Looks at page after page; `findings` is what is wrong, each with its page."""

    def __init__(self, meet: Meet, size: str, language: str, pictures: str | None) -> None:
        self._meet, self._size, self._language = meet, size, language
        self._folder = Path(pictures) if pictures else None
        self.seen: set[str] = set()
        self.findings: list[str] = []

    async def person(self, role: str) -> Person:
        person = await self._meet(role, **SIZES[self._size])
        assert isinstance(person.page, ChromiumPage)
        await person.page.driven.add_init_script(f"localStorage.setItem('language', '{self._language}')")
        return person

    async def look(self, person: Person, name: str, there: str = "h1, h2, .stage, form") -> None:
        """At what `person` sees now, as soon as `there` is to be seen."""
        page = person.page
        await until(f"{name}: {there}", lambda: page.evaluate(f"!!document.querySelector({json.dumps(there)})"), page)
        await page.evaluate(
            "Promise.all([document.fonts.ready, new Promise((done) => setTimeout(done, 400))]).then(() => 1)"
        )
        if await page.evaluate("typeof axe === 'undefined'"):
            script = (WEB / "node_modules/axe-core/axe.min.js").read_text()
            await page.evaluate(f"((0, eval)({json.dumps(script)}), 1)")
        self.findings += [f"{name}: {each}" for each in await page.evaluate(AXE)]
        if await page.evaluate("document.documentElement.scrollWidth > innerWidth + 1"):
            self.findings.append(f"{name}: wider than the window")
        raw = await page.evaluate(
            "document.body.innerText.match(/\\b(problem|act|state|panel|role|title)\\.[a-z_.]+\\b/)?.[0]"
        )
        if raw:
            self.findings.append(f"{name}: a text is missing: {raw}")
        names = "[...document.querySelectorAll('[aria-label]')].map((each) => each.getAttribute('aria-label'))"
        for each in await page.evaluate(names) if self._language == "zh" else ():
            if re.fullmatch(r"[A-Za-z ,.]+", each) and each not in ("English",):
                self.findings.append(f"{name}: an English name on a Chinese page: {each}")
        self.seen.add(re.sub(r"[0-9a-z]{22}", ":id", (await page.evaluate("location.hash"))[1:]))
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            assert isinstance(page, ChromiumPage)
            path = self._folder / f"{name.replace(' ', '-')}-{self._size}-{self._language}.png"
            await page.driven.screenshot(path=path, full_page=True)

    async def dialog(self, person: Person, name: str, button: str) -> None:
        """What the page's first button that this selector finds opens."""
        page, found = person.page, json.dumps(button)
        await until(f"{name}: its button", lambda: page.evaluate(f"!!document.querySelector({found})"), page)
        await page.evaluate(f"(document.querySelector({found}).click(), 1)")
        await self.look(person, name, ".el-dialog, .el-message-box")
        await page.driven.keyboard.press("Escape")  # type: ignore[attr-defined]
        gone = "![...document.querySelectorAll('.el-overlay')].some((each) => each.getClientRects().length)"
        await until(f"{name} is gone", lambda: page.evaluate(gone), page)

    async def panels(self, person: Person, where: str) -> None:
        """Each panel of the room."""
        page = person.page
        opened = "document.querySelector('.controls .narrow').click()"
        await page.evaluate(f"document.querySelector('.panel') ? 1 : ({opened}, 1)")
        await until("a panel", lambda: page.evaluate("!!document.querySelector('.panel [role=tab]')"), page)
        for tab in await page.evaluate("[...document.querySelectorAll('.panel [role=tab]')].map((each) => each.id)"):
            await page.evaluate(f"(document.getElementById('{tab}').click(), 1)")
            await self.look(person, f"{where} {tab.removeprefix('tab-')}", ".panel")


BESIDE = """(() => {
  const [name, button] = [".segment b", ".segment .head > .btn"].map((each) => document.querySelector(each));
  return name && button && button.getBoundingClientRect().top < name.getBoundingClientRect().bottom;
})()"""


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("size", ["phone", "desktop"])
async def test_every_page_is_fit_to_be_seen(
    meet: Meet, size: str, language: str, request: pytest.FixtureRequest
) -> None:
    tour = Tour(meet, size, language, request.config.getoption("--pictures"))
    clerk, plaintiff = await tour.person("clerk"), await tour.person("plaintiff")
    judge = await meet("judge")
    for path in OPEN:
        await plaintiff.goes(path)
        await tour.look(plaintiff, f"open {path.strip('/').partition('/')[0] or 'landing'}")
    for person, pages in (
        (plaintiff, ("/hearings", "/cases", "/filings")),
        (clerk, ("/hearings", "/cases", "/filings", "/board")),
    ):
        await person.comes()
        for path in pages:
            await person.goes(path)
            await tour.look(person, f"{person.role} {path.strip('/')}")
        (case,) = (await person.api("GET", "api/cases"))[1]["items"]
        await person.goes(f"/cases/{case['id']}")
        await tour.look(person, f"{person.role} case")
    await judge.attends()
    hearing = (await judge.hearing())["id"]
    await plaintiff.goes_to_hearing()
    await tour.look(plaintiff, "lobby", ".stand")
    await clerk.goes_to_hearing()
    await tour.look(clerk, "clerk lobby", ".stand")
    await ready(plaintiff, hearing)
    await ready(clerk, hearing)
    for person in (plaintiff, clerk):
        await person.goes_to_hearing()
        await tour.look(person, f"{person.role} ready", ".stand")
    await act(judge, hearing, act="open")
    for person in (clerk, plaintiff):
        await person.page.evaluate("(document.querySelector('.stand button.big').click(), 1)")
        await tour.look(person, f"{person.role} room", ".stage .tile")
    said = {"text": "同意。", "speaker": "北京某某科技发展股份有限公司的法定代表人阿卜杜拉·买买提依明江·艾合买提"}
    await api(clerk, "POST", f"hearings/{hearing}/transcript/segments", said)
    await tour.panels(plaintiff, "party's panel")
    await plaintiff.page.evaluate("(document.getElementById('tab-transcript').click(), 1)")
    await plaintiff.asserts("who objects does so beside the name, however long that is", BESIDE)
    await tour.panels(clerk, "clerk's panel")
    await act(judge, hearing, act="recess", reason="")
    await tour.look(plaintiff, "recess", ".rest")
    await act(judge, hearing, act="resume")
    await act(judge, hearing, act="close")
    await api(judge, "POST", f"hearings/{hearing}/transcript/freeze", None)
    await tour.look(plaintiff, "closed", ".stand")
    for person in (plaintiff, clerk):
        await person.goes(f"/hearings/{hearing}/record")
        await until("tabs", lambda: person.page.evaluate("!!document.querySelector('#part')"), person.page)  # noqa: B023
        for tab in await person.page.evaluate("[...document.querySelectorAll('[role=tab]')].map((each) => each.id)"):
            await person.page.evaluate(f"(document.getElementById('{tab}').click(), 1)")
            await tour.look(person, f"{person.role} record {tab.removeprefix('tab-')}", "[role=tabpanel]")
    await plaintiff.page.evaluate("(document.getElementById('tab-transcript').click(), 1)")
    await tour.dialog(plaintiff, "dialog sign", "[role=tabpanel] .btn.primary")
    await tour.dialog(plaintiff, "dialog refuse", "[role=tabpanel] .btn.danger")
    await clerk.goes("/hearings")
    await tour.dialog(clerk, "dialog schedule", "main .btn.primary")
    assert not tour.findings, "\n".join(tour.findings)
    assert {name for name in routes() if not any(re.fullmatch(name, path) for path in tour.seen)} == set()


def routes() -> list[str]:
    """The paths of the router that are pages of their own, as patterns."""
    found = re.findall(r"path: '([^']*)', name: '(\w+)'", (WEB / "src" / "router.ts").read_text())
    assert len(found) > 15
    return [re.sub(r":\w+(\(\.\*\)\*)?", ".+", path) for path, name in found if name not in ("as", "handoff")]


async def api(person: Person, method: str, path: str, body: Any) -> Any:
    status, said = await person.api(method, f"api/{path}", body)
    assert status < 300, said
    return said


async def act(judge: Person, hearing: str, **fields: Any) -> None:
    await api(judge, "POST", f"hearings/{hearing}/acts", fields)


async def ready(person: Person, hearing: str) -> None:
    known = await person.page.evaluate("sessionStorage.getItem('demo-identity')")
    said = {"name": person.name, "identity_number": known, "picture_sha256": ""}
    await api(person, "POST", f"hearings/{hearing}/identity", said)
    await api(person, "POST", f"hearings/{hearing}/declaration", None)
