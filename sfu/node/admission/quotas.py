"""What each tenant may have at once, and in a month. A tenant is the key that signed a token, so there are as many as
there are keys.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sfu import Attendance
from sfu.node.admission.minutes import Minutes
from sfu.signaling import Demand, Refusal

EVERYBODY = "*"
"""Stands in a table of quotas for all tenants that are not named in it."""
NAMES = ("rooms", "peers", "kbit_per_second", "recordings", "minutes_per_month")
REASONS = tuple(f"quota_{name}" for name in NAMES)
"""For which a quota refuses."""

_RETRY_S = 30.0
"""Seconds after which somebody may have left, or a recording may have ended."""
_RATE_RETRY_S = 10.0

_WORDS = {
    "rooms": "rooms at once",
    "peers": "people at once",
    "kbit_per_second": "kbit/s",
    "recordings": "recordings at once",
    "minutes_per_month": "minutes of people in this month",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What one tenant may have; None: any number."""

    rooms: int | None = None
    """Rooms at once that it has opened."""
    peers: int | None = None
    """Peers at once that came by its tokens, in whatever rooms."""
    kbit_per_second: int | None = None
    """What their connections bring in and take: at that nobody else comes in, and who is in goes on."""
    recordings: int | None = None
    """Recordings at once that were begun by its tokens."""
    minutes_per_month: int | None = None
    """Minutes of all its Peers together, in a calendar month (UTC): after that nobody else comes in."""


@dataclass(frozen=True, slots=True)
class TenantUse:
    """How much of one quota a tenant uses."""

    name: str
    used: float
    limit: int | None


class TenantQuotas:
    """An `Admission`: refuses what would be more than a tenant may have."""

    def __init__(
        self,
        quotas: Mapping[str, Quota],
        tenants: Iterable[str],
        attendance: Attendance,
        minutes: Minutes,
        *,
        count_recordings: Callable[[str], int],
        clock: Callable[[], float],
    ) -> None:
        """`quotas`: by tenant. `tenants`: all that there are. `clock`: seconds since the Unix epoch."""
        self.tenants = tuple(tenants)
        self._quotas = {tenant: quotas.get(tenant) or quotas.get(EVERYBODY) or Quota() for tenant in self.tenants}
        self._attendance = attendance
        self._minutes = minutes
        self._count_recordings = count_recordings
        self._clock = clock
        self._bit_rates: Mapping[str, float] = {}
        self._seconds = dict.fromkeys(self.tenants, 0.0)

    def list_use(self, tenant: str) -> list[TenantUse]:
        """How much a tenant uses of each quota."""
        return [TenantUse(name, self._count(tenant, name), getattr(self._quotas[tenant], name)) for name in NAMES]

    def note_bit_rates(self, bit_rates: Mapping[str, float]) -> None:
        """Take the bit rates of all tenants, as measured last, in bits a second."""
        self._bit_rates = bit_rates

    def count_minutes(self) -> None:
        """Count the time that people were in since the last call."""
        before, self._seconds = self._seconds, {each: self._attendance.count_seconds(each) for each in self.tenants}
        spent = {tenant: seconds - before[tenant] for tenant, seconds in self._seconds.items()}
        self._minutes.add({tenant: seconds for tenant, seconds in spent.items() if seconds}, self._clock())

    def check(self, demand: Demand) -> Refusal | None:
        """See `Admission.check`."""
        quota = self._quotas.get(demand.tenant)
        if quota is None:
            return None
        for name in _list_concerned(demand):
            limit: int | None = getattr(quota, name)
            if limit is not None and (used := self._count(demand.tenant, name)) >= limit:
                return self._refuse(name, limit, used)
        return None

    def _count(self, tenant: str, name: str) -> float:
        match name:
            case "rooms":
                return self._attendance.count_rooms(tenant)
            case "peers":
                return self._attendance.count_peers(tenant)
            case "kbit_per_second":
                return math.floor(self._bit_rates.get(tenant, 0.0) / 1000)
            case "recordings":
                return self._count_recordings(tenant)
        return math.floor(self._minutes.read(tenant, self._clock()))

    def _refuse(self, name: str, limit: int, used: float) -> Refusal:
        detail = f"The key that signed this token may have {limit} {_WORDS[name]}, and has {used:.0f}."
        after = {"kbit_per_second": _RATE_RETRY_S, "minutes_per_month": _until_next_month(self._clock())}
        return Refusal(
            reason=f"quota_{name}",
            title="Quota used up",
            detail=detail,
            retry_after=after.get(name, _RETRY_S),
            status=429,
            limit=limit,
            used=used,
        )


def _list_concerned(demand: Demand) -> Iterable[str]:
    """The quotas of which something would be used. Who comes back goes on with what he had: time and bit rate."""
    if "room" in demand.wants:
        yield "rooms"
    if "recording" in demand.wants:
        yield "recordings"
    if "peer" in demand.wants:
        yield "peers"
        if not demand.returning:
            yield from ("kbit_per_second", "minutes_per_month")


def _until_next_month(now: float) -> float:
    today = datetime.datetime.fromtimestamp(now, datetime.UTC)
    year, month = divmod(today.year * 12 + today.month, 12)
    return datetime.datetime(year, month + 1, 1, tzinfo=datetime.UTC).timestamp() - now
