"""Which encoding a packet belongs to.

By SSRC, else by MID and RID (RFC 8843 section 9.2), else by payload type. A repair stream names the RID of what it
repairs in an extension of its own (RFC 8852 section 3.3).
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.routing.kernels.describe import forget_structure
from sfu.routing.kernels.index import find_encoding, insert_encoding, remove_encoding
from sfu.routing.kernels.reception import begin_generation
from sfu.routing.kernels.sources import (
    CURRENT,
    LATE_US,
    charge_source,
    find_slot,
    may_introduce,
    note_source,
    release_source,
)
from sfu.routing.kernels.tables import Tables
from sfu.wire.extensions import Extension
from sfu.wire.kernels.kernel import i64, stage
from sfu.wire.kernels.octets import Octets, same_octets

_MID = int(Extension.MID)
_RID = int(Extension.RID)
_RRID = int(Extension.RRID)


@stage
def _same_name(buffer: Octets, at: int, length: int, name: Octets, name_bytes: int) -> bool:
    return length == name_bytes and same_octets(buffer, at, name, i64(0), length)


@stage
def carries_type(encodings: NDArray[Any], encoding: int, payload_type: int) -> bool:
    """Whether packets of an encoding may have this payload type: its codec's, or that of RED around it."""
    entry = encodings[encoding]
    redundant = entry["redundant_type"]
    return entry["payload_type"] == payload_type or (redundant > 0 and redundant == payload_type)


@stage
def match_encoding(tables: Tables, connection: int, buffer: Octets, packets: NDArray[Any], row: int) -> int:
    """The encoding that a packet of an unknown SSRC names by MID, RID or payload type; -1 when it names none.

    The payload type alone decides only when one encoding of the connection uses it.
    """
    mid_bytes = packets[row]["extension_bytes"][_MID]
    found = -1
    matches = 0
    encoding = i64(tables.connections[connection]["first_encoding"])
    while encoding >= 0:
        entry = tables.encodings[encoding]
        if carries_type(tables.encodings, encoding, i64(packets[row]["payload_type"])):
            fits = True
            if mid_bytes > 0:
                at = packets[row]["extension_at"][_MID]
                fits = _same_name(buffer, at, mid_bytes, entry["mid"], entry["mid_bytes"])
            if fits and entry["rid_bytes"] > 0:
                kind = _RID if entry["repairs"] < 0 else _RRID
                at = packets[row]["extension_at"][kind]
                rid_bytes = packets[row]["extension_bytes"][kind]
                fits = _same_name(buffer, at, rid_bytes, entry["rid"], entry["rid_bytes"])
            if fits:
                found = encoding
                matches += 1
        encoding = i64(entry["next"])
    return found if matches == 1 else -1


@stage
def find_source(tables: Tables, connection: int, ssrc: int) -> int:
    """Return the encoding already known by this SSRC, or -1."""
    return find_encoding(tables.by_ssrc, tables.encodings, connection, ssrc)


@stage
def may_learn(tables: Tables, encoding: int, ssrc: int, now_us: int) -> bool:
    """Whether an encoding may go on under an SSRC that is not its own.

    Decided before decryption, and False for what is late: a packet of the SSRC before that another has overtaken.
    """
    entry = tables.encodings[encoding]
    if entry["former_ssrc"] == ssrc and now_us - entry["replaced_us"] < LATE_US:
        return False
    return may_introduce(tables, i64(entry["connection"]), ssrc, now_us)


@stage
def learn_source(tables: Tables, encoding: int, ssrc: int, now_us: int) -> int:
    """Bind an authenticated SSRC to an encoding; a former SSRC is released and the numbering starts anew.

    Returns the SSRC that is given up for it, or `NOBODY`: see `note_source`.
    """
    entry = tables.encodings[encoding]
    connection = i64(entry["connection"])
    if entry["ssrc"] >= 0:
        remove_encoding(tables.by_ssrc, tables.encodings, encoding)
        release_source(tables, connection, i64(entry["ssrc"]), now_us)
    entry["former_ssrc"] = entry["ssrc"]
    entry["replaced_us"] = now_us
    entry["key_frames_before"] = entry["key_frames"]
    entry["ssrc"] = ssrc
    entry["aligned"] = 0  # the new source has a clock of its own
    forget_structure(tables, encoding)
    begin_generation(tables.encodings, tables.arrivals, encoding)
    insert_encoding(tables.by_ssrc, tables.encodings, encoding)
    if find_slot(tables, connection, ssrc) < 0:
        charge_source(tables, connection, now_us)
    return note_source(tables, connection, ssrc, CURRENT, now_us)


@stage
def set_clock_offset(tables: Tables, encoding: int, shift: int) -> None:
    """Set how an encoding's timestamps are brought onto the common clock of its track."""
    tables.encodings[encoding]["clock_offset"] = shift
    tables.encodings[encoding]["aligned"] = 1
