"""Makes a record's media files seekable for a browser, each when it is first asked for.

Video in WebM's codecs gets a head with an index in front of the record's own bytes; sound is written again with silence
in its holes, H.264 into MP4. What is written goes to a temporary folder, never into the record.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sfu.node.player.film import write_mp4
from sfu.node.player.sound import write_sound
from sfu.node.player.webm import build_head, build_lead, find_cues
from sfu.recording.clusters import Cluster, Layout, MediaError, read_blocks, read_layout
from sfu.recording.errors import RecordError
from sfu.recording.folder import MEDIA, Folder
from sfu.recording.reader import Record, RecordSource

WEBM_CODECS = ("vp8", "vp9", "av1")
_AT_ONCE = 2
"""How many sources are made ready at a time."""
_BUFFER_BYTES = 512
"""Bytes that are read at a time of a file whose clusters are listed: little more than their heads is needed."""
_SLACK_MS = 2_000
_MAX_FRAME_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Media:
    """A file as a browser gets it: a head that was made, then bytes of a file on disk."""

    content_type: str
    head: bytes
    descriptor: int
    begin: int
    """Offset in the file of the part that follows the head."""
    body_bytes: int
    damage: str
    """What could not be taken from the record's file; empty when all was."""

    @property
    def size(self) -> int:
        """Size of the file as a browser gets it, in bytes."""
        return len(self.head) + self.body_bytes

    def read(self, offset: int, size: int) -> bytes:
        """Return at most `size` bytes from `offset` on; fewer when the file has become shorter."""
        data = self.head[offset : offset + size]
        if len(data) < size:
            at = max(0, offset - len(self.head))
            size = min(size - len(data), self.body_bytes - at)
            data += os.pread(self.descriptor, size, self.begin + at) if size > 0 else b""
        return data


class MediaCache:
    """The media of one record, in a temporary folder, which `close` removes."""

    def __init__(self, record: Record) -> None:
        self._sources: Mapping[int, RecordSource] = {source.number: source for source in record.sources}
        self._limit_ms = record.duration_us // 1000 + _SLACK_MS
        self._duration_ms = record.duration_us / 1000
        self._folder = Folder(record.path)
        self._made = Path(tempfile.mkdtemp(prefix="sfu-play-"))
        self._media: dict[int, asyncio.Task[Media]] = {}
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._descriptors: list[int] = []

    @property
    def folder(self) -> Path:
        """The temporary folder."""
        return self._made

    async def get(self, number: int) -> Media:
        """Return a source's media, once they are ready. Raises KeyError for an unknown source, MediaError for a broken
        one.
        """
        source = self._sources[number]
        if number not in self._media:
            self._media[number] = asyncio.create_task(self._make(source))
        # A browser that goes away does not undo what others wait for.
        return await asyncio.shield(self._media[number])

    async def close(self) -> None:
        """Close all files, and remove the temporary folder."""
        for task in self._media.values():
            task.cancel()
        await asyncio.gather(*self._media.values(), return_exceptions=True)
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._folder.close()
        await asyncio.to_thread(shutil.rmtree, self._made, ignore_errors=True)

    async def _make(self, source: RecordSource) -> Media:
        async with self._gate:
            media = await asyncio.to_thread(self._make_now, source)
        self._descriptors.append(media.descriptor)
        return media

    def _make_now(self, source: RecordSource) -> Media:
        codec = source.codec.lower()
        if source.encryption:
            cipher = source.encryption[:40]
            raise MediaError(f"it is encrypted from end to end ({cipher}); only who has that key can play it")
        try:
            with self._open(source) as file:
                if source.kind == "audio" and codec == "opus":
                    return self._make_sound(source, file)
                if source.kind == "video" and codec in WEBM_CODECS:
                    return self._make_video(file)
                if source.kind == "video" and codec == "h264":
                    return self._make_film(source, file)
        except OSError as error:
            raise MediaError(f"it cannot be read: {error.strerror}") from error
        raise MediaError(f"{source.codec[:40]!r} cannot be played in a browser")

    def _open(self, source: RecordSource) -> BinaryIO:
        try:
            raw = self._folder.open(f"{MEDIA}/{source.file.name}")
        except RecordError as error:
            missing = not source.file.exists()
            raise MediaError("the file is missing" if missing else str(error)) from error
        return io.BufferedReader(raw, _BUFFER_BYTES)

    def _make_video(self, file: BinaryIO) -> Media:
        layout = read_layout(file)
        cues = find_cues(layout.clusters)
        if not cues:
            raise MediaError("there is no key frame in it")
        lead = _find_lead(file, layout)
        begin = layout.clusters[0].offset
        body = layout.end - begin
        head = build_head(layout.tracks, cues, body, self._duration_ms, lead)
        return Media("video/webm", head, os.dup(file.fileno()), begin, body, layout.damage)

    def _make_sound(self, source: RecordSource, file: BinaryIO) -> Media:
        layout = read_layout(file)
        path = self._made / f"{source.number}.webm"
        with path.open("wb") as out:
            sound = write_sound(file, layout, out, self._limit_ms)
        head = build_head(layout.tracks, sound.cues, sound.size, self._duration_ms)
        return Media("audio/webm", head, os.open(path, os.O_RDONLY | os.O_CLOEXEC), 0, sound.size, layout.damage)

    def _make_film(self, source: RecordSource, file: BinaryIO) -> Media:
        path = self._made / f"{source.number}.mp4"
        damage = write_mp4(file, path, self._limit_ms)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return Media("video/mp4", b"", descriptor, 0, os.fstat(descriptor).st_size, damage)


def _find_lead(file: BinaryIO, layout: Layout) -> bytes:
    """Return a cluster with the first key frame once more, at time 0."""
    first: Cluster | None = next((cluster for cluster in layout.clusters if cluster.key), None)
    if first is None or first.at_ms == 0:
        return b""
    with contextlib.suppress(StopIteration):
        block = next(read_blocks(file, first))
        if block.size <= _MAX_FRAME_BYTES:
            file.seek(block.offset)
            return build_lead(file.read(block.size))
    return b""
