"""Whose a packet of an unknown SSRC is (RFC 8843 section 9.2, RFC 8852)."""

from __future__ import annotations

import numpy as np
import pytest

from sfu.routing.kernels.tables import Tables, make_tables
from sfu.wire.extensions import Extension
from sfu.wire.kernels.rtp import PACKET

from . import kernels

VIDEO, RTX, AUDIO, RED = 96, 97, 111, 63


def write_name(entry: np.void, kind: str, name: str) -> None:
    entry[f"{kind}_bytes"] = len(name)
    entry[kind][: len(name)] = np.frombuffer(name.encode(), np.uint8)


def make_connection(*encodings: dict[str, object]) -> Tables:
    """A connection with these encodings, in this order."""
    tables = make_tables(1, 1, 8, 1, 1)
    tables.connections[0]["first_encoding"] = 0 if encodings else -1
    for row, given in enumerate(encodings):
        entry = tables.encodings[row]
        entry["next"] = row + 1 if row + 1 < len(encodings) else -1
        entry["payload_type"] = given.get("payload_type", VIDEO)
        entry["redundant_type"] = given.get("redundant_type", 0)
        entry["repairs"] = given.get("repairs", -1)
        write_name(entry, "mid", str(given.get("mid", "")))
        write_name(entry, "rid", str(given.get("rid", "")))
    return tables


def match(tables: Tables, payload_type: int = VIDEO, **names: str) -> int:
    """The encoding that a packet with these names is of."""
    packets, buffer = np.zeros(1, PACKET), np.full(100, 0x7A, np.uint8)
    packets[0]["payload_type"] = payload_type
    at = 7
    for kind, name in names.items():
        extension = Extension[kind.upper()]
        buffer[at : at + len(name)] = np.frombuffer(name.encode(), np.uint8)
        packets[0]["extension_at"][extension], packets[0]["extension_bytes"][extension] = at, len(name)
        at += len(name) + 1
    return int(kernels.match(tables, 0, buffer, packets, 0))


def test_a_connection_without_encodings_has_none() -> None:
    assert match(make_connection()) == -1


def test_by_payload_type_alone_only_where_one_uses_it() -> None:
    tables = make_connection({"payload_type": AUDIO, "redundant_type": RED}, {}, {})
    assert match(tables, AUDIO) == 0
    assert match(tables, RED) == 0
    assert match(tables, VIDEO) == -1
    assert match(tables, 0) == -1  # which is no RED, though 0 stands for none


def test_a_mid_tells_two_of_a_kind_apart() -> None:
    tables = make_connection({"mid": "1"}, {"mid": "10"}, {"mid": "2"})
    assert [match(tables, mid=mid) for mid in ("1", "10", "2", "0", "100")] == [0, 1, 2, -1, -1]
    assert match(tables, AUDIO, mid="1") == -1


SIMULCAST = (
    *({"mid": "v", "rid": rid} for rid in ("q", "h", "f")),
    *({"mid": "v", "rid": rid, "payload_type": RTX, "repairs": row} for row, rid in enumerate(("q", "h", "f"))),
)


@pytest.mark.parametrize("mid", [{}, {"mid": "v"}])
def test_a_rid_tells_the_encodings_of_a_track_apart(mid: dict[str, str]) -> None:
    tables = make_connection(*SIMULCAST)
    assert [match(tables, rid=rid, **mid) for rid in ("q", "h", "f", "x", "hh")] == [0, 1, 2, -1, -1]
    assert match(tables, **mid) == -1


def test_what_repairs_names_what_it_repairs_in_an_extension_of_its_own() -> None:
    tables = make_connection(*SIMULCAST)
    assert [match(tables, RTX, mid="v", rrid=rid) for rid in ("q", "h", "f")] == [3, 4, 5]
    assert match(tables, RTX, mid="v", rid="q") == -1
    assert match(tables, VIDEO, mid="v", rrid="q") == -1
