"""The form of names that people see: one spelling for one name, and nothing in it that cannot be seen."""

from __future__ import annotations

import re
import unicodedata

from sfu.errors import InvalidNameError

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.~@\-]*")
_PRESENTATION = re.compile("[\ufe0e\ufe0f]")
"""Presentation selectors, which choose between two pictures of one character (UTS 51 section 4.3) and are left out."""
_MOST_MARKS = 4
"""Most combining marks on one character (UTS 39 section 5.4): more would be drawn over the characters beside it."""
_EXPANSION = 4
"""How many times its final length a text may have before it is composed: a Hangul syllable is three characters then."""

_UNSEEN = re.compile(
    # Default_Ignorable_Code_Point as far as it is of a category that counts as printable
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
    # empty by design, or a place for something that is not there
    "\u2800\ufffc\U0001d159]"
)


def parse_name(what: str, text: str, most: int) -> str:
    """Return `text` as the name of a `what`, a room or a peer: normalised (NFKC, UAX 15), 1 to `most` visible
    characters, no space at its ends and no two in a row. Emoji lose their presentation selectors.

    Raises:
        InvalidNameError: the text may not be a name; the message says why.
    """
    if len(text) <= most and _PLAIN.fullmatch(text):
        return text
    name = "" if len(text) > most * _EXPANSION else unicodedata.normalize("NFKC", _PRESENTATION.sub("", text))
    if not 1 <= len(name) <= most:
        raise InvalidNameError(f"A {what}'s name is 1 to {most} characters long.")
    for character in name:
        if not character.isprintable() or _UNSEEN.match(character):
            raise InvalidNameError(
                f"A {what}'s name cannot hold {_describe(character)}: its characters are visible, and none is a "
                "control, a format or a direction."
            )
    if name.strip(" ") != name or "  " in name:
        raise InvalidNameError(f"A {what}'s name has no space at its ends and no two in a row.")
    _check_marks(what, name)
    return name


def _check_marks(what: str, name: str) -> None:
    if unicodedata.category(name[0]).startswith("M"):
        raise InvalidNameError(f"A {what}'s name does not begin with a combining mark, {_describe(name[0])}.")
    run = ""
    for character in name:
        if unicodedata.category(character) not in ("Mn", "Me"):
            run = ""
            continue
        if run.endswith(character) or len(run) >= _MOST_MARKS:
            raise InvalidNameError(
                f"A {what}'s name has at most {_MOST_MARKS} marks on one character, none of them twice in a row."
            )
        run += character


def _describe(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()
