"""Nobody new while the node is at its limit: those who are in keep what they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sfu.node.admission.measures import Bound, Share
from sfu.signaling import Demand, Refusal

RETRY_S = 10.0
"""Seconds after which to try again: measures follow the load within about as long."""
_DISK_RETRY_S = 60.0

_WORDS = {
    "plane_load": "It forwards as much as it can now.",
    "control_load": "More clients come and go now than it can attend to.",
    "memory_load": "Its memory is nearly used up.",
    "descriptor_load": "It has nearly as many files and sockets open as it may.",
}
DISK_SPACE = "disk_space"
REASONS = (*_WORDS, DISK_SPACE)
"""For which load is refused."""


@dataclass(frozen=True, slots=True)
class LoadLimits:
    """Shares of what there is from which on nobody new is let in; 1: let in whatever is used."""

    plane: float = 0.9
    """Of a core, by the plane that has least to do."""
    control: float = 0.9
    """Of a core, by the event loop."""
    memory: float = 0.95
    """Of the memory that the process may take."""
    descriptors: float = 0.95
    """Of the file descriptors that are not HTTP connections'."""


@dataclass(frozen=True, slots=True)
class Readings:
    """What is read at one time; processor times in seconds, since whenever."""

    now: float
    planes_cpu_s: Sequence[float | None] = ()
    control_cpu_s: float | None = None
    memory: float = 0.0
    """Share of what the process may take."""
    descriptors: float = 0.0
    """Share of those that are not HTTP connections'."""
    free_bytes: Mapping[int, int] | None = None
    """What the disks of records have left, by place."""


class LoadAdmission:
    """An `Admission`: refuses who would come new where the node is at a bound; who returns is let in all the same."""

    def __init__(self, limits: LoadLimits, least_free_bytes: int = 0) -> None:
        """`least_free_bytes`: below that no recording begins; 0: it begins whatever is left."""
        self.bounds = {
            "plane_load": Bound(limits.plane),
            "control_load": Bound(limits.control),
            "memory_load": Bound(limits.memory),
            "descriptor_load": Bound(limits.descriptors),
        }
        """By the reason for which they refuse."""
        self._least_free = least_free_bytes
        self._disk_short = False
        self._planes: list[Share] = []
        self._control = Share()

    def update(self, read: Readings) -> None:
        """Take what was read; about once a second."""
        while len(self._planes) < len(read.planes_cpu_s):
            self._planes.append(Share())
        shares = [share.update(cpu_s, read.now) for share, cpu_s in zip(self._planes, read.planes_cpu_s, strict=False)]
        # Whoever comes is brought to a plane that has room.
        self.bounds["plane_load"].update(min(shares, default=0.0))
        self.bounds["control_load"].update(self._control.update(read.control_cpu_s, read.now))
        self.bounds["memory_load"].update(read.memory)
        self.bounds["descriptor_load"].update(read.descriptors)
        self._disk_short = any(free < self._least_free for free in (read.free_bytes or {}).values())

    @property
    def share(self) -> float:
        """0 to 1: how near it is to the bound that it is nearest to."""
        return min(max((bound.value / bound.most for bound in self.bounds.values()), default=0.0), 1.0)

    def check(self, demand: Demand) -> Refusal | None:
        """See `Admission.check`."""
        if "recording" in demand.wants and self._disk_short:
            return Refusal(
                reason=DISK_SPACE,
                title="Disk nearly full",
                detail="A disk with records has too little left for another; its operator has to make room.",
                retry_after=_DISK_RETRY_S,
            )
        if demand.returning or demand.wants.isdisjoint({"room", "peer"}):
            return None
        for reason, bound in self.bounds.items():
            if bound.met:
                detail = f"This server is at its limit. {_WORDS[reason]} Try again in a while, or at another one."
                return Refusal(reason=reason, title="Server busy", detail=detail, retry_after=RETRY_S)
        return None
