"""Which encoding a packet belongs to.

By SSRC, else by MID and RID (RFC 8843 section 9.2), else by payload type.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.routing.index import find_encoding, insert_encoding, remove_encoding
from sfu.routing.tables import Tables
from sfu.wire.extensions import Extension
from sfu.wire.kernel import i64, kernel
from sfu.wire.octets import Octets

_MID = int(Extension.MID)
_RID = int(Extension.RID)


@kernel
def _same_name(buffer: Octets, at: int, length: int, name: Octets, name_bytes: int) -> bool:
    if length != name_bytes:
        return False
    for k in range(length):
        if buffer[at + k] != name[k]:
            return False
    return True


@kernel
def match_encoding(tables: Tables, connection: int, buffer: Octets, packets: NDArray[Any], row: int) -> int:
    """The encoding that a packet of an unknown SSRC names by MID, RID or payload type; -1 when it names none.

    The payload type alone decides only when one encoding of the connection uses it.
    """
    mid_bytes = packets[row]["extension_bytes"][_MID]
    rid_bytes = packets[row]["extension_bytes"][_RID]
    found = -1
    matches = 0
    encoding = i64(tables.connections[connection]["first_encoding"])
    while encoding >= 0:
        entry = tables.encodings[encoding]
        if entry["payload_type"] == packets[row]["payload_type"]:
            fits = True
            if mid_bytes > 0:
                at = packets[row]["extension_at"][_MID]
                fits = _same_name(buffer, at, mid_bytes, entry["mid"], entry["mid_bytes"])
            if fits and entry["rid_bytes"] > 0:
                at = packets[row]["extension_at"][_RID]
                fits = _same_name(buffer, at, rid_bytes, entry["rid"], entry["rid_bytes"])
            if fits:
                found = encoding
                matches += 1
        encoding = i64(entry["next"])
    return found if matches == 1 else -1


@kernel
def find_source(tables: Tables, connection: int, ssrc: int) -> int:
    """The encoding already known by this SSRC, or -1."""
    return find_encoding(tables.by_ssrc, tables.encodings, connection, ssrc)


@kernel
def learn_source(tables: Tables, encoding: int, ssrc: int) -> None:
    """Bind an authenticated SSRC to an encoding; a former SSRC is forgotten and the numbering starts anew."""
    entry = tables.encodings[encoding]
    if entry["ssrc"] >= 0:
        remove_encoding(tables.by_ssrc, tables.encodings, encoding)
    entry["ssrc"] = ssrc
    entry["generation"] = (entry["generation"] + 1) & 0x7FFFFFFF
    entry["packets"] = 0
    entry["octets"] = 0
    entry["jitter_16"] = 0
    insert_encoding(tables.by_ssrc, tables.encodings, encoding)
    tables.connections[entry["connection"]]["new_sources"] += 1
