"""Commands that change connections."""

from __future__ import annotations

from typing import Any

from sfu.bwe.kernels.delay import set_by_tcp
from sfu.bwe.kernels.reset import free_estimate, reset_estimator, reset_uplink
from sfu.routing.kernels.allowances import forget_allowances
from sfu.routing.kernels.connection_columns import MAX_ADDRESSES, UFRAGS
from sfu.routing.kernels.consent import begin_checks, leave_checks
from sfu.routing.kernels.index import find_address, insert_address, insert_ufrag, remove_address, remove_ufrag
from sfu.routing.kernels.media_columns import NEVER
from sfu.routing.kernels.pacing import forget_queued
from sfu.routing.kernels.send import ANY_BYTES
from sfu.routing.kernels.sources import forget_sources
from sfu.routing.kernels.tables import Tables
from sfu.routing.kernels.template import build_template
from sfu.wire.extensions import EXTENSION_COUNT
from sfu.wire.kernels.kernel import i64, stage


@stage
def open_connection(tables: Tables, row: int, command: Any) -> None:
    """Begin a fresh row: no address, no keys."""
    entry = tables.connections[row]
    entry["active"] = 1
    entry["address_bytes"] = 0
    entry["local_bytes"] = 0
    entry["receive_srtp"] = 0
    entry["send_srtp"] = 0
    entry["first_encoding"] = -1
    entry["subscriptions"] = 0
    entry["first_subscription"] = -1
    entry["unreported"] = 0
    entry["report_ssrc"] = command["report_ssrc"]
    entry["cname_bytes"] = command["cname_bytes"]
    for k in range(len(entry["cname"])):
        entry["cname"][k] = command["cname"][k]
    entry["tell_us"] = 0
    entry["look_us"] = 0
    entry["transport_sequence"] = 0
    entry["controlled"] = 0
    entry["reported_bps"] = 0.0
    entry["reported_us"] = 0
    entry["free_us"] = 0
    entry["probe_free_us"] = 0
    entry["drain_bps"] = 0.0
    entry["repair_tokens"] = 0
    entry["repair_refill_us"] = 0
    entry["reports"] = 0
    entry["uplink_bps"] = 0.0
    entry["uplink_us"] = 0
    entry["report_highest"] = NEVER
    entry["report_count"] = 0
    entry["mixed"] = 0
    entry["gso_bytes"] = ANY_BYTES
    entry["packets_in"] = 0
    entry["bytes_in"] = 0
    entry["packets_out"] = 0
    entry["bytes_out"] = 0
    entry["last_arrival_us"] = 0
    entry["takes_data"] = 0
    for k in range(len(entry["extension_kind"])):
        entry["extension_kind"][k] = 0
    for k in range(EXTENSION_COUNT):
        entry["extension_id"][k] = 0
    begin_checks(tables, row)
    forget_allowances(tables, row)
    forget_sources(tables, row)
    forget_queued(tables, row)
    set_by_tcp(tables.estimators[row], i64(0))


@stage
def set_keys(tables: Tables, row: int, command: Any) -> None:
    """Set the libsrtp sessions that decrypt and encrypt."""
    tables.connections[row]["receive_srtp"] = command["receive_srtp"]
    tables.connections[row]["send_srtp"] = command["send_srtp"]


@stage
def set_control(tables: Tables, row: int, command: Any, now_us: int) -> None:
    """Agree on feedback: what the receiver sends on egress, and whether we send any on ingress."""
    entry = tables.connections[row]
    if entry["controlled"] != command["feedback"]:
        entry["controlled"] = command["feedback"]
        reset_estimator(tables.estimators[row], now_us)
        if entry["controlled"] == 2:
            free_estimate(tables.estimators[row])
    if entry["reports"] != command["reports"]:
        entry["reports"] = command["reports"]
        if entry["reports"] == 2:
            reset_uplink(tables.uplinks[row], now_us)


