"""Settings are checked when they are made, and an error names the key."""

from __future__ import annotations

from typing import Any

import pytest

from sfu import Config, ConfigError


def test_the_defaults_are_valid() -> None:
    assert Config().codecs == ("opus", "VP8", "VP9", "H264", "AV1")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("host", "localhost"),
        ("host", ""),
        ("announce", ("example.org",)),
        ("announce", ("0.0.0.0",)),
        ("udp_port", -1),
        ("udp_port", 65536),
        ("shards", 0),
        ("shards", 33),
        ("shards", True),
        ("consent_timeout", 0.0),
        ("consent_timeout", float("nan")),
        ("handshake_timeout", 1e9),
        ("keyframe_interval", -0.1),
        ("max_rooms", 0),
        ("max_peers_per_room", -5),
        ("max_media_per_connection", 1 << 30),
        ("codecs", ()),
        ("codecs", ("opus", "opus")),
        ("codecs", ("opus", "MPEG2")),
        ("srtp_profiles", ("NULL",)),
    ],
)
def test_errors_name_the_key(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{key}: ") as caught:
        Config(**{key: value})
    assert caught.value.key == key


def test_the_ports_of_all_shards_must_exist() -> None:
    Config(udp_port=65534, shards=2)
    with pytest.raises(ConfigError, match="udp_port"):
        Config(udp_port=65535, shards=2)
