from __future__ import annotations

import socket
import time
from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner

from sfu.node.cli import app
from sfu.node.tokens import TokenAuthorizer
from sfu.signaling import Grants

SECRET = "a-secret-of-more-than-thirty-two-bytes"
KEYS = f"main:{SECRET}"


def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments), env=environment)
    return result.exit_code, result.stdout.strip(), " ".join(result.stderr.split())


def test_a_token_says_both_rights_where_none_is_named() -> None:
    authorizer = TokenAuthorizer({"main": SECRET}, time.time)
    code, token, _ = run("token", "--room", "lobby", SFU_KEYS=KEYS)
    assert (code, authorizer.authorize(token)) == (0, Grants(room="lobby", publish=True, subscribe=True))


def test_a_token_to_record_allows_no_more_than_that() -> None:
    authorizer = TokenAuthorizer({"main": SECRET}, time.time)
    code, token, _ = run("token", "--room", "*", "--record", SFU_KEYS=KEYS)
    assert (code, authorizer.authorize(token)) == (0, Grants(room="*", record=True))
    _, token, _ = run("token", "--room", "lobby", "--record", "--subscribe", SFU_KEYS=KEYS)
    assert authorizer.authorize(token) == Grants(room="lobby", subscribe=True, record=True)


def test_a_token_to_moderate_allows_no_more_than_that() -> None:
    authorizer = TokenAuthorizer({"main": SECRET}, time.time)
    code, token, _ = run("token", "--room", "lobby", "--admin", SFU_KEYS=KEYS)
    assert (code, authorizer.authorize(token)) == (0, Grants(room="lobby", admin=True))


def test_a_token_carries_what_was_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "sfu.toml"
    file.write_text(f'[keys]\nmain = "{SECRET}"\n')
    arguments = ["token", "--config", str(file), "--room", "lobby", "--peer", "alice", "--subscribe", "--ttl", "15m"]
    code, token, _ = run(*arguments)
    assert code == 0
    claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    assert claims["exp"] - claims["iat"] == 900
    assert TokenAuthorizer({"main": SECRET}, time.time).authorize(token) == Grants(
        room="lobby", peer="alice", subscribe=True
    )


def test_a_token_says_whom_it_is_for() -> None:
    environ = {"SFU_KEYS": KEYS, "SFU_TOKEN_AUDIENCE": "sfu.example"}
    authorizer = TokenAuthorizer({"main": SECRET}, time.time, audience="sfu.example")
    _, token, _ = run("token", "--room", "lobby", **environ)
    assert authorizer.authorize(token).room == "lobby"
    _, token, _ = run("token", "--room", "lobby", "--audience", "other", **environ)
    assert jwt.decode(token, SECRET, algorithms=["HS256"], audience="other")["aud"] == "other"
    _, token, _ = run("token", "--room", "lobby", "--audience", "", **environ)
    assert "aud" not in jwt.decode(token, SECRET, algorithms=["HS256"])


def test_no_token_is_made_that_the_node_would_not_take() -> None:
    code, _, error = run("token", "--room", "lobby", "--ttl", "2m", SFU_KEYS=KEYS, SFU_MAX_TOKEN_LIFETIME="60")
    assert (code, "more than 60 s" in error) == (2, True)
    code, _, _ = run("token", "--room", "lobby", "--ttl", "1m", SFU_KEYS=KEYS, SFU_MAX_TOKEN_LIFETIME="60")
    assert code == 0


def test_several_keys_ask_for_a_choice() -> None:
    keys = f"one:{SECRET},two:{SECRET}"
    code, _, error = run("token", "--room", "lobby", SFU_KEYS=keys)
    assert (code, "choose one with --key (one, two)" in error) == (2, True)
    code, token, _ = run("token", "--room", "lobby", "--key", "two", SFU_KEYS=keys)
    assert (code, jwt.get_unverified_header(token)["kid"]) == (0, "two")
    code, _, error = run("token", "--room", "lobby", "--key", "three", SFU_KEYS=keys)
    assert (code, "there is no key 'three'" in error) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["token", "--room", "lobby"], "keys: no key is set"),
        (["serve", "--dev", "--host", "0.0.0.0"], "host: development is for this machine"),
        (["serve", "--port", "99999"], "port: Input should be less than or equal to 65535 (from flag --port)"),
        (["serve"], "keys: no key is set"),
        (["serve", "--dev", "--config", "/nowhere.toml"], "config: cannot read it"),
        (["serve", "--dev", "--record-dir", "/proc/records"], "record_dir: the folder /proc/records cannot be made"),
        (["serve", "--record-dir", "/tmp"], "record_key: records are signed, so record_dir needs a key"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(arguments: list[str], reason: str) -> None:
    code, output, error = run(*arguments)
    assert (code, output) == (2, "")
    assert reason in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["token", "--room", "a b"], "A room's name is"),
        (["token", "--room", "lobby", "--peer", ""], "A peer's name is"),
        (["token", "--room", "lobby", "--ttl", "soon"], "--ttl 'soon'"),
        (["token", "--room", "lobby", "--ttl", "0"], "--ttl '0'"),
        (["token", "--room", "lobby", "--ttl", "99999d"], "--ttl '99999d'"),
        (["token", "--room", "lobby", "--ttl", "31d"], "more than 2592000 s (max_token_lifetime)"),
    ],
)
def test_what_no_token_can_say_is_told_in_a_sentence(arguments: list[str], reason: str) -> None:
    code, output, error = run(*arguments, SFU_KEYS=KEYS)
    assert (code, output) == (2, "")
    assert reason in error


def test_a_port_in_use_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, error = run("serve", "--dev", "--port", str(port))
    assert code == 2
    assert f"cannot listen on 127.0.0.1 port {port} (TCP): Address already in use" in error


def test_a_udp_port_in_use_is_told() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        code, _, error = run("serve", "--dev", "--port", "0", "--udp-port", str(port))
    assert code == 2
    assert f"cannot bind UDP port {port}" in error
