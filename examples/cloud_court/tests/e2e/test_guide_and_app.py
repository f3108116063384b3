"""Features 5 and 9: the pages can be installed as an app, and the guide writes nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from court_process import CourtProcess
from made import PDF
from person import Meet, Person
from tests.interop.seeing import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

KEPT = """caches.keys().then(async (names) => (await Promise.all(names.map(async (name) =>
  (await (await caches.open(name)).keys()).map((each) => each.url)))).flat())"""


def dump(folder: Path) -> list[str]:
    """Each row of the database."""
    database = sqlite3.connect(f"file:{folder / 'court.sqlite'}?mode=ro", uri=True)
    try:
        return list(database.iterdump())
    finally:
        database.close()


def driven(person: Person) -> Any:
    """Playwright's own page."""
    return person.page.driven  # type: ignore[attr-defined]


async def test_the_three_guide_pages_are_skipped_and_opened_again_and_write_nothing(
    meet: Meet, court: CourtProcess
) -> None:
    plaintiff = await meet("plaintiff")
    await plaintiff.comes()
    await plaintiff.sees("第一次开庭")
    before = await asyncio.to_thread(dump, court.folder)
    stored = await plaintiff.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    sent: list[tuple[str, str]] = []
    driven(plaintiff).on("request", lambda each: sent.append((each.method, each.url)))
    await plaintiff.presses("入会指引")
    await plaintiff.sees("第 1 / 3 页")
    await plaintiff.presses("跳过")
    await plaintiff.sees("第一次开庭")
    await plaintiff.presses("入会指引")
    for page in (1, 2, 3):
        await plaintiff.sees(f"第 {page} / 3 页")
        await plaintiff.presses("下一页" if page < 3 else "上一页")
    await plaintiff.sees("第 2 / 3 页")
    await plaintiff.presses("下一页")
    await plaintiff.presses("开始使用")
    await plaintiff.sees("第一次开庭")
    assert {method for method, _ in sent} == {"GET"}, sent
    assert await asyncio.to_thread(dump, court.folder) == before
    assert await plaintiff.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])") == stored


async def test_the_pages_install_as_an_app_which_says_so_without_a_network_and_keeps_nothing_private(
    meet: Meet,
) -> None:
    plaintiff = await meet("plaintiff")
    await plaintiff.comes()
    session = await driven(plaintiff).context.new_cdp_session(driven(plaintiff))
    manifest = await session.send("Page.getAppManifest")
    assert manifest["url"].endswith("/manifest.webmanifest") and not manifest["errors"], manifest
    # each window of a test is a private one, which installs nothing: that is all that is said against it
    errors = (await session.send("Page.getInstallabilityErrors"))["installabilityErrors"]
    assert {each["errorId"] for each in errors} <= {"in-incognito"}, errors
    await until(
        "the service worker has the page", lambda: plaintiff.page.evaluate("!!navigator.serviceWorker.controller")
    )

    await plaintiff.goes_to_record(part="证据")  # with the worker in between: something private is read
    await plaintiff.presses("添加证据")
    await plaintiff.attaches(("合同.pdf", PDF))
    await plaintiff.presses("上传为草稿（1）")
    await plaintiff.sees("删除草稿")
    await plaintiff.presses("合同")
    await plaintiff.sees("下载")
    await driven(plaintiff).reload()
    await plaintiff.sees("证据")
    kept = await plaintiff.page.evaluate(KEPT)
    assert any("/assets/" in each for each in kept), kept
    assert not [each for each in kept if "/api/" in each or "/media" in each or "token" in each], kept

    await driven(plaintiff).context.set_offline(True)
    await driven(plaintiff).reload()
    await plaintiff.sees("没有网络")
    await plaintiff.goes("/hearings")
    await plaintiff.sees("没有网络")
    assert "张三" not in await plaintiff.page.evaluate("document.body.innerText")
    await driven(plaintiff).context.set_offline(False)
    await driven(plaintiff).get_by_text("第一次开庭").first.wait_for()  # it loads again by itself
