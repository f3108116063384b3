"""The negotiation of a connection on which the client makes the offers (RFC 3264, RFC 8829)."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import overload

from sfu.wire.extensions import Extension

from .capabilities import (
    DEFAULT_PREFERENCES,
    answer_parameters,
    check_preferences,
    choose_codec,
    forwarded_parameters,
    kind_of,
    list_offered,
)
from .data import DATA_FORMAT, DATA_KIND, DATA_PROTOCOL
from .dtls_role import OFFER_DEFAULT, local_setup, settle_offered_role
from .errors import NegotiationError, NoCommonCodecError, NothingReceivedError
from .fragment import SdpFragment, apply_fragment
from .mids import is_carried, is_made_up
from .remote import PROTOCOLS, RemoteDescription, RemoteSection, read_remote
from .sdp import SdpLimits
from .sections import LocalSection, build_description
from .types import (
    Codec,
    Direction,
    Incoming,
    LocalTransport,
    OfferDiff,
    Outgoing,
    OutgoingSlot,
    RemoteTransport,
)

__all__ = ["Answerer"]


@dataclass
class _Section:
    """What was settled for one section of the current offer; where `codec` is None the section is declined."""

    remote: RemoteSection
    codec: Codec | None
    incoming: Incoming | None = None
    outgoing: Outgoing | None = None
    sending: Codec | None = None

    @property
    def taken(self) -> bool:
        return self.codec is not None or self.remote.data is not None

    @property
    def is_slot(self) -> bool:
        return self.remote.usable and self.remote.direction.receives


class Answerer:
    """A connection on which the client offers and we answer; does no IO and keeps no time.

    For each offer: `handle_offer`, then `assign` what shall be sent into its slots, then `build_answer`.
    An offer that raises leaves the session as it was.

    `max_media` bounds the media sections; `preferences` are the codec names that we take (which of them is for the
    client to say: RFC 3264 section 6.1); `publish`: whether we take what the client sends, else its sections are
    answered as if it would only receive; `rng` gives the session id; `transport_cc` agrees to the transport-wide
    sequence number too; `data_size`: the largest message that data channels take, None where there are none.
    """

    def __init__(
        self,
        *,
        max_media: int,
        preferences: Sequence[str] = DEFAULT_PREFERENCES,
        rng: random.Random,
        publish: bool = True,
        transport_cc: bool = False,
        data_size: int | None = None,
        limits: SdpLimits | None = None,
    ) -> None:
        self._limits = replace(limits or SdpLimits.for_media(max_media), media=max_media)
        self._ranks = check_preferences(preferences)
        self._publish = publish
        self._transport_cc = transport_cc
        self._data_size = data_size
        self.preferred: Mapping[str, str] = {}
        """Codecs (or `red`) for what the client calls its tracks (`a=msid`), which go before the order of its offer."""
        self._session_id = rng.getrandbits(62)
        self._version = 0
        self._sections: list[_Section] = []
        self._remote: RemoteTransport | None = None
        self._bundle = False
        self._extension_ids: dict[Extension, int] = {}
        self._mixed_extensions = False

    @property
    def extension_ids(self) -> Mapping[Extension, int]:
        """The ids (1 to 14) of the header extensions that both sides know, for the whole connection."""
        return self._extension_ids

    @property
    def mixed_extensions(self) -> bool:
        """Whether one packet may carry either form of header extensions (a=extmap-allow-mixed, RFC 8285 section 6)."""
        return self._mixed_extensions

    @property
    def mids(self) -> tuple[str, ...]:
        """The mids of the media sections, in their order; made up where the client names none."""
        return tuple(section.remote.mid for section in self._sections)

    @property
    def remote(self) -> RemoteTransport | None:
        """The client's transport, None before the first offer."""
        return self._remote

    def handle_offer(self, sdp: str) -> OfferDiff:
        """Take an offer, the first or a later one. Raises `NegotiationError`; there are no half answers: media that the
        client would send, and that we cannot take, make the whole offer fail (RFC 9725 section 4.4).

        What was assigned to slots stays assigned where the new offer can carry it. A client that moves a
        codec to another payload type within a session breaks RFC 3264 section 8.3.2; assign again to learn
        the new one.
        """
        mids = [section.remote.mid for section in self._sections]
        description = read_remote(
            sdp,
            self._limits,
            self._ranks,
            transport_cc=self._transport_cc,
            data=self._data_size is not None,
            mids_of=mids,
        )
        self._check_order(description)
        sections = [self._settle(section) for section in description.sections]
        self._check_purpose(sections)
        remote = self._read_transport(description, sections)
        self._check_protocols(sections)
        restarted = self._remote is not None and (remote.ufrag, remote.pwd) != (
            self._remote.ufrag,
            self._remote.pwd,
        )
        withdrawn = [mid for mid in self._filled() if not _carry_over(self._find(mid), sections)]
        incoming = [section.incoming for section in sections if section.incoming is not None]
        sending_mids = {item.mid for item in incoming}
        ended = [old.remote.mid for old in self._sections if old.incoming and old.remote.mid not in sending_mids]
        self._sections = sections
        self._remote = remote
        self._bundle = bool(description.bundle.mids)
        self._extension_ids = _agree_on_extensions(sections)
        self._mixed_extensions = description.mixed_extensions
        data = next((section.remote.data for section in sections if section.remote.data), None)
        return OfferDiff(remote, incoming, self._slots(), restarted, ended, withdrawn, data)

    def note_restart(self, fragment: SdpFragment) -> bool:
        """Learn credentials from a trickle fragment (RFC 8840 section 9); True if they start an ICE restart.

        Without this a later offer with the same credentials would be taken for another restart. Raises
        `NegotiationError` before the first offer and for malformed credentials.
        """
        self._remote, restarted = apply_fragment(self._remote, fragment)
        return restarted

    @overload
    def assign(self, mid: str, outgoing: Outgoing) -> Codec: ...

    @overload
    def assign(self, mid: str, outgoing: None) -> None: ...

    def assign(self, mid: str, outgoing: Outgoing | None) -> Codec | None:
        """Send `outgoing` in the slot `mid`, or nothing. Returns the codec with the payload type to send.

        Raises `NegotiationError` if the client cannot decode it, and `KeyError` (the caller's fault) if `mid`
        is no slot of the current offer.
        """
        section = self._find(mid)
        if not section.is_slot:
            raise KeyError(mid)
        if outgoing is None:
            section.outgoing = section.sending = None
            return None
        codec = _codec_to_send(section.remote, outgoing)
        if codec is None:
            raise NegotiationError(f"the client offered no {outgoing.codec.name} that fits the Track's", mid=mid)
        section.outgoing, section.sending = outgoing, codec
        return codec

    def carries(self, mid: str, codec: Codec) -> bool:
        """Whether the section `mid` could carry `codec` instead of what is sent in it, as far as the answer goes."""
        section = self._find(mid)
        return section.sending is not None and any(
            theirs.payload_type == section.sending.payload_type and theirs.takes(codec)
            for theirs in section.remote.codecs
        )

    def build_answer(self, local: LocalTransport) -> str:
        """Build the answer to the current offer. Raises `RuntimeError` (the caller's fault) before the first offer."""
        if not self._sections or self._remote is None:
            raise RuntimeError("build_answer before handle_offer")
        self._version += 1
        written = [self._write(section) for section in self._sections]
        origin = (self._session_id, self._version)
        return build_description(
            written,
            local,
            setup=local_setup(self._remote),
            origin=origin,
            bundle=self._bundle,
            mixed_extensions=self._mixed_extensions,
        )

    def _check_order(self, description: RemoteDescription) -> None:
        """Check that sections keep their place and only a closed one is put to a new use (RFC 8829 section 5.2.2)."""
        if len(description.sections) < len(self._sections):
            raise NegotiationError("a later offer may not have fewer media sections than the one before")
        for old, new in zip(self._sections, description.sections, strict=False):
            if old.remote.open and old.taken and old.remote.mid != new.mid:
                raise NegotiationError(
                    f"a later offer may not give its section the mid {new.mid!r}", mid=old.remote.mid
                )
            if old.remote.mid == new.mid and old.remote.media.kind != new.media.kind:
                raise NegotiationError("a section may not change its kind", mid=new.mid)

    def _settle(self, remote: RemoteSection) -> _Section:
        """Choose the codec of a section, and so whether we take the section at all."""
        sends = self._publish and remote.direction.sends
        if remote.kind is None:
            return _Section(remote, None)
        if sends and not remote.shared:
            raise NegotiationError(
                "it has a transport of its own, and all media must share one: name it in the first a=group:BUNDLE, or "
                "give it the same a=ice-ufrag, a=ice-pwd and a=fingerprint",
                mid=remote.mid,
            )
        codec = choose_codec(remote.codecs, self.preferred.get(remote.track_id, "") if sends else "")
        if sends and codec is None:
            raise self._no_common_codec(remote)
        section = _Section(remote, codec)
        if codec is not None and sends:
            section.incoming = Incoming(
                remote.mid,
                remote.kind,
                codec,
                remote.encodings,
                remote.stream_id,
                remote.track_id,
                remote.cname,
            )
        return section

    def _read_transport(self, description: RemoteDescription, sections: list[_Section]) -> RemoteTransport:
        """The transport of the BUNDLE group (RFC 9143 section 7.3.1)."""
        if not any(section.taken for section in sections):
            if self._remote is not None:
                return self._remote  # the client has stopped everything; the connection itself stays
            for section in sections:
                if section.remote.usable:
                    raise self._no_common_codec(section.remote)
            raise NegotiationError(
                f"nothing in the offer can be taken: it needs an audio or video section ({', '.join(PROTOCOLS)}) "
                f"with one of {', '.join(self._ranks)}{self._data_wanted()}"
            )
        remote = description.bundle.read_transport(default_setup=OFFER_DEFAULT)
        remote = settle_offered_role(remote, self._remote)
        if self._remote is not None and set(remote.fingerprints) != set(self._remote.fingerprints):
            raise NegotiationError("the certificate's fingerprint changed; open a new connection instead")
        return remote

    def _data_wanted(self) -> str:
        if self._data_size is None:
            return ""
        return f", or m={DATA_KIND} 9 {DATA_PROTOCOL} {DATA_FORMAT} (the form with a=sctpmap is none that is taken)"

    def _check_purpose(self, sections: list[_Section]) -> None:
        """Check that a client that may only receive offers to do so; beside such sections, those that only send are
        inactive.
        """
        sending = any(section.remote.direction.sends for section in sections)
        if not self._publish and sending and not any(section.is_slot for section in sections):
            raise NothingReceivedError(
                "the offer only sends, and this client may only receive; a=recvonly and a=sendrecv are accepted"
            )

    def _check_protocols(self, sections: list[_Section]) -> None:
        """Check that media which the client would send come over a protocol that we speak."""
        for section in sections:
            remote = section.remote
            if self._publish and remote.direction.sends and remote.kind is None:
                raise NegotiationError(
                    f"m={remote.media.kind} over {remote.media.protocol[:40]} cannot be taken. Accepted: "
                    f"{', '.join(PROTOCOLS)}",
                    mid=remote.mid,
                )

    def _no_common_codec(self, remote: RemoteSection) -> NoCommonCodecError:
        mine = ", ".join(name for name in self._ranks if kind_of(name) == remote.kind)
        offered = ", ".join(list_offered(remote.media, self._ranks)) or "none"
        return NoCommonCodecError(
            f"m={remote.kind} has no codec that the server takes. Offered: {offered}. Accepted: {mine or 'none'}",
            mid=remote.mid,
        )

    def _find(self, mid: str) -> _Section:
        for section in self._sections:
            if section.remote.mid == mid:
                return section
        raise KeyError(mid)

    def _filled(self) -> list[str]:
        return [section.remote.mid for section in self._sections if section.outgoing is not None]

    def _slots(self) -> list[OutgoingSlot]:
        return [
            OutgoingSlot(
                section.remote.mid,
                section.remote.kind,
                section.remote.codecs,
                filled=section.outgoing is not None,
                offered=list_offered(section.remote.media, self._ranks),
            )
            for section in self._sections
            if section.is_slot and section.remote.kind is not None
        ]

    def _write(self, section: _Section) -> LocalSection:
        remote = section.remote
        media = remote.media
        mid = "" if is_made_up(remote.mid) else remote.mid
        if remote.data is not None:
            return LocalSection(
                mid, media.kind, media.protocol, remote.bundled, formats=(DATA_FORMAT,), data_size=self._data_size
            )
        if section.codec is None:
            return LocalSection(mid, media.kind, media.protocol, closed=True, formats=media.formats)
        # What the client sends comes first: a browser sends the first codec of an answer.
        codecs = {section.codec.payload_type: section.codec} if section.incoming else {}
        outgoing = section.outgoing
        if outgoing is not None and section.sending is not None:
            sending = codecs.get(section.sending.payload_type, section.sending)
            parameters = {**sending.parameters, **_sender_parameters(outgoing)}
            codecs[sending.payload_type] = replace(sending, parameters=parameters)
        chosen = list(codecs.values()) or [section.codec]
        return LocalSection(
            mid,
            media.kind,
            media.protocol,
            remote.bundled,
            direction=Direction.of(send=outgoing is not None, receive=section.incoming is not None),
            codecs=[replace(codec, parameters=answer_parameters(codec)) for codec in chosen],
            extensions={
                extension: (number, direction.reversed)
                for extension, (number, direction) in remote.extensions.items()
                if self._extension_ids.get(extension) == number
            },
            outgoing=outgoing,
            rids=remote.rids if section.incoming else (),
            reduced_size=remote.reduced_size,
        )


