"""Who is shown to whom: a platform may keep two participants apart, as a protected witness and a party."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping

from livekit.protocol.models import ParticipantInfo
from livekit.protocol.rtc import ParticipantUpdate, SignalResponse

from sfu.signaling.livekit.frames import Frame
from sfu.signaling.livekit.participant import Participant
from sfu.signaling.livekit.published import PublishedTrack


class Sight(enum.Enum):
    """What somebody has of another one."""

    ALL = "all"
    SOUND = "sound"
    """Nothing but what is heard: under a participant's id alone, without name, metadata or attributes."""
    NOTHING = "nothing"
    """Not that there is anybody."""


Shows = Callable[[str, str, str], Sight]
"""What is shown, by the names of the room, of who looks, and of the other one."""


def show_all(room: str, viewer: str, other: str) -> Sight:
    """Everybody sees everybody."""
    return Sight.ALL


class Shown:
    """What the participants of one room see of each other."""

    def __init__(self, room: str, shows: Shows) -> None:
        self._room = room
        self._shows = shows

    def find(self, viewer: str, other: str) -> Sight:
        """What somebody has of another one, by identities; of himself all."""
        return Sight.ALL if viewer == other else self._shows(self._room, viewer, other)

    def lets(self, viewer: str, publisher: Participant, published: PublishedTrack) -> bool:
        """Whether somebody may receive a track."""
        sight = self.find(viewer, publisher.identity)
        return sight is Sight.ALL or (sight is Sight.SOUND and published.kind == "audio")

    def list_for(self, viewer: str, participants: Mapping[str, Participant]) -> list[ParticipantInfo]:
        """What somebody sees of the others."""
        others = [each for each in participants.values() if each.identity != viewer and not each.hidden]
        told = [_describe(each, self.find(viewer, each.identity)) for each in others]
        return [each for each in told if each is not None]

    def tell(self, participant: Participant, everybody: Iterable[Participant]) -> None:
        """What others see of a participant has changed. Of one who is hidden only he himself hears."""
        frames: dict[Sight, Frame] = {}
        for each in [participant] if participant.hidden else everybody:
            sight = self.find(each.identity, participant.identity)
            info = None if sight in frames else _describe(participant, sight)
            if info is not None:
                frames[sight] = Frame(SignalResponse(update=ParticipantUpdate(participants=[info])))
            if sight in frames:
                each.send_frame(frames[sight])


def _describe(participant: Participant, sight: Sight) -> ParticipantInfo | None:
    """What is told of a participant; not to be changed."""
    info = participant.info()
    if sight is Sight.ALL:
        return info
    if sight is Sight.NOTHING:
        return None
    return ParticipantInfo(
        sid=info.sid,
        identity=info.sid,
        state=info.state,
        joined_at=info.joined_at,
        joined_at_ms=info.joined_at_ms,
        version=info.version,
        kind=info.kind,
        tracks=[published.info for published in participant.tracks.values() if published.kind == "audio"],
    )
