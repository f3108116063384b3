"""The page's files without a node behind them, and a way to run one of its modules in a browser."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sfu.node
from tests.interop.browsers import Page
from tests.interop.conftest import OpenPage

PAGE = Path(sfu.node.__file__).parent / "page"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serve_page() -> Iterator[str]:
    """Serve the page's files on 127.0.0.1; yields their address."""
    handler = functools.partial(QuietHandler, directory=PAGE)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


async def run(page: Page, module: str, expression: str) -> Any:
    """The value of `expression`, in which `m` is the page's module `module`."""
    return await page.evaluate(f"import('/{module}').then(m => {expression})")


async def call(open_page: OpenPage, browser: str, site: str, module: str, expression: str) -> Any:
    """`run` in a new window."""
    page = await open_page(browser)
    await page.goto(f"{site}/")
    return await run(page, module, expression)
