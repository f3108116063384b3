"""Scenario 12: a phone annotates, flips its camera and signs by QR hand-off; a keyboard alone completes signing."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import pytest

from court_process import CourtProcess
from person import Meet, Person
from tests.interop.seeing import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
SAID = "今收到货款人民币一万元。"
CAMERA = """(async () => {
  for (const each of peers) for (const sender of each.getSenders())
    if (sender.track?.kind === "video" && sender.track.readyState === "live")
      return sender.track.getSettings().deviceId;
})()"""


def make_picture(side: int = 64) -> bytes:
    """A grey PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress((b"\0" + b"\xc0" * side) * side)
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


async def strokes(person: Person, selector: str, *shares: tuple[float, float]) -> None:
    """One finger drawn over an element, through these places of it."""
    driven: Any = person.page
    await driven.driven.locator(selector).last.scroll_into_view_if_needed()
    box = await driven.driven.locator(selector).last.bounding_box()
    fingers = await driven.driven.context.new_cdp_session(driven.driven)
    places = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in shares]
    for kind, points in [("touchStart", places[:1]), *(("touchMove", [each]) for each in places[1:]), ("touchEnd", [])]:
        await fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    await fingers.detach()


async def draws(person: Person, selector: str, done: str, *shares: tuple[float, float]) -> None:
    """Until it is there: a browser drops a touch that a busy page does not answer in time."""

    async def draw() -> bool:
        await strokes(person, selector, *shares)
        return bool(await person.page.evaluate(done))

    await until(f"{person.role} draws", draw, person.page)


async def freezes(judge: Person, clerk: Person) -> None:
    """Something is said, typed, and to be signed."""
    path = f"api/hearings/{(await judge.hearing())['id']}/transcript"
    assert (await clerk.api("POST", f"{path}/segments", {"text": SAID}))[0] == 201
    assert (await judge.api("POST", f"{path}/freeze"))[0] == 200


async def test_scenario_12_a_phone_annotates_flips_its_camera_and_signs_by_hand_off(
    court: CourtProcess, meet: Meet
) -> None:
    judge, phone = await meet("judge"), await meet("plaintiff", **PHONE)
    clerk = await meet("clerk")
    await clerk.comes()
    await judge.attends()
    await phone.comes()
    await phone.lists_connections()
    await phone.goes_to_hearing()
    await phone.gets_ready()
    await judge.presses("主持")
    await judge.presses("宣布开庭")
    await phone.enters()
    await judge.watches("张三")

    # evidence at two taps, with the video still in view; a mark by finger, seen by the judge at once
    await phone.presses("功能")
    await phone.presses("证据")
    await phone.asserts(
        "the video is in view", "document.querySelector('.tile video').getBoundingClientRect().height > 50"
    )
    await phone.presses("添加证据")
    await phone.attaches(("收据.png", make_picture()))
    await phone.presses("上传为草稿")
    await phone.presses("提交")
    await judge.presses("证据")
    await judge.presses("收据")
    await phone.presses("收据", within="张三")
    await phone.presses("框选批注")
    loaded = "document.querySelector('.paper img')?.naturalWidth > 0"
    await phone.asserts("the picture is there", loaded)
    await draws(phone, "svg.layer", "!document.querySelector('svg.layer.tool')", (0.2, 0.2), (0.4, 0.3), (0.6, 0.4))
    await phone.answers("金额在此")
    await phone.sees("金额在此")
    await judge.sees("金额在此")

    # the other camera: the same connections, and the picture goes on
    camera, peers = await phone.asserts("a camera", CAMERA), await phone.page.evaluate("peers.length")
    await phone.presses("翻转镜头")
    await phone.asserts("another camera", f"{CAMERA}.then((now) => now && now !== {camera!r})")
    await judge.watches("张三")
    assert await phone.page.evaluate("peers.length") == peers
    _, people = await judge.api("GET", f"api/hearings/{(await judge.hearing())['id']}/attendance")
    assert [each["kind"] for each in people if each["kind"] in ("join", "leave")].count("leave") == 0

    # at the desk: the QR code that the phone reads; it signs there
    await freezes(judge, clerk)
    await phone.presses("离开")
    desk = await meet("plaintiff")
    await desk.comes()
    await desk.goes_to_record(part="笔录")
    await desk.presses("确认并签署笔录")
    await desk.presses("在手机上签名")
    link = await desk.asserts("the QR code", "document.querySelector('[data-link]')?.dataset.link")
    assert link.startswith(f"{court.url()}/#/handoff/")
    signer = await meet("phone", **PHONE)
    await signer.page.goto(link)
    await signer.asserts("the record", "!!document.querySelector('#part')")
    await signer.presses("笔录")
    await signer.presses("确认并签署笔录")
    await signer.sees("本设备已核对")
    drawn = "document.querySelector('canvas').ariaLabel === '手写签名'"
    await draws(signer, "canvas", drawn, (0.2, 0.3), (0.4, 0.7), (0.6, 0.3), (0.8, 0.6))
    await signer.checks("我已阅看笔录")
    await signer.presses("签名", within="SHA-256")
    await signer.sees("您已签名或已表示拒绝")
    await desk.page.evaluate("document.querySelector('[role=dialog] .el-dialog__header button').click()")
    await desk.sees("您已签名或已表示拒绝")
    again = await meet("another-phone", **PHONE)
    await again.page.goto(link)
    await again.sees("二维码已失效")


async def tabs_to(person: Person, role: str, name: str) -> None:
    """By the Tab key alone, to what a screen reader calls so."""
    driven: Any = person.page
    target = driven.driven.get_by_role(role, name=name, exact=True)
    await target.first.wait_for()
    for _ in range(60):
        if await target.first.evaluate("(element) => element === document.activeElement"):
            return
        await driven.driven.keyboard.press("Tab")
    raise AssertionError(f"the Tab key does not reach the {role} {name!r}")


async def test_scenario_12_who_has_a_keyboard_and_a_screen_reader_completes_signing(meet: Meet) -> None:
    judge, clerk, defendant = await meet("judge"), await meet("clerk"), await meet("defendant")
    await clerk.comes()
    await judge.comes()
    hearing = await judge.hearing()
    assert (await judge.api("POST", f"api/hearings/{hearing['id']}/acts", {"act": "open"}))[0] == 200
    await freezes(judge, clerk)
    await defendant.comes()
    await defendant.goes(f"/hearings/{hearing['id']}/record")
    keys = defendant.page.driven.keyboard  # type: ignore[attr-defined]
    await tabs_to(defendant, "tab", "笔录")
    await keys.press("Enter")
    await defendant.sees(SAID)
    await tabs_to(defendant, "button", "确认并签署笔录")
    await keys.press("Enter")
    await defendant.sees("本设备已核对")
    dialog = defendant.page.driven.get_by_role("dialog", name="确认并签署笔录")  # type: ignore[attr-defined]
    await dialog.wait_for()
    assert await dialog.evaluate("(element) => element.contains(document.activeElement)")
    await tabs_to(defendant, "button", "用姓名代替手写")
    await keys.press("Enter")
    await tabs_to(defendant, "checkbox", "我已阅看笔录，确认与陈述一致。")
    await keys.press("Space")
    await tabs_to(defendant, "button", "签名")
    await keys.press("Enter")
    await defendant.sees("您已签名或已表示拒绝")
    _, told = await defendant.api("GET", f"api/hearings/{hearing['id']}/transcript")
    assert [(each["refused"], bool(each["drawn"])) for each in told["signatures"]] == [(False, True)]
