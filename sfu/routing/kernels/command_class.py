"""What all commands are; each stands in command_records.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import dataclass_transform

COMMANDS: list[type[Command]] = []
"""All classes of commands; each is known in the ring by its index here."""


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Command:
    """What a command says: a frozen dataclass."""

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True)(cls)
        COMMANDS.append(cls)
