"""The little SDP a simulated browser needs: build offers and answers, read what the server says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
ABS_SEND_TIME_URI = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
AUDIO_LEVEL_URI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
RID_URI = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID_URI = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
TRANSPORT_SEQUENCE_URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
_RIDS = {RID_URI: 10, REPAIRED_RID_URI: 11}
_RTPMAP = {"video": (96, "VP8/90000"), "audio": (111, "opus/48000/2")}
_CODEC = {"video": "VP8", "audio": "OPUS"}
_REPAIR_TYPE = 97
#: As Chromium numbers them.
_EXTENSIONS = {
    "audio": {AUDIO_LEVEL_URI: 1, ABS_SEND_TIME_URI: 2, TRANSPORT_SEQUENCE_URI: 3, MID_URI: 4},
    "video": {ABS_SEND_TIME_URI: 2, TRANSPORT_SEQUENCE_URI: 3, MID_URI: 4},
}


class SdpError(ValueError):
    """The server's SDP lacks what a session needs."""


@dataclass
class Section:
    """One m-section of a session description."""

    kind: str
    port: int
    mid: str = ""
    direction: str = "sendrecv"
    payload_types: dict[str, int] = field(default_factory=dict)  # upper-case codec name -> payload type
    extensions: dict[str, int] = field(default_factory=dict)  # URI -> id
    ssrcs: list[int] = field(default_factory=list)
    repairs: dict[int, int] = field(default_factory=dict)  # SSRC -> that of its retransmissions (ssrc-group FID)

    @property
    def sends(self) -> bool:
        """Whether the server sends in it."""
        return self.port != 0 and self.direction in ("sendrecv", "sendonly")

    @property
    def receives(self) -> bool:
        """Whether the server takes what is sent in it."""
        return self.port != 0 and self.direction in ("sendrecv", "recvonly")


@dataclass
class Description:
    """What is read of a session description."""

    ufrag: str = ""
    pwd: str = ""
    fingerprint: str = ""
    setup: str = ""
    address: tuple[str, int] | None = None
    sections: list[Section] = field(default_factory=list)

    def take_candidate(self, text: str) -> None:
        """Take a candidate-attribute (RFC 8839 section 5.1), if it is the first of IPv4, UDP and a host's."""
        words = text.removeprefix("candidate:").split()
        fits = len(words) >= 8 and words[1] == "1" and words[2].lower() == "udp" and words[7] == "host"
        if self.address is None and fits and "." in words[4]:
            self.address = (words[4], int(words[5]))


def parse(text: str, *, trickled: bool = False) -> Description:
    """Read a description; SdpError when it has no ICE credentials, sha-256 fingerprint or UDP candidate.

    trickled: candidates may come later, by `Description.take_candidate`.
    """
    seen = Description()
    for line in text.splitlines():
        kind, _, value = line.partition("=")
        if kind == "m":
            words = value.split()
            seen.sections.append(Section(words[0], int(words[1])))
        elif kind == "a":
            name, _, rest = value.partition(":")
            _read_attribute(seen, name, rest)
    if not seen.ufrag or not seen.pwd or not seen.fingerprint:
        raise SdpError("the server's SDP has no ICE credentials or no sha-256 fingerprint")
    if seen.address is None and not trickled:
        raise SdpError("the server's SDP has no IPv4 UDP host candidate")
    return seen


def _read_attribute(seen: Description, name: str, rest: str) -> None:
    words = rest.split()
    section = seen.sections[-1] if seen.sections else None
    if name == "ice-ufrag":
        seen.ufrag = rest.strip()
    elif name == "ice-pwd":
        seen.pwd = rest.strip()
    elif name == "fingerprint" and words[0].lower() == "sha-256":
        seen.fingerprint = words[1]
    elif name == "setup":
        seen.setup = rest.strip()
    elif name == "candidate":
        seen.take_candidate(rest)
    elif section is not None:
        _read_media_attribute(section, name, rest, words)


def _read_media_attribute(section: Section, name: str, rest: str, words: list[str]) -> None:
    if name == "mid":
        section.mid = rest.strip()
    elif name in ("sendrecv", "sendonly", "recvonly", "inactive"):
        section.direction = name
    elif name == "rtpmap":
        section.payload_types.setdefault(words[1].split("/")[0].upper(), int(words[0]))
    elif name == "extmap":
        section.extensions[words[1]] = int(words[0].split("/")[0])
    elif name == "ssrc" and int(words[0]) not in section.ssrcs:
        section.ssrcs.append(int(words[0]))
    elif name == "ssrc-group" and words[0] == "FID":
        section.repairs[int(words[1])] = int(words[2])


@dataclass(frozen=True)
class LocalIdentity:
    """What one simulated client says of itself in SDP."""

    ufrag: str
    pwd: str
    fingerprint: str
    address: tuple[str, int]


