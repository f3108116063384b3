"""What one participant publishes as data tracks."""

from __future__ import annotations

from typing import Protocol

from livekit.protocol.models import DataTrackInfo, Encryption, ParticipantPermission
from livekit.protocol.rtc import (
    PublishDataTrackRequest,
    PublishDataTrackResponse,
    SignalResponse,
    UnpublishDataTrackResponse,
)

from sfu.signaling.livekit import sids
from sfu.signaling.livekit.allowance import Allowance
from sfu.signaling.livekit.data_tracks.catalogue import Catalogue
from sfu.signaling.livekit.data_tracks.packet import MAX_HANDLE, PacketError, parse_packet
from sfu.signaling.livekit.data_tracks.schemas import MAX_NAME_BYTES, clean_encoding, clean_schema
from sfu.signaling.livekit.data_tracks.track import DataTrack, Publisher
from sfu.signaling.livekit.errors import RequestError

_ENCRYPTIONS = (Encryption.Type.NONE, Encryption.Type.GCM)


class DataPublisher(Publisher, Protocol):
    """The participant."""

    permission: ParticipantPermission
    data_tracks: dict[int, DataTrack]
    """What it publishes, by its own handles: what others see of it."""

    def send(self, response: SignalResponse) -> None:
        """Tell its client."""
        ...

    def note_change(self) -> None:
        """What others see of it has changed: tell them."""
        ...


class DataPublishing:
    """Of one participant, while it is in the room."""

    def __init__(self, publisher: DataPublisher, catalogue: Catalogue) -> None:
        self._publisher = publisher
        self._tracks = publisher.data_tracks
        self._catalogue = catalogue
        rate = catalogue.options.data_track_rate
        self._allowance = Allowance(rate, int(rate), catalogue.clock())

    def publish(self, request: PublishDataTrackRequest) -> None:
        """It is about to send frames; raises RequestError."""
        track = DataTrack(self._publisher, self._read(request))
        self._tracks[track.info.pub_handle] = track
        self._publisher.send(_published(track))
        self._publisher.note_change()
        self._catalogue.add(track)

    def unpublish(self, handle: int) -> None:
        """It sends no more; raises RequestError."""
        track = self._tracks.get(handle)
        if track is None:
            raise RequestError("NOT_FOUND", f"You publish no data track of handle {handle}.")
        self._withdraw([track])

    def handle_packet(self, octets: bytes) -> None:
        """Take what came by `_data_track`. What is no packet of a published data track is dropped and counted."""
        catalogue = self._catalogue
        try:
            packet = parse_packet(octets)
        except PacketError as error:
            catalogue.losses[f"data_track_{error.reason}"] += 1
            return
        track = self._tracks.get(packet.handle)
        if track is None:
            catalogue.losses["data_track_unknown_handle"] += 1
        elif self._allowance.take(catalogue.clock(), 1 + len(track.subscriptions)):
            catalogue.losses["data_track_flood"] += 1
        else:
            track.forward(packet, catalogue.losses)

    def review(self) -> None:
        """Who may have what it publishes has changed, or whether it may publish."""
        if not self._publisher.permission.can_publish_data:
            self._withdraw(list(self._tracks.values()))
        for track in self._tracks.values():
            for receiver in list(track.subscriptions):
                receiver.review(track)

    def knows(self, listed: list[PublishDataTrackResponse]) -> bool:
        """Whether all is published that a client says it publishes, as it comes back. It may have asked for more, and
        never heard what became of that: then it hears of it now.
        """
        theirs = {each.info.sid for each in listed}
        ours = {track.sid: track for track in self._tracks.values()}
        if not theirs <= ours.keys():
            return False
        for sid in ours.keys() - theirs:
            self._publisher.send(_published(ours[sid]))
        return True

    def end(self) -> None:
        """It leaves."""
        tracks = list(self._tracks.values())
        self._tracks.clear()
        for track in tracks:
            self._catalogue.remove(track)

    def _withdraw(self, tracks: list[DataTrack]) -> None:
        for track in tracks:
            del self._tracks[track.info.pub_handle]
            response = UnpublishDataTrackResponse(info=track.info)
            self._publisher.send(SignalResponse(unpublish_data_track_response=response))
        if tracks:
            self._publisher.note_change()
        for track in tracks:
            self._catalogue.remove(track)

    def _read(self, request: PublishDataTrackRequest) -> DataTrackInfo:
        """What is published by a request, if it may be."""
        if not self._publisher.permission.can_publish_data:
            raise RequestError("NOT_ALLOWED", "You may not publish data.")
        if not 0 < request.pub_handle <= MAX_HANDLE:
            raise RequestError("INVALID_HANDLE", f"A handle is a number from 1 to {MAX_HANDLE}.")
        if not 0 < len(request.name.encode()) <= MAX_NAME_BYTES:
            raise RequestError("INVALID_NAME", f"A data track has a name of at most {MAX_NAME_BYTES} bytes.")
        if request.encryption not in _ENCRYPTIONS:
            # SDKs give up all participants of a message in which one's data track is encrypted otherwise
            raise RequestError("INVALID_REQUEST", "Data tracks are encrypted with GCM, or not at all.")
        info = DataTrackInfo(pub_handle=request.pub_handle, name=request.name, encryption=request.encryption)
        if request.HasField("frame_encoding"):
            info.frame_encoding.CopyFrom(clean_encoding(request.frame_encoding))
        if request.HasField("schema"):
            info.schema.CopyFrom(clean_schema(request.schema))
        if request.pub_handle in self._tracks:
            raise RequestError("DUPLICATE_HANDLE", f"You have a data track of handle {request.pub_handle}.")
        if any(track.info.name == request.name for track in self._tracks.values()):
            raise RequestError("DUPLICATE_NAME", "You have a data track of that name.")
        info.sid = sids.new_sid(sids.DATA_TRACK)
        options = self._catalogue.options
        size = info.ByteSize() + sum(track.info.ByteSize() for track in self._tracks.values())
        if len(self._tracks) >= options.max_data_tracks or size > options.max_data_tracks_bytes:
            raise RequestError("LIMIT_EXCEEDED", f"You have {len(self._tracks)} data tracks; unpublish one.")
        return info


def _published(track: DataTrack) -> SignalResponse:
    return SignalResponse(publish_data_track_response=PublishDataTrackResponse(info=track.info))
