"""Write the first corpus for `fuzz_depacketize`, from the captures: `python -m tests.fuzz.seed_depacketize`."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.depacketize import BACK, FRAME, LOST, MARKER, REDUNDANT, TARGETS
from tests.vectors.rtp import reading

HERE = Path(__file__).with_name("corpus") / "depacketize"
CAPTURES = {
    "chromium_opus_red": 20,
    "whole/chromium_vp8_simulcast": 8,
    "whole/chromium_vp9_l3t3_key": 10,
    "whole/chromium_av1_l3t3": 10,
    "whole/chromium_h264_simulcast": 10,
    "whole/firefox_vp9": 6,
}
"""And how many packets of each; in a second input one of them is lost, and two change places."""


def inputs(name: str, count: int) -> list[bytes]:
    """Two."""
    capture = reading.load(name)
    codec = name.split("_")[1]
    red = capture.payload_type("red") if name.endswith("_red") else -1
    types = (capture.payload_type(codec), red)
    media = [packet for packet in capture.packets if packet.payload_type in types]
    media = [packet for packet in media if packet.ssrc == media[0].ssrc][:count]
    plain, disturbed = (bytearray([TARGETS.index(codec)]) for _ in range(2))
    before = None
    for place, packet in enumerate(media):
        data = packet.data
        at = 12 + 4 * (data[0] & 0x0F)
        if data[0] & 0x10:
            at += 4 + 4 * int.from_bytes(data[at + 2 : at + 4])
        payload = data[at:] if not data[0] & 0x20 else b""
        special = MARKER if data[1] & 0x80 else 0
        special |= FRAME if packet.timestamp != before else 0
        special |= REDUNDANT if packet.payload_type == red else 0
        before = packet.timestamp
        for made, more in ((plain, 0), (disturbed, {4: LOST, 6: BACK, 7: LOST}.get(place, 0))):
            made += bytes([special | more]) + len(payload).to_bytes(2) + payload
    return [bytes(plain), bytes(disturbed)]


if __name__ == "__main__":
    HERE.mkdir(parents=True, exist_ok=True)
    for name, count in CAPTURES.items():
        for kind, data in zip(("plain", "disturbed"), inputs(name, count), strict=True):
            (HERE / f"{name.split('/')[-1]}_{kind}").write_bytes(data)
