"""Text streams that the server itself sends and receives."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

from livekit.protocol.models import DataPacket, DataStream

_CHUNK_BYTES = 15_000
_RAW_DEFLATE = -zlib.MAX_WBITS


class StreamError(Exception):
    """A stream that cannot be read."""


def build_stream(stream_id: str, topic: str, text: str, attributes: Mapping[str, str]) -> Iterator[DataPacket]:
    """The packets of a text stream."""
    content = text.encode()
    header = DataStream.Header(
        stream_id=stream_id,
        topic=topic,
        mime_type="text/plain",
        total_length=len(content),
        attributes=attributes,
        text_header=DataStream.TextHeader(),
    )
    yield DataPacket(stream_header=header)
    for index, begin in enumerate(range(0, len(content), _CHUNK_BYTES)):
        piece = content[begin : begin + _CHUNK_BYTES]
        yield DataPacket(stream_chunk=DataStream.Chunk(stream_id=stream_id, chunk_index=index, content=piece))
    yield DataPacket(stream_trailer=DataStream.Trailer(stream_id=stream_id))


class StreamReader:
    """Reads one stream, from its header on. `text` is there once it has ended."""

    def __init__(self, header: DataStream.Header, most_bytes: int) -> None:
        """Raises StreamError, as `add` does: the stream is compressed in an unknown way, or it is no text, or larger
        than `most_bytes`.
        """
        self.text: str | None = None
        self._most_bytes = most_bytes
        self._size = 0
        self._pieces: list[bytes] = []
        kinds = DataStream.CompressionType
        if header.compression not in (kinds.NONE, kinds.DEFLATE_RAW):
            raise StreamError("it is compressed in a way that is not known here")
        self._unpacker = zlib.decompressobj(_RAW_DEFLATE) if header.compression == kinds.DEFLATE_RAW else None
        if header.HasField("inline_content"):
            self._take(header.inline_content)
            self._end()

    def add(self, packet: DataPacket) -> None:
        """Take its next packet, a chunk or the trailer."""
        if packet.HasField("stream_chunk"):
            self._take(packet.stream_chunk.content)
        elif packet.HasField("stream_trailer"):
            if packet.stream_trailer.reason:
                raise StreamError("it was broken off")
            self._end()

    def _take(self, content: bytes) -> None:
        try:
            unpacked = self._unpacker.decompress(content, self._most_bytes + 1) if self._unpacker else content
        except zlib.error as error:
            raise StreamError("it cannot be unpacked") from error
        self._size += len(unpacked)
        if self._size > self._most_bytes:
            raise StreamError(f"it has more than {self._most_bytes} bytes")
        self._pieces.append(unpacked)

    def _end(self) -> None:
        try:
            self.text = b"".join(self._pieces).decode()
        except UnicodeDecodeError as error:
            raise StreamError("it is no text") from error
