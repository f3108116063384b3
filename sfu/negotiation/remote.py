"""Reading what the client wrote: a session description's text to checked values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from sfu.wire.extensions import BY_URI, Extension

from .capabilities import extensions_of, read_codecs
from .encodings import MAX_ENCODINGS, order_rids, read_streams
from .errors import NegotiationError
from .sdp import Attributes, MediaDescription, SdpLimits, SessionDescription, parse_number, parse_sdp
from .types import Codec, Direction, IncomingEncoding, Kind, RemoteTransport, is_msid_id

__all__ = ["RemoteDescription", "RemoteSection", "read_remote", "read_transport"]

# 16 octets are what a one-byte header extension can carry (RFC 8285 section 4.2).
_MID = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]{1,16}")
_RID = re.compile(r"[0-9A-Za-z_-]{1,16}")
_ICE_UFRAG = re.compile(r"[0-9A-Za-z+/]{4,256}")
_ICE_PWD = re.compile(r"[0-9A-Za-z+/]{22,256}")
_FINGERPRINT = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})+")
_DIGEST_OCTETS = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_DIRECTIONS = {direction.value: direction for direction in Direction}
_PROTOCOLS = frozenset(
    (
        "UDP/TLS/RTP/SAVPF",
        "UDP/TLS/RTP/SAVP",
        "TCP/DTLS/RTP/SAVPF",
        "TCP/DTLS/RTP/SAVP",
        "RTP/SAVPF",
        "RTP/SAVP",
    )
)
"""Those that RFC 8829 section 5.1.2 wants treated as one and the same, the insecure ones left out."""


@dataclass(frozen=True)
class RemoteSection:
    """One media section of the client's description.

    `kind` is None if we do not forward such media, or not over its protocol. `open`: the client did not
    reject or stop the section (port 0 without `a=bundle-only`). What follows is read only of an open section
    with a kind: `codecs` in the client's order; `extensions` as (id, the client's direction); `ssrc`, `rids`
    and the names if it sends.
    """

    media: MediaDescription
    mid: str
    kind: Kind | None
    open: bool
    direction: Direction = Direction.INACTIVE
    codecs: tuple[Codec, ...] = ()
    extensions: dict[Extension, tuple[int, Direction]] = field(default_factory=dict)
    rids: tuple[str, ...] = ()
    encodings: tuple[IncomingEncoding, ...] = ()
    stream_id: str = ""
    track_id: str = ""
    cname: str = ""
    reduced_size: bool = False


@dataclass(frozen=True)
class RemoteDescription:
    """A client's description. `bundle` lists the mids of its BUNDLE group, in order; `mixed_extensions`: it takes
    either form of header extensions in any packet (RFC 8285 section 6).
    """

    session: SessionDescription
    sections: tuple[RemoteSection, ...]
    bundle: tuple[str, ...]
    mixed_extensions: bool = False


def read_remote(
    text: str, limits: SdpLimits, ranks: dict[str, int], *, transport_cc: bool, mids_of: Sequence[str] = ()
) -> RemoteDescription:
    """Parse a description and check what does not depend on the session's history.

    `ranks` are the codecs that we take. `mids_of` are the mids to suppose for closed sections that name none
    (an answer may leave them out). Raises `NegotiationError`.
    """
    session = parse_sdp(text, limits)
    if not session.media:
        raise NegotiationError("the description has no media section")
    if "ice-lite" in session.attributes:
        # RFC 8445 section 6.1.1: two lite agents never check connectivity, and no address is ever learned.
        raise NegotiationError("the server is an ICE-lite agent; the client must be a full one (drop a=ice-lite)")
    mids = [_read_mid(media, index, mids_of) for index, media in enumerate(session.media)]
    if len(set(mids)) != len(mids):
        raise NegotiationError("two media sections have the same a=mid")
    reader = _Reader(session, ranks, transport_cc)
    sections = [reader.section(media, mid) for media, mid in zip(session.media, mids, strict=True)]
    bundle = _read_bundle(session)
    if not set(bundle) <= set(mids):
        raise NegotiationError("the BUNDLE group names a mid that no media section has")
    taken = [section for section in sections if section.open and section.kind is not None]
    for section in taken:
        if section.mid not in bundle and len(taken) > 1:
            raise NegotiationError("not in the BUNDLE group; everything must share one transport", mid=section.mid)
    mixed = "extmap-allow-mixed"
    agreed = mixed in session.attributes or (bool(taken) and all(mixed in each.media.attributes for each in taken))
    return RemoteDescription(session, tuple(sections), bundle, agreed)


def _read_bundle(session: SessionDescription) -> tuple[str, ...]:
    for value in session.attributes.all("group"):
        words = value.split()
        if words[:1] == ["BUNDLE"]:
            return tuple(words[1:])
    return ()


def _is_open(media: MediaDescription) -> bool:
    return media.port != 0 or "bundle-only" in media.attributes


def _read_mid(media: MediaDescription, index: int, mids_of: Sequence[str]) -> str:
    mid = media.attributes.first("mid")
    if mid is None and not _is_open(media) and index < len(mids_of):
        return mids_of[index]
    if mid is None or not _MID.fullmatch(mid):
        raise NegotiationError(f"media section {index + 1} needs an a=mid of 1 to 16 token characters")
    return mid


@dataclass
class _Reader:
    """Reads the sections of one description; `meanings` is what each header extension id has stood for so far."""

    session: SessionDescription
    ranks: dict[str, int]
    transport_cc: bool
    meanings: dict[int, str] = field(default_factory=dict)

    def section(self, media: MediaDescription, mid: str) -> RemoteSection:
        kind: Kind | None = None
        if media.protocol in _PROTOCOLS:
            kind = "audio" if media.kind == "audio" else "video" if media.kind == "video" else None
        if kind is None or not _is_open(media):
            return RemoteSection(media, mid, kind, _is_open(media))
        attributes = media.attributes
        if "rtcp-mux" not in attributes:
            raise NegotiationError("a=rtcp-mux is required", mid=mid)
        direction = _read_direction(self.session, attributes, mid)
        streams, cname = read_streams(attributes, mid) if direction.sends else ((), "")
        rids = _read_rids(attributes, mid)[:MAX_ENCODINGS] if direction.sends else ()
        stream_id, track_id = _read_msid(attributes, mid) if direction.sends else ("", "")
        return RemoteSection(
            media,
            mid,
            kind,
            True,
            direction=direction,
            codecs=tuple(read_codecs(media, self.ranks, transport_cc=self.transport_cc)),
            extensions=self._extensions(attributes, kind, mid),
            rids=rids,
            encodings=order_rids(rids, attributes) or streams,
            stream_id=stream_id,
            track_id=track_id,
            cname=cname,
            reduced_size="rtcp-rsize" in attributes,
        )

    def _extensions(self, attributes: Attributes, kind: Kind, mid: str) -> dict[Extension, tuple[int, Direction]]:
        known = extensions_of(kind, transport_cc=self.transport_cc)
        found: dict[Extension, tuple[int, Direction]] = {}
        for value in attributes.all("extmap"):
            number, direction, uri = _split_extmap(value, mid)
            # RFC 8843 section 9.2: within a BUNDLE group one id means one extension.
            if self.meanings.setdefault(number, uri) != uri:
                raise NegotiationError(f"header extension id {number} has two meanings", mid=mid)
            extension = BY_URI.get(uri)
            # Only ids of the one-byte form (RFC 8285 section 4.2); larger ones are declined by silence.
            if extension in known and 1 <= number <= 14 and direction is not Direction.INACTIVE:
                found.setdefault(extension, (number, direction))
        return found


def _read_direction(session: SessionDescription, attributes: Attributes, mid: str) -> Direction:
    for level in (attributes, session.attributes):
        found = [direction for name, direction in _DIRECTIONS.items() if name in level]
        if len(found) > 1:
            raise NegotiationError("more than one direction (RFC 8866 section 6.7)", mid=mid)
        if found:
            return found[0]
    return Direction.SENDRECV


def _split_extmap(value: str, mid: str) -> tuple[int, Direction, str]:
    """An extmap's id, direction and URI (RFC 8285 section 8)."""
    head, _, rest = value.partition(" ")
    text, slash, way = head.partition("/")
    number = parse_number(text, 65535)
    if number is None or not rest.strip() or (slash and way not in _DIRECTIONS):
        raise NegotiationError(f"a=extmap:{value[:60]} is malformed", mid=mid)
    return number, _DIRECTIONS[way] if slash else Direction.SENDRECV, rest.split()[0]


