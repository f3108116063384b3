"""Write the first corpus for `fuzz_rtp_rtcp`: `python -m tests.fuzz.seed_rtp_rtcp`.

RTP headers are those of the captures, of each that which has the most extensions; feedback is built.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from sfu.wire.kernels.transport_feedback import NOT_RECEIVED
from sfu.wire.kernels.transport_feedback_build import build_transport_feedback
from sfu.wire.remb import build_remb
from sfu.wire.rtcp import (
    ReportBlock,
    build_full_intra_request,
    build_goodbye,
    build_nack,
    build_picture_loss,
    build_receiver_report,
    build_sender_report,
    build_source_description,
)
from tests.fuzz.rtp_rtcp import TARGETS
from tests.vectors.rtp import reading

HERE = Path(__file__).with_name("corpus") / "rtp_rtcp"
_PAYLOAD_BYTES = 12


def headers() -> dict[str, bytes]:
    """Of every third capture, the longest header, and a few octets behind it."""
    made = {}
    for name in reading.names()[::3]:
        longest = max(reading.load(name).packets, key=lambda packet: _header_bytes(packet.data))
        made[f"rtp_{name.replace('/', '_')}"] = longest.data[: _header_bytes(longest.data) + _PAYLOAD_BYTES]
    two_byte = struct.pack("!BBHIIHH", 0x90, 96, 1, 2, 3, 0x1000, 3) + b"\x01\x00\x02\x04abcd\x08\x01x\x00"
    made["rtp_two_byte"] = two_byte + b"payload"
    made["rtp_padding"] = struct.pack("!BBHII", 0xA2, 96, 1, 2, 3) + bytes(8) + b"payload\x00\x00\x03"
    return made


def _header_bytes(data: bytes) -> int:
    at = 12 + 4 * (data[0] & 15)
    return at + 4 + 4 * int.from_bytes(data[at + 2 : at + 4]) if data[0] & 16 else at


def feedback() -> dict[str, bytes]:
    """Arrivals close together and far apart, in each kind of chunk."""
    steps = {
        "steady": [1_000] * 60,
        "losses": [1_000, 0, 0, 500, 250, 0] * 12,
        "far": [100_000, -3_000, 70_000, 0] * 8,
        "lost": [1_000] + [0] * 300 + [1_000],
    }
    made = {}
    for name, each in steps.items():
        moments = np.cumsum([10_000_000, *each])[1:]
        arrived = np.where(np.array(each) == 0, NOT_RECEIVED, moments)
        out = np.zeros(1200, np.uint8)
        length, _ = build_transport_feedback(out, 0, 1200, 1, 2, 7, arrived, 0, len(arrived) - 1)
        made[f"transport_feedback_{name}"] = bytes(out[:length])
    return made


def compounds() -> dict[str, bytes]:
    """What a receiver and a sender send together."""
    block = ReportBlock(77, 10, -3, 70_000, 5, 6, 7)
    return {
        "compound_receiver": build_receiver_report(1, [block] * 2)
        + build_source_description(1, "name")
        + b"".join(build_nack(1, 77, [1, 2, 3, 40, 65_535]))
        + build_picture_loss(1, 77),
        "compound_sender": build_sender_report(77, 1 << 60, 3, 4, 5) + build_goodbye([77, 78]),
        "compound_feedback": build_full_intra_request(1, 77, 3) + build_remb(1, 2_000_000, [77]),
        "compound_padded": build_picture_loss(1, 2) + b"\xa1\xc9\x00\x08" + bytes(28) + b"\x00\x00\x00\x04",
    }


def main() -> None:
    """Write all of it."""
    HERE.mkdir(parents=True, exist_ok=True)
    rembs = {"remb_one": build_remb(1, 2_500_000, [77]), "remb_many": build_remb(1, 1 << 50, range(9))}
    for name, packet in (headers() | feedback() | rembs | compounds()).items():
        target = max((one for one in TARGETS if name.startswith(one)), key=len)
        (HERE / name).write_bytes(bytes([TARGETS.index(target), 0]) + packet)


if __name__ == "__main__":
    main()
