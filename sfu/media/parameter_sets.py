"""H.264 parameter sets that a publisher names in SDP (`sprop-parameter-sets`, RFC 6184 section 8.1)."""

from __future__ import annotations

import base64
import binascii

from sfu.negotiation import Codec

_SEQUENCE, _PICTURE = 7, 8
_MOST_SETS = 8
_MOST_BYTES = 512


def parameter_sets_of(codec: Codec) -> tuple[bytes, ...]:
    """Return the sets as NAL units. What is malformed or no parameter set is left out; the stream may carry the sets in
    band.
    """
    if codec.name != "H264":
        return ()
    found = []
    for text in codec.parameters.get("sprop-parameter-sets", "").split(",")[:_MOST_SETS]:
        try:
            unit = base64.b64decode(text.strip(), validate=True)
        except binascii.Error:
            continue
        if 1 < len(unit) <= _MOST_BYTES and unit[0] & 0x1F in (_SEQUENCE, _PICTURE):
            found.append(unit)
    return tuple(found)
