"""A Track on its way into a Recording: its best Encoding is kept coming and goes to the tap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sfu.clock import Clock
from sfu.media.track import Track
from sfu.recording.feed import Place
from sfu.recording.track_writing import TrackInfo


class RecordedTrack:
    """Implements `sfu.recording.recordable.Recordable`."""

    def __init__(self, track: Track, metadata: Mapping[str, Any], clock: Clock) -> None:
        self._track = track
        self._clock = clock
        self._plane = track.route.shard.plane
        self.place = Place(self._plane.index, track.route.row, self._plane.track_generation(track.route.row))
        self._metadata = metadata

    @property
    def info(self) -> TrackInfo:
        """The Track's description, as the embedding program has it by now."""
        track = self._track
        return TrackInfo(
            track.id,
            track.peer,
            track.kind,
            track.codec.name,
            track.codec.clock_rate,
            track.label,
            self._metadata,
            track.encryption,
            self._find_sets if track.codec.name == "H264" else None,
        )

    @property
    def id(self) -> str:
        """The Track's id."""
        return self._track.id

    @property
    def muted(self) -> bool:
        """Whether the publisher has muted the Track."""
        return self._track.muted

    @property
    def connected(self) -> bool:
        """Whether the publisher's connection is up."""
        return self._track.connected

    def _find_sets(self, encoding: int) -> tuple[bytes, ...]:
        """Return an Encoding's H.264 parameter sets. The recorder's thread may ask when the row is another Track's
        already.
        """
        if self._plane.track_generation(self.place.track) != self.place.generation:
            return ()
        return self._plane.parameter_sets(self.place.track, encoding)

    def start(self) -> None:
        """Send the Track's packets to the feed, and keep its best Encoding coming."""
        self._track.set_recorded(self, True, self._clock())

    def stop(self) -> None:
        """Send no more packets to the feed."""
        if not self._track.ended:
            self._track.set_recorded(self, False, self._clock())

    def request_key_frame(self) -> None:
        """Ask the publisher for a key frame of the recorded Encoding."""
        self._track.request_key_frame(self._clock(), self._track.recorded_index)

    def sender_clock(self) -> tuple[int, int, int, float] | None:
        """See `Recordable.sender_clock`."""
        reception = self._track.encodings[self._track.recorded_index or 0].reception
        if reception is None or reception.clock is None:
            return None
        clock = reception.clock
        return reception.ssrc, clock.ntp_time, clock.rtp_timestamp, clock.arrival
