"""`make court-pictures`: the pictures of `docs/guide/court.md` anew, from a hearing that is played for them.

In place of a camera each window sends a figure that it draws.
"""

from __future__ import annotations

import argparse
import base64
import json
import tempfile
from pathlib import Path
from typing import Any

import typst
import uvloop

from court_process import CourtProcess
from person import Person
from tests.interop.browsers import Chromium

PICTURES = Path(__file__).parents[4] / "docs" / "pictures"
QUALITY = 72
DESKTOP = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
HUES = {"judge": 215, "clerk": 265, "plaintiff": 160, "defendant": 25, "lawyer": 340}
FIGURE = """
  localStorage.setItem("language", LANGUAGE);
  const devices = navigator.mediaDevices, ask = devices?.getUserMedia.bind(devices);
  if (devices) devices.getUserMedia = async (wanted) => {
    const found = await ask(wanted);
    if (!wanted.video) return found;
    const canvas = Object.assign(document.createElement("canvas"), {width: 640, height: 360});
    const to = canvas.getContext("2d");
    const paint = () => {
      const sway = 4 * Math.sin(performance.now() / 900), oval = (x, y, w, h, colour) => {
        to.fillStyle = colour; to.beginPath(); to.ellipse(x, y, w, h, 0, 0, 7); to.fill();
      };
      const wall = to.createLinearGradient(0, 0, 640, 360);
      wall.addColorStop(0, `hsl(${HUE} 22% 62%)`); wall.addColorStop(1, `hsl(${HUE} 26% 38%)`);
      to.fillStyle = wall; to.fillRect(0, 0, 640, 360);
      oval(320 + sway / 2, 390, 170, 150, `hsl(${HUE} 35% 20%)`);
      oval(320 + sway, 226, 30, 48, "#c99a7c"); oval(320 + sway, 150, 62, 80, "#dcb192");
      oval(320 + sway, 104, 66, 48, "#2b221e");
    };
    setInterval(paint, 200); paint();
    const [track] = canvas.captureStream(5).getVideoTracks();
    return new MediaStream([track, ...found.getAudioTracks()]);
  };
"""
CONTRACT = """
#set page(width: 160mm, height: 130mm, margin: 16mm)
#set text(font: ("Noto Serif CJK SC", "Noto Sans CJK SC"), size: 11pt, lang: "zh")
#align(center)[#text(17pt)[买卖合同]]
出卖人：李四 #h(1fr) 买受人：张三 \\
第一条　标的：笔记本电脑十台，型号与配置见附件。\\
第二条　价款：人民币十万元整，签订后三日内付清。\\
第三条　交付：出卖人于二〇二六年三月一日前交付。\\
第四条　逾期交付的，每日按价款的千分之一支付违约金。
#v(8mm) 出卖人（签名）：李四 #h(1fr) 买受人（签名）：张三
"""
SAID = (
    ("judge", "现在开庭。请原告陈述诉讼请求和事实。"),
    ("plaintiff", "请求判令被告交付电脑十台，并支付违约金。"),
    ("defendant", "收到货款属实，但供应商延误，请求宽限。"),
    ("judge", "下面由原告出示证据。"),
)


async def take(person: Person, name: str) -> None:
    """A picture of her window, as it stands."""
    settled = "Promise.all([document.fonts.ready, new Promise((done) => setTimeout(done, 1500))]).then(() => 1)"
    await person.page.evaluate(settled)
    session = await person.page.driven.context.new_cdp_session(person.page.driven)  # type: ignore[attr-defined]
    made = await session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    path = PICTURES / f"court-{name}.webp"
    path.write_bytes(base64.b64decode(made["data"]))
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB", flush=True)


async def api(person: Person, method: str, path: str, body: Any = None) -> Any:
    """What the court answers, which is no refusal."""
    status, said = await person.api(method, f"api/{path}", body)
    assert status < 300, said
    return said


async def click(person: Person, selector: str) -> None:
    """Presses what this selector finds, as soon as it is there."""
    await person.asserts(selector, f"(document.querySelector({json.dumps(selector)})?.click(), 1)")


