"""A short fuzz of the packet path in every test run; `make fuzz` runs the long, coverage-guided one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .packet_path import PacketPath

HERE = Path(__file__).parent
CORPUS = sorted((HERE / "corpus" / "packet_path").glob("*"))


UNITS = st.sampled_from(
    [b"\x67\x42\xc0\x1e\xd9", b"\x68\xce\x3c", b"\x65\x88idr", b"\x41\x9aslice", b"\x67", b"\x06\x06\x01"]
)
PAYLOADS = st.one_of(
    UNITS,
    st.lists(UNITS, max_size=4).map(
        lambda units: b"\x78" + b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)
    ),
    st.sampled_from([b"\x7c\x85\x88idr", b"\x00\x05\x65\x88idr", b"\x18\x0a\x0b\x00\x00", b"\x08\x82", b"\x10\x00"]),
)
"""Parameter sets and slices of H.264 in the ways that a packet may hold them, and key frames of all codecs."""


@st.composite
def operations(draw: st.DrawFn) -> bytes:
    """Operations whose datagrams begin like something: RTP, RTCP, STUN, DTLS, or nothing."""
    made = b""
    for _ in range(draw(st.integers(1, 12))):
        kind = draw(st.integers(0, 7) | st.just(0x18))
        if kind == 0x18:
            body = draw(st.binary(min_size=5, max_size=5))
            made += bytes([kind]) + len(body).to_bytes(2, "big") + body
            continue
        first = draw(st.sampled_from([0x80, 0x90, 0xA0, 0xB0, 0x9F, 0x00, 0x01, 0x16, 0x14, 0xFF]))
        second = draw(st.sampled_from([96, 96 | 0x80, 98, 100, 102, 102 | 0x80, 103, 104, 200, 201, 206, 0, 255]))
        numbers = draw(st.binary(min_size=6, max_size=6) | st.integers(0, 20).map(lambda k: bytes([0, k, 0, 0, 0, k])))
        ssrc = draw(st.sampled_from([0, 77, 78, 79, 80, 179, 2**32 - 1])).to_bytes(4, "big")
        extension = b""
        if first & 0x10:
            block = draw(st.binary(max_size=40)) + draw(st.sampled_from([b"", b"\x10a", b"\x10v", b"\x20x"]))
            block += bytes(-len(block) % 4)
            words = draw(st.sampled_from([len(block) // 4, 0, 65535, len(block) // 4 + 1]))
            extension = draw(st.sampled_from([b"\xbe\xde", b"\x10\x00", b"zz"])) + words.to_bytes(2, "big") + block
        payload = draw(st.binary(max_size=60) | PAYLOADS)
        body = bytes([first, second]) + numbers + ssrc + extension + payload
        body = body[: draw(st.integers(0, len(body)))] if draw(st.integers(0, 3)) == 0 else body
        made += bytes([kind]) + len(body).to_bytes(2, "big") + body
    return made


@pytest.fixture(scope="module")
def guard() -> Iterator[None]:
    if not os.environ.get("NUMBA_BOUNDSCHECK"):
        pytest.skip("runs in a process of its own with bounds checks, see test_with_bounds_checks")
    return


@pytest.mark.usefixtures("guard")
@given(st.one_of(operations(), st.binary(max_size=400)))
@settings(max_examples=1500, deadline=None)
def test_any_datagram_is_passed_on_accepted_or_counted(data):
    path = PacketPath()
    try:
        path.run(data)
    finally:
        path.close()


@pytest.mark.usefixtures("guard")
@pytest.mark.parametrize("entry", CORPUS, ids=lambda path: path.name)
def test_the_corpus(entry):
    path = PacketPath()
    try:
        path.run(entry.read_bytes())
    finally:
        path.close()


@pytest.mark.skipif(bool(os.environ.get("NUMBA_BOUNDSCHECK")), reason="already within that process")
@pytest.mark.timeout(400)
@pytest.mark.beside("NUMBA_BOUNDSCHECK", Path(__file__))
def test_with_bounds_checks(beside):
    assert beside.returncode == 0, beside.stdout[-4000:]
    assert " passed" in beside.stdout
