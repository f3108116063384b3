"""The page without a node: its files, and a script that plays the node."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.browsers import Page
from tests.interop.conftest import OpenPage

FAKE = Path(__file__).with_name("page_layers.js").read_text()
both = pytest.mark.parametrize("browser", ["chromium", "firefox"])


async def open_faked(open_page: OpenPage, browser: str, site: str) -> Page:
    """A window with `fake`, which plays the node."""
    page = await open_page(browser)
    await page.goto(f"{site}/")
    await page.evaluate(f"(() => {{ {FAKE}\nfake.serve(); }})()")
    return page
