"""What egress asks of rooms."""

from __future__ import annotations

from typing import Protocol

from livekit.protocol.models import Room

from sfu import Track


class Rooms(Protocol):
    """What egress needs to know of rooms."""

    def find_info(self, room: str) -> Room | None:
        """The room, if it is open."""
        ...

    def admit_recording(self, room: str, tenant: str) -> None:
        """Raise NotAdmittedError if there is no room for another recording; `tenant`: who asks for it."""
        ...

    def has_participant(self, room: str, identity: str) -> bool:
        """Whether somebody is in it."""
        ...

    def find_track(self, room: str, sid: str) -> Track | None:
        """A published track by its sid."""
        ...
