"""Puts H.264 into MP4, the only container that all browsers take it in, without coding it anew."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import av
from av.error import FFmpegError

from sfu.recording.clusters import MediaError


def write_mp4(source: BinaryIO, target: Path, limit_ms: int) -> str:
    """Write `target`, whose media time is the record's; return what is wrong with the end of the source, or an empty
    text.

    The first picture is shown from time 0 on, and the last until `limit_ms`; later ones are left out.
    """
    try:
        with av.open(source, "r", format="matroska") as film:
            if not film.streams.video:
                raise MediaError("there is no video in it")
            with av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as made:
                return _copy(film, made, limit_ms)
    except (FFmpegError, OSError) as error:
        raise MediaError(f"it cannot be put into MP4 ({error.strerror or 'unknown error'})") from error


def _copy(film: av.container.InputContainer, made: av.container.OutputContainer, limit_ms: int) -> str:
    stream = film.streams.video[0]
    copy = made.add_stream_from_template(stream)
    last = -1
    try:
        for packet in film.demux(stream):
            at, base = packet.pts, packet.time_base
            if at is None or (last < 0 and not packet.is_keyframe):
                continue
            if at * base * 1000 > limit_ms:
                break
            if last < 0 and at > 0:
                first = av.Packet(bytes(packet))
                first.pts = first.dts = 0
                first.time_base, first.stream, first.is_keyframe = base, copy, True
                made.mux(first)
            # A recorder's frames are in the order in which they are shown: WebRTC has no others.
            packet.pts = packet.dts = last = max(at, last + 1)
            packet.stream = copy
            made.mux(packet)
    except FFmpegError as error:
        if last < 0:
            raise
        return f"it can be read up to {last * float(stream.time_base or 0):.1f} s only ({error.strerror})"
    if last < 0:
        raise MediaError("there is no key frame in it")
    return ""
