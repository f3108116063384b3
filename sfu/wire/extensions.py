"""The RTP header extensions that the server knows (RFC 8285), by name."""

from __future__ import annotations

import enum


class Extension(enum.IntEnum):
    """A header extension's meaning, apart from the id that a connection negotiates for it.

    The numbers are ours: they index the plane's tables and never stand on the wire.
    """

    MID = 1
    RID = 2
    RRID = 3
    AUDIO_LEVEL = 4
    ABS_SEND_TIME = 5
    TRANSPORT_SEQUENCE = 6
    VIDEO_ORIENTATION = 7
    DEPENDENCY_DESCRIPTOR = 8
    PLAYOUT_DELAY = 9
    FRAME_MARKING = 10

    @property
    def uri(self) -> str:
        """The URI that names it in SDP `a=extmap` lines."""
        return _URIS[self]


_URIS = {
    Extension.MID: "urn:ietf:params:rtp-hdrext:sdes:mid",
    Extension.RID: "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    Extension.RRID: "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    Extension.AUDIO_LEVEL: "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    Extension.ABS_SEND_TIME: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    Extension.TRANSPORT_SEQUENCE: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    Extension.VIDEO_ORIENTATION: "urn:3gpp:video-orientation",
    Extension.DEPENDENCY_DESCRIPTOR: (
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
    ),
    Extension.PLAYOUT_DELAY: "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    Extension.FRAME_MARKING: "urn:ietf:params:rtp-hdrext:framemarking",
}

BY_URI = {extension.uri: extension for extension in Extension}
"""The extension that a URI names."""

EXTENSION_COUNT = max(Extension) + 1
"""Length of a table indexed by Extension (0 is unused: "no extension")."""

MAX_EXTENSION_ID = 14
"""The largest id that fits the one-byte form (RFC 8285 section 4.2), and so the largest we agree to."""
