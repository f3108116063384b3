"""Scenario 10: a witness gets nothing before being called; a consultation leaves no byte; closed doors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from court_process import CourtProcess
from person import Meet, Person
from tests.interop.seeing import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

PACKETS = """Promise.all(peers.map((each) => each.getStats())).then((all) => all.flatMap((each) => [...each.values()])
  .filter((each) => each.type === "inbound-rtp").reduce((sum, each) => sum + each.packetsReceived, 0))"""
SAID = "请求判令被告支付货款。"


async def counts_packets(person: Person) -> int:
    return int(await person.page.evaluate(PACKETS))


def read_tree(folder: Path) -> dict[str, bytes]:
    """All that is on disk but the database, of which rows are no conversation."""
    files = (each for each in folder.rglob("*") if each.is_file() and not each.name.startswith("court.sqlite"))
    return {str(each.relative_to(folder)): each.read_bytes() for each in files}


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_scenario_10_a_witness_gets_no_packet_transcript_or_exhibit_before_being_called(
    meet: Meet, browser: str
) -> None:
    judge, witness = await meet("judge"), await meet("witness")
    clerk, plaintiff = await meet("clerk"), await meet("plaintiff")
    for person in (clerk, plaintiff):
        await person.comes()
        await person.goes_to_record(part="证据")
    await plaintiff.presses("添加证据")
    await plaintiff.attaches(("收据.txt", "今收到货款".encode()))
    await plaintiff.presses("上传为草稿")
    await plaintiff.presses("提交")
    await plaintiff.sees("已提交")
    await judge.attends()
    await judge.presses("主持")
    await judge.presses("宣布开庭")
    await plaintiff.presses("出示")
    await plaintiff.sees("已出示")
    await clerk.presses("笔录")
    await clerk.fills("笔录内容", SAID)
    await clerk.presses("记入笔录")
    await clerk.sees(SAID)

    await witness.comes()
    await witness.lists_connections()
    await witness.goes_to_hearing()
    await witness.gets_ready()
    await judge.presses("人员")
    await judge.sees("等候准许")
    path = f"api/hearings/{(await witness.hearing())['id']}"
    _, exhibits = await judge.api("GET", f"{path}/exhibits")
    exhibit = exhibits[0]["id"]
    of = f"exhibits/{exhibit}"
    for part in ("transcript", "recordings", of, f"{of}/file", f"{of}/annotations", f"{of}/opinions"):
        status, told = await witness.api("GET", f"{path}/{part}")
        assert (status, told["code"]) == (404, "not_found"), part
    assert await witness.api("GET", f"{path}/exhibits") == (200, [])
    status, joined = await witness.api("POST", f"{path}/join")
    assert (status, joined["entry"], joined.get("token") or "") == (200, "wait", "")
    _, people = await witness.api("GET", f"{path}/people")
    assert [each["role"] for each in people] == ["witness"]
    await witness.misses(SAID)
    assert await counts_packets(witness) == 0

    await judge.presses("传唤到庭", within="周证人")
    await witness.enters()
    await witness.watches("王法官")
    assert await counts_packets(witness) > 0
    await witness.presses("笔录")
    await witness.sees(SAID)
    await witness.presses("证据")
    await witness.sees("收据")
    assert (await witness.api("GET", f"{path}/exhibits/{exhibit}/file"))[0] == 200


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_scenario_10_a_consultation_leaves_no_byte_and_the_gallery_is_out_in_camera(
    court: CourtProcess, meet: Meet, browser: str
) -> None:
    judge, plaintiff = await meet("judge"), await meet("plaintiff")
    await judge.attends()
    await plaintiff.stands_ready()
    await judge.presses("主持")
    await judge.presses("宣布开庭")
    await plaintiff.enters()
    await judge.watches("张三")

    # closed doors: the gallery hears nothing until they are open again
    gallery = await meet("gallery")
    await gallery.comes()
    await gallery.lists_connections()
    await gallery.goes_to_hearing()
    await gallery.gets_ready()
    await gallery.enters()
    await gallery.watches("张三")
    await judge.presses("转为不公开")
    await judge.answers("涉及商业秘密")
    await gallery.asserts(
        "it is out of the room", "!document.querySelector('.stage') && !!document.querySelector('.stand')"
    )
    heard = await counts_packets(gallery)
    path = f"api/hearings/{(await gallery.hearing())['id']}"
    status, refused = await gallery.api("POST", f"{path}/join")
    assert (status, refused["code"]) == (403, "hearing.in_camera")
    await judge.watches("张三")
    assert await counts_packets(gallery) == heard
    await judge.presses("恢复庭审")
    await gallery.enters()
    await gallery.watches("张三")
    await gallery.presses("离开")

    # in a recess the plaintiff speaks with his lawyer
    lawyer = await meet("lawyer")
    await lawyer.attends()
    await judge.presses("休庭")
    await judge.answers("十分钟")
    await plaintiff.presses("密谈室")
    await plaintiff.checks("陈律师")
    await plaintiff.presses("发起密谈")
    await lawyer.sees("有人邀请您进入密谈室")
    await lawyer.presses("接受")
    await lawyer.watches("张三")
    await plaintiff.watches("陈律师")
    before = read_tree(court.folder)
    sent = await plaintiff.asserts("time", "performance.now()")
    await plaintiff.asserts("three seconds of talk", f"performance.now() > {sent} + 3000")
    await lawyer.watches("张三")
    status, mine = await judge.api("GET", f"{path}/consultations")
    assert (status, mine) == (200, [])
    during = read_tree(court.folder)
    (ledger,) = (name for name in before if name.endswith("ledger.jsonl"))
    written = during[ledger].removeprefix(before[ledger]).splitlines()  # the record is paused: it signs that it goes on
    assert {json.loads(line)["type"] for line in written} <= {"head"}
    assert {**during, ledger: b""} == {**before, ledger: b""}
    await plaintiff.presses("密谈室")
    await plaintiff.presses("结束")
    await judge.presses("恢复庭审")

    async def in_court() -> bool:
        _, people = await judge.api("GET", f"{path}/people")
        return {each["role"] for each in people if each["present"]} >= {"judge"}

    await until("the court goes on", in_court, judge.page)
    after = read_tree(court.folder)
    assert {name for name in after if "/media/" not in name} == {name for name in before if "/media/" not in name}
    assert b'"c-' not in after[ledger]
