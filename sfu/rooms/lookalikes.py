"""Which names a person would take for one another."""

from __future__ import annotations

import functools
import unicodedata

from confusable_homoglyphs import confusables

_WRAPPER = "\u200e"
"""The mark that the library's table puts around text that is written from right to left."""
_MOST_STEPS = 4


@functools.lru_cache(maxsize=4096)
def appearances(name: str) -> frozenset[str]:
    """Return what `name` looks like: its skeleton (UTS 39 section 4), and the skeleton of its case-folded form.

    Two names that have a skeleton in common are look-alikes: `judge`, `Judge`, and the same with a Cyrillic letter.
    """
    return frozenset({_skeleton(name), _skeleton(name.casefold())})


def load() -> None:
    """Read the table of look-alikes in advance, since that takes a while."""
    _prototypes()


def _skeleton(text: str) -> str:
    prototypes = _prototypes()
    for _ in range(_MOST_STEPS):
        decomposed = unicodedata.normalize("NFD", text)
        mapped = unicodedata.normalize("NFD", "".join(prototypes.get(each, each) for each in decomposed))
        if mapped == text:
            break
        text = mapped
    return text


@functools.cache
def _prototypes() -> dict[str, str]:
    """Return the prototype (UTS 39 section 4) of each confusable character that is not a prototype itself.

    The library lists pairs, in both directions. A confusable character has one prototype, which can be a sequence, and
    no other partner. So a character with several partners is a prototype; of two that have only each other, either
    would do.
    """
    partners: dict[str, set[str]] = {}
    for text, others in confusables.confusables_data.items():
        found = partners.setdefault(text.strip(_WRAPPER), set())
        found.update(other["c"].strip(_WRAPPER) for other in others)
    chosen = {}
    for character, found in partners.items():
        if len(character) == 1 and len(found) == 1:
            (other,) = found
            is_prototype = len(other) == 1 and len(partners[other]) == 1 and character < other
            if not is_prototype:
                chosen[character] = other
    return chosen
