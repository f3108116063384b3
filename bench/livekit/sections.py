"""The media sections of one participant, who makes all offers on one connection, as today's SDKs do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.client import sdp
from bench.errors import BenchError
from bench.links import EncodingPlan, StreamPlan
from bench.servers.planning import draw_ssrc
from bench.traffic import AUDIO, HALF_VIDEO, QUARTER_VIDEO, SMALL_VIDEO, Traffic

#: What SDKs offer to receive at once.
_FIRST = 3
#: The encodings of a camera, the best last, and what is sent in each.
RIDS = {"q": QUARTER_VIDEO, "h": HALF_VIDEO, "f": SMALL_VIDEO}
BEST = "f"
#: What a participant sends, by the kind of its `EncodingPlan`s.
TRAFFIC: Mapping[str, Traffic] = {"audio": AUDIO, **RIDS}
MICROPHONE_MID, CAMERA_MID = "a", "v"


@dataclass
class Sections:
    """What is offered, in order: sections to receive in, and one for each track that is published."""

    offered: list[sdp.LocalSection] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.receive(_FIRST, _FIRST)

    def receive(self, audios: int, videos: int) -> None:
        """So many more to receive in."""
        for kind in ["audio"] * audios + ["video"] * videos:
            self.offered.append(sdp.offered_section(kind, str(len(self.offered)), "recvonly"))

    def publish(self, microphone: str, camera: str) -> None:
        """Send Opus, and a video in three encodings, under these names."""
        voice = sdp.offered_section("audio", MICROPHONE_MID, "sendonly", ssrc=draw_ssrc(), track=microphone)
        self.offered += [voice, sdp.simulcast_section(CAMERA_MID, tuple(RIDS), track=camera)]

    def plan_encodings(self, answer: sdp.Description) -> list[EncodingPlan]:
        """What is sent after this answer.

        Raises:
            BenchError: the server declined a section, or that its encodings are told apart.
        """
        plans = []
        for mine, theirs in zip(self.offered, answer.sections, strict=True):
            if mine.direction != "sendonly":
                continue
            if not theirs.receives:
                raise BenchError(f"the server declined the {mine.kind} section")
            plans += _plan_video(mine, theirs) if mine.rids else [_plan(mine, theirs, "audio", mine.ssrc)]
        return plans

    def plan_streams(self, answer: sdp.Description) -> list[StreamPlan]:
        """What the server sends after this answer."""
        plans = []
        for mine, theirs in zip(self.offered, answer.sections, strict=True):
            if mine.direction == "recvonly" and theirs.sends and theirs.ssrcs:
                ssrc = next(iter(theirs.repairs), theirs.ssrcs[0])
                plans.append(StreamPlan(mine.kind, ssrc, theirs.repairs.get(ssrc, 0)))
        return plans


def _plan_video(mine: sdp.LocalSection, theirs: sdp.Section) -> list[EncodingPlan]:
    if sdp.RID_URI not in theirs.extensions:
        raise BenchError("the server takes no simulcast")
    return [_plan(mine, theirs, rid, draw_ssrc(), rid) for rid in mine.rids]


def _plan(mine: sdp.LocalSection, theirs: sdp.Section, kind: str, ssrc: int, rid: str = "") -> EncodingPlan:
    repaired = mine.repair_type != 0 and "RTX" in theirs.payload_types
    return EncodingPlan(
        kind=kind,
        ssrc=ssrc,
        payload_type=mine.payload_type,
        mid=mine.mid,
        rid=rid,
        mid_id=theirs.extensions.get(sdp.MID_URI, 0),
        rid_id=theirs.extensions.get(sdp.RID_URI, 0) if rid else 0,
        repaired_rid_id=theirs.extensions.get(sdp.REPAIRED_RID_URI, 0) if rid else 0,
        abs_send_time_id=theirs.extensions.get(sdp.ABS_SEND_TIME_URI, 0),
        audio_level_id=theirs.extensions.get(sdp.AUDIO_LEVEL_URI, 0),
        transport_sequence_id=theirs.extensions.get(sdp.TRANSPORT_SEQUENCE_URI, 0),
        repair_ssrc=draw_ssrc() if repaired else 0,
        repair_type=mine.repair_type if repaired else 0,
    )
