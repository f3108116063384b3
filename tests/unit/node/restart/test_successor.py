"""A restart that fails before the successor is ready harms nobody; one that fails later is told, and is the end."""

from __future__ import annotations

import asyncio
import socket
import sys
import textwrap
from collections.abc import Callable

import pytest

from sfu.node.restart.handover import Handover
from sfu.node.restart.successor import NodeRestart, RestartError

_BEGIN = """
import asyncio, os, sys, time
from sfu.node.restart.channel import Channel
from sfu.node.restart.predecessor import find_predecessor
predecessor = find_predecessor(os.environ)
assert find_predecessor(os.environ) is None
"""
SERVES = "handover = asyncio.run(predecessor.take()); predecessor.tell_serving(); time.sleep(60)"
ENDS_AT_ONCE = "sys.exit(3)"
HAS_EXPIRED = "asyncio.run(predecessor.take('it has expired')); predecessor.tell_serving(); time.sleep(60)"
OF_ANOTHER_VERSION = "predecessor._channel.send({'ready': 99}); time.sleep(60)"
FAILS_TO_SERVE = "asyncio.run(predecessor.take()); sys.exit(3)"


def _restart(program: str) -> NodeRestart:
    return NodeRestart([sys.executable, "-c", textwrap.dedent(_BEGIN) + program])


async def _settle(restart: NodeRestart, done: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not done():  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)


class Node:
    """What is handed over, and whether it was asked for."""

    def __init__(self) -> None:
        self.asked = 0
        self.listener = socket.create_server(("127.0.0.1", 0))

    async def hand_over(self) -> Handover:
        self.asked += 1
        return Handover(http=self.listener, state={"rooms": []})


async def test_the_successor_gets_all_once_it_is_ready_and_the_process_is_known() -> None:
    node, restart = Node(), _restart(SERVES)
    restart.hand_over = node.hand_over
    restart.begin()
    with pytest.raises(RestartError):
        restart.begin()
    await _settle(restart, lambda: node.asked == 1)
    await restart.close()
    assert restart.successor is not None
    assert restart.successor.poll() is None
    assert not restart.failed
    assert node.listener.fileno() == -1
    restart.successor.kill()
    restart.successor.wait()


@pytest.mark.parametrize("program", [ENDS_AT_ONCE, OF_ANOTHER_VERSION, "raise SystemError"])
async def test_a_successor_that_is_never_ready_changes_nothing_and_another_try_is_free(
    program: str, caplog: pytest.LogCaptureFixture
) -> None:
    node, restart = Node(), _restart(program)
    restart.hand_over = node.hand_over
    for _ in range(2):
        restart.begin()
        await _settle(restart, lambda: not restart.state.restarting)
        assert restart.state.failure
        assert (node.asked, restart.failed, restart.successor) == (0, False, None)
    assert "this process goes on" in caplog.text
    node.listener.close()


@pytest.mark.parametrize("good", [True, False])
async def test_a_certificate_that_clients_refuse_takes_the_place_of_one_that_they_refuse_and_of_no_other(
    good: bool,
) -> None:
    node, restart = Node(), _restart(HAS_EXPIRED)
    restart.hand_over = node.hand_over
    restart.serves_good_certificate = lambda: good
    restart.begin()
    await _settle(restart, lambda: not restart.state.restarting or node.asked > 0)
    await restart.close()
    assert node.asked == (0 if good else 1)
    assert ("it has expired" in restart.state.failure) == good
    if restart.successor is not None:
        restart.successor.kill()
        restart.successor.wait()
    node.listener.close()


async def test_a_program_that_is_not_there_is_told() -> None:
    node, restart = Node(), NodeRestart(["/nowhere/sfu"])
    restart.hand_over = node.hand_over
    restart.begin()
    await _settle(restart, lambda: not restart.state.restarting)
    assert "No such file" in restart.state.failure
    node.listener.close()


async def test_a_successor_that_fails_with_everything_in_its_hands_is_told_as_the_end() -> None:
    node, restart = Node(), _restart(FAILS_TO_SERVE)
    restart.hand_over = node.hand_over
    restart.begin()
    await _settle(restart, lambda: restart.failed)
    await restart.close()
    assert (node.asked, restart.successor) == (1, None)


async def test_a_node_that_cannot_hand_over_says_so() -> None:
    with pytest.raises(RestartError):
        NodeRestart(["true"]).begin()


async def test_a_node_that_stops_gives_up_a_successor_that_is_not_ready() -> None:
    node, restart = Node(), _restart("time.sleep(60)")
    restart.hand_over = node.hand_over
    restart.begin()
    await asyncio.sleep(0)
    await restart.close()
    assert (node.asked, restart.successor) == (0, None)
    node.listener.close()
