"""The hearing record: capture, containers, the ledger, proof, and what people make of it.

Its chain, its reader and its verifier are for other programs, too: an audit of their own in the ledger's form, what a
record holds at which moment, a record checked before it is handed on, one closed that a crash has left open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sfu.recording.chain import Chain, ChainError, ChainParser, parse_chain
    from sfu.recording.entries import Entry
    from sfu.recording.errors import InUseError, RefusedError
    from sfu.recording.reader import Record, RecordSource, read_record
    from sfu.recording.recover import Recovery, recover_record
    from sfu.recording.signing import PublicKey, load_public_key, parse_public_key
    from sfu.recording.verify import Outcome, Verdict, verify_record

__all__ = [
    "Chain",
    "ChainError",
    "ChainParser",
    "Entry",
    "InUseError",
    "Outcome",
    "PublicKey",
    "Record",
    "RecordSource",
    "Recovery",
    "RefusedError",
    "Verdict",
    "load_public_key",
    "parse_chain",
    "parse_public_key",
    "read_record",
    "recover_record",
    "verify_record",
]

_HOMES = {
    "chain": ("Chain", "ChainError", "ChainParser", "parse_chain"),
    "entries": ("Entry",),
    "errors": ("InUseError", "RefusedError"),
    "reader": ("Record", "RecordSource", "read_record"),
    "recover": ("Recovery", "recover_record"),
    "signing": ("PublicKey", "load_public_key", "parse_public_key"),
    "verify": ("Outcome", "Verdict", "verify_record"),
}
"""Where a public name is defined: imported when it is first used, since the verifier takes long to load."""

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        from importlib import import_module

        for module, names in _HOMES.items():
            if name in names:
                found = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
                return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
