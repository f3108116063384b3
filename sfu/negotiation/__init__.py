"""SDP negotiation without IO: offers answered, offers made.

Two session classes, one for each side that may offer: `Answerer` and `Offerer`. Both turn text into checked
values and raise `NegotiationError`, which is the client's fault, for any text that they cannot accept, and
nothing else.
"""

from __future__ import annotations

from .answerer import Answerer
from .capabilities import DEFAULT_PREFERENCES, REMB
from .errors import MediaLimitError, NegotiationError, NoCommonCodecError, NothingReceivedError, SdpError
from .fragment import SdpFragment, build_sdp_fragment, parse_sdp_fragment
from .mids import mid_on_wire
from .offerer import Offerer
from .sdp import SdpLimits
from .types import (
    AnswerDiff,
    Candidate,
    Codec,
    DataSection,
    Direction,
    Incoming,
    IncomingEncoding,
    Kind,
    LocalTransport,
    OfferDiff,
    Outgoing,
    OutgoingSlot,
    RemoteTransport,
    is_msid_id,
)

__all__ = [
    "DEFAULT_PREFERENCES",
    "REMB",
    "AnswerDiff",
    "Answerer",
    "Candidate",
    "Codec",
    "DataSection",
    "Direction",
    "Incoming",
    "IncomingEncoding",
    "Kind",
    "LocalTransport",
    "MediaLimitError",
    "NegotiationError",
    "NoCommonCodecError",
    "NothingReceivedError",
    "OfferDiff",
    "Offerer",
    "Outgoing",
    "OutgoingSlot",
    "RemoteTransport",
    "SdpError",
    "SdpFragment",
    "SdpLimits",
    "build_sdp_fragment",
    "is_msid_id",
    "mid_on_wire",
    "parse_sdp_fragment",
]
