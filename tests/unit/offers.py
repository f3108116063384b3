"""Session descriptions of clients that never connect: enough for all that happens before ICE."""

from __future__ import annotations

BOTH = (("audio", "sendonly"), ("video", "sendonly"))
RECEIVE_BOTH = (("audio", "recvonly"), ("video", "recvonly"))
FINGERPRINT = ":".join(["AB"] * 32)
_FORMATS = {
    "audio": ("111", ["a=rtpmap:111 opus/48000/2"]),
    "video": ("96", ["a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 nack pli"]),
    "VP9": ("98", ["a=rtpmap:98 VP9/90000", "a=fmtp:98 profile-id=0"]),
    "VP8 or VP9": ("96 98", ["a=rtpmap:96 VP8/90000", "a=rtpmap:98 VP9/90000", "a=fmtp:98 profile-id=0"]),
    "simulcast": ("96", ["a=rtpmap:96 VP8/90000", "a=rid:q send", "a=rid:f send", "a=simulcast:send q;f"]),
}
"""By what a section is: video in VP8, unless another codec or simulcast is named."""


def make_offer(*media: tuple[str, str], ufrag: str = "abcd", pwd: str = "p" * 22, setup: str = "actpass") -> str:
    """An offer with one section for each (kind, direction)."""
    mids = " ".join(str(index) for index in range(len(media)))
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {mids}"]
    for index, (kind, direction) in enumerate(media):
        payload_type, attributes = _FORMATS[kind]
        lines += [
            f"m={'audio' if kind == 'audio' else 'video'} 9 UDP/TLS/RTP/SAVPF {payload_type}",
            "c=IN IP4 0.0.0.0",
            f"a=ice-ufrag:{ufrag}",
            f"a=ice-pwd:{pwd}",
            f"a=fingerprint:sha-256 {FINGERPRINT}",
            f"a=setup:{setup}",
            f"a=mid:{index}",
            "a=rtcp-mux",
            f"a={direction}",
            *attributes,
        ]
        if direction in ("sendonly", "sendrecv"):
            lines.append("a=msid:stream track")
            if kind != "simulcast":
                lines.append(f"a=ssrc:{1000 + index} cname:client")
    return "\r\n".join([*lines, ""])


def make_answer(offer: str, direction: str = "recvonly", **options: str) -> str:
    """An answer that takes every section of our `offer` in one direction, with the offer's payload types."""
    sections = offer.split("m=")[1:]
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    lines += [line for line in offer.split("\r\n") if line.startswith("a=group:BUNDLE")]
    for section in sections:
        own = section.split("\r\n")
        kept = [line for line in own[1:] if line.startswith(_KEPT)]
        offered = next((line[2:] for line in own if line in _DIRECTIONS), "sendrecv")  # data channels have none
        answered = direction if offered in ("sendonly", "sendrecv") else "inactive"
        lines += [
            f"m={own[0]}",
            "c=IN IP4 0.0.0.0",
            f"a=ice-ufrag:{options.get('ufrag', 'efgh')}",
            f"a=ice-pwd:{'q' * 22}",
            f"a=fingerprint:sha-256 {FINGERPRINT}",
            "a=setup:active",
            "a=rtcp-mux",
            f"a={answered}",
            *kept,
        ]
    return "\r\n".join([*lines, ""])


_KEPT = ("a=mid:", "a=rtpmap:", "a=rtcp-fb:", "a=fmtp:", "a=sctp-port:")
_DIRECTIONS = {f"a={name}" for name in ("sendrecv", "sendonly", "recvonly", "inactive")}
