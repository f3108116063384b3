"""From a server's answer to what its publishers send."""

from __future__ import annotations

from collections.abc import Sequence

from bench.client import sdp
from bench.errors import BenchError
from bench.links import EncodingPlan


def plan_encodings(
    sections: Sequence[sdp.LocalSection], answer: sdp.Description, ssrcs: Sequence[int]
) -> list[EncodingPlan]:
    """What a publisher sends after the server's answer: only extensions that it accepted."""
    plans = []
    for section, theirs, ssrc in zip(sections, answer.sections, ssrcs, strict=True):
        if theirs.port == 0 or theirs.direction == "inactive":
            raise BenchError(f"the server declined the {section.kind} section")
        plans.append(
            EncodingPlan(
                kind=section.kind,
                ssrc=ssrc,
                payload_type=section.payload_type,
                mid=section.mid,
                mid_id=theirs.extensions.get(sdp.MID_URI, 0),
                abs_send_time_id=theirs.extensions.get(sdp.ABS_SEND_TIME_URI, 0),
            )
        )
    return plans
