"""What participants are told of speakers, and of streams that pause."""

from __future__ import annotations

from livekit.protocol.models import ParticipantInfo, Room, SpeakerInfo
from livekit.protocol.rtc import (
    LeaveRequest,
    RoomMovedResponse,
    SignalResponse,
    SpeakersChanged,
    StreamState,
    StreamStateInfo,
    StreamStateUpdate,
)

import sfu
from sfu.signaling.livekit.participant import Participant
from sfu.signaling.livekit.published import PublishedTrack

_LEVEL_STEP = 0.05
"""A level that has moved by less is no news."""
_SIMULATED_LEVEL = 0.9


class SpeakerNews:
    """Who speaks in a room, as the difference from what was told last."""

    def __init__(self, room: sfu.Room) -> None:
        self._room = room
        self._reported: dict[str, tuple[str, float]] = {}
        self._simulated: dict[str, float] = {}

    def simulate(self, identity: str, until: float) -> None:
        """Say that somebody speaks, whatever is heard; `until` in seconds since the Unix epoch."""
        self._simulated[identity] = until

    def find_changes(self, participants: dict[str, Participant], now: float) -> SignalResponse | None:
        """What is to be told now; None: nothing. `now`: seconds since the Unix epoch."""
        self._simulated = {
            name: until for name, until in self._simulated.items() if now < until and name in participants
        }
        levels = {
            name: (participants[name].sid, 10.0 ** (level / 20.0))
            for name, level in self._room.speaker_levels.items()
            if name in participants and not participants[name].hidden
        }
        levels |= {name: (participants[name].sid, _SIMULATED_LEVEL) for name in self._simulated}
        changes = [
            SpeakerInfo(sid=sid, level=level, active=True)
            for name, (sid, level) in levels.items()
            if self._reported.get(name, ("", 0.0))[0] != sid or abs(self._reported[name][1] - level) >= _LEVEL_STEP
        ]
        changes += [
            SpeakerInfo(sid=sid, level=0.0, active=False)
            for name, (sid, _) in self._reported.items()
            if levels.get(name, ("", 0.0))[0] != sid  # also who has come anew under the same identity
        ]
        told = {change.sid for change in changes}
        self._reported = {
            name: current if current[0] in told else self._reported[name] for name, current in levels.items()
        }
        return SignalResponse(speakers_changed=SpeakersChanged(speakers=changes)) if changes else None

    def describe(self) -> SignalResponse | None:
        """For who has only come: who speaks, as all others were told; None: nobody."""
        speakers = [SpeakerInfo(sid=sid, level=level, active=True) for sid, level in self._reported.values()]
        return SignalResponse(speakers_changed=SpeakersChanged(speakers=speakers)) if speakers else None


def describe_stream(publisher: Participant, published: PublishedTrack, *, paused: bool) -> SignalResponse:
    """That a stream pauses, since the path does not carry it, or goes on."""
    state = StreamState.PAUSED if paused else StreamState.ACTIVE
    info = StreamStateInfo(participant_sid=publisher.sid, track_sid=published.sid, state=state)
    return SignalResponse(stream_state_update=StreamStateUpdate(stream_states=[info]))


def find_published(
    participants: dict[str, Participant], track_id: str, publisher: str = ""
) -> tuple[Participant, PublishedTrack] | None:
    """The published track that a Track of the library is of."""
    for participant in [participants[publisher]] if publisher in participants else participants.values():
        for published in participant.tracks.values():
            if any(track.id == track_id for track in published.tracks):
                return participant, published
    return None


def describe_move(
    room: Room, token: str, participant: ParticipantInfo, others: list[ParticipantInfo]
) -> SignalResponse:
    """To a participant: it is in another room now, with these others, and has a token for that."""
    return SignalResponse(
        room_moved=RoomMovedResponse(room=room, token=token, participant=participant, other_participants=others)
    )


def describe_new_beginning() -> SignalResponse:
    """To a client: it shall come again from the start."""
    return SignalResponse(leave=LeaveRequest(action=LeaveRequest.Action.RECONNECT))
