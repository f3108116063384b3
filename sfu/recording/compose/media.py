"""Reads the media of one source, fragment by fragment, and only what agrees with the ledger.

A film that names the record's head must show nothing that this head does not vouch for. A fragment with another hash is
left out (fragments are whole Matroska clusters, so the file can be read on after it) and reported as damaged.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, BinaryIO

import av
from av.packet import Packet

from sfu.recording.errors import RecordError
from sfu.recording.folder import MEDIA, Folder
from sfu.recording.reader import RecordSource

_CLUSTER = b"\x1f\x43\xb6\x75"
"""The id of a Matroska Cluster (RFC 9559 section 5.1.3): what is before the first is the header of the file."""
_MAX_FRAGMENT_BYTES = 64 << 20


class VerifiedFile:
    """A file for `av.open`, which calls only its `read`, as of a stream."""

    def __init__(self, source: RecordSource) -> None:
        self.damaged = 0
        """Fragments that were left out."""
        self.first_damaged_us: int | None = None
        """When the first of them begins."""
        self.reason = ""
        """What was wrong first."""
        self._source = source
        self._fragments = iter(source.fragments)
        self._pending = b""
        self._first = True
        self.holes: list[int] = []
        """When each of what was left out begins. What is read may be ahead of what is played."""
        self._file: BinaryIO | None = None

    def read(self, size: int) -> bytes:
        """Return the next bytes; none at the end."""
        while not self._pending:
            if (data := self._read_fragment()) is None:
                return b""
            self._pending = data
        taken, self._pending = self._pending[:size], self._pending[size:]
        return taken

    def report(self, at_us: int, reason: str) -> None:
        """Note that media cannot be used, and from which time on."""
        self.damaged += 1
        if self.first_damaged_us is None:
            self.first_damaged_us, self.reason = at_us, reason
        self.holes.append(at_us)

    def close(self) -> None:
        """Close the file; what was reported stays."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> BinaryIO:
        """Open the file; follow no link, and open nothing but a regular file."""
        file = self._source.file
        with Folder(file.parents[1]) as folder:
            return folder.open(f"{MEDIA}/{file.name}")

    def _read_fragment(self) -> bytes | None:
        fragment = next(self._fragments, None)
        if fragment is None:
            return None
        first, self._first = self._first, False
        data, reason = b"", ""
        try:
            if fragment.bytes > _MAX_FRAGMENT_BYTES:
                reason = "a fragment is too large"
            else:
                file = self._file = self._file or self._open()
                file.seek(fragment.offset)
                data = file.read(fragment.bytes)
        except RecordError:
            missing = not os.path.lexists(self._source.file)
            reason = "the file is missing" if missing else "it is no file that can be read"
        except OSError as error:
            reason = f"it cannot be read: {error.strerror}"
        if not reason and hashlib.sha256(data).hexdigest() != fragment.sha256:
            short = len(data) < fragment.bytes
            reason = "the file ends too early" if short else "bytes are not what the ledger says"
        if reason:
            self.report(fragment.begin_us, reason)
            # without the header nothing could be read; there is no speech and no picture in it
            data = data[: max(0, data.find(_CLUSTER))] if first else b""
        return data


class MediaReader:
    """Yields the packets of a source, and says from when on media are missing that should be there."""

    def __init__(self, source: RecordSource) -> None:
        self.file = VerifiedFile(source)
        self._source = source
        self._damages: list[int] = []
        self._taken = 0
        """Holes that `is_damaged` knows."""
        self._passed = 0
        """Holes that the packets have come past."""

    def is_damaged(self, at_us: int, last_us: int | None) -> bool:
        """Whether media that should be there at a moment are missing, where `last_us` is the time of the last ones
        read.
        """
        if self._taken < len(self.file.holes):
            self._damages += self.file.holes[self._taken :]
            self._taken = len(self.file.holes)
        if not self._damages:
            return False
        self._damages = [begin for begin in self._damages if last_us is None or begin > last_us]
        return any(begin <= at_us for begin in self._damages)

    def read_frames(self) -> Iterator[tuple[int, av.VideoFrame | av.AudioFrame]]:
        """Yield the decoded frames with their presentation times, in microseconds on the record's clock."""
        try:
            container = av.open(self.file, "r", format="matroska", metadata_errors="replace")
        except (av.FFmpegError, OSError, ValueError) as error:
            self._fail(self._source.spans[0].begin_us, error)
            return
        with container:
            streams = [each for each in container.streams if each.type == self._source.kind]
            if not streams:
                self._fail(self._source.spans[0].begin_us, ValueError(f"there is no {self._source.kind} in it"))
                return
            stream = streams[0]
            stream.codec_context.thread_count = 1
            at_us = self._source.spans[0].begin_us
            need_key = False
            packets = container.demux(stream)
            while True:
                try:
                    packet = next(packets, None)
                except (av.FFmpegError, OSError) as error:
                    self._fail(at_us, error)
                    return
                if packet is None:
                    return
                if packet.pts is not None and packet.time_base is not None:
                    at_us = max(at_us, _microseconds(packet.pts, packet.time_base))
                # a picture that builds on one that was left out would show what was never there
                need_key = (self._pass_holes(at_us) or need_key) and not packet.is_keyframe
                if need_key and self._source.kind == "video":
                    continue
                yield from self._decode(packet, at_us)

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def _pass_holes(self, at_us: int) -> bool:
        """Whether a packet is the first one after media that were left out."""
        holes, before = self.file.holes, self._passed
        while self._passed < len(holes) and holes[self._passed] <= at_us:
            self._passed += 1
        return self._passed > before

    def _decode(self, packet: Packet[Any], at_us: int) -> Iterator[tuple[int, av.VideoFrame | av.AudioFrame]]:
        try:
            frames: list[object] = list(packet.decode())
        except (av.FFmpegError, ValueError) as error:
            self._fail(at_us, error)
            return
        for frame in frames:
            if not isinstance(frame, av.VideoFrame | av.AudioFrame):
                continue
            if frame.pts is not None and frame.time_base is not None:
                yield _microseconds(frame.pts, frame.time_base), frame

    def _fail(self, at_us: int, error: Exception) -> None:
        self.file.report(at_us, f"it cannot be decoded: {getattr(error, 'strerror', None) or error}")


def _microseconds(pts: int, time_base: Fraction) -> int:
    return pts * 1_000_000 * time_base.numerator // time_base.denominator
