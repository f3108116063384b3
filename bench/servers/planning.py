"""From a session description of the server's to what its publishers send and its subscribers get."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from bench.client import sdp
from bench.errors import BenchError
from bench.links import EncodingPlan, StreamPlan


def offered_sections(kinds: Sequence[str], *, feedback: bool) -> list[sdp.LocalSection]:
    """What a publisher of these kinds offers; its SSRCs are drawn."""
    return [
        sdp.offered_section(kind, str(index), "sendonly", ssrc=draw_ssrc(), repair_ssrc=draw_ssrc(), feedback=feedback)
        for index, kind in enumerate(kinds)
    ]


def draw_ssrc() -> int:
    """Any."""
    return secrets.randbits(31) + 1


def plan_encodings(sections: Sequence[sdp.LocalSection], answer: sdp.Description) -> list[EncodingPlan]:
    """What a publisher sends after the server's answer: only extensions and repair that it accepted.

    Raises:
        BenchError: the server declined a section.
    """
    plans = []
    for section, theirs in zip(sections, answer.sections, strict=True):
        if not theirs.receives:
            raise BenchError(f"the server declined the {section.kind} section")
        repaired = section.repair_type != 0 and "RTX" in theirs.payload_types
        plans.append(
            EncodingPlan(
                kind=section.kind,
                ssrc=section.ssrc,
                payload_type=section.payload_type,
                mid=section.mid,
                mid_id=theirs.extensions.get(sdp.MID_URI, 0),
                abs_send_time_id=theirs.extensions.get(sdp.ABS_SEND_TIME_URI, 0),
                audio_level_id=theirs.extensions.get(sdp.AUDIO_LEVEL_URI, 0),
                transport_sequence_id=theirs.extensions.get(sdp.TRANSPORT_SEQUENCE_URI, 0),
                repair_ssrc=section.repair_ssrc if repaired else 0,
                repair_type=section.repair_type if repaired else 0,
            )
        )
    return plans


def plan_streams(sections: Sequence[sdp.LocalSection], theirs: sdp.Description) -> list[StreamPlan]:
    """What a subscriber gets, by the SSRCs that the server names; `sections` is our side of the same description.

    Raises:
        BenchError: a section stays empty, or names no SSRC.
    """
    plans = []
    for section, sent in zip(sections, theirs.sections, strict=True):
        if not sent.sends or not sent.ssrcs:
            raise BenchError(f"the server sends nothing in the {section.kind} section {section.mid}")
        ssrc = next(iter(sent.repairs), sent.ssrcs[0])
        plans.append(StreamPlan(section.kind, ssrc, sent.repairs.get(ssrc, 0) if section.repair_type else 0))
    return plans


def agreed_transport_sequence(sections: Sequence[sdp.LocalSection], theirs: sdp.Description) -> int:
    """The id of the transport-wide sequence number, if both sides have it under the same id in some section, or 0."""
    for ours, other in zip(sections, theirs.sections, strict=True):
        id_ = ours.extensions.get(sdp.TRANSPORT_SEQUENCE_URI, 0)
        if id_ and other.extensions.get(sdp.TRANSPORT_SEQUENCE_URI, 0) == id_:
            return id_
    return 0
