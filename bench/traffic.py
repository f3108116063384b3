"""What publishers send: the shape of one encoding, and the packets it makes."""

from __future__ import annotations

from dataclasses import dataclass

#: RTP header with its extensions (`bench/generator/frames.py`), and the VP8 payload descriptor, bytes.
RTP_HEADER_BYTES = 28
VP8_DESCRIPTOR_BYTES = 4


@dataclass(frozen=True)
class Traffic:
    """One encoding's packets: `frame_packets` packets at once, `frames_per_second` times a second."""

    video: bool
    frames_per_second: float
    frame_packets: int
    frame_bytes: int  # mean bytes of the encoded frame that is split over the packets
    clock_rate: int  # Hz

    @property
    def packets_per_second(self) -> float:
        """Packets that one publisher sends a second."""
        return self.frames_per_second * self.frame_packets

    @property
    def packet_bytes(self) -> float:
        """Mean RTP packet size in the clear, header included."""
        overhead = RTP_HEADER_BYTES + (VP8_DESCRIPTOR_BYTES if self.video else 0)
        return self.frame_bytes / self.frame_packets + overhead

    @property
    def bits_per_second(self) -> float:
        """RTP bits a second, header included, before SRTP adds its tag."""
        return self.packets_per_second * self.packet_bytes * 8


#: 720p as a browser sends it: about 2.5 Mbit/s in 261 packets a second, nine to a frame.
VIDEO = Traffic(video=True, frames_per_second=29.0, frame_packets=9, frame_bytes=10332, clock_rate=90_000)
#: Opus at 32 kbit/s, 20 ms packets.
AUDIO = Traffic(video=False, frames_per_second=50.0, frame_packets=1, frame_bytes=80, clock_rate=48_000)
#: A person in a small picture: 1 Mbit/s in 116 packets a second, four to a frame.
SMALL_VIDEO = Traffic(video=True, frames_per_second=29.0, frame_packets=4, frame_bytes=4182, clock_rate=90_000)
#: The smaller encodings of the same camera (simulcast): 250 and 90 kbit/s.
HALF_VIDEO = Traffic(video=True, frames_per_second=29.0, frame_packets=1, frame_bytes=1046, clock_rate=90_000)
QUARTER_VIDEO = Traffic(video=True, frames_per_second=14.5, frame_packets=1, frame_bytes=744, clock_rate=90_000)
