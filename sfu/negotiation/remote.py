"""Turns the text of the client's session description into checked values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from sfu.wire.extensions import BY_URI, Extension

from .bundle import Bundle
from .capabilities import extensions_of, read_codecs
from .data import is_data, read_data_section
from .encodings import order_rids, read_rids, read_streams
from .errors import NegotiationError, SdpError
from .mids import read_mids
from .sdp import Attributes, MediaDescription, SdpLimits, SessionDescription, parse_number, parse_sdp
from .types import Codec, DataSection, Direction, IncomingEncoding, Kind, is_msid_id

__all__ = ["PROTOCOLS", "RemoteDescription", "RemoteSection", "read_remote"]

_DIRECTIONS = {direction.value: direction for direction in Direction}
PROTOCOLS = (
    "UDP/TLS/RTP/SAVPF",
    "UDP/TLS/RTP/SAVP",
    "TCP/DTLS/RTP/SAVPF",
    "TCP/DTLS/RTP/SAVP",
    "RTP/SAVPF",
    "RTP/SAVP",
)
"""The secure protocols among those that RFC 8829 section 5.1.2 says to treat as one and the same."""


@dataclass(frozen=True)
class RemoteSection:
    """One media section of the client's description.

    `kind` is None if the client rejects or has stopped it, and if we do not forward such media, or not over its
    protocol. `bundled`: the BUNDLE group names it; `shared`: it shares the one transport, named or not. `direction` is
    read of all open audio and video, what follows of a shared section with a kind only: `codecs` in the client's
    order; `extensions` as (id, the client's direction); `rids`, `encodings` and the names if it sends. `data` is there
    in a shared section of data channels.
    """

    media: MediaDescription
    mid: str
    kind: Kind | None
    bundled: bool
    shared: bool
    direction: Direction = Direction.INACTIVE
    codecs: tuple[Codec, ...] = ()
    extensions: dict[Extension, tuple[int, Direction]] = field(default_factory=dict)
    rids: tuple[str, ...] = ()
    encodings: tuple[IncomingEncoding, ...] = ()
    stream_id: str = ""
    track_id: str = ""
    cname: str = ""
    reduced_size: bool = False
    data: DataSection | None = None

    @property
    def open(self) -> bool:
        """Whether the client has neither rejected nor stopped the section."""
        return self.media.open

    @property
    def usable(self) -> bool:
        """Whether the section could carry media, given a codec."""
        return self.shared and self.kind is not None


@dataclass(frozen=True)
class RemoteDescription:
    """A client's description. `mixed_extensions`: it takes either form of header extensions in any packet (RFC 8285
    section 6).
    """

    sections: tuple[RemoteSection, ...]
    bundle: Bundle
    mixed_extensions: bool = False


def read_remote(
    text: str,
    limits: SdpLimits,
    ranks: dict[str, int],
    *,
    transport_cc: bool,
    data: bool = False,
    mids_of: Sequence[str] = (),
) -> RemoteDescription:
    """Parse a description and check what does not depend on the session's history.

    `ranks` are the codecs that we take; `data`: we take data channels, too. `mids_of` are the mids to suppose for
    sections that name none. Raises `NegotiationError` for what makes media impossible; all else that is malformed is
    left aside.
    """
    session = parse_sdp(text, limits)
    if not session.media:
        raise SdpError("the description has no media section; one m= line at least is needed")
    if any("ice-lite" in level for level in (session.attributes, *(media.attributes for media in session.media))):
        # RFC 8445 section 6.1.1: two lite agents never check connectivity, and no address is ever learned.
        raise NegotiationError("the server is an ICE-lite agent; the client must be a full one (drop a=ice-lite)")
    mids = read_mids(session.media, mids_of)
    kinds = {mid: _read_kind(media) for mid, media in zip(mids, session.media, strict=True)}
    channels = [mid for mid, media in zip(mids, session.media, strict=True) if data and is_data(media)][:1]
    taken = [mid for mid in mids if kinds[mid] or mid in channels]
    reader = _Reader(session, Bundle(session, mids, taken), ranks, transport_cc)
    sections = [
        RemoteSection(media, mid, kinds[mid], mid in reader.bundle.mids, reader.bundle.holds(mid, media))
        for mid, media in zip(mids, session.media, strict=True)
    ]
    sections = [
        replace(section, data=read_data_section(section.mid, section.media.attributes))
        if section.mid in channels and section.shared
        else section
        for section in sections
    ]
    usable = [section.media.attributes for section in sections if section.usable]
    reader.ambiguous = _find_ambiguous(usable)
    mixed = any("extmap-allow-mixed" in level for level in (session.attributes, *usable[:1]))
    return RemoteDescription(tuple(map(reader.read, sections)), reader.bundle, mixed)


def _read_kind(media: MediaDescription) -> Kind | None:
    """What we could take of a section: media of a kind, over a protocol that we speak, in an open section."""
    if media.protocol.upper() not in PROTOCOLS or not media.open:
        return None
    return "audio" if media.kind == "audio" else "video" if media.kind == "video" else None


@dataclass
class _Reader:
    """Reads the sections of one description.

    `ambiguous` are the header extension ids with more than one meaning; `ssrcs` the sources declared so far.
    """

    session: SessionDescription
    bundle: Bundle
    ranks: dict[str, int]
    transport_cc: bool
    ambiguous: frozenset[int] = frozenset()
    ssrcs: set[int] = field(default_factory=set)

    def read(self, section: RemoteSection) -> RemoteSection:
        kind = section.kind
        attributes = section.media.attributes
        if section.media.open and section.media.kind in ("audio", "video"):
            section = replace(section, direction=_read_direction(self.session, attributes))
        if kind is None or not section.shared:
            return section
        if not any(self.bundle.has(name, attributes) for name in ("rtcp-mux", "rtcp-mux-only")):
            raise NegotiationError("a=rtcp-mux is required: RTCP has no port of its own here", mid=section.mid)
        read = replace(
            section,
            codecs=tuple(read_codecs(section.media, self.ranks, transport_cc=self.transport_cc)),
            extensions=self._extensions(attributes, kind),
            reduced_size=self.bundle.has("rtcp-rsize", attributes),
        )
        return self._read_sources(read) if read.direction.sends else read

    def _read_sources(self, section: RemoteSection) -> RemoteSection:
        attributes = section.media.attributes
        streams, cname = read_streams(attributes, self.ssrcs)
        rids = read_rids(attributes)
        encodings = order_rids(rids, attributes) or streams
        self.ssrcs.update(ssrc for each in encodings for ssrc in (each.ssrc, each.repair_ssrc) if ssrc)
        stream_id, track_id = _read_msid(attributes)
        return replace(section, rids=rids, encodings=encodings, stream_id=stream_id, track_id=track_id, cname=cname)

    def _extensions(self, attributes: Attributes, kind: Kind) -> dict[Extension, tuple[int, Direction]]:
        known = extensions_of(kind, transport_cc=self.transport_cc)
        found: dict[Extension, tuple[int, Direction]] = {}
        for number, direction, uri in _read_extmaps(attributes):
            extension = BY_URI.get(uri)
            # Only ids of the one-byte form (RFC 8285 section 4.2); larger ones are declined by silence.
            usable = 1 <= number <= 14 and number not in self.ambiguous and direction is not Direction.INACTIVE
            if extension in known and usable:
                found.setdefault(extension, (number, direction))
        return found


def _find_ambiguous(sections: Sequence[Attributes]) -> frozenset[int]:
    """Return the header extension ids that mean different extensions in different sections.

    RFC 9143 section 9.2 forbids them within a BUNDLE group. We agree to none, and so no packet carries one.
    """
    meanings: dict[int, set[str]] = {}
    for attributes in sections:
        for number, _, uri in _read_extmaps(attributes):
            meanings.setdefault(number, set()).add(uri)
    return frozenset(number for number, uris in meanings.items() if len(uris) > 1)


def _read_extmaps(attributes: Attributes) -> Iterator[tuple[int, Direction, str]]:
    """Yield the id, direction and URI of each well-formed `a=extmap` (RFC 8285 section 8), without its attributes."""
    for value in attributes.all("extmap"):
        head, _, rest = value.partition(" ")
        text, slash, way = head.partition("/")
        number = parse_number(text, 65535)
        words = rest.split()
        if number is not None and words and (not slash or way in _DIRECTIONS):
            yield number, _DIRECTIONS[way] if slash else Direction.SENDRECV, words[0]


def _read_direction(session: SessionDescription, attributes: Attributes) -> Direction:
    """Return the last direction written, as browsers do; without one, the session's (RFC 8866 section 6.7)."""
    for level in (attributes, session.attributes):
        found = [name for name, _ in level if name in _DIRECTIONS]
        if found:
            return _DIRECTIONS[found[-1]]
    return Direction.SENDRECV


def _read_msid(attributes: Attributes) -> tuple[str, str]:
    """Return the identifiers of stream and track (RFC 8830 section 2); old clients' ssrc-level form counts too.

    They are labels: one that the grammar does not allow is ignored.
    """
    value = attributes.first("msid")
    if value is None:
        labels = (line.partition(" msid:") for line in attributes.all("ssrc"))
        value = next((text for _, found, text in labels if found), "")
    stream_id, track_id = (*value.split()[:2], "", "")[:2]
    return stream_id if is_msid_id(stream_id) and stream_id != "-" else "", track_id if is_msid_id(track_id) else ""
