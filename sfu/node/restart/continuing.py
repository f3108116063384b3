"""What is in a node's rooms, from one process to the next: people come anew, all else goes on."""

from __future__ import annotations

import asyncio
import datetime
import logging
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sfu
from sfu import Server, SuspendedRecording
from sfu.signaling import RecordStore

if TYPE_CHECKING:
    from sfu.signaling.livekit.app import LiveKit
    from sfu.signaling.livekit.egress.egresses import Egresses
    from sfu.signaling.livekit.server_api import ServerApi

_log = logging.getLogger("sfu.node")

_SUSPEND_S = 3.0
_CONTINUE_S = 2.0
_RANDOM_BYTES = 16


async def hand_over_rooms(
    server: Server, records: RecordStore | None, livekit: LiveKit | None, api: ServerApi | None
) -> dict[str, Any]:
    """Bring all recordings to disk, tell clients to come again, and return what the next process has to know: JSON."""
    state: dict[str, Any] = {"rooms": server.export_rooms()}
    if records is not None:
        state["tenants"] = {each.id: records.find_tenant(each) for each in server.recordings}
    if livekit is not None and api is not None:
        state["livekit_api"] = api.hand_over()
        state["livekit"] = livekit.hand_over()
    state["recordings"] = [each.to_json() for each in await server.suspend_recordings(_SUSPEND_S)]
    if api is not None:
        await api.close()
    return state


def list_rooms(state: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of all rooms that are taken over."""
    described = (*state.get("rooms", ()), *state.get("livekit", ()))
    return tuple(dict.fromkeys(str(each["name"]) for each in described))


async def take_over_rooms(
    state: Mapping[str, Any],
    server: Server,
    records: RecordStore | None,
    livekit: LiveKit | None,
    api: ServerApi | None,
) -> None:
    """Go on with them, before anybody can come. A record that cannot be continued has a successor, or is told of."""
    server.import_rooms(state.get("rooms", ()))
    suspended = [SuspendedRecording.from_json(each) for each in state.get("recordings", ())]
    if livekit is not None and api is not None:
        livekit.take_over(state.get("livekit", ()))
        api.take_over_agents(state.get("livekit_api", {}))
    egresses = {each["recording"]: each for each in state.get("livekit_api", {}).get("egresses", ())}
    maker = None if api is None else api.egresses
    tenants = state.get("tenants", {})
    await asyncio.gather(
        *(
            _continue(each, server, records, maker, egresses.get(each.id), tenants.get(each.id, ""))
            for each in suspended
        )
    )


async def _continue(
    suspended: SuspendedRecording,
    server: Server,
    records: RecordStore | None,
    maker: Egresses | None,
    egress: Mapping[str, Any] | None,
    tenant: str,
) -> None:
    try:
        if records is None:
            raise sfu.LocalError("this node does not record any more")
        if egress is not None:
            if maker is None:
                raise sfu.LocalError("this node makes no egress any more")
            await maker.take_up(egress, suspended, tenant)
            return
        await records.take_up(
            server.room(suspended.room),
            suspended,
            utc=datetime.datetime.now(datetime.UTC),
            random=secrets.token_bytes(_RANDOM_BYTES),
            tenant=tenant,
            within=_CONTINUE_S,
        )
    except (sfu.SfuError, sfu.RecordError, OSError) as error:
        _log.error(
            "a recording does not go on after the restart; `sfu recover` closes its record",
            extra={"room": suspended.room, "recording": suspended.id, "reason": str(error)},
        )
