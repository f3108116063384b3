"""One DataPacket of a client: read, and made to say who has sent it."""

from __future__ import annotations

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from livekit.protocol.models import DataPacket, ParticipantInfo

from sfu.signaling.livekit.data.metrics import normalize
from sfu.signaling.livekit.participant import Participant

MOST_DESTINATIONS = 1000
"""Identities or ids that one packet may name."""


class PacketError(Exception):
    """A packet that is not passed on; `reason` is what it is counted under."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_packet(message: bytes) -> DataPacket:
    """Read a message of a data channel; raises PacketError. What newer clients say more is kept."""
    try:
        packet = DataPacket.FromString(message)
    except DecodeError as error:
        raise PacketError("malformed") from error
    kind = packet.WhichOneof("value")
    if kind == "speaker":
        raise PacketError("forged")  # only a server knows who speaks
    if kind is None and not len(UnknownFieldSet(packet)):
        raise PacketError("empty")
    if max(len(packet.destination_identities), len(packet.user.destination_identities)) > MOST_DESTINATIONS:
        raise PacketError("too_many_destinations")
    if len(packet.user.destination_sids) > MOST_DESTINATIONS:
        raise PacketError("too_many_destinations")
    return packet


def attribute(packet: DataPacket, sender: Participant, *, reliable: bool, now: float) -> None:
    """Make a packet say that it is of its sender; `now` in seconds since the Unix epoch.

    Of who is hidden it does not say the identity; the id stays, which nobody else has seen, since receivers know by it
    what has come twice. Raises PacketError for what the sender may not send.
    """
    if not sender.permission.can_publish_data:
        raise PacketError("not_allowed")
    kind = packet.WhichOneof("value")
    is_agent = sender.permission.agent or sender.kind == ParticipantInfo.Kind.AGENT
    if kind == "transcription" and not is_agent:
        raise PacketError("not_allowed")
    identity = "" if sender.hidden else sender.identity
    packet.kind = DataPacket.Kind.RELIABLE if reliable else DataPacket.Kind.LOSSY
    packet.participant_sid = sender.sid
    if not reliable:
        packet.sequence = 0
    if not (is_agent and _speaks_for_another(packet, sender)):
        packet.participant_identity = identity
    if kind == "user":
        packet.user.participant_sid = "" if sender.hidden else sender.sid
        packet.user.participant_identity = identity
        align_destinations(packet)
    elif kind == "metrics" and not normalize(packet.metrics, now):
        raise PacketError("malformed")


def align_destinations(packet: DataPacket) -> None:
    """Old clients look for the identities in the user packet, newer ones outside of it."""
    user = packet.user
    if packet.destination_identities:
        del user.destination_identities[:]
        user.destination_identities.extend(packet.destination_identities)
    else:
        packet.destination_identities.extend(user.destination_identities)


def _speaks_for_another(packet: DataPacket, sender: Participant) -> bool:
    """Whether an agent sends text of a participant, which it has heard say it; then it is marked as generated."""
    if packet.participant_identity in ("", sender.identity):
        return False
    if packet.HasField("chat_message"):
        packet.chat_message.generated = True
        return True
    if packet.HasField("stream_header") and packet.stream_header.HasField("text_header"):
        packet.stream_header.text_header.generated = True
        return True
    return False
