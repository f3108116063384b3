"""Writes our side: checked values to the media sections of a session description."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sfu.wire.extensions import Extension

from .data import write_data_section
from .sdp import Attributes, MediaDescription, SessionDescription, build_sdp
from .types import Candidate, Codec, Direction, LocalTransport, Outgoing

__all__ = ["LocalSection", "build_description", "transport_attributes"]

DEFAULT_PROTOCOL = "UDP/TLS/RTP/SAVPF"


@dataclass
class LocalSection:
    """What we write for one media section.

    A `closed` section gets port 0 and only what the grammar needs. `mid` is empty where the client names none;
    `bundled`: it stands in the BUNDLE group. `extensions` holds (id, our direction); `rids` the simulcast encodings
    that we take; `data_size`, in one for data channels, the largest message that we take.
    """

    mid: str
    kind: str
    protocol: str = DEFAULT_PROTOCOL
    bundled: bool = True
    closed: bool = False
    formats: tuple[str, ...] = ()
    direction: Direction = Direction.INACTIVE
    codecs: Sequence[Codec] = ()
    extensions: dict[Extension, tuple[int, Direction]] = field(default_factory=dict)
    outgoing: Outgoing | None = None
    rids: tuple[str, ...] = ()
    reduced_size: bool = True
    data_size: int | None = None


def build_description(
    sections: Iterable[LocalSection],
    local: LocalTransport,
    *,
    setup: str,
    origin: tuple[int, int],
    bundle: bool = True,
    mixed_extensions: bool = False,
) -> str:
    """The text of our offer or answer; `origin` is the session's id and version (RFC 8866 section 5.2).

    Every section that is not closed carries the address of the one transport. RFC 8843 section 7.2 would have
    a first offer mark all but one as `bundle-only` with port 0; clients of all kinds take the plainer form,
    and some take a port 0 for a refusal. So each section of an offer has the candidates too; clients that have agreed
    on the bundle look at the first only, but one that is still to agree (aiortc) looks at any of them. A section
    outside the bundle has them in an answer, too.
    """
    session = SessionDescription(origin=f"- {origin[0]} {origin[1]} IN IP4 127.0.0.1")
    attributes = session.attributes
    written = list(sections)
    mids = [section.mid for section in written if section.bundled and not section.closed]
    if bundle:
        attributes.add("group", " ".join(["BUNDLE", *mids]))
    if mixed_extensions:
        attributes.add("extmap-allow-mixed")
    attributes.add("msid-semantic", " WMS *")
    attributes.add("ice-lite")
    told = False
    for section in written:
        if section.closed:
            session.media.append(_closed_section(section))
            continue
        known = told and section.bundled and setup != "actpass"
        session.media.append(_open_section(section, local, setup, with_candidates=not known))
        told = told or section.bundled
    return build_sdp(session)


def _closed_section(section: LocalSection) -> MediaDescription:
    media = MediaDescription(section.kind, 0, section.protocol, section.formats, "IN IP4 0.0.0.0")
    if section.mid:
        media.attributes.add("mid", section.mid)
    media.attributes.add("inactive")
    return media


def _address(candidates: Sequence[Candidate]) -> tuple[int, str]:
    """Return the `m=` port and `c=` value: the default candidate (RFC 8839 section 4.2.1.2), or JSEP's dummy."""
    if not candidates:
        return 9, "IN IP4 0.0.0.0"
    default = candidates[0]
    return default.port, f"IN {'IP6' if ':' in default.ip else 'IP4'} {default.ip}"


def transport_attributes(attributes: Attributes, local: LocalTransport, *, with_candidates: bool) -> None:
    """Add the ICE attributes (RFC 8839 section 5); all candidates are known from the start."""
    attributes.add("ice-ufrag", local.ufrag)
    attributes.add("ice-pwd", local.pwd)
    if with_candidates:
        for index, candidate in enumerate(local.candidates):
            attributes.add("candidate", candidate.line(index))
        attributes.add("end-of-candidates")


def _open_section(
    section: LocalSection, local: LocalTransport, setup: str, *, with_candidates: bool
) -> MediaDescription:
    port, connection = _address(local.candidates)
    formats = section.formats or tuple(str(number) for codec in section.codecs for number in _payload_types(codec))
    media = MediaDescription(section.kind, port, section.protocol, formats, connection)
    attributes = media.attributes
    transport_attributes(attributes, local, with_candidates=with_candidates)
    attributes.add("fingerprint", " ".join(local.fingerprint))
    attributes.add("setup", setup)
    if section.mid:
        attributes.add("mid", section.mid)
    if section.data_size is not None:
        write_data_section(attributes, max_message_size=section.data_size)
        return media
    for extension, (number, direction) in section.extensions.items():
        way = "" if direction is Direction.SENDRECV else f"/{direction}"
        attributes.add("extmap", f"{number}{way} {extension.uri}")
    attributes.add(section.direction.value)
    outgoing = section.outgoing
    if outgoing is not None:
        attributes.add("msid", f"{outgoing.stream_id} {outgoing.track_id}")
    attributes.add("rtcp-mux")
    if section.reduced_size:
        attributes.add("rtcp-rsize")
    for codec in section.codecs:
        _add_codec(attributes, codec)
    for rid in section.rids:
        attributes.add("rid", f"{rid} recv")
    if section.rids:
        attributes.add("simulcast", f"recv {';'.join(section.rids)}")
    if outgoing is not None:
        ssrcs = [outgoing.ssrc]
        if outgoing.repair_ssrc and any(codec.repair_type for codec in section.codecs):
            ssrcs.append(outgoing.repair_ssrc)
            attributes.add("ssrc-group", f"FID {outgoing.ssrc} {outgoing.repair_ssrc}")
        for ssrc in ssrcs:
            attributes.add("ssrc", f"{ssrc} cname:{outgoing.cname}")
            attributes.add("ssrc", f"{ssrc} msid:{outgoing.stream_id} {outgoing.track_id}")
    return media


def _payload_types(codec: Codec) -> list[int]:
    """In the order of preference: which of a codec and RED the other side shall send is said by their order."""
    if codec.redundant_type:
        pair = [codec.redundant_type, codec.payload_type]
        return pair if codec.redundant_first else pair[::-1]
    return [codec.payload_type, codec.repair_type] if codec.repair_type else [codec.payload_type]


def _add_codec(attributes: Attributes, codec: Codec) -> None:
    channels = f"/{codec.channels}" if codec.channels else ""
    attributes.add("rtpmap", f"{codec.payload_type} {codec.name}/{codec.clock_rate}{channels}")
    for feedback in codec.feedback:
        attributes.add("rtcp-fb", f"{codec.payload_type} {feedback}")
    if codec.parameters:
        parameters = ";".join(f"{name}={value}" if value else name for name, value in codec.parameters.items())
        attributes.add("fmtp", f"{codec.payload_type} {parameters}")
    if codec.repair_type:
        attributes.add("rtpmap", f"{codec.repair_type} rtx/{codec.clock_rate}")
        attributes.add("fmtp", f"{codec.repair_type} apt={codec.payload_type}")
    if codec.redundant_type:
        attributes.add("rtpmap", f"{codec.redundant_type} red/{codec.clock_rate}{channels}")
        attributes.add("fmtp", f"{codec.redundant_type} {codec.payload_type}/{codec.payload_type}")
