"""The page "From LiveKit to here in five minutes": its commands, as they stand, by a shell each."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.examples.pages import BLOCKS, ROOT

PAGE = ROOT / "docs" / "guide" / "livekit.md"
PORT = "8080"
LISTENING = re.compile(r"listening.*http://127\.0\.0\.1:(\d+)")
START_S, HEARD_S = 200.0, 30.0


@contextlib.asynccontextmanager
async def shell(commands: str, port: str) -> AsyncIterator[Process]:
    """Runs the page's commands, at another port than that which everybody has; "0" is one that is free."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SFU_", "LIVEKIT_"))}
    kept = {name: os.environ[name] for name in ("SFU_KERNEL_CACHE",) if name in os.environ}
    variables = inherited | kept | {"PATH": path, "SFU_PORT": port}
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", commands.replace(PORT, port), cwd=ROOT, env=variables, stdout=PIPE, stderr=STDOUT,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)  # a shell in the background ignores SIGINT
        await process.communicate()


async def read_until(process: Process, pattern: re.Pattern[str], within: float = HEARD_S) -> re.Match[str]:
    assert process.stdout is not None
    lines = list[str]()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            async for line in process.stdout:
                lines.append(line.decode())
                if found := pattern.search(lines[-1]):
                    return found
    raise AssertionError(f"{pattern.pattern!r} is not in {''.join(lines)}")


@pytest.mark.timeout(START_S + 4 * HEARD_S)
async def test_the_page_s_commands_do_what_it_says() -> None:
    serve, alice, bob, listed = (block.text for block in BLOCKS if block.page == PAGE)
    exports = "".join(f"{line}\n" for line in serve.splitlines()[:3])
    assert exports.count("export LIVEKIT_") == 3
    async with shell(serve, "0") as node:
        [port] = (await read_until(node, LISTENING, START_S)).groups()
        async with shell(exports + alice, port) as first, shell(exports + bob, port) as second:
            await read_until(first, re.compile("^bob is heard$"))
            await read_until(second, re.compile("^alice is heard$"))
            async with shell(exports + listed, port) as third:
                output, _ = await third.communicate()
    assert sorted(output.decode().splitlines()) == ["alice publishes 1", "bob publishes 1"]
