"""Scenario 5: a party's network dies for half a minute: seat and record are kept, and the judge sees why."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from court_process import CourtProcess
from network import Network
from person import Meet, Person
from sfu.recording import Outcome, load_public_key, verify_record
from sfu.recording.reader import read_record
from tests.interop.seeing import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]

DEAD_S = 30.0


async def seats(judge: Person, hearing: str) -> list[dict[str, Any]]:
    """What the court logged of the plaintiff."""
    _, people = await judge.api("GET", f"api/hearings/{hearing}/people")
    (own,) = [each for each in people if each["role"] == "plaintiff"]
    _, log = await judge.api("GET", f"api/hearings/{hearing}/attendance")
    return [each for each in log if each["person_id"] == own["id"] and each["kind"] in ("join", "leave")]


async def test_scenario_05_a_network_that_dies_for_half_a_minute_costs_no_seat_and_is_declared(
    meet: Meet, court: CourtProcess
) -> None:
    judge, plaintiff = await meet("judge"), await meet("plaintiff")
    async with Network(plaintiff) as network:
        await judge.attends()
        hearing = (await judge.hearing())["id"]
        await plaintiff.comes()
        await plaintiff.goes_to_hearing()
        await plaintiff.gets_ready()
        await judge.presses("主持")
        await judge.presses("宣布开庭")
        await plaintiff.enters()
        await asyncio.gather(plaintiff.watches("王法官"), judge.watches("张三"))
        tiles = await judge.page.evaluate("document.querySelectorAll('.tile').length")

        (folder,) = (court.folder / "records").iterdir()

        async def some_seconds() -> bool:
            own = [each for each in read_record(folder).sources if each.metadata.get("name") == plaintiff.name]
            return len(own) == 2 and all(len(each.fragments) > 5 for each in own)

        await until("the plaintiff is recorded", some_seconds, deadline=60)
        await network.cut()
        began = time.monotonic()
        await plaintiff.sees("网络中断，正在重新连接，您的席位会保留")
        await judge.reads("(张三（原告）.*离开 · 连接中断)")
        dead = time.monotonic() - began
        assert dead > DEAD_S, "so long the court waits for a sign of life"
        await network.mend()

        await plaintiff.misses("网络中断，正在重新连接")
        await asyncio.gather(judge.watches("张三"), plaintiff.watches("王法官"))
        back = time.monotonic() - began
        await judge.misses("离开 · 连接中断")
        assert await judge.page.evaluate("document.querySelectorAll('.tile').length") == tiles
        log = await seats(judge, hearing)
        assert [each["kind"] for each in log] == ["join", "leave", "join"]
        assert log[1]["detail"]["cause"] == "disconnected"
        await judge.presses("录制")
        await judge.sees("连接中断")
        await judge.presses("主持")
        await judge.presses("宣布闭庭")
        await judge.answers()
        await judge.sees("庭审已结束")

    verdict = verify_record(folder, load_public_key(court.folder / "record-public.pem"))
    assert verdict.outcome is Outcome.INTACT, verdict.problem
    sources = [each for each in read_record(folder).sources if each.metadata.get("name") == plaintiff.name]
    assert {each.kind for each in sources} == {"audio", "video"}
    for source in sources:
        gaps = [each for each in source.gaps if each.cause in ("stall", "disconnect")]
        missing = sum(each.end_us - each.begin_us for each in gaps) / 1e6
        assert dead - 2 < missing < back + 5, f"{source.label}: {source.gaps}"
