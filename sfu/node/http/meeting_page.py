"""The page to meet on: the files of `sfu/node/page`, as they are."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from sfu.node.http.page_headers import APART

PAGE = Path(__file__).parents[1] / "page"
_HEADERS = {**APART, "Cache-Control": "no-cache", "Content-Security-Policy": "frame-ancestors 'none'"}


class MeetingPage(StaticFiles):
    """Serves the page. Browsers ask each time whether a file changed, so an upgraded node is seen at once."""

    def __init__(self) -> None:
        super().__init__(directory=PAGE, html=True)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file's response with the headers of `page_headers`."""
        response = await super().get_response(path, scope)
        response.headers.update(_HEADERS)
        return response
