from __future__ import annotations

import unicodedata

import pytest

from sfu.errors import InvalidNameError
from sfu.rooms.lookalikes import appearances
from sfu.rooms.names import parse_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("alice~3f9a", "alice~3f9a"),
        ("Ada Lovelace", "Ada Lovelace"),
        ("Jose\u0301", "Jos\u00e9"),
        ("\ufb01nn", "finn"),
        ("\uff2aud\u00a0ge", "Jud ge"),
        ("\u2764\ufe0f", "\u2764"),
        ("\u0928\u092e\u0938\u094d\u0924\u0947", "\u0928\u092e\u0938\u094d\u0924\u0947"),
        ("\u1112\u1161\u11ab" * 64, "\ud55c" * 64),
    ],
)
def test_one_name_has_one_spelling(text: str, name: str) -> None:
    assert parse_name("peer", text, 64) == name == parse_name("peer", name, 64)


def _unseen() -> list[str]:
    """By category, and what only a table can tell: Default_Ignorable_Code_Point (Unicode 15) of other categories."""
    by_category = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in ("Cc", "Cf", "Zl", "Zp")]
    ignorable = [0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x3164, *range(0xFE00, 0xFE0E), 0xFFA0]
    ignorable += [*range(0xE0100, 0xE01F0), 0x2800, 0xFFFC, 0x1D159, 0xD800, 0xE000, 0x10FFFF]
    return by_category + [chr(code) for code in ignorable]


def test_what_cannot_be_seen_is_named_and_refused() -> None:
    characters = _unseen()
    assert len(characters) > 400
    for character in characters:
        with pytest.raises(InvalidNameError, match=r"U\+[0-9A-F]{4,6}"):
            parse_name("peer", f"ju{character}dge", 64)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "1 to 64"),
        ("x" * 65, "1 to 64"),
        ("\ufdfa" * 4, "1 to 64"),  # 18 characters each when normalised
        ("\u1112\u1161\u11ab" * 65, "1 to 64"),
        ("e\u0301" * 10_000, "1 to 64"),
        ("\ufe0f", "1 to 64"),
        (" judge", "space"),
        ("judge\u3000", "space"),
        ("judge\u2003\u00a0smith", "space"),
        ("\u0301judge", "begin with a combining mark"),
        ("judge\u0331\u0331", "twice in a row"),
        ("judge\u0331\u0332\u0333\u0325\u0323", "at most 4 marks"),
    ],
)
def test_other_forms_are_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidNameError, match=reason):
        parse_name("peer", text, 64)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("judge", "Judge"),
        ("judge", "JUDGE"),
        ("judge", "ju\u0501ge"),  # Cyrillic komi de
        ("judge", "jud\u0261e"),  # Latin script g
        ("judge", "\u0458\u057d\u0501\u0261\u0435"),
        ("JUDGE", "J\u054dDGE"),
        ("Alice", "AIice"),
        ("Alice", "A1ice"),
        ("modem", "rnodem"),
        ("Bob 0", "Bob O"),
        ("Stra\u00dfe", "STRASSE"),
        ("a-b", "a\u06d4b"),  # listed among what is written from right to left
        ("\u0418\u0432\u0430\u043d", "\u0418\u0432a\u043d"),
    ],
)
def test_look_alikes_have_an_appearance_in_common(one: str, other: str) -> None:
    assert appearances(one) & appearances(other)
    assert appearances(other) & appearances(one)


@pytest.mark.parametrize(
    ("one", "other"),
    [("judge", "judges"), ("Jose", "Jos\u00e9"), ("Muller", "M\u00fcller"), ("Anna", "Hanna"), ("Judge 1", "Judge 2")],
)
def test_what_people_tell_apart_is_no_look_alike(one: str, other: str) -> None:
    assert not appearances(one) & appearances(other)
