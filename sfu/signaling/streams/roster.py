"""A room as JSON: who is there, and what each one sends."""

from __future__ import annotations

import math
from typing import Any

from sfu import Peer, Recording, Server, Track
from sfu.events import ConnectionState

JsonObject = dict[str, Any]

# The best state of a peer's connections is what people mean by the peer's state.
_RANK = {
    ConnectionState.CLOSED: 0,
    ConnectionState.NEW: 1,
    ConnectionState.CONNECTING: 2,
    ConnectionState.CONNECTED: 3,
}


def describe_track(track: Track) -> JsonObject:
    """Return `{"id", "kind", "codec", "muted", "held", "blocked", "unwanted"}`; the last one holds the RIDs of the
    Encodings that are not wanted.
    """
    return {
        "id": track.id,
        "kind": track.kind,
        "codec": track.codec.name,
        "muted": track.muted,
        "held": track.held,
        "blocked": track.blocked,
        "unwanted": [encoding.rid for encoding in track.encodings if not encoding.wanted],
    }


def describe_peer(peer: Peer) -> JsonObject:
    """Return `{"name", "state", "tracks"}`."""
    states = [connection.state for connection in peer.connections]
    state = max(states, key=_RANK.__getitem__, default=ConnectionState.NEW)
    return {
        "name": peer.name,
        "state": state.value,
        "tracks": [describe_track(track) for track in peer.tracks],
    }


def describe_recording(recording: Recording) -> JsonObject:
    """Return `{"id", "state"}`, which everyone in the room may know; while it is paused also the `ground`."""
    about = {"id": recording.id, "state": recording.state}
    return about | {"ground": recording.ground} if recording.state == "paused" else about


def describe_room(server: Server, name: str) -> JsonObject:
    """Return `{"room", "peers", "speakers", "dominant_speaker", "recording", "recordings", "draining"}`; without a
    recording the former is None, and of several it is the oldest. `draining`: seconds until the server stops, or None.

    A room that nobody is in has no peers: to look at it does not make it. It can be recorded all the same.
    """
    room = server.find_room(name)
    recordings = [] if room is None else [describe_recording(recording) for recording in room.recordings]
    left = server.drain_left
    peers = [] if room is None else [describe_peer(peer) for peer in room.peers.values()]
    return {
        "room": name,
        "peers": peers,
        "speakers": [] if room is None else list(room.active_speakers),
        "dominant_speaker": None if room is None else room.dominant_speaker,
        "recording": next(iter(recordings), None),
        "recordings": recordings,
        "draining": None if left is None else math.ceil(left),
    }
