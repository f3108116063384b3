"""A page that publishes and watches by WHIP and WHEP, without the page's own code."""

from __future__ import annotations

from pathlib import Path

from tests.interop.browsers import Page
from tests.interop.conftest import OpenPage
from tests.interop.node_process import NodeProcess

WHIP = Path(__file__).with_name("whip.js").read_text()
WATCHED = "document.getElementById('watched')"


async def open_client(open_page: OpenPage, browser: str, node: NodeProcess) -> Page:
    page = await open_page(browser)
    await page.goto(f"{node.url}/")  # no invitation: a page of the node's origin that does nothing
    await page.evaluate(WHIP)
    return page
