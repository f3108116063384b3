"""What stands in a slot of a ring: a head, and behind it the fields of one class of message.

The class is the only definition. Its annotations say how each field is stored, and both ends call it by its name: a
kernel as `command["SetTarget"]["spatial"]`, Python as `SetTarget(spatial=...)`. The records of all classes lie over
the same octets of the slot, like a union of C.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_type_hints

import numpy as np

Flag = Annotated[bool, np.uint8]
Octet = Annotated[int, np.uint8]
Int32 = Annotated[int, np.int32]
Int64 = Annotated[int, np.int64]
"""A field's type in Python, and in the slot."""


@dataclass(frozen=True, slots=True)
class Octets:
    """A field of at most so many octets, in Python `bytes`, with zeros behind it; its length stands before it, as
    `<name>_bytes`.
    """

    most: int


@dataclass(frozen=True, slots=True)
class Padded:
    """The same without its length: what the octets are says where they end."""

    most: int


_stored: dict[type, Mapping[str, Any]] = {}


def stored_fields(message: type) -> Mapping[str, Any]:
    """The fields of a class that stand behind the head, in order, and how: a NumPy type, `Octets` or `Padded`."""
    if message not in _stored:
        hints = get_type_hints(message, include_extras=True)
        _stored[message] = {name: hint.__metadata__[0] for name, hint in hints.items() if hasattr(hint, "__metadata__")}
    return _stored[message]


def make_record(message: type) -> np.dtype[Any]:
    """The record of one class."""
    columns: list[tuple[Any, ...]] = []
    for name, kind in stored_fields(message).items():
        if isinstance(kind, Octets):
            columns.append((f"{name}_bytes", np.int32))
        if isinstance(kind, Octets | Padded):
            columns.append((name, np.uint8, (kind.most,)))
        else:
            columns.append((name, kind))
    return np.dtype(columns, align=True)


def make_slot(head: tuple[str, str], messages: Sequence[type]) -> np.dtype[Any]:
    """The record of a slot: a head of two 32-bit integers, and over each other the records of these classes, by their
    names. A class without stored fields has none.
    """
    records = {message.__name__: make_record(message) for message in messages if stored_fields(message)}
    return np.dtype(
        {
            "names": [*head, *records],
            "formats": [np.int32, np.int32, *records.values()],
            "offsets": [0, 4, *[8] * len(records)],
            "itemsize": 8 + max(record.itemsize for record in records.values()),
        }
    )


def write_fields(record: Any, message: Any) -> None:
    """Write a message into its record. Raises OverflowError or ValueError for what does not fit."""
    for name, kind in stored_fields(type(message)).items():
        value = getattr(message, name)
        if not isinstance(kind, Octets | Padded):
            record[name] = value
            continue
        if len(value) > kind.most:
            raise ValueError(f"{type(message).__name__}: {len(value)} octets as {name}, where {kind.most} fit")
        record[name][: len(value)] = np.frombuffer(value, np.uint8)
        record[name][len(value) :] = 0
        if isinstance(kind, Octets):
            record[f"{name}_bytes"] = len(value)