def _read_rids(attributes: Attributes, mid: str) -> tuple[str, ...]:
    """The encodings that the client would send, in its order (RFC 8853 section 5.1), first alternatives only."""
    simulcast = attributes.first("simulcast")
    if simulcast is None:
        return ()
    words = simulcast.split()
    pairs = dict(zip(words[0::2], words[1::2], strict=False))
    declared = {rid[0] for rid in map(str.split, attributes.all("rid")) if rid[1:2] == ["send"]}
    rids = tuple(item.split(",")[0].lstrip("~") for item in pairs.get("send", "").split(";") if item)
    for rid in rids:
        if not _RID.fullmatch(rid) or rid not in declared:
            raise NegotiationError(f"a=simulcast names {rid[:20]!r}, which no a=rid line declares", mid=mid)
    if len(set(rids)) != len(rids):
        raise NegotiationError("a=simulcast names an encoding twice", mid=mid)
    return rids


def _read_msid(attributes: Attributes, mid: str) -> tuple[str, str]:
    """The stream's and track's identifiers (RFC 8830 section 2); the ssrc-level form of old clients counts too."""
    value = attributes.first("msid")
    if value is None:
        for line in attributes.all("ssrc"):
            _, found, text = line.partition(" msid:")
            if found:
                value = text
                break
    if value is None:
        return "", ""
    words = value.split()
    if not 1 <= len(words) <= 2 or not all(is_msid_id(word) for word in words):
        raise NegotiationError("a=msid takes one or two identifiers of 1 to 64 token characters", mid=mid)
    stream_id = "" if words[0] == "-" else words[0]
    return stream_id, words[1] if len(words) == 2 else ""


