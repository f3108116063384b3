"""A server of small limits, for those who need no other."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sfu import Config, Server
from tests.unit.fakes import NO_ROWS


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Of which nothing may be left once its rooms are closed."""
    async with Server(Config(max_peers_per_room=4, max_rooms=2, max_tracks_per_peer=3)) as running:
        yield running
        for room in list(running.rooms.values()):
            room.close()
        assert running.rows_in_use() == NO_ROWS
