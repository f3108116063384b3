"""The page to meet on: the files of `sfu/node/page`, as they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from sfu.node.http.page_headers import APART

PAGE = Path(__file__).parents[1] / "page"
_HEADERS = {**APART, "Cache-Control": "no-cache"}
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]{1,255}")
_MOST_OTHERS = 64
"""Nodes that stand in a header; of more, only that they are reached by HTTP."""


class MeetingPage(StaticFiles):
    """Serves the page. Browsers ask each time whether a file changed, so an upgraded node is seen at once."""

    def __init__(self, others: Callable[[], Iterable[str]] = tuple) -> None:
        """`others`: URLs of the other nodes of a cluster, which the page may ask for rooms, too."""
        super().__init__(directory=PAGE, html=True)
        self._others = others

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file's response with the headers of `page_headers`."""
        response = await super().get_response(path, scope)
        response.headers.update(_HEADERS)
        response.headers["Content-Security-Policy"] = f"frame-ancestors 'none'; connect-src {self._list_sources()}"
        return response

    def _list_sources(self) -> str:
        """With whom scripts of the page may speak; what its own policy says is stricter in all else."""
        origins = {f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, self._others())}
        known = sorted(origin for origin in origins if _ORIGIN.fullmatch(origin))
        return " ".join(["'self'", *(known if len(known) <= _MOST_OTHERS else ("http:", "https:"))])
