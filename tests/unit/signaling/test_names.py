from __future__ import annotations

import pytest

from sfu.errors import InvalidNameError
from sfu.signaling.http.names import generate_peer_name, parse_peer_name, parse_room_name


@pytest.mark.parametrize("name", ["lobby", "a", "Team-7", "2024.01_x", "x" * 64])
def test_room_names_are_ascii_words(name: str) -> None:
    assert parse_room_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * 65, ".", "..", "-a", "a b", "a/b", "a\n", "ä", "*", "a?b", "a%2fb"])
def test_anything_else_is_no_room_name(name: str) -> None:
    with pytest.raises(InvalidNameError):
        parse_room_name(name)


@pytest.mark.parametrize("name", ["alice~3f9a", "Ada Lovelace~0001", "José", "नमस्ते", "AC/DC", "a@b.example", "🙂" * 64])
def test_peer_names_are_what_people_call_themselves(name: str) -> None:
    assert parse_peer_name(name) == name


def test_one_name_has_one_spelling() -> None:
    assert parse_peer_name("Jose\u0301") == parse_peer_name("Jos\u00e9") == "Jos\u00e9"
    assert parse_peer_name("\uff2a\uff55\uff44\uff47\uff45\u00a0\u2460") == "Judge 1"


@pytest.mark.parametrize(
    "name",
    [
        "",
        " a",
        "a ",
        "a  b",
        "a\tb",
        "a\r\nb",
        "a\0",
        "\u202eabc",
        "\u00a0a",
        "x" * 65,
        "e\u0301" * 100,
        "\ud800",
        "\ufeff",
    ],
)
def test_what_nobody_can_see_or_read_is_no_peer_name(name: str) -> None:
    with pytest.raises(InvalidNameError):
        parse_peer_name(name)


def test_a_generated_name_is_valid() -> None:
    name = generate_peer_name(lambda size: b"\xab" * size)
    assert parse_peer_name(name) == name == "peer-abababababab"
