"""The player's ASGI app: the page, the record's timeline, its media, and what the verifier says."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from sfu.node.http.meeting_page import PAGE as SHARED
from sfu.node.player.guard import Guard
from sfu.node.player.media_cache import Media, MediaCache
from sfu.node.player.ranges import answer_media
from sfu.node.player.timeline import describe_record
from sfu.node.player.verification import Verification
from sfu.recording.clusters import MediaError
from sfu.recording.reader import Record
from sfu.recording.signing import PublicKey

PAGE = Path(__file__).parent / "page"


class Player:
    """Plays one record to browsers. One that is still written plays as far as it had come when it was read.

    Who may ask is decided by the app whose routes call `answer`; media elements ask for ranges (RFC 9110 section 14).
    """

    def __init__(self, record: Record, key: PublicKey | None = None) -> None:
        """`record` is what `sfu.recording.read_record` returns; `key` is the key that must have signed it."""
        self.media_cache = MediaCache(record)
        self._verification = Verification(record.path, key)
        self._timeline = describe_record(record)

    async def close(self) -> None:
        """Release files and threads."""
        await self._verification.close()
        await self.media_cache.close()

    async def get_timeline(self, request: Request) -> Response:
        """Answer with the record's timeline, without its media."""
        return JSONResponse(self._timeline)

    async def get_source(self, request: Request) -> Response:
        """Answer once the source is ready, or cannot be made ready, with `playable`, and `problem` in words."""
        media = await self._get(request.path_params["number"])
        if isinstance(media, Media):
            return JSONResponse({"playable": True, "type": media.content_type, "problem": media.damage})
        if isinstance(media, MediaError):
            return JSONResponse({"playable": False, "type": "", "problem": str(media)})
        return media

    async def get_media(self, request: Request) -> Response:
        """Answer with bytes of a source."""
        return await self.answer(request, request.path_params["number"])

    async def answer(self, request: Request, number: int) -> Response:
        """Answer with the range that was asked for of a source, by its number in the record: a file that a media
        element plays, whose time is the record's. 404 where there is no such source, or it cannot be played.
        """
        media = await self._get(number)
        if isinstance(media, Media):
            return answer_media(request, media)
        return PlainTextResponse(f"{media}\n", 404) if isinstance(media, MediaError) else media

    async def get_verification(self, request: Request) -> Response:
        """Answer with the state of the verification, which the first request begins."""
        return JSONResponse(self._verification.poll())

    async def _get(self, number: int) -> Media | MediaError | Response:
        try:
            return await self.media_cache.get(number)
        except KeyError:
            return PlainTextResponse("There is no such source.\n", 404)
        except MediaError as error:
            return error


def create_player_app(player: Player, token: str, port: int) -> Starlette:
    """Return the app. All its paths begin with the token, and the Host must be 127.0.0.1 with this port."""
    return Starlette(
        routes=[
            Route("/record.json", player.get_timeline),
            Route("/verification.json", player.get_verification),
            Route("/sources/{number:int}", player.get_source),
            Route("/media/{number:int}", player.get_media),
            Mount("/shared", StaticFiles(directory=SHARED)),
            Mount("/", StaticFiles(directory=PAGE, html=True)),
        ],
        middleware=[Middleware(Guard, token=token, port=port)],
    )
