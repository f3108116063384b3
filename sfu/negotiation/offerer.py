"""The negotiation of a connection on which the server makes the offers (RFC 3264, RFC 8829)."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sfu.wire.extensions import Extension

from .capabilities import DEFAULT_PREFERENCES, check_preferences, codec_to_receive, extensions_of
from .data import DATA_FORMAT, DATA_KIND, DATA_PROTOCOL
from .dtls_role import ANSWER_DEFAULT, settle_answered_role
from .errors import MediaLimitError, NegotiationError
from .fragment import SdpFragment, apply_fragment
from .payload_types import PayloadTypes
from .remote import RemoteDescription, RemoteSection, read_remote
from .sdp import SdpLimits
from .sections import LocalSection, build_description
from .types import AnswerDiff, Codec, Direction, Incoming, Kind, LocalTransport, Outgoing, RemoteTransport

__all__ = ["Offerer"]


@dataclass
class _Section:
    """One `m=` line. `outgoing` and `receive` are what it shall carry, `offered` what the last offer said of
    the two; `codecs` are the ones last offered. `closed`: refused with port 0, to be used again under another
    mid. Where data channels have it, `receive` says that they are wanted.
    """

    mid: str
    kind: Kind | Literal["application"]
    codecs: tuple[Codec, ...]
    outgoing: Outgoing | None = None
    receive: bool = False
    offered: tuple[Outgoing | None, bool] = (None, False)
    offered_codecs: tuple[Codec, ...] = ()
    closed: bool = False
    used: bool = False
    incoming: Incoming | None = None

    @property
    def wanted(self) -> tuple[Outgoing | None, bool]:
        return (self.outgoing, self.receive)

    @property
    def is_free(self) -> bool:
        return self.wanted == (None, False)

    def take(self, outgoing: Outgoing | None, receive: bool, codecs: tuple[Codec, ...]) -> None:
        self.outgoing, self.receive, self.codecs = outgoing, receive, codecs
        self.used = self.used or outgoing is not None or receive

    def close(self) -> None:
        self.outgoing, self.receive, self.offered, self.closed = None, False, (None, False), True


class Offerer:
    """A connection on which we offer and the client answers; does no IO and keeps no time.

    `add`, `remove` and `add_incoming` change what is wanted; while `needs_offer` and not `pending`,
    `build_offer` and give the client's answer to `handle_answer`. Sections keep their place for the
    connection's life; an inactive one is used again under its mid. One is not used again before the client
    has learned that it is inactive, so that each use gives a fresh `track` event, except when all `max_media`
    sections exist. Without `reuse` that goes for all that has carried anything: a browser's receiver keeps the id of
    the first Track that it got, which matters to who goes by these ids.

    `rng` gives the session id; `preferences` are the codecs for what we receive, best first; `data_size`: the largest
    message that data channels take.
    """

    def __init__(
        self,
        *,
        max_media: int,
        rng: random.Random,
        preferences: Sequence[str] = DEFAULT_PREFERENCES,
        transport_cc: bool = False,
        reuse: bool = True,
        data_size: int = 65536,
        limits: SdpLimits | None = None,
    ) -> None:
        self._reuse = reuse
        self._limits = replace(limits or SdpLimits.for_media(max_media), media=max_media)
        self._ranks = check_preferences(preferences)
        # What a client receives is the Track's codec, whether or not we would take it from a publisher.
        self._answer_ranks = check_preferences((*preferences, *DEFAULT_PREFERENCES))
        self._transport_cc = transport_cc
        self._data_size = data_size
        self._payload_types = PayloadTypes(transport_cc=transport_cc)
        self._session_id = rng.getrandbits(62)
        self._version = 0
        self._next_mid = 0
        self._sections: list[_Section] = []
        self._remote: RemoteTransport | None = None
        self._extension_ids: dict[Extension, int] = {}
        self._mixed_extensions = False
        self._pending = False
        self._requested = False
        self._offered_count = 0

    @property
    def extension_ids(self) -> Mapping[Extension, int]:
        """The ids of the header extensions that both sides know; empty before the first answer."""
        return self._extension_ids

    @property
    def mixed_extensions(self) -> bool:
        """Whether one packet may carry either form of header extensions (a=extmap-allow-mixed, RFC 8285 section 6)."""
        return self._mixed_extensions

    @property
    def mids(self) -> tuple[str, ...]:
        """The mids of the media sections, in their order."""
        return tuple(section.mid for section in self._sections)

    @property
    def remote(self) -> RemoteTransport | None:
        """The client's transport, None before the first answer."""
        return self._remote

    @property
    def pending(self) -> bool:
        """Whether an offer was made and its answer has not come yet."""
        return self._pending

    @property
    def needs_offer(self) -> bool:
        """Whether the last offer differs from what is wanted now. Wait while `pending`."""
        return self._requested or any(section.wanted != section.offered for section in self._sections)

    def request_offer(self) -> None:
        """Make `needs_offer` true, for an ICE restart (RFC 8839 section 4.4.1.1.1): new credentials, same media."""
        self._requested = True

    def note_restart(self, fragment: SdpFragment) -> bool:
        """Learn credentials from a trickle fragment (RFC 8840 section 9); True if they start an ICE restart.

        Raises `NegotiationError` before the first answer and for malformed credentials.
        """
        self._remote, restarted = apply_fragment(self._remote, fragment)
        return restarted

    def add(self, outgoing: Outgoing) -> str:
        """Send `outgoing`; returns the mid of its section.

        Raises `MediaLimitError` if all sections are in use, `ValueError` for a codec that we do not forward.
        """
        codec = self._payload_types.codec_for(outgoing.codec)
        section = self._section_for(codec.kind)
        section.take(outgoing, False, (codec,))
        return section.mid

    def add_incoming(self, kind: Kind) -> str:
        """Offer to receive one Track of this kind; returns the mid. `handle_answer` reports what comes of it."""
        wanted = [codec_to_receive(name, transport_cc=self._transport_cc) for name in self._ranks]
        codecs = tuple(self._payload_types.codec_for(codec) for codec in wanted if codec.kind == kind)
        if not codecs:
            raise ValueError(f"no {kind} codec is configured")
        section = self._section_for(kind)
        section.take(None, True, codecs)
        return section.mid

    def add_data(self) -> None:
        """Offer data channels; once is enough. Raises `MediaLimitError` if all sections are in use."""
        if not any(section.kind == DATA_KIND and not section.closed for section in self._sections):
            self._section_for(DATA_KIND).take(None, True, ())

    def remove(self, mid: str) -> None:
        """Stop what the section carries. Does nothing for one that carries nothing; `KeyError` for an unknown mid."""
        for section in self._sections:
            if section.mid == mid:
                section.outgoing, section.receive = None, False
                return
        raise KeyError(mid)

    def build_offer(self, local: LocalTransport) -> str:
        """Build the offer of what is wanted. With nothing wanted yet it has one inactive section, so that the transport
        can be set up. Raises `RuntimeError` (the caller's fault) while an offer is pending.
        """
        if self._pending:
            raise RuntimeError("an offer is pending; handle its answer or call rollback first")
        if not self._sections:
            self._section_for("audio").take(None, False, (self._placeholder(),))
        self._pending, self._requested = True, False
        self._version += 1
        self._offered_count = len(self._sections)
        for section in self._sections:
            section.offered, section.offered_codecs = section.wanted, section.codecs
        written = [self._write(section) for section in self._sections]
        return build_description(
            written, local, setup="actpass", origin=(self._session_id, self._version), mixed_extensions=True
        )

    def rollback(self) -> None:
        """Give up the pending offer (the client never answered); another one is needed."""
        if self._pending:
            self._pending, self._requested = False, True

    def handle_answer(self, sdp: str) -> AnswerDiff:
        """Take the answer to the pending offer. One that raises `NegotiationError` leaves the session as it was."""
        if not self._pending:
            raise NegotiationError("no offer is waiting for an answer")
        mids = [section.mid for section in self._offered_sections()]
        description = read_remote(
            sdp,
            self._limits,
            self._answer_ranks,
            transport_cc=self._transport_cc,
            data=any(section.kind == DATA_KIND for section in self._offered_sections()),
            mids_of=mids,
        )
        self._check(description)
        remote = self._read_transport(description)
        restarted = self._remote is not None and (remote.ufrag, remote.pwd) != (
            self._remote.ufrag,
            self._remote.pwd,
        )
        accepted: dict[str, Codec] = {}
        rejected: list[str] = []
        incoming: list[Incoming] = []
        ended: list[str] = []
        for section, answer in zip(self._offered_sections(), description.sections, strict=True):
            offered = section.offered[0]
            codec = _accepted_codec(section, answer)
            refused = offered is not None and codec is None and section.outgoing is offered
            if refused or (not answer.open and not section.is_free):
                rejected.append(section.mid)
            elif codec is not None and section.outgoing is offered:
                accepted[section.mid] = codec
            before, section.incoming = section.incoming, _incoming_of(section, answer)
            if section.incoming is not None:
                incoming.append(section.incoming)
            elif before is not None:
                ended.append(section.mid)
            # What was refused is not offered again by itself.
            if not answer.open:
                section.close()
            elif refused:
                section.outgoing, section.offered = None, (None, section.receive)
        self._pending = False
        self._remote = remote
        self._extension_ids = _extension_ids(description)
        self._mixed_extensions = description.mixed_extensions
        data = next((answer.data for answer in description.sections if answer.data), None)
        return AnswerDiff(remote, accepted, rejected, incoming, ended, restarted, data)

    def _offered_sections(self) -> list[_Section]:
        """Return the sections of the last offer; those added since follow them in the list."""
        return self._sections[: self._offered_count]

    def _section_for(self, kind: Kind | Literal["application"]) -> _Section:
        """A section to put new media in: a free one of the kind, a closed one, a new one, in this order."""
        free = [
            section for section in self._sections if section.is_free and section.kind == kind and not section.closed
        ]
        for section in free:
            if section.offered == (None, False) and (self._reuse or not section.used):
                return section
        for section in self._sections:
            if section.closed and not self._pending:
                # RFC 8829 section 5.2.2: a closed section may come back with another mid and another kind.
                section.mid, section.kind, section.closed = self._new_mid(), kind, False
                return section
        if len(self._sections) < self._limits.media:
            section = _Section(self._new_mid(), kind, ())
            self._sections.append(section)
            return section
        if free:
            return free[0]
        raise MediaLimitError(
            f"all {self._limits.media} media sections of the connection are in use; end some or open another"
        )

    def _new_mid(self) -> str:
        self._next_mid += 1
        return str(self._next_mid - 1)

    def _placeholder(self) -> Codec:
        return self._payload_types.codec_for(codec_to_receive("opus", transport_cc=self._transport_cc))

    def _write(self, section: _Section) -> LocalSection:
        if section.kind == DATA_KIND:
            return LocalSection(
                section.mid,
                DATA_KIND,
                DATA_PROTOCOL,
                closed=section.closed,
                formats=(DATA_FORMAT,),
                data_size=self._data_size,
            )
        if section.closed:
            formats = tuple(str(codec.payload_type) for codec in section.codecs)
            return LocalSection(section.mid, section.kind, closed=True, formats=formats)
        known = extensions_of(section.kind, transport_cc=self._transport_cc)
        return LocalSection(
            section.mid,
            section.kind,
            direction=Direction.of(send=section.outgoing is not None, receive=section.receive),
            codecs=section.codecs,
            extensions={extension: (int(extension), Direction.SENDRECV) for extension in known},
            outgoing=section.outgoing,
        )

    def _check(self, description: RemoteDescription) -> None:
        """Check an answer's form (RFC 3264 section 6, RFC 8829 section 5.11)."""
        count, wanted = len(description.sections), self._offered_count
        if count != wanted:
            raise NegotiationError(f"the answer has {count} media sections; the offer has {wanted}")
        for section, answer in zip(self._offered_sections(), description.sections, strict=True):
            if (answer.mid, answer.media.kind) != (section.mid, section.kind):
                raise NegotiationError("the answer's sections must have the offer's kinds and order", mid=section.mid)
            if not answer.open:
                continue
            if answer.kind is None and answer.data is None:
                raise NegotiationError(
                    f"the transport protocol {answer.media.protocol} was not offered", mid=answer.mid
                )
            if section.closed:
                raise NegotiationError("a section offered with port 0 must be answered with port 0", mid=answer.mid)
            if not answer.shared:
                raise NegotiationError(
                    "the answer must keep the section in the BUNDLE group, or give it the transport of the others",
                    mid=answer.mid,
                )
            for extension, (number, _) in answer.extensions.items():
                if number != int(extension):
                    raise NegotiationError(f"the answer moves header extension {extension.uri}", mid=answer.mid)

    def _read_transport(self, description: RemoteDescription) -> RemoteTransport:
        """The transport of the answer's BUNDLE group (RFC 9143 section 7.3.1)."""
        if not any(section.open for section in description.sections):
            if self._remote is not None:
                return self._remote
            raise NegotiationError("the answer refuses every media section; nothing is left to connect")
        remote = description.bundle.read_transport(default_setup=ANSWER_DEFAULT)
        remote = settle_answered_role(remote, self._remote)
        if self._remote is not None and set(remote.fingerprints) != set(self._remote.fingerprints):
            raise NegotiationError("the certificate's fingerprint changed; open a new connection instead")
        return remote


def _accepted_codec(section: _Section, answer: RemoteSection) -> Codec | None:
    """Return the codec with the client's payload type for it, if the client takes what was offered."""
    offered = section.offered[0]
    if offered is None or not answer.direction.receives:
        return None
    return next((codec for codec in answer.codecs if codec.takes(offered.codec)), None)


def _incoming_of(section: _Section, answer: RemoteSection) -> Incoming | None:
    """What the client sends: by the first codec of its answer, which is the one that it will use."""
    if section.kind == "application" or not section.offered[1] or not answer.direction.sends:
        return None
    codec = next((codec for codec in answer.codecs if any(mine.takes(codec) for mine in section.offered_codecs)), None)
    if codec is None:
        return None
    return Incoming(
        section.mid, section.kind, codec, answer.encodings[:1], answer.stream_id, answer.track_id, answer.cname
    )


def _extension_ids(description: RemoteDescription) -> dict[Extension, int]:
    return {
        extension: number for section in description.sections for extension, (number, _) in section.extensions.items()
    }
