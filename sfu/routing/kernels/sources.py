"""Which SSRCs a connection's packets come from: bounded while they live, and never taken twice.

libsrtp keeps state for each SSRC that it has authenticated, so what is known is bounded, and what was quiet for long is
given up for what is new. To libsrtp an SSRC that was given up is one that it never heard of: it would take a captured
packet as the first of a new stream. So an SSRC that was given up is remembered for the connection's life, and refused.
"""

from __future__ import annotations

from sfu.routing.kernels.connection_columns import MAX_RETIRED, MAX_SOURCES, RETIRED_SLOTS, SOURCE_SLOTS
from sfu.routing.kernels.index import hash_source
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.row_index import may_fill

KEPT_SOURCES = 64
"""Number of SSRCs up to which none is given up: a client that returns to an SSRC within that many changes is known."""
QUIET_US = 20_000_000
"""Least silence of an SSRC that is given up."""
SOURCE_INTERVAL_US = 50_000
SOURCE_BURST = 64
"""Number of new SSRCs that may send media at once; one more may with each `SOURCE_INTERVAL_US`."""
LATE_US = 500_000
"""Time after another SSRC has taken its place in which packets of the former are late, and do not take it back."""

CURRENT = 1 << 62
"""Stands in place of the time when a source was heard: an encoding has it."""
NOBODY = -1


@stage
def find_slot(tables: Tables, connection: int, ssrc: int) -> int:
    """Return the slot of a known SSRC, or -1."""
    ssrcs = tables.source_ssrcs[connection]
    slot = hash_source(0, ssrc) & (SOURCE_SLOTS - 1)
    while ssrcs[slot] != 0:
        if ssrcs[slot] == ssrc + 1:
            return slot
        slot = (slot + 1) & (SOURCE_SLOTS - 1)
    return -1


@stage
def _retired_key(ssrc: int) -> int:
    """0 marks a free place, so SSRC 0 shares that of the highest: when one of them was given up, neither comes back."""
    return ssrc if ssrc != 0 else 0xFFFFFFFF


@stage
def is_retired(tables: Tables, connection: int, ssrc: int) -> bool:
    """Whether an SSRC was given up."""
    if tables.connections[connection]["retired"] == 0:
        return False
    retired = tables.retired[connection]
    key = _retired_key(ssrc)
    slot = hash_source(0, key) & (RETIRED_SLOTS - 1)
    while retired[slot] != 0:
        if retired[slot] == key:
            return True
        slot = (slot + 1) & (RETIRED_SLOTS - 1)
    return False


@stage
def _find_quiet(tables: Tables, connection: int, now_us: int) -> int:
    """The slot of the SSRC that was quiet for longest, at least `QUIET_US`; -1 when there is none."""
    ssrcs, heard = tables.source_ssrcs[connection], tables.source_heard[connection]
    found = -1
    oldest = now_us - QUIET_US
    for slot in range(SOURCE_SLOTS):
        if ssrcs[slot] != 0 and heard[slot] <= oldest:
            oldest = heard[slot]
            found = slot
    return found


@stage
def _remove(tables: Tables, connection: int, slot: int) -> None:
    """Free a slot; later entries move back, as in the indexes of `index.py`."""
    ssrcs, heard = tables.source_ssrcs[connection], tables.source_heard[connection]
    mask = SOURCE_SLOTS - 1
    hole = slot
    slot = (slot + 1) & mask
    while ssrcs[slot] != 0:
        if may_fill(hole, slot, hash_source(0, ssrcs[slot] - 1) & mask, mask):
            ssrcs[hole] = ssrcs[slot]
            heard[hole] = heard[slot]
            hole = slot
        slot = (slot + 1) & mask
    ssrcs[hole] = 0
    tables.connections[connection]["sources"] -= 1


@stage
def _retire(tables: Tables, connection: int, slot: int) -> int:
    """Give an SSRC up for the connection's life; return it."""
    ssrc = i64(tables.source_ssrcs[connection, slot]) - 1
    _remove(tables, connection, slot)
    retired = tables.retired[connection]
    key = _retired_key(ssrc)
    slot = hash_source(0, key) & (RETIRED_SLOTS - 1)
    while retired[slot] != 0 and retired[slot] != key:
        slot = (slot + 1) & (RETIRED_SLOTS - 1)
    if retired[slot] == 0:
        tables.connections[connection]["retired"] += 1
    retired[slot] = key
    return ssrc


