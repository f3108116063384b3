from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

import sfu
from sfu.node.config.settings import Settings
from sfu.node.config.sources import SettingsError, find_unknown_variables, load_settings
from sfu.node.tokens import DEV_KEY_ID
from sfu.signaling import IceServer, TurnServers
from sfu.signaling.http.signed_tokens import MIN_SECRET_BYTES

SECRET = "a-secret-of-more-than-thirty-two-bytes"
DEV = {"dev": True}


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SFU_"):
            monkeypatch.delenv(name)


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(text: str) -> Path:
        file = tmp_path / "sfu.toml"
        file.write_text(text, "utf-8")
        return file

    return write


def problems(flags: dict[str, Any], file: Path | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(flags, file)
    return [str(problem) for problem in caught.value.problems]


def test_development_needs_nothing_else() -> None:
    settings = load_settings(DEV, None)
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.build_options().cors_origins == ()
    assert settings.build_config() == sfu.Config(host="0.0.0.0")  # media for Firefox; HTTP stays on loopback


def test_each_start_in_development_has_a_key_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFU_CORS_ORIGINS", "https://a.example")
    one, other = load_settings(DEV, None), load_settings(DEV, None)
    assert one.secrets() == one.secrets() != other.secrets()
    assert len(one.secrets()[DEV_KEY_ID]) >= MIN_SECRET_BYTES
    assert one.secrets()[DEV_KEY_ID] not in repr(one)
    assert one.build_options().cors_origins == ("https://a.example",)  # where it is set, it counts


def test_flags_win_over_environment_over_file_over_defaults(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write("port = 1001\nudp_port = 2001\nshards = 2\nhost = '127.0.0.2'\n")
    monkeypatch.setenv("SFU_PORT", "1002")
    monkeypatch.setenv("SFU_UDP_PORT", "2002")
    settings = load_settings(DEV | {"port": 1003, "host": None}, file)
    assert (settings.port, settings.udp_port, settings.shards, settings.host) == (1003, 2002, 2, "127.0.0.2")


def test_a_file_says_it_all(write: Any) -> None:
    file = write(
        f"""
        host = "0.0.0.0"
        announce = ["192.0.2.1", "2001:db8::1"]
        codecs = ["opus", "H264"]
        max_rooms = 7
        cors_origins = ["https://a.example"]
        log_format = "json"
        [keys]
        main = "{SECRET}"
        [[ice_servers]]
        urls = "stun:stun.example"
        [[ice_servers]]
        urls = ["turn:t.example?transport=udp", "turns:t.example?transport=tcp"]
        username = "u"
        credential = "p"
        """
    )
    settings = load_settings({}, file)
    config, options = settings.build_config(), settings.build_options()
    assert (config.host, config.announce) == ("0.0.0.0", ("192.0.2.1", "2001:db8::1"))
    assert (config.codecs, config.max_rooms) == (("opus", "H264"), 7)
    assert options.cors_origins == ("https://a.example",)
    assert options.ice_servers == (
        IceServer("stun:stun.example"),
        IceServer("turn:t.example?transport=udp", "u", "p"),
        IceServer("turns:t.example?transport=tcp", "u", "p"),
    )
    assert settings.secrets() == {"main": SECRET}


def test_the_environment_says_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFU_KEYS", f"main:{SECRET}, spare:{SECRET}:with:colons")
    monkeypatch.setenv("SFU_ANNOUNCE", "192.0.2.1, 192.0.2.2")
    monkeypatch.setenv("SFU_ICE_SERVERS", '[{"urls": "turn:t.example", "username": "u", "credential": "p"}]')
    settings = load_settings({}, None)
    assert settings.secrets() == {"main": SECRET, "spare": f"{SECRET}:with:colons"}
    assert settings.announce == ("192.0.2.1", "192.0.2.2")
    assert settings.build_options().ice_servers == (IceServer("turn:t.example", "u", "p"),)
    monkeypatch.setenv("SFU_ICE_SERVERS", "stun:a.example,stun:b.example")
    assert len(load_settings({}, None).build_options().ice_servers) == 2


def test_turn_servers_with_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFU_TURN_URLS", "turn:t.example?transport=udp, turns:t.example")
    monkeypatch.setenv("SFU_TURN_SECRET", "what coturn has, too")
    monkeypatch.setenv("SFU_TURN_TTL", "600")
    settings = load_settings(DEV, None)
    expected = TurnServers(("turn:t.example?transport=udp", "turns:t.example"), "what coturn has, too", 600.0)
    assert settings.build_options().turn == expected
    assert "coturn has" not in repr(settings) + str(settings) + repr(settings.build_options())


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"port": 70000}, "port: Input should be less than or equal to 65535 (from flag --port)"),
        (
            {"trusted_proxies": "proxy.example"},
            "trusted_proxies: 'proxy.example' does not appear to be an IPv4 or IPv6 network",
        ),
        ({"udp_port": -1}, "udp_port: -1 is not within 0 to 65535 (from flag --udp-port)"),
        ({"udp_port": 65535, "shards": 2}, "udp_port: no 2 ports from 65535 on"),
        ({"host": "example.com"}, "host: 'example.com' is not an IP address"),
        ({"host": ""}, "host: '' is not an IP address"),
        ({"announce": ("nowhere",)}, "announce: 'nowhere' is no IP address"),
        ({"host": "0.0.0.0"}, "host: development is for this machine"),
        ({"record_dir": "/tmp", "record_fragment": 3.0}, "record_fragment: 3.0 is not within 0.1 to 2.0 (from flag"),
        ({"record_least_free_bytes": -1}, "record_least_free_bytes: -1 is not within 0 to"),
        ({"record_key_frame_interval": float("nan")}, "record_key_frame_interval: nan is not within"),
        ({"record_key": "key.pem"}, "record_key: is set without record_dir"),
        ({"record_mirrors": ("/tmp",)}, "record_mirrors: is set without record_dir"),
        ({"turn_urls": ("turn:a",)}, "turn_secret: is needed, since turn_urls is set (from default)"),
        ({"turn_secret": "s" * 16}, "turn_urls: is needed, since turn_secret is set"),
        ({"turn_urls": ("turn:a",), "turn_secret": "short"}, "turn_secret: the secret of TURN servers has at least 16"),
        ({"turn_urls": ("stun:secret",), "turn_secret": "s" * 16}, "turn_urls: 'stun:secret' is not a turn: or turns:"),
        ({"turn_ttl": 1}, "turn_ttl: Input should be greater than or equal to 60"),
        ({"max_token_lifetime": 0}, "max_token_lifetime: Input should be greater than or equal to 1"),
        ({"max_token_lifetime": float("inf")}, "max_token_lifetime: Input should be"),
        ({"token_grace": -1}, "token_grace: Input should be greater than or equal to 0"),
        ({"max_recordings": 0}, "max_recordings: Input should be greater than or equal to 1"),
        (
            {"log_level": "loud"},
            "log_level: Input should be 'debug', 'info', 'warning' or 'error' (from flag",
        ),
    ],
)
def test_a_wrong_flag_is_named(flags: dict[str, Any], expected: str) -> None:
    (problem,) = problems(DEV | flags)
    assert problem.startswith(expected)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SFU_SHARDS", "many", "shards: Input should be a valid integer"),
        ("SFU_KEYS", "main", "keys: write it as 'id:secret'"),
        ("SFU_KEYS", "main:short", "keys: the secret of 'main' is shorter than 32 bytes"),
        ("SFU_KEYS", f"a b:{SECRET}", "keys: 'a b' is not a key id"),
        ("SFU_KEYS", f"dev:{SECRET}", "keys: 'dev' names the key that a node in development makes"),
        ("SFU_ICE_SERVERS", "http://a", "ice_servers: 'http://a' is not a stun:"),
        ("SFU_ICE_SERVERS", "turn:a", "ice_servers: 'turn:a' needs a username"),
        ("SFU_ICE_SERVERS", "[{", "ice_servers: is not a JSON list"),
        ("SFU_CODECS", "opus,theora", "codecs: ['opus', 'theora'] must name one or more of"),
        ("SFU_PORT", "tcp://10.0.0.1:80", "port: Input should be a valid integer"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str) -> None:
    monkeypatch.setenv(name, value)
    (problem,) = problems(DEV)
    assert problem.startswith(expected)
    assert problem.endswith(f"(from environment variable {name})")
    assert ("enableServiceLinks" in problem) is value.startswith("tcp://")


