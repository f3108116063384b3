"""Makes the fuzzer's corpus of descriptors from tests/vectors: `python -m tests.fuzz.seed_descriptors`.

Of the payloads there, those that begin with other flags than the ones before; of each capture, the first dependency
descriptors of an SSRC and those that have more than the mandatory fields. And some that nobody sends.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from sfu.wire.extensions import Extension
from sfu.wire.kernels.rtp import PACKET, parse_rtp, strip_padding
from tests.fuzz.descriptors import TARGETS
from tests.property import dependency_oracle as oracle
from tests.vectors.rtp import reading

CORPUS = Path(__file__).with_name("corpus") / "descriptors"
KIND = int(Extension.DEPENDENCY_DESCRIPTOR)
CODECS = {
    "VP8": ("vp8", 24),
    "VP9": ("vp9", 40),
    "H264": ("h264", 120),
    "AV1": ("av1", 12),
    "red": ("red", 400),
}
FLAGS = {"vp8": (0xFF, 0x70), "vp9": (0xFF, 0), "h264": (0x1F, 0xC0), "av1": (0xF8, 0), "red": (0x80, 0)}
"""The bits of the first two octets that matter."""
DESCRIPTORS = 16
# Layer(3, 7); Layer(0, 1) announced; Layer(1, 0); Layer(1, 1) announced
WISHES = (0x1F, 0x24, 0x01, 0x25)


def parse(capture: reading.Capture, captured: reading.CapturedPacket) -> tuple[bytes, bytes]:
    """Payload and dependency descriptor of a packet, as far as they were kept."""
    kinds = np.zeros(16, np.uint8)
    kinds[capture.extension_id(Extension.DEPENDENCY_DESCRIPTOR.uri)] = KIND
    kinds[0] = 0
    packets = np.zeros(1, PACKET)
    buffer = np.frombuffer(captured.data, np.uint8).copy()
    if parse_rtp(buffer, 0, len(buffer), kinds, packets, 0) != 0:
        raise ValueError("a captured packet cannot be parsed")
    if captured.kept_bytes == len(captured.data) and strip_padding(buffer, len(buffer), packets, 0) != 0:
        raise ValueError("a captured packet has impossible padding")
    packet = packets[0]
    at, length = int(packet["extension_at"][KIND]), int(packet["extension_bytes"][KIND])
    start = int(packet["payload"])
    payload = captured.data[start : min(start + int(packet["payload_bytes"]), captured.kept_bytes)]
    return payload, captured.data[at : at + length] if length else b""


def payloads(name: str, seen: set[tuple[str, int, int]]) -> dict[str, bytes]:
    """Inputs of the payload's target, by file name; `seen`: what they begin with, all captures together."""
    capture, made = reading.load(name), {}
    offered = {one["codec"].split("/")[0] for one in capture.facts["payload_types"].values()}
    for codec in offered & CODECS.keys():
        target, length = CODECS[codec]
        for captured in capture.packets:
            payload, _ = parse(capture, captured)
            if captured.payload_type != capture.payload_type(codec) or not payload:
                continue
            more = payload[1] if len(payload) > 1 and (target == "h264" or payload[0] & 0x80) else 0
            kind = (target, payload[0] & FLAGS[target][0], more & FLAGS[target][1])
            if kind in seen:
                continue
            made[f"{target}_{name}_{len(made)}"] = bytes([TARGETS.index(target), 0]) + payload[:length]
            seen.add(kind)
    return made


def streams(name: str) -> dict[str, bytes]:
    """Inputs of the dependency descriptors' target, by file name: that of the busiest SSRC."""
    capture = reading.load(name)
    by_ssrc: dict[int, list[bytes]] = {}
    for captured in capture.packets:
        _, value = parse(capture, captured)
        values = by_ssrc.setdefault(captured.ssrc, [])
        if value and (len(values) < DESCRIPTORS // 2 or len(value) > 3):
            values.append(value)
    chosen = max(by_ssrc.values(), key=len)[:DESCRIPTORS]
    if not chosen:
        return {}
    return {f"dependency_{name}": stream(*zip(itertools.cycle(WISHES), chosen, strict=False))}


def structure(targets: int, ids: list[tuple[int, int]], offset: int = 0) -> oracle.Structure:
    """One whose templates stand each for a Layer of its own."""
    symbols = "SRD-" * 8
    templates = [oracle.Template(*layer, symbols[k % 4 :][:targets], [1] * (k > 0)) for k, layer in enumerate(ids)]
    return oracle.Structure(offset, templates)


def stream(*sent: tuple[int, bytes]) -> bytes:
    """Descriptors, each with its wish."""
    made = bytes([TARGETS.index("dependency"), 0])
    return made + b"".join(bytes([wish, len(value)]) + value for wish, value in sent)


def extremes() -> dict[str, bytes]:
    """What browsers do not send: the most that there can be, one more than that, and what overtakes."""
    late, announced = 0x40, 0x20

    def first(one: oracle.Structure, number: int = 1, **more: Any) -> bytes:
        return oracle.write_descriptor(oracle.Descriptor(1, 1, one.offset, number, one, **more))

    flat = [(0, 0)]
    one, other = structure(3, [(0, 0), (0, 1), (1, 0)]), structure(5, [(0, 0), (1, 0)], 60)
    apart = oracle.Structure(0, [oracle.Template(0, 0, "S-"), oracle.Template(1, 0, "-S")])  # neither has the other
    custom = oracle.write_descriptor(oracle.Descriptor(1, 1, 0, 2, dtis="SRD", fdiffs=[1, 17, 4096]), 3)
    ended = oracle.write_descriptor(oracle.Descriptor(1, 1, 0, 3, active=0b01), 2)
    full = first(one, dtis="DSR")
    return {
        "64_templates": stream((0, first(structure(1, flat * 64)))),
        "65_templates": stream((0, first(structure(1, flat * 65)))),
        "4_spatial": stream((0x1F, first(structure(32, [(s, 0) for s in range(4)])))),
        "5_spatial": stream((0, first(structure(2, [(s, 0) for s in range(5)])))),
        "9_temporal": stream((0, first(structure(2, [(0, t) for t in range(9)])))),
        "255_octets": stream(
            (announced, full + bytes(255 - len(full))), (announced, custom + bytes(255 - len(custom)))
        ),
        "overtaken": stream((0, first(one)), (0, first(other)), (late, first(one, 7)), (late, custom), (0, first(one))),
        "said_again": stream((0, first(one)), (late, first(one, 2, active=5)), (late | announced, full), (0, custom)),
        "needs_key_frame": stream((0, first(apart)), (0x01, ended), (0x21, ended), (0, first(apart, active=0b10))),
    }


def main() -> None:
    """Write all of it."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    made = {"frame_marking_long": bytes([TARGETS.index("frame_marking"), 2, 0x8A, 0, 7])}
    made["frame_marking_short"] = bytes([TARGETS.index("frame_marking"), 0, 0xB0])
    seen: set[tuple[str, int, int]] = set()
    made |= {f"dependency_{name}": octets for name, octets in extremes().items()}
    for name in reading.names():
        made |= payloads(name, seen) | streams(name)
    for name, octets in made.items():
        (CORPUS / name).write_bytes(octets)


if __name__ == "__main__":
    main()
