"""Fixtures of the stable: one node, one set of clips, and scenes that play at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.interop.node_process import NodeProcess
from tests.interop.stable.client import CLIENTS
from tests.interop.stable.clips import Clips
from tests.interop.stable.scene import Plan, Played, play

AT_ONCE = 2
"""Scenes that play at the same time: three keep two cores busy, which would measure the machine."""

See = Callable[[Plan], Awaitable[Played]]


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    return Clips(tmp_path_factory.mktemp("clips"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def see(
    request: pytest.FixtureRequest, clips: Clips, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[See]:
    """Play a scene once, and tell all who ask how it went. Those that other tests of the module want begin with it. A
    module's `NODE` says how its node is made.
    """
    turns = asyncio.Semaphore(AT_ONCE)
    directory: Path = tmp_path_factory.mktemp("packets")
    async with getattr(request.module, "NODE", NodeProcess)() as node:

        async def begin(plan: Plan) -> Played:
            async with turns:
                return await play(plan, node, clips, directory)

        wanted = [
            item.callspec.params["plan"]
            for item in request.session.items
            if isinstance(item, pytest.Function) and item.module is request.module and hasattr(item, "callspec")
        ]
        able = [plan for plan in dict.fromkeys(wanted) if not CLIENTS[plan.publisher].missing()]
        scenes = {plan: asyncio.create_task(begin(plan)) for plan in able}
        yield lambda plan: scenes[plan]
        for scene in scenes.values():
            scene.cancel()
        await asyncio.gather(*scenes.values(), return_exceptions=True)


@pytest.fixture(autouse=True)
def skip_without_client(request: pytest.FixtureRequest) -> None:
    """A client that is not there is no fault: say what it would take."""
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    plan = parameters.get("plan")
    for name in [plan.publisher if plan else None, parameters.get("viewer")]:
        if name is not None and (missing := CLIENTS[name].missing()):
            pytest.skip(f"{name}: {missing}")
