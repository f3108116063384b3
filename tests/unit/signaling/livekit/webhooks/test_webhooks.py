from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sfu.signaling.livekit.webhooks.backoff import Backoff
from sfu.signaling.livekit.webhooks.outbox import Entry, OutboxState
from tests.unit.signaling.livekit.webhooks.receivers import EPOCH, ONE, TWO, Receivers, open_webhooks, tell, until
from tests.unit.signaling.livekit.webhooks.virtual_time import run_virtually


def test_events_reach_every_url_in_the_order_of_their_room(tmp_path: Path) -> None:
    async def play() -> None:
        receivers = Receivers()
        webhooks = open_webhooks(tmp_path, receivers, ONE, TWO)
        webhooks.start()
        for number in range(100):
            for room in ("a", "b", "c"):
                tell(webhooks, room, number)
        await until(lambda: receivers.count() == 600)
        for url in (ONE, TWO):
            assert dict(receivers.taken[url]) == {room: list(range(100)) for room in "abc"}
        await until(lambda: webhooks.state.waiting == 0)
        assert webhooks.results == {"delivered": 600, "refused": 0, "unreached": 0}
        await webhooks.close()

    run_virtually(play())


def test_a_receiver_that_is_down_for_an_hour_gets_all_in_order(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def play() -> None:
        loop = asyncio.get_running_loop()
        receivers = Receivers()

        def answer(url: str, event: dict[str, Any]) -> int:
            if url == ONE and loop.time() < 3600:
                raise ConnectionRefusedError("connection refused")
            return 200

        receivers.answer = answer
        webhooks = open_webhooks(tmp_path, receivers, ONE, TWO)
        webhooks.start()
        for number in range(360):
            for room in range(5):
                tell(webhooks, f"room{room}", number)
            await asyncio.sleep(10)
            assert webhooks.unstored == 0
        told = {f"room{room}": list(range(360)) for room in range(5)}
        assert dict(receivers.taken[TWO]) == told  # the other one never had to wait
        assert not receivers.taken[ONE]
        assert "behind" in webhooks.alarms and "1800 wait" in webhooks.alarms["behind"]
        down = [at for at, url in receivers.attempts if url == ONE and at < 3600]
        assert len(down) < 100  # it is asked by one event, at most once in a minute
        await until(lambda: receivers.count() == 3600)
        assert dict(receivers.taken[ONE]) == told
        assert loop.time() < 3600 + 60 + 30
        await until(lambda: not webhooks.alarms)
        assert webhooks.lost == 0
        await webhooks.close()

    run_virtually(play())
    said = [(record.message, getattr(record, "url", "")) for record in caplog.records]
    assert said.count(("webhook not delivered", "http://one/hook")) == 1  # once, and without the secret


@pytest.mark.parametrize("status", [400, 401, 404, 500, 301])
def test_an_event_that_is_refused_is_tried_until_it_is_taken_and_holds_up_its_room_only(
    tmp_path: Path, status: int
) -> None:
    async def play() -> None:
        receivers = Receivers()
        refusals = 0

        def answer(url: str, event: dict[str, Any]) -> int:
            nonlocal refusals
            if event["room"]["name"] == "bad" and event["room"].get("numParticipants", 0) == 3 and refusals < 12:
                refusals += 1
                return status
            return 200

        receivers.answer = answer
        webhooks = open_webhooks(tmp_path, receivers)
        webhooks.start()
        for number in range(10):
            tell(webhooks, "bad", number)
            tell(webhooks, "good", number)
        await until(lambda: len(receivers.taken[ONE]["good"]) == 10, within=30)
        assert receivers.taken[ONE]["bad"] == [0, 1, 2]
        await until(lambda: len(receivers.taken[ONE]["bad"]) == 10)
        assert receivers.taken[ONE]["bad"] == list(range(10))
        assert webhooks.results == {"delivered": 20, "refused": 12, "unreached": 0}
        assert 250 < asyncio.get_running_loop().time() < 600  # 1 + 2 + 4 ... 60 + 60 seconds
        await webhooks.close()

    run_virtually(play())


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_receiver_that_is_overloaded_is_asked_by_one_event_at_a_time(tmp_path: Path, status: int) -> None:
    async def play() -> None:
        receivers = Receivers()
        receivers.answer = lambda url, event: status
        webhooks = open_webhooks(tmp_path, receivers)
        webhooks.start()
        for room in range(100):
            tell(webhooks, f"room{room}", 0)
        await asyncio.sleep(600)
        assert len(receivers.attempts) < 30
        receivers.answer = lambda url, event: 204
        await until(lambda: receivers.count() == 100, within=70)
        await webhooks.close()

    run_virtually(play())


def test_many_rooms_are_served_a_few_at_a_time_and_none_starves(tmp_path: Path) -> None:
    async def play() -> None:
        receivers = Receivers()
        webhooks = open_webhooks(tmp_path, receivers)
        webhooks.start()
        for number in range(400):  # as many busy rooms as there are places
            for room in range(8):
                tell(webhooks, f"busy{room}", number)
        await until(lambda: receivers.count() > 8)
        tell(webhooks, "late", 0)
        await until(lambda: bool(receivers.taken[ONE]["late"]), within=5)
        assert receivers.count() < 1500
        assert receivers.most_at_once == 8
        await until(lambda: receivers.count() == 3201)
        await webhooks.close()

    run_virtually(play())


def test_the_next_process_goes_on_where_one_has_stopped(tmp_path: Path) -> None:
    async def play() -> None:
        receivers = Receivers()
        receivers.answer = lambda url, event: 503
        first = open_webhooks(tmp_path, receivers)
        first.start()
        for number in range(50):
            tell(first, "a", number)
        await first.close()
        assert not receivers.taken
        receivers.answer = lambda url, event: 200
        second = open_webhooks(tmp_path, receivers)
        for number in range(50, 60):
            tell(second, "a", number)
        second.start()
        await until(lambda: receivers.count() == 60)
        assert receivers.taken[ONE]["a"] == list(range(60))
        await second.close()

    run_virtually(play())


def test_an_event_has_an_id_and_a_time_that_stay_at_each_attempt(tmp_path: Path) -> None:
    async def play() -> None:
        seen = []
        receivers = Receivers()

        def answer(url: str, event: dict[str, Any]) -> int:
            seen.append((event["id"], event["createdAt"]))
            return 200 if len(seen) == 3 else 500

        receivers.answer = answer
        webhooks = open_webhooks(tmp_path, receivers)
        webhooks.start()
        await asyncio.sleep(5)
        tell(webhooks, "a", 0)
        await until(lambda: receivers.count() == 1)
        assert len(seen) == 3 and len(set(seen)) == 1
        assert seen[0][0].startswith("EV_")
        assert seen[0][1] == str(int(EPOCH) + 5)
        await webhooks.close()

    run_virtually(play())


def test_while_the_disk_takes_nothing_events_wait_in_memory_and_the_rest_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        receivers = Receivers()
        webhooks = open_webhooks(tmp_path, receivers, max_unstored=100)
        append = webhooks._outbox.append
        full = True

        def refuse(entries: list[Entry]) -> None:
            if full:
                raise sqlite3.OperationalError("database or disk is full")
            append(entries)

        monkeypatch.setattr(webhooks._outbox, "append", refuse)
        webhooks.start()
        for number in range(130):
            tell(webhooks, "a", number)
        await asyncio.sleep(60)
        assert (webhooks.unstored, webhooks.lost) == (100, 30)
        assert "full" in webhooks.alarms["unwritable"]
        full = False
        await until(lambda: receivers.count() == 100)
        assert receivers.taken[ONE]["a"] == list(range(100))
        assert not webhooks.alarms
        await webhooks.close()

    run_virtually(play())


def test_a_disk_that_fails_at_a_removal_costs_a_second_delivery_and_no_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        receivers = Receivers()
        webhooks = open_webhooks(tmp_path, receivers)
        remove = webhooks._outbox.remove
        failures = 3

        def fail(*arguments: Any) -> None:
            nonlocal failures
            failures -= 1
            if failures >= 0:
                raise sqlite3.OperationalError("disk I/O error")
            remove(*arguments)

        monkeypatch.setattr(webhooks._outbox, "remove", fail)
        webhooks.start()
        for number in range(4):
            tell(webhooks, "a", number)
        await until(lambda: receivers.taken[ONE]["a"][-1:] == [3])
        assert receivers.taken[ONE]["a"] == [0, 0, 0, 0, 1, 2, 3]
        await webhooks.close()

    run_virtually(play())


def test_an_outbox_that_grows_is_told_of(tmp_path: Path) -> None:
    async def play() -> None:
        receivers = Receivers()
        receivers.answer = lambda url, event: 503
        webhooks = open_webhooks(tmp_path, receivers, alarm_bytes=200_000)
        webhooks.start()
        await asyncio.sleep(6)
        assert not webhooks.alarms
        for number in range(1000):
            tell(webhooks, "a" * 200, number)
        await asyncio.sleep(6)
        assert webhooks.state.waiting == 1000
        assert webhooks.state.size_bytes > 200_000
        assert "bytes" in webhooks.alarms["large"]
        await webhooks.close()

    run_virtually(play())


def test_a_disk_that_fails_at_a_look_does_not_end_the_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        receivers = Receivers()
        receivers.answer = lambda url, event: 503
        webhooks = open_webhooks(tmp_path, receivers, alarm_age=30.0)
        look = webhooks._outbox.state

        def fail() -> OutboxState:
            raise sqlite3.OperationalError("database or disk is full")

        monkeypatch.setattr(webhooks._outbox, "state", fail)
        webhooks.start()
        tell(webhooks, "a", 1)
        await asyncio.sleep(40)
        assert not webhooks.alarms
        monkeypatch.setattr(webhooks._outbox, "state", look)
        await until(lambda: {*webhooks.alarms} == {"behind"}, within=60)
        await webhooks.close()

    run_virtually(play())


def test_waits_double_up_to_their_bound_and_are_spread() -> None:
    backoff = Backoff(first=1.0, most=60.0)
    assert [backoff.wait(attempts, lambda: 0.0) for attempts in (1, 2, 3, 7, 1000)] == [1.0, 2.0, 4.0, 60.0, 60.0]
    assert backoff.wait(1, lambda: 0.999) == pytest.approx(0.75, abs=0.001)
    assert replace(backoff, most=5.0).wait(9, lambda: 0.0) == 5.0
