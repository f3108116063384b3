"""The C functions that this zone's kernels call: of libc, and of the OpenSSL inside cryptography's wheel."""

from __future__ import annotations

import platform
from typing import Any

from cryptography.hazmat.bindings._rust import _openssl
from OpenSSL import SSL

from sfu.wire.kernels.deferred import external
from sfu.wire.kernels.system import bind_libc

_ffi, _lib = _openssl.ffi, _openssl.lib
_I32, _I64 = "int32", "int64"


def _bind_openssl(name: str, *signature: str) -> Any:
    return external(f"sfu_{name}", int(_ffi.cast("uintptr_t", _ffi.addressof(_lib, name))), *signature)


epoll_wait = bind_libc("epoll_wait", _I32, _I32, _I64, _I32, _I32)
epoll_ctl = bind_libc("epoll_ctl", _I32, _I32, _I32, _I32, _I64)
recv = bind_libc("recv", _I64, _I32, _I64, _I64, _I32)
send = bind_libc("send", _I64, _I32, _I64, _I64, _I32)
sendmsg = bind_libc("sendmsg", _I64, _I32, _I64, _I32)
memmove = bind_libc("memmove", _I64, _I64, _I64, _I64)

ssl_read = _bind_openssl("SSL_read", _I32, _I64, _I64, _I32)
ssl_write = _bind_openssl("SSL_write", _I32, _I64, _I64, _I32)
ssl_pending = _bind_openssl("SSL_pending", _I32, _I64)
ssl_get_error = _bind_openssl("SSL_get_error", _I32, _I64, _I32)
ssl_clear_errors = _bind_openssl("ERR_clear_error", "void")
ssl_last_error = _bind_openssl("ERR_peek_error", _I64)

SSL_WANT_READ, SSL_WANT_WRITE = 2, 3
EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP = 1, 4, 8, 16
EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD = 1, 2, 3
EVENT_WORDS = 3 if platform.machine() == "x86_64" else 4
"""32-bit words of `struct epoll_event`: packed on x86-64 alone."""
EVENT_KEY = EVENT_WORDS - 2
"""The word in which a key below 2^32 stands."""


def ssl_handle(connection: SSL.Connection) -> int:
    """The address of a connection's `SSL`. The caller keeps the connection alive while a kernel may use it."""
    return int(_ffi.cast("uintptr_t", connection._ssl))
