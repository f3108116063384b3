"""The page says that the server is to stop, once, and that it goes on after all."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.interop.conftest import OpenPage
from tests.interop.faked_page import both
from tests.interop.page_site import call, serve_page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(360)]


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The page's files on 127.0.0.1, without a node behind them."""
    with serve_page() as address:
        yield address


@both
async def test_a_server_that_is_to_stop_is_told_of(open_page: OpenPage, browser: str, site: str) -> None:
    events = [
        ("snapshot", {"peers": []}),
        ("snapshot", {"peers": [], "draining": None}),
        ("draining", {"seconds": 300}),
        ("snapshot", {"peers": [], "draining": 250}),
        ("joined", {"peer": "bob"}),
        ("draining", {"seconds": 45}),
        ("draining", {"seconds": None}),
        ("snapshot", {"peers": [], "draining": None}),
        ("snapshot", {"peers": [], "draining": 10800}),
    ]
    asked = f"""(() => {{
        const news = new m.DrainNews();
        return {json.dumps(events)}.map(([event, body]) => {{
            news.handle(event, body);
            const messages = [...document.querySelectorAll("#toasts .toast")];
            const told = messages.map(toast => toast.innerText.trim());
            for (const toast of messages) toast.remove();
            return told.join();
        }});
    }})()"""
    stops = "The server stops within {}. The meeting may be interrupted for a moment then."
    assert await call(open_page, browser, site, "drain.js", asked) == [
        "",
        "",
        stops.format("5 minutes"),
        "",
        "",
        stops.format("a minute"),
        "The server goes on: nothing is interrupted.",
        "",
        stops.format("3 hours"),
    ]
