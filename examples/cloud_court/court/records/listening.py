"""Confidence monitoring: the clerk hears what is being recorded, out of the record itself while it grows.

Nothing comes from the room.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

from av.error import FFmpegError
from fastapi import APIRouter, Query
from fastapi.responses import Response

from court.accounts.login import Me, TheCourt
from court.errors import Refusal
from court.hearings.standing import find_standing
from court.records.keeping import find_running
from sfu.recording import ChainError

router = APIRouter(prefix="/api/hearings/{hearing_id}", tags=["records"])


@router.get("/recording/sound", responses={200: {"content": {"audio/wav": {}}}}, response_class=Response)
async def listen(
    court: TheCourt, me: Me, hearing_id: str, after_us: Annotated[int, Query(ge=0, le=2**53)] = 0
) -> Response:
    """What was recorded after `after_us`, the record's time, as WAV; the header `Record-Until` says up to when.
    204: there is nothing new.
    """
    async with court.database.read() as db:
        standing = await find_standing(db, me, hearing_id)
        standing.require_host()
        running = await find_running(db, hearing_id)
    if running is None or not running.folders:
        raise Refusal("recording.idle")
    tail = court.tails.find(Path(running.folders[0]))
    try:
        async with tail.lock:
            made = await asyncio.to_thread(tail.make_piece, after_us)
    except (ChainError, FFmpegError, OSError, ValueError) as error:
        raise Refusal("recording.unreadable", reason=str(error)) from error
    if made is None:
        return Response(status_code=204)
    until_us, sound = made
    return Response(sound, media_type="audio/wav", headers={"Record-Until": str(until_us), "Cache-Control": "no-store"})
