"""The commands: what each says, and by which number it is known in the command ring. See slots.py.

Each is posted with the row of the connection, track, encoding or subscription that it is for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, dataclass_transform

from sfu.routing.kernels.connection_columns import NAME_BYTES
from sfu.routing.kernels.slots import Flag, Int32, Int64, Octet, Octets, Padded, make_slot
from sfu.wire.extensions import EXTENSION_COUNT

PART_BYTES = 64
"""So much of a parameter set one command tells."""
_SOCKADDR_BYTES = 32
_Name = Annotated[bytes, Octets(NAME_BYTES)]


COMMANDS: list[type[Command]] = []
"""All of them; in the ring each is known by its place here."""


@dataclass_transform(frozen_default=True)
class Command:
    """What a command says: a frozen dataclass."""

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True)(cls)
        COMMANDS.append(cls)


class Stop(Command):
    """End the loop; the row means nothing."""


class OpenConnection(Command):
    """A fresh row: no address, no keys."""


class SetExtensions(Command):
    """Agree on extension ids, in both directions."""

    mixed: Flag
    """The client takes the two-byte form besides the one-byte form (RFC 8285 section 4.1.2)."""
    identifiers: Annotated[bytes, Padded(EXTENSION_COUNT)]
    """The id at the number of each Extension, 0: none."""


class SetKeys(Command):
    """Give a connection its SRTP sessions, as handles."""

    receive_srtp: Int64
    send_srtp: Int64


class SetAddress(Command):
    """Select where to send; nowhere when the address is empty."""

    address: Annotated[bytes, Octets(_SOCKADDR_BYTES)]


class ClaimAddress(Command):
    """Take what comes from an address for the connection's; a former holder loses it."""

    place: Int32
    """Which of the connection's addresses it is."""
    generation: Int32
    """Which use of that place."""
    address: Annotated[bytes, Padded(_SOCKADDR_BYTES)]


class DropAddress(Command):
    """What comes from that address is a stranger's again."""

    place: Int32


class SetUfrags(Command):
    """Take checks that name these user fragments, packed, for the connection's; -1: none."""

    first: Int64
    second: Int64


class SetControl(Command):
    """Agree on feedback, each as in `Feedback`."""

    feedback: Octet
    """What the receiver tells us of egress."""
    reports: Octet
    """What we tell of ingress."""
    ssrc: Int64
    """Ours, in reports."""


class SetLimit(Command):
    """So much is wanted at most."""

    rate_bps: Int64


class SetLossBound(Command):
    """What receiver reports make of the path."""

    rate_bps: Int64


class CloseConnection(Command):
    """Free a row."""


class OpenTrack(Command):
    """A fresh row."""

    generation: Int64
    """Which use of it."""


class SetTap(Command):
    """Copy some of a track's encodings to the tap ring: bit k for Encoding k."""

    encodings: Int32


class SetRelay(Command):
    """Relay a track to a row of another shard, or stop that."""

    shard: Octet
    target: Int32
    """The row, -1: stop."""
    generation: Int64
    """Which use of that row."""


class TellSet(Command):
    """A part of an H.264 parameter set that SDP told."""

    index: Octet
    """Of the track's Encoding."""
    first: Flag
    last: Flag
    part: Annotated[bytes, Octets(PART_BYTES)]


class CloseTrack(Command):
    """Free a row."""


class OpenEncoding(Command):
    """A fresh row for one RTP stream. The fields are those of `ENCODING`."""

    track: Int32
    connection: Int32
    ssrc: Int64
    payload_type: Octet
    redundant_type: Octet
    audio: Flag
    codec: Octet
    index: Octet
    asks: Octet
    repairs: Int32
    clock_rate: Int32
    mid: _Name
    rid: _Name


class SetClockOffset(Command):
    """An encoding's timestamps plus this are on the common clock of its track's."""

    clock_offset: Int64


class CloseEncoding(Command):
    """Free a row."""


class OpenSubscription(Command):
    """A fresh row, in its track's list. The fields are those of `SUBSCRIPTION`."""

    track: Int32
    connection: Int32
    ssrc: Int64
    payload_type: Octet
    redundant_type: Octet
    transport_cc: Flag
    pads: Flag
    seed_sequence: Int64
    seed_timestamp: Int64
    mid: _Name


class MoveSubscription(Command):
    """Go on with another track, -1: with none for now."""

    track: Int32


class SetPaused(Command):
    """Hold a subscription back, or let it go on."""

    paused: Flag


class SetTarget(Command):
    """Aim a subscription at an Encoding and at a Layer within it."""

    index: Int32
    spatial: Int32
    temporal: Int32


class SetRepair(Command):
    """Let a subscription ask for packets again, by RTX."""

    ssrc: Int64
    payload_type: Octet
    log: Int32
    """Its row of sent packets."""
    sequence: Int32
    """The first number of the retransmission stream."""


class SetResending(Command):
    """Let a subscription ask for packets again, as they went out."""

    sealed: Int32
    """The row where they are kept."""
    sealed_bytes: Int32
    """How much of that row is used."""
    log: Int32
    """Row of sent packets for the pacer, -1: none."""


class SetRepeatInterval(Command):
    """A packet is not repeated sooner."""

    interval_ms: Int32


class CloseSubscription(Command):
    """Free a row."""


OPERATION_OF = {command: number for number, command in enumerate(COMMANDS)}
COMMAND = make_slot(("operation", "row"), COMMANDS)
