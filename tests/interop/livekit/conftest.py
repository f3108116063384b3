"""A node that speaks LiveKit, tokens for it, and a page with the client SDK for browsers."""

from __future__ import annotations

import asyncio
import functools
import http.server
import json
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from livekit import api

from tests.interop.browsers import Page
from tests.interop.node_process import NodeProcess

KEY, SECRET = "tests", "a-secret-of-the-livekit-tests-that-is-long"
HERE = Path(__file__).parent
BUNDLE = HERE.parents[2] / ".venv/stable/node/node_modules/livekit-client/dist/livekit-client.umd.js"


class LiveKitNode(NodeProcess):
    """A node that has an API key."""

    @property
    def ws_url(self) -> str:
        return self.url.replace("http://", "ws://")

    def join_token(self, room: str, identity: str, **grants: object) -> str:
        video = api.VideoGrants(**{"room_join": True, "room": room, "can_update_own_metadata": True, **grants})  # type: ignore[arg-type]
        return api.AccessToken(KEY, SECRET).with_identity(identity).with_name(identity).with_grants(video).to_jwt()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def livekit_node() -> AsyncIterator[LiveKitNode]:
    async with LiveKitNode(variables={"SFU_LIVEKIT_KEYS": f"{KEY}:{SECRET}"}) as process:
        yield process


@pytest.fixture(scope="session")
def sdk_site() -> Iterator[str]:
    """The URL of a page that has the SDK; skips where it was not fetched."""
    if not BUNDLE.exists():
        pytest.skip("livekit-client is not there: `make stable` fetches it")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, kind = (BUNDLE, "text/javascript") if self.path.endswith(".js") else (HERE / "page.html", "text/html")
            body = path.read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=functools.partial(server.serve_forever, 0.05))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


class SdkPage:
    """One participant in a browser: what `page.html` has, called from here."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def call(self, function: str, *arguments: object, within: float = 30.0) -> Any:
        listed = ", ".join(json.dumps(each) for each in arguments)
        async with asyncio.timeout(within):
            return await self.page.evaluate(f"{function}({listed})")

    async def until(self, condition: str, within: float = 20.0) -> Any:
        """Wait until a JavaScript expression is true, and return what it is."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        while not (value := await self.page.evaluate(condition)):
            if loop.time() > deadline:
                seen, logs = await self.page.evaluate("seen"), self.page.logs()[-15:]
                raise AssertionError("\n".join([f"never came: {condition}", *map(str, seen[-30:]), *logs]))
            await asyncio.sleep(0.1)
        return value
