"""The headers that our pages send to the browser, so that no other site can reach into them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

APART: Final[Mapping[str, str]] = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # no other site may put the page, with the camera that it was granted, behind something that people click on
    "X-Frame-Options": "DENY",
}
