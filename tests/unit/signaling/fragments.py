"""SDP fragments that a PATCH of a session brings (RFC 8840)."""

from __future__ import annotations

FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
CANDIDATE = "a=candidate:1 1 udp 2130706431 192.0.2.1 9 typ host\r\na=end-of-candidates\r\n"


def fragment(ufrag: str, pwd: str) -> str:
    return f"a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n{CANDIDATE}"


SAME = fragment("abcd", "p" * 22)
NEW = fragment("wxyz", "n" * 22)
