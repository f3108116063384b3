"""A WebRTC media server: Python decides, a compiled plane forwards.

```python
async with sfu.Server(sfu.Config(host="0.0.0.0")) as server:
    peer = server.room("lobby").join("alice", leave_when_idle=True)
    answered = peer.answer(offer, subscribe="all")
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sfu import errors, events
    from sfu.config import Config
    from sfu.errors import ConfigError, LocalError, RemoteError, SfuError
    from sfu.events import ConnectionState, DataChannelState
    from sfu.media.encoding import Encoding
    from sfu.media.layer import Layer
    from sfu.media.statistics import EncodingStats, SubscriptionStats, TrackStats
    from sfu.media.subscription import Subscription
    from sfu.media.track import Track
    from sfu.recording.entries import EntryError
    from sfu.recording.errors import RecordError
    from sfu.recording.journal import Journal
    from sfu.recording.options import RecordingOptions
    from sfu.recording.recorder import ClosedRecord
    from sfu.recording.recorder_stats import RecorderStats
    from sfu.recording.recording import Recording
    from sfu.recording.remote_signer import RemoteSigner
    from sfu.recording.restart.continuing import NotContinuedError
    from sfu.recording.restart.suspension import SuspendedRecording, SuspensionError
    from sfu.recording.signing import Signer, SigningKey, load_or_create_signing_key, load_signing_key
    from sfu.rooms.attendance import Attendance
    from sfu.rooms.event_stream import EventStream
    from sfu.rooms.peer import Peer
    from sfu.rooms.room import Room
    from sfu.routing.plane import KernelCache, compile_kernels, find_kernel_cache
    from sfu.server import Server
    from sfu.session.answering import Answered
    from sfu.session.bandwidth import BandwidthStats
    from sfu.session.client_offered import ClientOffered
    from sfu.session.connection import Connection
    from sfu.session.data_channel import DataChannel
    from sfu.session.data_channels import DataChannels
    from sfu.session.selection import ALL, Selection
    from sfu.session.server_offered import ServerOffered
    from sfu.session.steered import Steered
    from sfu.shard.statistics import ShardStats

__all__ = [
    "ALL",
    "Answered",
    "Attendance",
    "BandwidthStats",
    "ClientOffered",
    "ClosedRecord",
    "Config",
    "ConfigError",
    "Connection",
    "ConnectionState",
    "DataChannel",
    "DataChannelState",
    "DataChannels",
    "Encoding",
    "EncodingStats",
    "EntryError",
    "EventStream",
    "Journal",
    "KernelCache",
    "Layer",
    "LocalError",
    "NotContinuedError",
    "Peer",
    "RecordError",
    "RecorderStats",
    "Recording",
    "RecordingOptions",
    "RemoteError",
    "RemoteSigner",
    "Room",
    "Selection",
    "Server",
    "ServerOffered",
    "SfuError",
    "ShardStats",
    "Signer",
    "SigningKey",
    "Steered",
    "Subscription",
    "SubscriptionStats",
    "SuspendedRecording",
    "SuspensionError",
    "Track",
    "TrackStats",
    "compile_kernels",
    "errors",
    "events",
    "find_kernel_cache",
    "load_or_create_signing_key",
    "load_signing_key",
]

_HOMES = {
    "ALL": "sfu.session.selection",
    "Answered": "sfu.session.answering",
    "Attendance": "sfu.rooms.attendance",
    "BandwidthStats": "sfu.session.bandwidth",
    "ClientOffered": "sfu.session.client_offered",
    "ClosedRecord": "sfu.recording.recorder",
    "Config": "sfu.config",
    "ConfigError": "sfu.errors",
    "Connection": "sfu.session.connection",
    "ConnectionState": "sfu.events",
    "DataChannel": "sfu.session.data_channel",
    "DataChannelState": "sfu.events",
    "DataChannels": "sfu.session.data_channels",
    "Encoding": "sfu.media.encoding",
    "EncodingStats": "sfu.media.statistics",
    "EntryError": "sfu.recording.entries",
    "EventStream": "sfu.rooms.event_stream",
    "Journal": "sfu.recording.journal",
    "KernelCache": "sfu.routing.plane",
    "Layer": "sfu.media.layer",
    "LocalError": "sfu.errors",
    "NotContinuedError": "sfu.recording.restart.continuing",
    "Peer": "sfu.rooms.peer",
    "RecordError": "sfu.recording.errors",
    "RecorderStats": "sfu.recording.recorder_stats",
    "Recording": "sfu.recording.recording",
    "RecordingOptions": "sfu.recording.options",
    "RemoteError": "sfu.errors",
    "RemoteSigner": "sfu.recording.remote_signer",
    "Room": "sfu.rooms.room",
    "Selection": "sfu.session.selection",
    "Server": "sfu.server",
    "ServerOffered": "sfu.session.server_offered",
    "SfuError": "sfu.errors",
    "ShardStats": "sfu.shard.statistics",
    "Signer": "sfu.recording.signing",
    "SigningKey": "sfu.recording.signing",
    "Steered": "sfu.session.steered",
    "Subscription": "sfu.media.subscription",
    "SubscriptionStats": "sfu.media.statistics",
    "SuspendedRecording": "sfu.recording.restart.suspension",
    "SuspensionError": "sfu.recording.restart.suspension",
    "Track": "sfu.media.track",
    "TrackStats": "sfu.media.statistics",
    "compile_kernels": "sfu.routing.plane",
    "errors": "sfu.errors",
    "events": "sfu.events",
    "find_kernel_cache": "sfu.routing.plane",
    "load_or_create_signing_key": "sfu.recording.signing",
    "load_signing_key": "sfu.recording.signing",
}
"""Where a public name is defined. Each is imported when it is first used: a server needs the compiler, which takes a
second to load, while a program that verifies a record or issues a token needs neither.
"""

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = import_module(_HOMES[name])
        found = home if home.__name__ == f"{__name__}.{name}" else getattr(home, name)
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