def test_all_problems_of_a_file_are_named_at_once(write: Any) -> None:
    file = write('prot = 1\nshards = "x"\n[[ice_servers]]\nurls = "stun:a"\nuser = "x"\n')
    found = problems(DEV, file)
    assert f"prot: is not a setting; did you mean port? (from file {file})" in found
    assert any(problem.startswith("shards: ") and problem.endswith(f"(from file {file})") for problem in found)
    assert f"ice_servers.0.user: is not a setting (from file {file})" in found
    assert len(found) == 3


def test_a_file_that_cannot_be_read_is_named(write: Any, tmp_path: Path) -> None:
    assert problems(DEV, tmp_path / "none.toml") == [
        f"config: cannot read it: No such file or directory (from {tmp_path / 'none.toml'})"
    ]
    (problem,) = problems(DEV, write("port = \n"))
    assert problem.startswith("config: is not TOML: ")
    assert "line 1" in problem


def test_without_a_key_nobody_could_come_in() -> None:
    (problem,) = problems({})
    assert problem.startswith("keys: no key is set")


def test_records_are_signed_with_a_key_of_one_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFU_KEYS", f"main:{SECRET}")
    monkeypatch.setenv("SFU_RECORD_DIR", "/records")
    (problem,) = problems({})
    assert problem.startswith("record_key: records are signed, so record_dir needs a key")
    assert load_settings({"record_key": "/keys/record.pem"}, None).record_key == "/keys/record.pem"
    assert load_settings(DEV, None).record_key == ""  # then it makes one when it starts


