"""Whom a packet is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from livekit.protocol.models import DataPacket, ParticipantPermission


class Receiver(Protocol):
    """Who may be meant."""

    sid: str
    identity: str
    permission: ParticipantPermission


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is meant by a packet; its sender never is, unless it is of metrics."""

    sender_sid: str = ""
    """Empty: the server sends it."""
    identities: frozenset[str] = frozenset()
    sids: frozenset[str] = frozenset()
    metrics: bool = False

    @classmethod
    def of(cls, packet: DataPacket) -> Audience:
        """The audience that a packet names; all, if it names nobody. Of old clients a user packet names ids."""
        return cls(
            packet.participant_sid,
            frozenset(packet.destination_identities),
            frozenset(packet.user.destination_sids),
            packet.HasField("metrics"),
        )

    @property
    def everybody(self) -> bool:
        """Whether nobody is named."""
        return not self.identities and not self.sids

    def includes(self, receiver: Receiver) -> bool:
        """Whether this one is meant."""
        if self.metrics:
            return receiver.permission.can_subscribe_metrics
        if receiver.sid == self.sender_sid:
            return False
        return self.everybody or receiver.identity in self.identities or receiver.sid in self.sids
