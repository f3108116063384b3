"""What is counted of the packets of an Encoding, by layer and by level."""

from __future__ import annotations

import numpy as np

from sfu.routing.kernels.tables import Tables, make_tables
from sfu.wire.extensions import Extension
from sfu.wire.kernels.rtp import PACKET
from sfu.wire.layers import TEMPORAL_LAYERS

from . import kernels


def make_encoding(*, audio: int = 0) -> Tables:
    tables = make_tables(1, 1, 2, 1, 1)
    tables.encodings[1]["audio"], tables.encodings[1]["key_timestamp"] = audio, -1
    return tables


def count(tables: Tables, **fields: int) -> None:
    packets = np.zeros(1, PACKET)
    packets[0]["payload_bytes"] = 100
    for name, value in fields.items():
        packets[0][name] = value
    kernels.account_frame(tables, 1, packets, 0)


def test_octets_are_counted_by_the_frames_own_layer() -> None:
    tables = make_encoding()
    for spatial, temporal, times in ((0, 0, 3), (0, 2, 1), (2, 1, 2)):
        for _ in range(times):
            count(tables, spatial=spatial, temporal=temporal)
    entry = tables.encodings[1]
    octets = entry["layer_octets"].reshape(-1, TEMPORAL_LAYERS)
    assert {(int(s), int(t)): int(octets[s, t]) for s, t in zip(*octets.nonzero(), strict=True)} == {
        (0, 0): 300,
        (0, 2): 100,
        (2, 1): 200,
    }
    assert (entry["spatial_layers"], entry["temporal_layers"]) == (3, 3)


def test_a_key_frame_of_several_packets_is_one_even_at_the_first_timestamp_of_all() -> None:
    tables = make_encoding()
    for timestamp, key in ((0, 1), (0, 1), (0, 0), (3000, 0), (6000, 1), (6000, 1)):
        count(tables, timestamp=timestamp, key=key)
    assert tables.encodings[1]["key_frames"] == 2


def test_audio_has_no_layers() -> None:
    tables = make_encoding(audio=1)
    count(tables, key=1, spatial=1)
    assert tables.encodings[1]["key_frames"] == tables.encodings[1]["spatial_layers"] == 0


def test_levels_are_summed_up_as_loudness_with_the_flag_of_a_voice() -> None:
    tables = make_encoding(audio=1)
    packets, buffer = np.zeros(1, PACKET), np.zeros(20, np.uint8)
    kernels.account_level(tables, 1, buffer, packets, 0)  # it has none
    packets[0]["extension_at"][Extension.AUDIO_LEVEL], packets[0]["extension_bytes"][Extension.AUDIO_LEVEL] = 9, 1
    for octet in (0x80 | 20, 0x80 | 0, 127, 0x80 | 127):
        buffer[9] = octet
        kernels.account_level(tables, 1, buffer, packets, 0)
    entry = tables.encodings[1]
    assert (entry["levels"], entry["loudness"], entry["voiced"]) == (4, 107 + 127, 3)