def test_a_secret_is_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFU_KEYS", "main:tooshort")
    assert "tooshort" not in "".join(problems({}))
    monkeypatch.setenv("SFU_KEYS", f"main:{SECRET}")
    settings = load_settings({}, None)
    assert SECRET not in repr(settings) + str(settings)


def test_misspelt_variables_are_found() -> None:
    environ = {
        "SFU_PORT": "1",
        "SFU_CONFIG": "x",
        "SFU_PROT": "1",
        "SFU_KERNEL_CACHE": "x",
        "PATH": "/bin",
        "sfu_shards": "1",
    }
    assert find_unknown_variables(environ) == ["SFU_PROT"]


def test_limits_of_http_can_be_set(write: Any) -> None:
    file = write(
        "max_http_connections = 100\nmax_http_connections_per_address = 7\nhttp_request_timeout = 5\n"
        "max_request_rate_per_address = 8\nmax_request_burst_per_address = 9\n"
        "max_connection_rate_per_address = 12\nmax_connection_burst_per_address = 13\n"
        "max_request_rate_per_token = 10\nmax_request_burst_per_token = 11\n"
        "trusted_proxies = ['192.0.2.0/24', '2001:db8::1']\n"
    )
    settings = load_settings(DEV, file)
    limits = settings.build_http_limits()
    assert (limits.connections, limits.connections_per_address) == (100, 7)
    assert (limits.requests_per_address, limits.request_burst_per_address) == (8.0, 9)
    assert (limits.connection_rate_per_address, limits.connection_burst_per_address) == (12.0, 13)
    assert (limits.requests_per_token, limits.request_burst_per_token) == (10.0, 11)
    assert (limits.head_timeout, limits.request_timeout) == (5.0, 5.0)
    assert settings.trusted_proxies == ("192.0.2.0/24", "2001:db8::1")


def test_quotas_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [
        "max_peers_per_token",
        "max_peers_per_address",
        "max_half_open_per_token",
        "max_half_open_per_address",
        "max_streams_per_token",
        "max_streams_per_address",
    ]
    for number, name in enumerate(names, 7):
        monkeypatch.setenv(f"SFU_{name.upper()}", str(number))
    monkeypatch.setenv("SFU_KEPT_FOR_NAMED", "0.5")
    options = load_settings(DEV, None).build_options()
    assert [getattr(options, name) for name in names] == [7, 8, 9, 10, 11, 12]
    assert options.kept_for_named == 0.5


def test_every_setting_of_the_server_can_be_set() -> None:
    elsewhere = {"max_name_length", "max_held_names", "max_queued_events", "max_event_streams"}
    elsewhere.add("data_channels")  # over WHIP and WHEP nobody would read them
    missing = {field.name for field in dataclasses.fields(sfu.Config)} - set(Settings.model_fields) - elsewhere
    assert not missing
