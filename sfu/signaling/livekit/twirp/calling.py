"""`PerformRpc`: a method of a participant's client, called by the server API."""

from __future__ import annotations

from collections.abc import Mapping

from livekit.protocol.room import PerformRpcRequest, PerformRpcResponse

from sfu.signaling.livekit.data.rpc import DEFAULT_SECONDS, RpcError
from sfu.signaling.livekit.participant import Participant
from sfu.signaling.livekit.room import LiveKitRoom
from sfu.signaling.livekit.twirp.errors import Code, TwirpError

MAX_METHOD_BYTES = 1024

_CODES: Mapping[int, Code] = {
    1400: "invalid_argument",
    1401: "not_found",
    1402: "malformed",
    1403: "unimplemented",
    1404: "unimplemented",
    1501: "canceled",
    1502: "canceled",
    1503: "unavailable",
    1504: "malformed",
}
"""What callers of the protocol's server see; every other is `internal`."""


async def perform_rpc(room: LiveKitRoom, callee: Participant, request: PerformRpcRequest) -> PerformRpcResponse:
    """Call it; raises TwirpError, whose message and `meta` say what the method's error says."""
    if not 0 < len(request.method.encode()) <= MAX_METHOD_BYTES:
        raise TwirpError("invalid_argument", f"A method's name has 1 to {MAX_METHOD_BYTES} bytes.")
    if room.data.find(callee.identity) is None:
        raise TwirpError("failed_precondition", f"{callee.identity!r} came by WHIP or WHEP, and has no methods.")
    timeout = request.response_timeout_ms / 1000 or DEFAULT_SECONDS
    try:
        payload = await room.calls.perform(callee, request.method, request.payload, timeout)
    except RpcError as error:
        meta = {"rpc_code": str(error.code), "rpc_message": error.message, "rpc_data": error.data}
        raise TwirpError(_CODES.get(error.code, "internal"), str(error), **meta) from error
    return PerformRpcResponse(payload=payload)
