"""Fragments are Matroska that libavformat reads, with what decoders need to begin."""

from __future__ import annotations

import io

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.recording.depacketize import CODECS, StreamFormat
from sfu.recording.matroska import CODEC_IDS, MAX_SPAN_MS, MatroskaWriter, TimedFrame, build_cluster
from tests.fuzz.depacketize import walk

from .captured import file_of, record, recorder_of, take

VIDEO = StreamFormat(320, 180, b"")


@given(
    st.lists(
        st.tuples(st.integers(1, 1_000), st.binary(min_size=1, max_size=300), st.booleans()), min_size=1, max_size=30
    ),
    st.integers(0, 10**8),
    st.integers(1, 30),
)
def test_frames_come_out_of_the_file_as_they_went_in(
    made: list[tuple[int, bytes, bool]], begin_ms: int, each: int
) -> None:
    frames, time_ms = [], begin_ms
    for step, data, key in made:
        time_ms += step
        frames.append(TimedFrame(data, time_ms, key))
    writer = MatroskaWriter("VP8")
    data = b"".join(writer.build_fragment(frames[at : at + each], VIDEO) for at in range(0, len(frames), each))
    with av.open(io.BytesIO(data)) as container:
        (stream,) = container.streams
        assert (stream.codec_context.width, stream.codec_context.height) == (320, 180)
        found = [(bytes(one), one.pts) for one in container.demux(stream) if one.size]
    assert found == [(frame.data, frame.time_ms) for frame in frames]


@given(st.integers(1, 1 << 22))
def test_sizes_of_any_length(size: int) -> None:
    cluster = build_cluster([TimedFrame(bytes(size), 5, True), TimedFrame(b"x", 5 + MAX_SPAN_MS, False)])
    assert walk(cluster, True) == [5, 5 + MAX_SPAN_MS]


def test_a_block_says_whether_a_decoder_can_begin_with_it() -> None:
    cluster = build_cluster([TimedFrame(b"abc", 7, True), TimedFrame(b"def", 9, False)])
    assert cluster.endswith(b"\xa3\x87\x81\x00\x00\x80abc" + b"\xa3\x87\x81\x00\x02\x00def")


def test_there_is_a_mapping_for_every_codec() -> None:
    assert CODEC_IDS.keys() == CODECS


@pytest.mark.parametrize(
    ("name", "codec", "private"),
    [
        ("chromium_opus", "opus", b"OpusHead\x01\x02\x00\x00\x80\xbb\x00\x00\x00\x00\x00"),
        ("whole/chromium_h264_simulcast", "h264", b"\x01\x42"),
        ("whole/chromium_av1_l1t1", "av1", b"\x81"),
        ("whole/chromium_vp8_simulcast", "vp8", b""),
        ("whole/chromium_vp9_l3t3", "vp9", b""),
    ],
)
def test_the_header_says_what_a_decoder_needs(name: str, codec: str, private: bytes) -> None:
    taken = take(name)
    recorder = recorder_of(taken.codec)
    out = record(recorder, taken.of(0)) + recorder.close(taken.packets[-1].arrival_us)
    with av.open(io.BytesIO(file_of(out))) as container:
        (stream,) = container.streams
        assert stream.codec_context.codec.canonical_name == codec
        extradata = stream.codec_context.extradata or b""
    assert extradata.startswith(private) and bool(extradata) == bool(private)


@pytest.mark.parametrize("name", ["whole/chromium_av1_l1t1", "whole/chromium_av1_l3t3", "whole/firefox_av1"])
def test_the_av1_configuration_is_what_libavformat_writes(name: str) -> None:
    taken = take(name)
    recorder = recorder_of(taken.codec)
    out = record(recorder, taken.packets) + recorder.close(taken.packets[-1].arrival_us)
    written = io.BytesIO()
    with av.open(io.BytesIO(file_of(out))) as ours, av.open(written, "w", format="matroska") as theirs:
        stream = theirs.add_stream_from_template(ours.streams[0], opaque=True)
        header = ours.streams[0].codec_context.extradata
        for one in ours.demux(0):
            if one.size:
                one.stream = stream
                theirs.mux(one)
    with av.open(io.BytesIO(written.getvalue())) as again:
        assert again.streams[0].codec_context.extradata == header
