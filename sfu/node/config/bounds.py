"""Settings of what the node takes upon itself: from which load on nobody new comes in, what each tenant may have."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_settings import BaseSettings

from sfu.node.admission.load import LoadLimits
from sfu.node.admission.quotas import Quota

_LOAD = LoadLimits()
_Count = Annotated[int | None, Field(ge=0)]


class QuotaSetting(BaseModel):
    """What one tenant may have; what is not said has no bound."""

    model_config = ConfigDict(extra="forbid")

    rooms: _Count = None
    peers: _Count = None
    kbit_per_second: _Count = None
    recordings: _Count = None
    minutes_per_month: _Count = None

    def build(self) -> Quota:
        """The same for the node."""
        return Quota(**self.model_dump())


def parse_quotas(value: Any) -> Any:
    """Parse quotas that are given as one string, a JSON object; TOML has tables."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError(f"is not a JSON object: {error}") from error
    return value


class BoundSettings(BaseSettings):
    """Part of `Settings`."""

    max_plane_load: float = Field(default=_LOAD.plane, ge=0.05, le=1.0)
    """Share of a core that the least busy plane takes, from which on nobody new is let in; 1: never."""
    max_control_load: float = Field(default=_LOAD.control, ge=0.05, le=1.0)
    """The same of the event loop, which attends to clients that come and go."""
    max_memory_load: float = Field(default=_LOAD.memory, ge=0.05, le=1.0)
    """Share of the memory that the process may take, by the machine or its control group, from which on nobody new is
    let in; 1: never.
    """
    max_descriptor_load: float = Field(default=_LOAD.descriptors, ge=0.05, le=1.0)
    """The same of the file descriptors that are not for HTTP connections."""
    quotas: Annotated[dict[str, QuotaSetting], BeforeValidator(parse_quotas)] = Field(default_factory=dict)
    """What each key's tokens may bring in, by key id of `keys` or `livekit_keys`; `*` is for all that are not named."""
    quota_file: str = ""
    """SQLite file that keeps the minutes of people in this month; empty: they are gone with the process."""

    def build_load_limits(self) -> LoadLimits:
        """Return the load from which on nobody new is let in."""
        return LoadLimits(self.max_plane_load, self.max_control_load, self.max_memory_load, self.max_descriptor_load)

    def build_quotas(self) -> dict[str, Quota]:
        """Return what each tenant may have."""
        return {tenant: setting.build() for tenant, setting in self.quotas.items()}