async def play(court: CourtProcess, browser: Chromium) -> None:
    """A hearing from its lobby to the signatures."""
    people: dict[str, Person] = {}
    for role in (*HUES, "technician"):
        page = await browser.open(**(PHONE if role == "defendant" else DESKTOP))
        language = "zh" if role == "defendant" else "en"
        figure = FIGURE.replace("LANGUAGE", json.dumps(language)).replace("HUE", str(HUES.get(role, 0)))
        await page.driven.add_init_script(figure)
        people[role] = Person(court, role, page)
    judge, clerk, plaintiff, phone = (people[role] for role in ("judge", "clerk", "plaintiff", "defendant"))
    await judge.goes("/")
    await judge.asserts("the roles", "document.querySelectorAll('.roles a').length > 8")
    await take(judge, "opening")
    for each in people.values():
        await each.comes()
    hearing = (await judge.hearing())["id"]
    path = f"hearings/{hearing}"
    for role in HUES:
        known = await people[role].page.evaluate("sessionStorage.getItem('demo-identity')")
        await api(people[role], "POST", f"{path}/identity", {"name": people[role].name, "identity_number": known})
        if role not in ("judge", "clerk"):
            await api(people[role], "POST", f"{path}/declaration")
    await api(judge, "POST", f"{path}/acts", {"act": "open"})
    for role in HUES:
        await people[role].goes_to_hearing()
        await click(people[role], ".stand button.big:enabled")
        await people[role].asserts("the room", "!!document.querySelector('.stage .tile')")
    ids = {each["role"]: each["id"] for each in await api(judge, "GET", f"{path}/people")}
    for role, text in SAID:
        await api(clerk, "POST", f"{path}/transcript/segments", {"text": text, "speaker_id": ids[role]})
    await api(judge, "POST", f"{path}/acts", {"act": "phase", "phase": "evidence"})
    names = [people[role].name for role in HUES]
    await judge.presses("Transcript")
    await judge.sees(SAID[-1][1])
    await judge.watches(*names)
    await take(judge, "hearing")
    await people["technician"].asserts("all are there", "document.querySelectorAll('.tag.on').length >= 5")
    await take(people["technician"], "board")

    made = typst.compile(CONTRACT.encode(), format="pdf")
    assert isinstance(made, bytes)
    await plaintiff.presses("Exhibits")
    await plaintiff.presses("Add")
    await plaintiff.attaches(("买卖合同.pdf", made))
    await plaintiff.fills("What it is to prove", "合同成立；约定的交付日期")
    await plaintiff.asserts("the batch", "!document.querySelector('form .primary:disabled')")
    await plaintiff.presses("Upload as drafts")
    await plaintiff.presses("Submit")
    await plaintiff.presses("Present")
    (exhibit,) = await api(plaintiff, "GET", f"{path}/exhibits")
    box = {"type": "FragmentSelector", "value": "xywh=percent:8,33.5,66,6"}
    target = {"source": "contract", "selector": {"type": "FragmentSelector", "value": "page=1", "refinedBy": box}}
    said = [{"type": "TextualBody", "value": "约定三月一日前交付"}]
    await api(judge, "POST", f"{path}/exhibits/{exhibit['id']}/annotations", {"body": said, "target": target})
    await plaintiff.presses("买卖合同")
    await plaintiff.sees("约定三月一日前交付")
    await plaintiff.asserts("the page", "document.querySelector('.paper canvas')?.height > 250")
    await take(plaintiff, "exhibit")
    await phone.presses("功能")
    await phone.presses("笔录")
    await phone.sees(SAID[-1][1])
    await phone.watches(*names[:3])
    await take(phone, "phone")

    await api(judge, "POST", f"{path}/acts", {"act": "close"})
    await api(judge, "POST", f"{path}/transcript/freeze")
    await plaintiff.goes_to_record(hearing)
    await plaintiff.presses("Confirm and sign")
    await plaintiff.presses("Use my typed name")
    await plaintiff.checks("I have read")
    await take(plaintiff, "signing")


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="court-pictures-") as folder:
        async with CourtProcess(Path(folder, "court"), countdown=0) as court, Chromium() as browser:
            await play(court, browser)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    uvloop.run(main())