def _sender_parameters(outgoing: Outgoing) -> dict[str, str]:
    """Return what the client should know of an Opus stream (RFC 7587 section 7.1); for video, its own parameters."""
    return forwarded_parameters(outgoing.codec) if outgoing.codec.name == "opus" else {}


def _codec_to_send(remote: RemoteSection, outgoing: Outgoing) -> Codec | None:
    """Of the codecs that can decode the stream, return the one equal to it, else the client's first."""
    fitting = [codec for codec in remote.codecs if codec.takes(outgoing.codec)]
    return next((codec for codec in fitting if codec.matches(outgoing.codec)), next(iter(fitting), None))


def _carry_over(old: _Section, sections: list[_Section]) -> bool:
    """Keep what was assigned to a section, if the new offer's section of that mid can still carry it."""
    new = next((section for section in sections if section.remote.mid == old.remote.mid), None)
    if new is None or not new.is_slot or old.outgoing is None:
        return False
    new.sending = _codec_to_send(new.remote, old.outgoing)
    new.outgoing = old.outgoing if new.sending is not None else None
    return new.outgoing is not None


def _agree_on_extensions(sections: list[_Section]) -> dict[Extension, int]:
    """One id for each extension: the first section's, since a table of ids holds for the whole connection.

    Where packets cannot carry a section's mid, none carries any.
    """
    ids: dict[Extension, int] = {}
    taken = [section.remote for section in sections if section.codec is not None]
    for remote in taken:
        for extension, (number, _) in remote.extensions.items():
            ids.setdefault(extension, number)
    if not all(is_carried(remote.mid) or is_made_up(remote.mid) for remote in taken):
        ids.pop(Extension.MID, None)
    return ids
