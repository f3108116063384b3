"""HTTP signalling: WHIP, WHEP, rooms as JSON and as events, in an ASGI app that a platform can mount."""

from __future__ import annotations

from sfu.signaling.app import Signaling, create_app
from sfu.signaling.http.admission import Admission, Admissions, Demand, NotAdmittedError, Refusal
from sfu.signaling.http.authorization import ANY_ROOM, AuthorizationError, Authorizer, Grants
from sfu.signaling.http.homes import Home, Homes, UnknownHomeError
from sfu.signaling.http.ice_servers import IceServer, OwnTurn, TurnServers
from sfu.signaling.http.options import SignalingOptions
from sfu.signaling.http.problem import Problem
from sfu.signaling.records.store import RecordStore

__all__ = [
    "ANY_ROOM",
    "Admission",
    "Admissions",
    "AuthorizationError",
    "Authorizer",
    "Demand",
    "Grants",
    "Home",
    "Homes",
    "IceServer",
    "NotAdmittedError",
    "OwnTurn",
    "Problem",
    "RecordStore",
    "Refusal",
    "Signaling",
    "SignalingOptions",
    "TurnServers",
    "UnknownHomeError",
    "create_app",
]
