"""A WebRTC media server: Python decides, a compiled plane forwards.

async with sfu.Server(sfu.Config(host="0.0.0.0")) as server:
peer = server.room("lobby").join("alice", leave_when_idle=True)
answered = await peer.answer(offer, subscribe="all")
"""

from __future__ import annotations

from sfu import errors, events
from sfu.budget import BandwidthStats
from sfu.client_offered import Answered, ClientOffered
from sfu.config import Config
from sfu.connection import Connection
from sfu.encoding import Encoding
from sfu.errors import ConfigError, LocalError, RemoteError, SfuError
from sfu.event_stream import EventStream
from sfu.events import ConnectionState
from sfu.layer import Layer
from sfu.peer import Peer
from sfu.room import Room
from sfu.selection import ALL, Selection
from sfu.server import Server
from sfu.server_offered import ServerOffered
from sfu.statistics import EncodingStats, SubscriptionStats, TrackStats
from sfu.subscription import Subscription
from sfu.track import Track

__all__ = [
    "ALL",
    "Answered",
    "BandwidthStats",
    "ClientOffered",
    "Config",
    "ConfigError",
    "Connection",
    "ConnectionState",
    "Encoding",
    "EncodingStats",
    "EventStream",
    "Layer",
    "LocalError",
    "Peer",
    "RemoteError",
    "Room",
    "Selection",
    "Server",
    "ServerOffered",
    "SfuError",
    "Subscription",
    "SubscriptionStats",
    "Track",
    "TrackStats",
    "errors",
    "events",
]
