"""Tracks that are muted: what participants are told of it, and that nothing of them is forwarded."""

from __future__ import annotations

from collections.abc import Callable

from livekit.protocol.rtc import MuteTrackRequest, SignalResponse

import sfu
from sfu.signaling.livekit.client import Client
from sfu.signaling.livekit.news import find_published
from sfu.signaling.livekit.participant import Participant
from sfu.signaling.livekit.published import PublishedTrack


class Mutes:
    """Those of a room, whose `participants` it sees; `tell` says that others see a participant in another way."""

    def __init__(
        self, room: sfu.Room, participants: dict[str, Participant], tell: Callable[[Participant], None]
    ) -> None:
        self._room = room
        self._participants = participants
        self._tell = tell

    def mute(self, publisher: Participant, sid: str, muted: bool, *, told: bool) -> PublishedTrack | None:
        """See `LiveKitRoom.mute`."""
        published = publisher.find_announced(sid) if isinstance(publisher, Client) else publisher.find_track(sid)
        if published is None:
            return None
        if told:
            publisher.send(SignalResponse(mute=MuteTrackRequest(sid=sid, muted=muted)))
        if published.info.muted != muted:
            self._show(publisher, published, muted)
            self.apply(published)
        return published

    def apply(self, published: PublishedTrack) -> None:
        """Forward nothing of what is muted, whatever its client sends."""
        for track in published.tracks:
            self._room.set_track_muted(track, published.info.muted)

    def follow(self, publisher: str, track: str, muted: bool) -> None:
        """What came otherwise, as by WHIP, is muted by what its client sends, or by the server."""
        found = find_published(self._participants, track, publisher)
        if found is not None and not isinstance(found[0], Client) and found[1].info.muted != muted:
            self._show(*found, muted)

    def _show(self, publisher: Participant, published: PublishedTrack, muted: bool) -> None:
        published.info.muted = muted
        publisher.touch()
        self._tell(publisher)
