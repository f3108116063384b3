"""Heads of a ledger: whether a key has signed them."""

from __future__ import annotations

import base64
import binascii

from sfu.recording.entries import Entry
from sfu.recording.signing import PublicKey, build_head_statement


def head_is_signed(key: PublicKey, start: Entry, head: Entry) -> bool:
    """Whether the key has signed what a `head` line says, in the ledger that begins with `start`."""
    record, utc = start.text("record"), head.text("utc")
    statement = build_head_statement(record, head.n, head.t_us, utc, head.prev)
    return key.verify(statement, _decode_signature(head.text("signature")))


def _decode_signature(text: str) -> bytes:
    """Decode the bytes of a signature; empty if it is not in base64, or not in the only way to write it."""
    try:
        signature = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return signature if base64.b64encode(signature).decode() == text else b""
