"""What a defect of ours costs of the webhooks: time, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.signaling.livekit.webhooks.receivers import ONE, Receivers, open_webhooks, tell, until
from tests.unit.signaling.livekit.webhooks.virtual_time import run_virtually


def test_a_mistake_with_one_room_s_webhook_holds_up_no_other_and_loses_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def play() -> None:
        receivers = Receivers()
        mistakes = iter(range(3))

        def answer(url: str, event: dict[str, Any]) -> int:
            if event["room"]["name"] == "a" and next(mistakes, None) is not None:
                raise KeyError("a mistake")
            return 200

        receivers.answer = answer
        webhooks = open_webhooks(tmp_path, receivers)
        webhooks.start()
        for number in range(5):
            for room in ("a", "b"):
                tell(webhooks, room, number)
        await until(lambda: receivers.taken[ONE]["b"] == list(range(5)), within=0.9)
        await until(lambda: receivers.taken[ONE]["a"] == list(range(5)))
        await webhooks.close()

    run_virtually(play())
    assert caplog.text.count("webhook not delivered") == 3 and "secret" not in caplog.text


def test_what_delivers_or_stores_webhooks_begins_anew_when_it_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def play() -> None:
        receivers = Receivers()
        webhooks = open_webhooks(tmp_path, receivers)
        for name in ("due", "append", "state"):
            right, failed = getattr(webhooks._outbox, name), iter([True])

            def once(*given: Any, right: Callable[..., Any] = right, failed: Any = failed) -> Any:
                if next(failed, False):
                    raise RuntimeError("a mistake")
                return right(*given)

            monkeypatch.setattr(webhooks._outbox, name, once)
        webhooks.start()
        for number in range(5):
            tell(webhooks, "a", number)
        await until(lambda: receivers.taken[ONE]["a"] == list(range(5)), within=60)
        await until(lambda: webhooks.state.waiting == 0)
        await webhooks.close()

    run_virtually(play())
    assert caplog.text.count("has failed and begins anew") == 3