@stage
def _may_retire(tables: Tables, connection: int, now_us: int) -> int:
    """The slot to give up for what is new, or -1."""
    entry = tables.connections[connection]
    if entry["sources"] < KEPT_SOURCES or entry["retired"] >= MAX_RETIRED:
        return -1
    return _find_quiet(tables, connection, now_us)


@kernel
def has_room(tables: Tables, connection: int, ssrc: int, now_us: int) -> bool:
    """Whether a connection may use an SSRC that it is not known by: decided before anything is decrypted."""
    if is_retired(tables, connection, ssrc):
        return False
    if tables.connections[connection]["sources"] < MAX_SOURCES:
        return True
    return _may_retire(tables, connection, now_us) >= 0


@kernel
def note_source(tables: Tables, connection: int, ssrc: int, heard_us: int, now_us: int) -> int:
    """An authentic packet has come from an SSRC; for a new one `has_room` was asked.

    `heard_us`: now, or `CURRENT`. Returns the SSRC that is given up for it, of which libsrtp has to forget the state,
    or `NOBODY`.
    """
    heard = tables.source_heard[connection]
    slot = find_slot(tables, connection, ssrc)
    if slot >= 0:
        if heard[slot] != CURRENT:
            heard[slot] = heard_us
        return NOBODY
    quiet = _may_retire(tables, connection, now_us)
    given_up = NOBODY if quiet < 0 else _retire(tables, connection, quiet)
    hold_source(tables, connection, ssrc, heard_us)
    return given_up


@kernel
def hold_source(tables: Tables, connection: int, ssrc: int, heard_us: int) -> bool:
    """Enter an SSRC; False when it was given up before, or there is no room without giving up another."""
    slot = find_slot(tables, connection, ssrc)
    if slot >= 0:
        tables.source_heard[connection, slot] = heard_us
        return True
    if is_retired(tables, connection, ssrc) or tables.connections[connection]["sources"] >= MAX_SOURCES:
        return False
    ssrcs = tables.source_ssrcs[connection]
    slot = hash_source(0, ssrc) & (SOURCE_SLOTS - 1)
    while ssrcs[slot] != 0:
        slot = (slot + 1) & (SOURCE_SLOTS - 1)
    ssrcs[slot] = ssrc + 1
    tables.source_heard[connection, slot] = heard_us
    tables.connections[connection]["sources"] += 1
    return True


@kernel
def release_source(tables: Tables, connection: int, ssrc: int, now_us: int) -> None:
    """Note that no encoding has an SSRC any more: it may be given up once it has been quiet."""
    slot = find_slot(tables, connection, ssrc)
    if slot >= 0:
        tables.source_heard[connection, slot] = now_us


@stage
def may_introduce(tables: Tables, connection: int, ssrc: int, now_us: int) -> bool:
    """Whether media may begin to come from an SSRC; its rate counts only what `charge_source` was told of."""
    if find_slot(tables, connection, ssrc) >= 0:
        return True
    ahead = tables.connections[connection]["source_free_us"] - now_us
    return ahead <= (SOURCE_BURST - 1) * SOURCE_INTERVAL_US and has_room(tables, connection, ssrc, now_us)


@stage
def charge_source(tables: Tables, connection: int, now_us: int) -> None:
    """Media have begun to come from a new SSRC, and are authentic: what is forged uses up nothing."""
    entry = tables.connections[connection]
    entry["source_free_us"] = max(i64(entry["source_free_us"]), now_us) + SOURCE_INTERVAL_US


@stage
def forget_sources(tables: Tables, connection: int) -> None:
    """Begin a fresh connection, which knows no sources."""
    entry = tables.connections[connection]
    for k in range(SOURCE_SLOTS):
        tables.source_ssrcs[connection, k] = 0
    if entry["retired"] > 0:  # else its memory has never been touched
        for k in range(RETIRED_SLOTS):
            tables.retired[connection, k] = 0
    entry["sources"] = 0
    entry["retired"] = 0
    entry["source_free_us"] = 0
