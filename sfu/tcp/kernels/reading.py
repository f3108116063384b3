"""Reading a TCP connection, through TLS or not."""

from __future__ import annotations

from sfu.tcp.kernels import native
from sfu.tcp.kernels.frames import take
from sfu.tcp.kernels.polling import end, set_waits, set_writes
from sfu.tcp.kernels.rows import IN_BYTES, Ended, Pumped, State
from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.system import EAGAIN, EINTR, MSG_DONTWAIT, errno

_OPEN = int(State.OPEN)
_CLOSED, _FAILED, _CERTIFICATE = int(Ended.CLOSED), int(Ended.FAILED), int(Ended.CERTIFICATE)

_REASONS, _ALERTS = 0x7F_FFFF, 1000
"""Of an error of OpenSSL: the bits of its reason, and what an alert has added to be one (`SSL_AD_REASON_OFFSET`)."""

_READS = 4
"""Records of one connection that are read before others have their turn."""


@stage
def _receive(pumped: Pumped, row: int) -> int:
    """Read into the inbox; return how many octets, 0 when there are none now, -1 at the end, -2 when it failed, -3 when
    the client has refused our certificate.
    """
    held = pumped.rows[row]
    address = pumped.inbox.ctypes.data + row * IN_BYTES + held["in_bytes"]
    space = i64(IN_BYTES - held["in_bytes"])
    if held["ssl"] == 0:
        count = native.recv(held["tcp"], address, space, MSG_DONTWAIT)
        if count > 0:
            return i64(count)
        if count == 0:
            return i64(-1)
        error = errno()
        return i64(0) if error in (EAGAIN, EINTR) else i64(-2)
    native.ssl_clear_errors()
    count = native.ssl_read(held["ssl"], address, space)
    if count > 0:
        return i64(count)
    reason = native.ssl_get_error(held["ssl"], count)
    if reason == native.SSL_WANT_WRITE:
        set_writes(pumped, row, 1)
        return i64(0)
    if reason == native.SSL_WANT_READ:
        return i64(0)
    if count == 0:
        return i64(-1)
    return i64(-3) if _refuses_certificate(native.ssl_last_error()) else i64(-2)


@stage
def _refuses_certificate(error: int) -> bool:
    """Whether an error of OpenSSL is an alert of the other end about our certificate (RFC 8446 section 6.2)."""
    alert = (error & _REASONS) - _ALERTS
    return 42 <= alert <= 46 or alert == 48  # bad_certificate to certificate_unknown, unknown_ca


@kernel
def read_tcp(pumped: Pumped, row: int, now_ms: int) -> None:
    """Take what has come on a TCP connection."""
    held = pumped.rows[row]
    for _ in range(_READS):
        if held["state"] != _OPEN or held["waits"]:
            return
        count = _receive(pumped, row)
        if count < 0:
            ended = _FAILED
            if count == -1:
                ended = _CLOSED
            elif count == -3:
                ended = _CERTIFICATE
            end(pumped, row, ended)
            return
        if count == 0:
            return
        held["heard_ms"] = now_ms
        held["in_total"] += count
        held["in_bytes"] += count
        take(pumped, row)
        if held["ssl"] == 0:
            return


@kernel
def go_on(pumped: Pumped, row: int, now_ms: int) -> None:
    """Python has answered: take what has come meanwhile, also what TLS holds already."""
    held = pumped.rows[row]
    if held["state"] != _OPEN:
        return
    set_waits(pumped, row, 0)
    take(pumped, row)
    if held["state"] == _OPEN and held["waits"] == 0 and held["ssl"] != 0 and native.ssl_pending(held["ssl"]) > 0:
        read_tcp(pumped, row, now_ms)
