"""Scenario 9: the recorder is killed: an alarm within 5 s, the judge is offered to suspend, sealing asks for an
explanation.
"""

from __future__ import annotations

import time

import pytest

from court_process import CourtProcess
from person import Meet
from tests.interop.seeing import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

ALARM_WITHIN_S = 5.0
EXPLANATION = "存储设备脱机约一分钟，已恢复；其间内容以第二段录像为准。"


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_scenario_09_a_lost_recorder_is_an_alarm_and_is_explained_before_anything_is_sealed(
    court: CourtProcess, meet: Meet, browser: str
) -> None:
    judge, officer = await meet("judge"), await meet("technician")
    await officer.comes()
    await officer.sees("没有未处理的告警")
    await judge.attends()
    await judge.presses("主持")
    await judge.presses("宣布开庭")
    await judge.sees("录制中")
    records = court.folder / "records"

    async def are_written(count: int) -> bool:
        return len({file.parent for file in records.glob("*/media/*") if file.stat().st_size}) == count

    await until("something is recorded", lambda: are_written(1))

    # the disk with the records is gone: a recorder that finds no folder has failed
    records.rename(court.folder / "disk-that-was-taken-away")
    gone = time.monotonic()
    await judge.sees("录制异常", patience=ALARM_WITHIN_S)
    await officer.sees("录制中断", patience=max(0.5, gone + ALARM_WITHIN_S - time.monotonic()))
    await judge.presses("重新启动录制")
    await judge.sees("录制无法启动")
    await judge.sees("录制异常")
    await judge.presses("中止", within="录制异常")
    await judge.answers("录制中断")
    await judge.sees("庭审中止")
    (court.folder / "disk-that-was-taken-away").rename(records)
    await judge.presses("重新启动录制")
    await judge.sees("录制已恢复")
    await judge.misses("录制异常")
    await judge.presses("恢复庭审")
    await judge.sees("正在进行")
    await until("the second record is written", lambda: are_written(2))

    # after the close: nothing is sealed before the presiding judge has explained that, and signed
    await judge.presses("发起笔录签名")
    await judge.presses("宣布闭庭")
    await judge.answers()
    hearing = await judge.hearing()
    path = f"api/hearings/{hearing['id']}"
    await judge.goes(f"/hearings/{hearing['id']}/record")
    _, people = await judge.api("GET", f"{path}/people")
    for each in people:
        if each["role"] in ("plaintiff", "defendant", "lawyer"):
            absent = {"reason": "未参加本次庭审", "person_id": each["id"]}
            assert (await judge.api("POST", f"{path}/transcript/refuse", absent))[0] == 201
    await judge.presses("录制")
    await judge.presses("封存")
    await judge.sees("录制故障尚未由审判长说明")
    await judge.presses("说明故障")
    await judge.answers(EXPLANATION)
    await judge.sees(EXPLANATION)
    await judge.presses("封存")
    await judge.sees("已封存")
    _, seal = await judge.api("GET", f"{path}/seal")
    faults = seal["manifest"]["faults"]
    assert [each["explanation"] for each in faults] == [EXPLANATION]
    kept = set(seal["manifest"]["files"])
    assert {"records/1-0/ledger.jsonl", "records/2-0/manifest.json", "records/1-explanation.sig"} <= kept
    explained = next(each for each in seal["manifest"]["verdicts"] if each["part"].startswith("explanation:"))
    assert explained["good"]
