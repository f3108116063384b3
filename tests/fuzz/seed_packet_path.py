"""Adds to the corpus of `fuzz_packet_path`: `python -m tests.fuzz.seed_packet_path`.

For each Track of `PacketPath` packets with payloads of the corpus of `fuzz_descriptors`, one of them repaired; RTCP;
connectivity checks; DTLS records; and what a subscriber can bring about.
"""

from __future__ import annotations

import hmac
import struct
from pathlib import Path

from sfu.wire.extensions import Extension
from sfu.wire.remb import build_remb
from sfu.wire.rtcp import (
    ReportBlock,
    build_nack,
    build_picture_loss,
    build_receiver_report,
    build_sender_report,
    build_source_description,
)
from tests.fuzz.packet_path import COMMAND, PWD, STRANGE, UFRAG, VIEWER
from tests.property.oracle import build_rtp

CORPUS = Path(__file__).with_name("corpus")
SEALED, RAW = 0, 1
_MOST_PACKETS = 12
_TRACKS = {"vp8": (77, 98), "vp9": (78, 100), "h264": (79, 102), "av1": (80, 104), "red": (0, 97)}
"""SSRC and payload type."""


def operation(kind: int, body: bytes) -> bytes:
    """One, as `PacketPath.run` reads it."""
    return bytes([kind]) + len(body).to_bytes(2) + body


def media(name: str) -> bytes:
    """Packets of a Track; the second is lost, and sent again as RTX where the Track has that."""
    ssrc, payload_type = _TRACKS[name]
    payloads = [path.read_bytes()[2:] for path in sorted((CORPUS / "descriptors").glob(f"{name}_*"))][:_MOST_PACKETS]
    descriptors = [
        _first_descriptor(path.read_bytes()) for path in sorted((CORPUS / "descriptors").glob("dependency_*"))
    ]
    made, lost = [], b""
    for number, payload in enumerate(payloads, 1):
        extensions = [(int(Extension.TRANSPORT_SEQUENCE), number.to_bytes(2)), (int(Extension.ABS_SEND_TIME), bytes(3))]
        if name == "red":
            extensions.append((int(Extension.AUDIO_LEVEL), bytes([0x80 | number])))
        elif number % 2 and len(descriptors[number]) <= 16:
            extensions.append((int(Extension.DEPENDENCY_DESCRIPTOR), descriptors[number]))
        common = {"marker": number % 3 == 0, "timestamp": 3000 * (number // 3), "extensions": extensions}
        if number == 2:
            lost = build_rtp(
                payload_type=payload_type + 1,
                sequence=1,
                ssrc=ssrc + 100,
                payload=number.to_bytes(2) + payload,
                pad=0,
                **common,
            )
        else:
            packet = build_rtp(
                payload_type=payload_type, sequence=number, ssrc=ssrc, payload=payload, pad=number % 4, **common
            )
            made.append(operation(SEALED, packet))
    if name not in ("red", "vp9") and lost:
        made.append(operation(SEALED, lost))
    return b"".join(made)


def _first_descriptor(data: bytes) -> bytes:
    return data[4 : 4 + data[3]]


def check(*attributes: tuple[int, bytes]) -> bytes:
    """A Binding request (RFC 8489 section 5)."""
    body = b"".join(struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4) for kind, value in attributes)
    return struct.pack("!HHI", 1, len(body), 0x2112A442) + bytes(range(12)) + body


def signed(*attributes: tuple[int, bytes], number: int) -> bytes:
    """One that is authentic (RFC 8489 section 14.5)."""
    bare = check(*attributes)
    message = bare[:2] + (len(bare) + 4).to_bytes(2) + bare[4:19] + bytes([number]) + bare[20:]
    return message + b"\x00\x08\x00\x14" + hmac.digest(PWD.encode(), message, "sha1")


def record(kind: int) -> bytes:
    """A DTLS record with nothing in it (RFC 6347 section 4.1)."""
    return struct.pack("!BHHIHH", kind, 0xFEFD, 0, 0, 1, 0)


def others() -> dict[str, bytes]:
    """RTCP, sealed and not; what comes from an address that nobody has; checks and DTLS records; commands."""
    compounds = (
        build_receiver_report(1) + b"".join(build_nack(1, 500, [1, 2, 30])) + build_picture_loss(1, 500),
        build_sender_report(77, 1 << 60, 1, 2, 3),
        build_remb(1, 1 << 20, [500]),
    )
    block = ReportBlock(501, 64, -3, 70_000, 9, 0x00010002, 100)
    told = (
        build_receiver_report(1, [block, block._replace(ssrc=500), block._replace(ssrc=9)]),
        build_sender_report(77, 1 << 60, 1, 2, 3) + build_receiver_report(1, [block] * 31),
        build_receiver_report(1, [block]) + build_source_description(1, "name"),
    )
    asked = (bytes([0x41, 3, 0, 0xFF, 0xFF]), bytes([0x02, 0, 1, 0, 0]), bytes([0x81, 0, 1, 2, 0]), bytes([0x44] * 5))
    ours, theirs = ((0x0006, f"{name}:them".encode()) for name in (UFRAG, "nobody's"))
    priority, integrity = (0x0024, bytes(4)), (0x0008, bytes(20))
    checks = (check(ours, priority, integrity), check(priority, ours, integrity), check(theirs), check(integrity, ours))
    nominates = (0x0025, b"")
    routine = (signed(ours, priority, number=1), signed(priority, ours, nominates, number=2))
    return {
        "checks": b"".join(operation(kind, one) for one in checks for kind in (RAW, STRANGE | RAW)),
        "routine_checks": b"".join(operation(kind, one) for one in routine for kind in (RAW, RAW, STRANGE | RAW)),
        "records": b"".join(operation(RAW, record(kind)) for kind in (20, 21, 22, 23)),
        "rtcp": b"".join(operation(kind, one) for one in compounds for kind in (SEALED, RAW)),
        "reports": media("vp8")
        + operation(COMMAND, bytes([0xC1, 0, 1, 0, 2]))
        + b"".join(operation(kind, one) for one in told for kind in (VIEWER | SEALED, SEALED)),
        "strange": b"".join(operation(STRANGE | kind, compounds[0]) for kind in (SEALED, RAW)),
        "commands": media("vp8") + b"".join(operation(COMMAND, one) for one in asked),
    }


def main() -> None:
    """Write all of it."""
    for name, data in ({f"media_{name}": media(name) for name in _TRACKS} | others()).items():
        (CORPUS / "packet_path" / name).write_bytes(data)


if __name__ == "__main__":
    main()
