"""The Tracks that one connection publishes, by media section."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sfu.media.context import MediaContext
from sfu.media.track import Track
from sfu.negotiation import Incoming
from sfu.routing.plane import Gap, KeyFrameNeeded, Repaired, SourceLearned
from sfu.session.context import ConnectionContext
from sfu.session.events import TrackAdded, TrackRemoved
from sfu.session.rtcp import Reporter
from sfu.session.transport import Transport


class Published:
    """Opens and ends a connection's Tracks, and is their `sfu.media.track.Publisher`.

    `tracks` is the connection's own dictionary, by mid. Others read it, and only this class changes it.
    """

    def __init__(
        self,
        context: ConnectionContext,
        media: MediaContext,
        transport: Transport,
        reporter: Reporter,
        tracks: dict[str, Track],
        touch: Callable[[], None],
    ) -> None:
        """`touch` is called when a deadline has changed."""
        self._context = context
        self._media = media
        self._transport = transport
        self._reporter = reporter
        self._tracks = tracks
        self.touch = touch

    def settle(self, incoming: Iterable[Incoming], ended: Iterable[str]) -> list[Track]:
        """Open and end Tracks to match what the client sends now; return the new ones, which are not announced yet.

        Raises:
            LimitError: the Peer has too many Tracks.
        """
        wanted = {item.mid: item for item in incoming}
        changed = [mid for mid, track in self._tracks.items() if mid in wanted and not track.continues(wanted[mid])]
        for mid in [*ended, *changed]:
            self._end(mid)
        for mid, track in self._tracks.items():
            if mid in wanted:
                track.update(wanted[mid])
        added = [item for mid, item in wanted.items() if mid not in self._tracks]
        if added:
            self._context.quota.check(len(added))
        for item in added:
            self._tracks[item.mid] = self._open(item)
        if added:
            self._reporter.start(self._media.clock())  # it rests where a connection published nothing until now
            self.touch()
        return [self._tracks[item.mid] for item in added]

    def announce(self, tracks: Iterable[Track]) -> None:
        """Post `TrackAdded` for new Tracks, once negotiation has succeeded."""
        for track in tracks:
            if not track.ended:
                self._context.outbox.post(TrackAdded(track))

    def close(self) -> None:
        """End all Tracks, and let the connection go."""
        for mid in list(self._tracks):
            self._end(mid)
        self.touch = _touch_nothing

    def handle_notice(self, notice: SourceLearned | Gap | Repaired | KeyFrameNeeded, now: float) -> None:
        """Handle the plane's notice of one of the Tracks' Encodings."""
        for track in self._tracks.values():
            for encoding in track.encodings:
                if encoding.row == notice.encoding:
                    track.handle_notice(encoding, notice, now)
                    self._reporter.start(now)

    def poll_timeout(self) -> float | None:
        """Return the next deadline of the Tracks."""
        due = [track.poll_timeout() for track in self._tracks.values()]
        return min((deadline for deadline in due if deadline is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        """Do what is due for the Tracks."""
        for track in list(self._tracks.values()):
            track.handle_timeout(now)

    # for its Tracks

    @property
    def connected(self) -> bool:
        """See `Publisher.connected`."""
        return self._transport.connected

    @property
    def rtcp_ssrc(self) -> int:
        """See `Publisher.rtcp_ssrc`."""
        return self._reporter.ssrc

    def send_rtcp(self, packet: bytes) -> None:
        """See `Publisher.send_rtcp`."""
        self._reporter.send(packet)

    def _open(self, incoming: Incoming) -> Track:
        context = self._context
        return Track(
            incoming,
            id=context.environment.new_id(),
            stream_id=context.stream_id,
            cname=context.cname,
            context=self._media,
            publisher=self,
            keyframe_interval=context.environment.config.keyframe_interval,
        )

    def _end(self, mid: str) -> None:
        track = self._tracks.pop(mid, None)
        if track is not None:
            track.close()
            self._context.outbox.post(TrackRemoved(track))


def _touch_nothing() -> None: ...
