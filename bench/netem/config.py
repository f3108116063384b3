"""What one direction of a path does to packets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypedDict

JitterShape = Literal["uniform", "gaussian"]


@dataclass(frozen=True, slots=True)
class GilbertElliott:
    """Loss in bursts: a chain of two states that moves once per packet and begins in the good one.

    `p` is the chance to go from good to bad, `r` that of the way back; in each state a packet is lost with that
    state's chance. A burst lasts 1/r packets in the mean.
    """

    p: float
    r: float
    loss_bad: float = 1.0
    loss_good: float = 0.0

    def __post_init__(self) -> None:
        for name in ("p", "r", "loss_bad", "loss_good"):
            _check_share(name, getattr(self, name))

    @property
    def mean_loss(self) -> float:
        """The part of packets that is lost in the long run."""
        if self.p == 0.0:
            return self.loss_good
        bad = self.p / (self.p + self.r)
        return bad * self.loss_bad + (1.0 - bad) * self.loss_good


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """A one-way link: a queue with a drop-tail limit before a line of `rate_bps`, then the way to the other end.

    The default changes nothing. Shares are parts of one; a ValueError says which field cannot be.
    """

    rate_bps: float | None = None
    """Capacity in bits per second; None: without limit, 0: nothing leaves until the rate changes."""
    queue_bytes: int | None = None
    """What may wait behind the packet on the line, in bytes; None: no limit."""
    queue_s: float | None = None
    """How long a packet may have to wait at the current rate, in seconds; None: no limit. Both limits may be set."""
    bucket_bytes: int = 0
    """So much passes at any speed after a rest (token bucket); fixed from the beginning."""
    overhead_bytes: int = 0
    """Added to each packet's size on the line, as 28 for IPv4 and UDP around a datagram."""
    delay_s: float = 0.0
    """Time from the end of the line to the receiver: no packet is faster."""
    jitter_s: float = 0.0
    """Each packet is later by between 0 and this."""
    jitter_shape: JitterShape = "uniform"
    """`gaussian`: around the middle with a deviation of a sixth of `jitter_s`, cut at its ends."""
    keep_order: bool = True
    """Whether a packet that jitter (or a shorter delay) lets overtake waits for the one before it."""
    loss: float = 0.0
    """The share of packets lost behind the line, each by itself: they have used capacity."""
    burst: GilbertElliott | None = None
    """Loss in bursts, beside `loss`."""
    reorder: float = 0.0
    """The share of packets that are held back by `reorder_s` more while those behind them go on."""
    reorder_s: float = 0.0
    duplicate: float = 0.0
    """The share of packets that enter the queue twice."""

    def __post_init__(self) -> None:
        for name in ("loss", "reorder", "duplicate"):
            _check_share(name, getattr(self, name))
        for name in (
            "rate_bps",
            "queue_bytes",
            "queue_s",
            "bucket_bytes",
            "overhead_bytes",
            "delay_s",
            "jitter_s",
            "reorder_s",
        ):
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                raise ValueError(f"{name} must be a finite number of at least 0, not {value}")
        if self.jitter_shape not in ("uniform", "gaussian"):
            raise ValueError(f"jitter_shape must be uniform or gaussian, not {self.jitter_shape}")


class Changes(TypedDict, total=False):
    """Fields of LinkConfig that take new values."""

    rate_bps: float | None
    queue_bytes: int | None
    queue_s: float | None
    overhead_bytes: int
    delay_s: float
    jitter_s: float
    jitter_shape: JitterShape
    keep_order: bool
    loss: float
    burst: GilbertElliott | None
    reorder: float
    reorder_s: float
    duplicate: float


def _check_share(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} must be between 0 and 1, not {value}")