@stage
def set_extensions(tables: Tables, row: int, command: Any) -> None:
    """Agree on extension ids, in both directions."""
    entry = tables.connections[row]
    for k in range(len(entry["extension_kind"])):
        entry["extension_kind"][k] = 0
    for kind in range(1, EXTENSION_COUNT):
        identifier = i64(command["identifiers"][kind])
        entry["extension_id"][kind] = identifier
        if identifier > 0:
            entry["extension_kind"][identifier] = kind
    entry["mixed"] = command["mixed"]
    subscription = i64(entry["first_subscription"])
    while subscription >= 0:
        build_template(tables, subscription)
        subscription = i64(tables.subscriptions[subscription]["sibling"])


@stage
def set_data(tables: Tables, row: int, command: Any) -> None:
    """Let application data in at its own rate, or not."""
    tables.connections[row]["takes_data"] = command["taken"]


@stage
def _release_address(tables: Tables, remote: int) -> None:
    if tables.addresses[remote]["held"] == 1:
        remove_address(tables.by_address, tables.addresses, remote)
        tables.addresses[remote]["held"] = 0


@stage
def claim_address(tables: Tables, row: int, command: Any) -> None:
    """Take datagrams from an address for the connection's; a former holder loses the address."""
    holder = find_address(tables.by_address, tables.addresses, command["address"], 0)
    if holder >= 0:
        _release_address(tables, holder)
    remote = row * MAX_ADDRESSES + i64(command["place"])
    _release_address(tables, remote)
    entry = tables.addresses[remote]
    for k in range(len(entry["address"])):
        entry["address"][k] = command["address"][k]
    entry["held"] = 1
    entry["generation"] = command["generation"]
    entry["relayed"] = command["relayed"]
    entry["checked_us"] = 0
    entry["heard_us"] = 0
    insert_address(tables.by_address, tables.addresses, remote)


@stage
def drop_address(tables: Tables, row: int, place: int) -> None:
    """Give up an address: datagrams from it are a stranger's again."""
    _release_address(tables, row * MAX_ADDRESSES + place)


@stage
def set_address(tables: Tables, row: int, command: Any) -> None:
    """Select where to send; nowhere when the address is empty."""
    entry = tables.connections[row]
    for k in range(len(entry["address"])):
        entry["address"][k] = command["address"][k]
    entry["address_bytes"] = command["address_bytes"]
    for k in range(len(entry["local"])):
        entry["local"][k] = command["local"][k]
    entry["local_bytes"] = command["local_bytes"]
    entry["gso_bytes"] = ANY_BYTES
    set_by_tcp(tables.estimators[row], i64(command["tcp"]))


@stage
def _set_ufrag(tables: Tables, held: int, ufrag: int) -> None:
    if tables.ufrags[held] == ufrag:
        return
    if tables.ufrags[held] >= 0:
        remove_ufrag(tables.by_ufrag, tables.ufrags, held)
    tables.ufrags[held] = ufrag
    if ufrag >= 0:
        insert_ufrag(tables.by_ufrag, tables.ufrags, held)


@stage
def set_ufrags(tables: Tables, row: int, command: Any) -> None:
    """Take checks that name these user fragments (-1: none) for the connection's."""
    _set_ufrag(tables, row * UFRAGS, i64(command["first"]))
    _set_ufrag(tables, row * UFRAGS + 1, i64(command["second"]))


@stage
def close_connection(tables: Tables, row: int) -> None:
    """Free a connection's row."""
    entry = tables.connections[row]
    for place in range(MAX_ADDRESSES):
        drop_address(tables, row, place)
    for held in range(row * UFRAGS, row * UFRAGS + UFRAGS):
        _set_ufrag(tables, held, -1)
    leave_checks(tables, row)
    entry["active"] = 0
    entry["address_bytes"] = 0
    entry["receive_srtp"] = 0
    entry["send_srtp"] = 0
