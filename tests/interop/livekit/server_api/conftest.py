"""What these tests start from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from livekit import api

import sfu
from tests.interop.livekit.server_api.node import (
    KEY,
    SECRET,
    Node,
    Receiver,
)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def node(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    folder = tmp_path_factory.mktemp("node")
    for name in ("state", "records", "files"):
        (folder / name).mkdir()
    key, _ = sfu.load_or_create_signing_key(folder / "key.pem")
    variables = {
        "SFU_LIVEKIT_KEYS": f"{KEY}:{SECRET}",
        "SFU_LIVEKIT_DIR": str(folder / "state"),
        "SFU_LIVEKIT_WEBHOOK_URLS": receiver.url,
        "SFU_LIVEKIT_EGRESS_DIR": str(folder / "files"),
        "SFU_RECORD_DIR": str(folder / "records"),
        "SFU_RECORD_KEY": str(folder / "key.pem"),
    }
    async with Node(folder, key, variables) as process:
        yield process


@pytest_asyncio.fixture(loop_scope="session")
async def lk(node: Node) -> AsyncIterator[api.LiveKitAPI]:
    async with api.LiveKitAPI(node.url, KEY, SECRET) as lk:
        yield lk