@dataclass(frozen=True)
class LocalSection:
    """One m-section that we write; a payload type, SSRC of 0 is not written."""

    kind: str
    mid: str
    direction: str
    payload_type: int
    extensions: dict[str, int]
    ssrc: int = 0
    repair_type: int = 0
    repair_ssrc: int = 0
    feedback: bool = True
    rids: tuple[str, ...] = ()  # its encodings, the best last, when there are several (RFC 8853)
    track: str = ""  # what the track is called

    @property
    def feedbacks(self) -> list[str]:
        """What `rtcp-fb` lines are written: what browsers write, or next to nothing."""
        if not self.feedback:
            # Janus takes "nack pli" for NACK, so without retransmission neither is named.
            return ["ccm fir"] if self.kind == "video" else []
        if self.kind == "audio":
            return ["transport-cc"]
        return ["goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"]


def offered_section(
    kind: str, mid: str, direction: str, *, ssrc: int = 0, repair_ssrc: int = 0, feedback: bool = True, track: str = ""
) -> LocalSection:
    """A section of our own offer, as Chromium writes it for one codec.

    Without `feedback` neither transport-wide feedback nor retransmission is offered.
    """
    extensions = dict(_EXTENSIONS[kind])
    if not feedback:
        del extensions[TRANSPORT_SEQUENCE_URI]
    repaired = feedback and kind == "video"
    return LocalSection(
        kind,
        mid,
        direction,
        _RTPMAP[kind][0],
        extensions,
        ssrc,
        _REPAIR_TYPE if repaired else 0,
        repair_ssrc if repaired else 0,
        feedback,
        track=track,
    )


def simulcast_section(mid: str, rids: Sequence[str], *, track: str) -> LocalSection:
    """A section of our own offer in which a video is sent in several encodings, as Chromium writes it."""
    section = offered_section("video", mid, "sendonly")
    return replace(section, extensions=section.extensions | _RIDS, rids=tuple(rids), track=track)


def answered_section(remote: Section, *, feedback: bool = True) -> LocalSection:
    """Our answer to a section that the server offers to send: all of it that a browser knows, too."""
    codec = _CODEC[remote.kind]
    if codec not in remote.payload_types:
        raise SdpError(f"the server offers no {codec} in section {remote.mid}")
    known = _EXTENSIONS[remote.kind]
    agreed = {uri: id_ for uri, id_ in remote.extensions.items() if uri in known}
    if not feedback:
        agreed.pop(TRANSPORT_SEQUENCE_URI, None)
    return LocalSection(
        remote.kind,
        remote.mid,
        "recvonly",
        remote.payload_types[codec],
        agreed,
        repair_type=remote.payload_types.get("RTX", 0) if feedback else 0,
        feedback=feedback,
    )


def build(local: LocalIdentity, sections: Sequence[LocalSection], *, setup: str) -> str:
    """A complete description, everything bundled on one transport."""
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE " + " ".join(section.mid for section in sections),
        "a=msid-semantic: WMS *",
    ]
    for section in sections:
        lines += _section_lines(local, section, setup)
    return "\r\n".join(lines) + "\r\n"


def _section_lines(local: LocalIdentity, section: LocalSection, setup: str) -> list[str]:
    type_ = section.payload_type
    formats = f"{type_} {section.repair_type}" if section.repair_type else f"{type_}"
    lines = [
        f"m={section.kind} {local.address[1]} UDP/TLS/RTP/SAVPF {formats}",
        f"c=IN IP4 {local.address[0]}",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        f"a=mid:{section.mid}",
        f"a={section.direction}",
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.pwd}",
        f"a=fingerprint:sha-256 {local.fingerprint}",
        f"a=setup:{setup}",
        f"a=candidate:1 1 udp 2130706431 {local.address[0]} {local.address[1]} typ host",
        "a=end-of-candidates",
        f"a=rtpmap:{type_} {_RTPMAP[section.kind][1]}",
    ]
    lines += [f"a=extmap:{id_} {uri}" for uri, id_ in section.extensions.items()]
    lines += [f"a=rtcp-fb:{type_} {feedback}" for feedback in section.feedbacks]
    if section.repair_type:
        lines += [f"a=rtpmap:{section.repair_type} rtx/90000", f"a=fmtp:{section.repair_type} apt={type_}"]
    if section.ssrc or section.rids:
        lines.append("a=msid:bench " + (section.track or "bench-" + section.mid))
    if section.rids:
        lines += [f"a=rid:{rid} send" for rid in section.rids]
        lines.append("a=simulcast:send " + ";".join(section.rids))
    elif section.ssrc:
        lines += _source_lines(section)
    return lines


def _source_lines(section: LocalSection) -> list[str]:
    lines = [f"a=ssrc:{section.ssrc} cname:bbbbb"]
    if section.repair_ssrc:
        lines.insert(0, f"a=ssrc-group:FID {section.ssrc} {section.repair_ssrc}")
        lines.append(f"a=ssrc:{section.repair_ssrc} cname:bbbbb")
    return lines
