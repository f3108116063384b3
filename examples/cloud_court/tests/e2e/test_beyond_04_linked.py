"""Beyond the source: linked persons, and the interpreter's channel."""

from __future__ import annotations

import json
from typing import Any

import pytest
import pytest_asyncio

from court_process import CourtProcess
from person import Meet, OpenCourt, Person
from tests.interop.seeing import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]
KEEP_CONNECTIONS = """
window.connections = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...given) {
    super(...given);
    window.connections.push(this);
  }
};
"""
HEARD = """(async () => {
  const bytes = {};
  for (const each of window.connections) {
    if (each.connectionState === "closed") continue;
    (await each.getStats()).forEach((report) => {
      if (report.type === "inbound-rtp") bytes[report.trackIdentifier] = report.bytesReceived;
    });
  }
  window.ears ??= new Map();
  window.ear ??= new AudioContext();
  const found = [...document.querySelectorAll("body > audio")].filter((each) => each.srcObject);
  return found.map((each) => {
    const track = each.srcObject.getAudioTracks()[0];
    if (!window.ears.has(track.id)) {
      const analyser = window.ear.createAnalyser();
      analyser.fftSize = 32768;
      window.ear.createMediaStreamSource(each.srcObject).connect(analyser);
      window.ears.set(track.id, analyser);
    }
    const samples = new Float32Array(32768);
    window.ears.get(track.id).getFloatTimeDomainData(samples);
    const level = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    const { name, language } = each.dataset;
    return { name, language, level, volume: each.volume, bytes: bytes[track.id] ?? 0 };
  });
})()"""
"""Each sound that this page is sent: whose, how loud it is and is played, and what came of it in bytes."""

COUNTED = """(async () => {
  let sum = 0;
  for (const each of window.connections) {
    (await each.getStats()).forEach((report) => {
      if (report.type === "inbound-rtp" && report.kind === "audio") sum += report.bytesReceived;
    });
  }
  return sum;
})()"""


@pytest_asyncio.fixture(loop_scope="session")
async def court(open_court: OpenCourt) -> CourtProcess:
    return await open_court(countdown=1)


async def hears(person: Person, **volumes: float) -> dict[str, Any]:
    """She is sent these people's sound, each of it audible and played so loud, and nobody else's."""

    async def look() -> Any:
        found = {each["name"]: each for each in await person.page.evaluate(HEARD)}
        fits = {name: each["volume"] for name, each in found.items()} == volumes
        return found if fits and all(each["level"] > 0.01 for each in found.values()) else None

    found: dict[str, Any] = await until(f"{person.role} hears {volumes}", look, person.page)
    return found


async def count_bytes(person: Person) -> int:
    """All bytes of sound that have come."""
    return int(await person.page.evaluate(COUNTED))


async def test_beyond_04_listeners_choose_floor_interpretation_or_both(meet: Meet, court: CourtProcess) -> None:
    judge, interpreter, plaintiff = await meet("judge"), await meet("interpreter"), await meet("plaintiff")
    await plaintiff.page.driven.add_init_script(KEEP_CONNECTIONS)
    await judge.attends()
    await judge.presses("主持")
    await judge.presses("宣布开庭")
    await interpreter.attends()
    await plaintiff.attends()
    await plaintiff.watches("王法官", "林译员")
    await hears(plaintiff, 王法官=1)
    await plaintiff.presses("设备")
    await plaintiff.checks("翻译（en）")
    heard = await hears(plaintiff, 林译员=1)
    assert heard["林译员"]["language"] == "en", "the track is marked by its language"
    before = (await hears(plaintiff, 林译员=1))["林译员"]["bytes"]
    all_before = await count_bytes(plaintiff)

    async def came() -> Any:
        now = (await hears(plaintiff, 林译员=1))["林译员"]["bytes"] - before
        return now if now > 5000 else None

    own = await until("five thousand bytes of the interpretation", came, plaintiff.page)
    assert await count_bytes(plaintiff) - all_before < 2 * own, "the floor is not sent to who does not listen to it"
    await plaintiff.checks("翻译（en）为主")
    await hears(plaintiff, 林译员=1, 王法官=0.25)
    await plaintiff.checks("原声")
    await hears(plaintiff, 王法官=1)
    # whoever interprets goes: nobody sits in silence
    await plaintiff.checks("翻译（en）")
    await hears(plaintiff, 林译员=1)
    await interpreter.presses("离开")
    await hears(plaintiff, 王法官=1)
    await judge.presses("宣布闭庭")
    await judge.answers()
    await plaintiff.sees("庭审已结束")
    (record,) = (court.folder / "records").iterdir()
    lines = [json.loads(line) for line in (record / "ledger.jsonl").read_text().splitlines()]
    sources = [each for each in lines if each["type"] == "source" and each["kind"] == "audio"]
    languages = {each["metadata"]["name"]: each["metadata"]["attributes"].get("language") for each in sources}
    assert languages == {"王法官": None, "张三": None, "林译员": "en"}, "a source of its own in the record"
    assert len({each["file"] for each in sources}) == 3


async def test_beyond_04_a_client_is_asked_in_with_his_lawyer_and_goes_in_with_him(meet: Meet) -> None:
    defendant, plaintiff, lawyer = await meet("defendant"), await meet("plaintiff"), await meet("lawyer")
    for each in (defendant, plaintiff, lawyer):
        await each.stands_ready()
    await defendant.checks("张三")
    await defendant.presses("发起密谈")
    await lawyer.sees("等待回应")
    await plaintiff.presses("接受", "私密交谈")
    await plaintiff.sees("须与 陈律师（代理律师） 一同接受")
    await lawyer.presses("接受", "私密交谈")
    await plaintiff.watches("李四", "陈律师")
    await lawyer.watches("李四", "张三")


async def test_beyond_04_nobody_is_asked_in_without_the_interpreter(meet: Meet) -> None:
    """By the judge: nobody else prepares a witness who was not called."""
    judge, witness, interpreter = await meet("judge"), await meet("witness"), await meet("interpreter")
    for each in (witness, interpreter, judge):
        await each.stands_ready()
    await judge.checks("周证人")
    await judge.presses("发起密谈")
    await witness.presses("接受", "私密交谈")
    await witness.sees("须与 林译员（翻译） 一同接受")
    await interpreter.presses("拒绝", "私密交谈")
    path = f"api/hearings/{(await witness.hearing())['id']}/consultations"
    (room,) = (await witness.api("GET", path))[1]
    assert len(room["waits_for"]) == 1
    status, refused = await witness.api("POST", f"{path}/{room['id']}/join")
    assert (status, refused["code"]) == (409, "consultation.linked")
