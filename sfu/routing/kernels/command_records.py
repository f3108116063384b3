"""The commands: what each says of the row that it is posted with, and its number in the ring. See slots.py."""

from __future__ import annotations

from typing import Annotated

import sfu.routing.kernels.address_records
import sfu.routing.kernels.check_records  # noqa: F401
from sfu.routing.kernels.command_class import COMMANDS, Command
from sfu.routing.kernels.connection_columns import CNAME_BYTES, NAME_BYTES
from sfu.routing.kernels.slots import Flag, Int32, Int64, Octet, Octets, Padded, make_slot
from sfu.wire.extensions import EXTENSION_COUNT

PART_BYTES = 64
"""Most octets of a parameter set that one command carries."""
_Name = Annotated[bytes, Octets(NAME_BYTES)]
_Cname = Annotated[bytes, Octets(CNAME_BYTES)]


class Stop(Command):
    """End the loop; the row means nothing."""


class OpenConnection(Command):
    """Begin a fresh row of a connection: no address, no keys."""

    report_ssrc: Int64
    """Ours in feedback and reports to the client; 0: none are sent."""
    cname: _Cname


class SetExtensions(Command):
    """Agree on extension ids, in both directions."""

    mixed: Flag
    """The client takes the two-byte form besides the one-byte form (RFC 8285 section 4.1.2)."""
    identifiers: Annotated[bytes, Padded(EXTENSION_COUNT)]
    """The id at the number of each Extension, 0: none."""


class SetData(Command):
    """Data channels are negotiated, or not any more."""

    taken: Flag


class SetKeys(Command):
    """Give a connection its SRTP sessions, as handles."""

    receive_srtp: Int64
    send_srtp: Int64


class SetUfrags(Command):
    """Take checks that name these user fragments, packed, for the connection's; -1: none."""

    first: Int64
    second: Int64


class SetControl(Command):
    """Agree on feedback, each as in `Feedback`."""

    feedback: Octet
    """The congestion feedback that the receiver sends on egress."""
    reports: Octet
    """The congestion feedback that we send on ingress."""


class SetLimit(Command):
    """Set the rate that a connection wants at most."""

    rate_bps: Int64


class SetLossBound(Command):
    """Set the bound that receiver reports put on the path."""

    rate_bps: Int64


class CloseConnection(Command):
    """Free a connection's row."""


class OpenTrack(Command):
    """Begin a fresh row of a track."""

    generation: Int64
    """Which use of the row this is."""


class SetTap(Command):
    """Copy some of a track's encodings to the tap ring: bit k for Encoding k."""

    encodings: Int32


class SetRelay(Command):
    """Relay a track to a row of another shard, or stop that."""

    shard: Octet
    target: Int32
    """The row on the other shard, and its `generation`; -1: stop."""
    generation: Int64


class TellSet(Command):
    """Carry a part of an H.264 parameter set from SDP, for the Encoding `index`."""

    index: Octet
    first: Flag
    last: Flag
    part: Annotated[bytes, Octets(PART_BYTES)]


class PassReport(Command):
    """Pass a publisher's sender report on an Encoding of the track on to who is shown that."""

    index: Octet
    ntp_seconds: Int64
    ntp_fraction: Int64
    rtp_timestamp: Int64


class ForgetReport(Command):
    """Forget the last report on an Encoding of the track: another source has taken its place."""

    index: Octet


class CloseTrack(Command):
    """Free a track's row."""


class OpenEncoding(Command):
    """Begin a fresh row for one RTP stream. The fields are those of `ENCODING`."""

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
    """Free an encoding's row."""


class OpenSubscription(Command):
    """Begin a fresh row, in its track's list. The fields are those of `SUBSCRIPTION`."""

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
    cname: _Cname


class MoveSubscription(Command):
    """Go on with another track, or with none for now (-1)."""

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
    """Let a subscription ask for packets again, by RTX, whose numbers begin with `sequence`."""

    ssrc: Int64
    payload_type: Octet
    log: Int32
    """The subscription's row in the logs of sent packets."""
    sequence: Int32


class SetResending(Command):
    """Let a subscription ask for packets again, as they went out."""

    sealed: Int32
    """The row where the packets are kept, of which `sealed_bytes` octets are used."""
    sealed_bytes: Int32
    log: Int32  # row in the logs of sent packets, for the pacer; -1: none


class CloseSubscription(Command):
    """Free a subscription's row; with `goodbye`, tell the client by BYE that the source has left."""

    goodbye: Flag


OPERATION_OF = {command: number for number, command in enumerate(COMMANDS)}
COMMAND = make_slot(("operation", "row"), COMMANDS)
