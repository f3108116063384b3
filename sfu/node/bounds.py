"""Puts together what lets new clients in or not, from the settings."""

from __future__ import annotations

import logging
import time

from sfu import Server
from sfu.node.admission.bit_rates import BitRates
from sfu.node.admission.free_space import FreeSpace
from sfu.node.admission.keeper import BoundsKeeper
from sfu.node.admission.load import LoadAdmission
from sfu.node.admission.minutes import Minutes, MinutesFile
from sfu.node.admission.quotas import TenantQuotas
from sfu.node.admission.reader import Reader
from sfu.node.config.settings import Settings
from sfu.node.descriptors import DescriptorPlan
from sfu.node.http.connections import HttpConnections
from sfu.signaling import RecordStore

_log = logging.getLogger("sfu.node")


def build_bounds(
    server: Server,
    settings: Settings,
    records: RecordStore | None,
    space: FreeSpace,
    connections: HttpConnections | None,
    descriptors: DescriptorPlan | None,
) -> BoundsKeeper:
    """Return what keeps load and quotas. `space`: of the disks of records. Raises sfu.ConfigError."""
    now = time.time()
    minutes = Minutes(MinutesFile(settings.quota_file) if settings.quota_file else None, now)
    table = settings.build_quotas()
    if not settings.quota_file and any(quota.minutes_per_month is not None for quota in table.values()):
        _log.warning("minutes of tenants begin anew with each start", extra={"advice": "set quota_file"})
    quotas = TenantQuotas(
        table,
        settings.list_tenants(),
        server.attendance,
        minutes,
        count_recordings=lambda tenant: 0 if records is None else records.count(tenant),
        clock=time.time,
    )
    others = 0 if descriptors is None or connections is None else descriptors.limit - descriptors.http
    http_connections = (lambda: 0) if connections is None else connections.__len__
    read = Reader(server, space, descriptors=others, http_connections=http_connections)
    load = LoadAdmission(settings.build_load_limits(), 0 if records is None else records.options.least_free_bytes)
    return BoundsKeeper(load, read, quotas, BitRates(server), minutes)
