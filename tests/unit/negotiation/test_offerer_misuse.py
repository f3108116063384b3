"""Offers of ours that run out of payload types, answers that cannot be taken, and callers at fault."""

from __future__ import annotations

import contextlib
import random

import pytest

from sfu.negotiation import (
    LocalTransport,
    NegotiationError,
    Offerer,
    parse_sdp_fragment,
)
from sfu.negotiation.profiles import h264_profile
from sfu.negotiation.sdp import parse_sdp
from sfu.wire.extensions import Extension
from tests.unit.negotiation.conftest import Client, MakeOutgoing


def test_payload_types_cannot_run_out(local: LocalTransport, outgoing: MakeOutgoing) -> None:
    offerer = Offerer(max_media=200, rng=random.Random(1))
    configurations = set()
    for idc in ("42", "4d", "58", "64", "6e", "7a", "f4"):
        for iop in range(256):
            for mode in "01":
                profile = f"{idc}{iop:02x}28"
                item = outgoing("H264", 1, packetization_mode=mode, profile_level_id=profile)
                known = h264_profile(profile) is not None
                with contextlib.nullcontext() if known else pytest.raises(ValueError, match="no codec that"):
                    offerer.remove(offerer.add(item))
                    configurations.add(item.codec.configuration)
    assert len(configurations) == 18
    for name in ("opus", "VP8", "VP9", "AV1"):
        for digit in "0123":
            for other in "01":
                offerer.add(outgoing(name, 1, profile_id=digit, profile=digit, stereo=digit, usedtx=other))
    session = parse_sdp(offerer.build_offer(local))
    kinds = {(media.kind, payload_type) for media in session.media for payload_type in media.formats}
    assert len(kinds) == len({payload_type for _, payload_type in kinds})
    assert all(not 64 <= int(payload_type) <= 95 for _, payload_type in kinds)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("a=setup:active", "a=setup:actpass", "setup:active"),
        ("a=rtcp-mux", "a=x", "rtcp-mux"),
        ("a=mid:1", "a=mid:5", "BUNDLE|order"),
        ("m=video", "m=audio", "order"),
        ("UDP/TLS/RTP/SAVPF", "RTP/AVP", "not offered"),
        (f"a=extmap:1 {Extension.MID.uri}", f"a=extmap:14 {Extension.MID.uri}", "moves header extension"),
        ("s=-", "s=-\r\na=ice-lite", "ice-lite"),
    ],
)
def test_answers_that_cannot_be_taken(
    offerer: Offerer,
    client: Client,
    local: LocalTransport,
    outgoing: MakeOutgoing,
    old: str,
    new: str,
    message: str,
) -> None:
    offerer.add(outgoing("opus", 1))
    offerer.add(outgoing("VP8", 2))
    answer = client.answer(offerer.build_offer(local))
    assert old in answer
    with pytest.raises(NegotiationError, match=message):
        offerer.handle_answer(answer.replace(old, new))
    assert offerer.pending  # a corrected answer is still welcome
    assert set(offerer.handle_answer(answer).accepted) == {"0", "1"}


def test_an_answer_needs_an_offer_and_all_its_sections(
    offerer: Offerer, client: Client, local: LocalTransport, outgoing: MakeOutgoing
) -> None:
    with pytest.raises(NegotiationError, match="no offer"):
        offerer.handle_answer("v=0")
    offerer.add(outgoing("opus", 1))
    offerer.add(outgoing("VP8", 2))
    answer = client.answer(offerer.build_offer(local))
    with pytest.raises(NegotiationError, match="has 1 media sections; the offer has 2"):
        offerer.handle_answer(answer.partition("m=video")[0].replace("BUNDLE 0 1", "BUNDLE 0"))
    client.stopped |= {"0", "1"}
    offerer.rollback()
    with pytest.raises(NegotiationError, match="no session"):
        offerer.note_restart(parse_sdp_fragment(""))
    with pytest.raises(NegotiationError, match="refuses every media section"):
        offerer.handle_answer(client.answer(offerer.build_offer(local)))


def test_misuse_is_the_callers_fault(offerer: Offerer) -> None:
    with pytest.raises(KeyError):
        offerer.remove("0")
    with pytest.raises(ValueError, match="no audio codec"):
        Offerer(max_media=1, rng=random.Random(1), preferences=("VP8",)).add_incoming("audio")