def read_transport(session: SessionDescription, section: RemoteSection, *, default_setup: str) -> RemoteTransport:
    """The transport that a section describes, what it leaves out taken from the session level.

    `default_setup` is what a missing `a=setup` means. Raises `NegotiationError` if anything needed is missing or
    malformed; the role is for `settle_role` to judge.
    """

    def values(name: str) -> list[str]:
        return section.media.attributes.all(name) or session.attributes.all(name)

    ufrag, pwd = (values("ice-ufrag") or [""])[0], (values("ice-pwd") or [""])[0]
    check_ice_credentials(ufrag, pwd, mid=section.mid)
    setup = (values("setup") or [default_setup])[0].strip().lower()
    fingerprints = []
    for value in values("fingerprint"):
        algorithm, _, digest = value.partition(" ")
        octets = _DIGEST_OCTETS.get(algorithm.lower())
        if octets is None:
            continue  # RFC 8122 section 5: several may be given; sha-1 and older prove nothing
        if len(digest) != 3 * octets - 1 or not _FINGERPRINT.fullmatch(digest):
            raise NegotiationError(f"a=fingerprint:{algorithm} is malformed", mid=section.mid)
        fingerprints.append((algorithm.lower(), digest.upper()))
    if not fingerprints:
        raise NegotiationError("an a=fingerprint with sha-256, sha-384 or sha-512 is required", mid=section.mid)
    return RemoteTransport(ufrag, pwd, tuple(fingerprints), setup)


def check_ice_credentials(ufrag: str, pwd: str, *, mid: str | None = None) -> None:
    """Raise `NegotiationError` unless both are as RFC 8839 section 5.4 wants them."""
    if not _ICE_UFRAG.fullmatch(ufrag):
        raise NegotiationError("a=ice-ufrag must be 4 to 256 ICE characters (RFC 8839 section 5.4)", mid=mid)
    if not _ICE_PWD.fullmatch(pwd):
        raise NegotiationError("a=ice-pwd must be 22 to 256 ICE characters (RFC 8839 section 5.4)", mid=mid)
