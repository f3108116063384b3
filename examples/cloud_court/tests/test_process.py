"""The process as it runs: pages, rooms and record together, with a client of the LiveKit SDK (scenarios 1, 10, 11)."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import websockets
from livekit import rtc

from court.config import CourtConfig
from court.demo.people import PASSWORD, PEOPLE, STAFF
from court.demo.seed import seed
from court.serve import open_app

LONGEST_S = 30
PHONES = {role: phone for role, _, phone, *_ in (*STAFF, *PEOPLE)}
NUMBERS = {role: (name, number) for role, name, _, number, *_ in (*STAFF, *PEOPLE)}


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with open_app(CourtConfig(folder=tmp_path, base_url=url), "127.0.0.1") as app:
        await seed(app.state.court)
        http = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        serving = asyncio.create_task(http.serve(sockets=[listener]))
        yield url
        http.should_exit = True
        await serving


async def log_in(base: str, role: str) -> httpx.AsyncClient:
    client = httpx.AsyncClient(base_url=base, timeout=LONGEST_S)
    me = await client.post("/api/login", json={"phone": PHONES[role], "password": PASSWORD})
    client.headers["X-CSRF"] = me.json()["csrf"]
    return client


async def ask(client: httpx.AsyncClient, path: str, **body: Any) -> Any:
    answer = await client.post(path, json=body)
    assert answer.status_code < 300, answer.text
    return answer.json()


async def until_present(client: httpx.AsyncClient, path: str, role: str, present: bool) -> None:
    async with asyncio.timeout(LONGEST_S):
        while True:
            people = (await client.get(f"{path}/people")).json()
            if next(each["present"] for each in people if each["role"] == role) is present:
                return
            await asyncio.sleep(0.1)


async def test_the_gallery_is_put_out_in_camera_and_its_token_is_good_no_more(base: str) -> None:
    judge, visitor = await log_in(base, "judge"), await log_in(base, "gallery")
    (hearing,) = (await judge.get("/api/hearings")).json()["items"]
    path = f"/api/hearings/{hearing['id']}"
    opened = await ask(judge, f"{path}/acts", act="open")
    assert opened["recording"]["state"] == "recording"
    name, number = NUMBERS["gallery"]
    await ask(visitor, f"{path}/identity", name=name, identity_number=number)
    await ask(visitor, f"{path}/declaration")
    joined = await ask(visitor, f"{path}/join")
    room, gone = rtc.Room(), asyncio.Event()
    room.on("disconnected", lambda *_: gone.set())
    await room.connect(joined["url"], joined["token"])
    assert (room.local_participant.name, room.local_participant.attributes["role"]) == (name, "gallery")
    await until_present(judge, path, "gallery", True)
    told = await ask(judge, f"{path}/acts", act="in_camera")
    assert (told["recording"]["state"], told["recording"]["ground"]) == ("paused", "closed_evidence")
    await asyncio.wait_for(gone.wait(), LONGEST_S)
    with pytest.raises(rtc.ConnectError):
        await rtc.Room().connect(joined["url"], joined["token"])
    await until_present(judge, path, "gallery", False)
    await ask(judge, f"{path}/acts", act="resume")
    await ask(judge, f"{path}/acts", act="close")
    verdicts = (await judge.get(f"{path}/verify")).json()
    assert [(each["part"].partition(":")[0], each["good"]) for each in verdicts] == [("audit", True), ("record", True)]
    for client in (judge, visitor):
        await client.aclose()


async def test_a_page_is_told_over_its_socket_what_changes_and_nobody_else_is(base: str) -> None:
    url = f"{base.replace('http', 'ws', 1)}/api/live"
    for role in PHONES:  # whom the demonstration names
        await (await log_in(base, role)).aclose()
    party, other = await log_in(base, "plaintiff"), await log_in(base, "defendant")
    (case,) = (await party.get("/api/cases")).json()["items"]
    cookies = [{"Cookie": f"court_session={each.cookies['court_session']}"} for each in (party, other)]
    async with (
        websockets.connect(url, additional_headers=cookies[0]) as own,
        websockets.connect(url, additional_headers=cookies[1]) as strange,
    ):
        for each in (own, strange):
            assert json.loads(await each.recv())["what"] == "ready"
        await ask(party, f"/api/cases/{case['id']}/messages", text="您好")
        assert json.loads(await asyncio.wait_for(own.recv(), LONGEST_S))["topic"] == "messages"
        judge = await log_in(base, "judge")
        (hearing,) = (await judge.get("/api/hearings")).json()["items"]
        await ask(judge, f"/api/hearings/{hearing['id']}/acts", act="open")
        assert json.loads(await asyncio.wait_for(strange.recv(), LONGEST_S))["topic"] != "messages"
    with pytest.raises(websockets.InvalidStatus):
        await websockets.connect(url)
    with pytest.raises(websockets.InvalidStatus):
        await websockets.connect(url, additional_headers={**cookies[0], "Origin": "https://evil.example"})
    for client in (party, other, judge):
        await client.aclose()
