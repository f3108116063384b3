"""What a node asks of the directory, in the form that the store is asked in, and how its answers are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from sfu.cluster.records import RecordError

Reply_co = TypeVar("Reply_co", covariant=True)
_UNREADABLE = (ValueError, TypeError, IndexError, KeyError, OverflowError)


class Request(Generic[Reply_co]):
    """One step in the store. `script` names it (see `scripts`), `arguments` are what it is given."""

    __slots__ = ()
    script: ClassVar[str]

    def arguments(self) -> Sequence[str]:
        """Return what the script is given.

        Raises:
            ArgumentError: it is more than may stand in the directory.
        """
        raise NotImplementedError

    def read(self, raw: object) -> Reply_co:
        """Read what it has answered.

        Raises:
            RecordError: it makes no sense.
        """
        try:
            return self._read(raw)
        except _UNREADABLE as error:
            raise RecordError(f"the answer to {self.script!r} cannot be read") from error

    def _read(self, raw: object) -> Reply_co:
        raise NotImplementedError


def read_text(value: object) -> str:
    """Read a text, empty where nothing stands; ValueError: it is none."""
    if isinstance(value, bytes):
        return value.decode()
    if value is None or isinstance(value, str | int):
        return "" if value is None or value is False else str(value)
    raise ValueError(f"{type(value).__name__} where a text was expected")


def read_list(value: object) -> list[object]:
    """Read a list; TypeError: it is none."""
    if not isinstance(value, list):
        raise TypeError("no list")
    return value


def read_number(value: object) -> int:
    """Read a whole number; ValueError: it is none."""
    return int(read_text(value))


def read_word(value: object, *allowed: str) -> str:
    """Read one of some words; ValueError: it is none of them."""
    if (word := read_text(value)) not in allowed:
        raise ValueError(word)
    return word
