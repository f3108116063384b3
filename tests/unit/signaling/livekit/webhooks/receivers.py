"""Receivers of webhooks, and webhooks that go to them, in virtual time."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from livekit.protocol.models import Room
from livekit.protocol.webhook import WebhookEvent

from sfu.signaling.livekit.webhooks.webhooks import WebhookOptions, Webhooks

ONE, TWO = "http://one/hook?secret=x", "http://two/hook"
EPOCH = 1_800_000_000.0


class Receivers:
    """What was posted, and what they answer."""

    def __init__(self) -> None:
        self.answer: Callable[[str, dict[str, Any]], int] = lambda url, event: 200
        self.taken: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self.attempts: list[tuple[float, str]] = []
        self.at_once = 0
        self.most_at_once = 0
        self._busy: set[tuple[str, str]] = set()

    async def post(self, url: str, body: bytes) -> int:
        event = json.loads(body)
        room = event["room"]["name"]
        self.attempts.append((asyncio.get_running_loop().time(), url))
        assert (url, room) not in self._busy, "two events of one room at once"
        self._busy.add((url, room))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0.01)
            status = self.answer(url, event)
        finally:
            self._busy.discard((url, room))
            self.at_once -= 1
        if 200 <= status < 300:
            self.taken[url][room].append(event["room"].get("numParticipants", 0))
        return status

    def count(self) -> int:
        return sum(len(numbers) for rooms in self.taken.values() for numbers in rooms.values())


def open_webhooks(path: Path, receivers: Receivers, *urls: str, **options: Any) -> Webhooks:
    loop = asyncio.get_running_loop()
    return Webhooks(
        WebhookOptions(path / "outbox", urls or (ONE,), **options),
        receivers.post,
        clock=lambda: EPOCH + loop.time(),
        monotonic=loop.time,
        random=lambda: 0.5,
        threads=False,
    )


def tell(webhooks: Webhooks, room: str, number: int) -> None:
    event = WebhookEvent(event="participant_joined", room=Room(name=room, num_participants=number))
    webhooks.tell(event, room)


async def until(condition: Callable[[], bool], within: float = 7200.0) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - the condition is anything
            await asyncio.sleep(0.05)
