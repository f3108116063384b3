"""Connectivity checks to try the parsers with: as agents send them, and as nobody should."""

from __future__ import annotations

import binascii
import hmac
import struct

from hypothesis import strategies as st

KEY = b"our-password-of-24-octet"
LOCAL, REMOTE = "ourfrag+", "them"

Attribute = tuple[int, bytes]


def build(
    attributes: list[Attribute],
    *,
    key: bytes = KEY,
    transaction: bytes = bytes(range(12)),
    fingerprint: bool = True,
    behind: bytes = b"",
) -> bytes:
    """A Binding request with MESSAGE-INTEGRITY; `behind` follows that."""
    body = b"".join(struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4) for kind, value in attributes)

    def head(length: int) -> bytes:
        return struct.pack("!HHI", 1, length & 0xFFFF, 0x2112A442) + transaction

    mac = hmac.digest(key, head(len(body) + 24) + body, "sha1")
    body += b"\x00\x08\x00\x14" + mac + behind
    if not fingerprint:
        return head(len(body)) + body
    message = head(len(body) + 8) + body
    return message + b"\x80\x28\x00\x04" + (binascii.crc32(message) ^ 0x5354554E).to_bytes(4)


def browser_check(
    *more: Attribute, local: str = LOCAL, remote: str = REMOTE, nominate: bool = False
) -> list[Attribute]:
    """The attributes of one of libwebrtc's."""
    return [
        (0x0006, f"{local}:{remote}".encode()),
        (0xC057, b"\x00\x01\x00\x0a"),  # GOOG-NETWORK-INFO
        (0x802A, bytes(8)),
        *([(0x0025, b"")] if nominate else []),
        *more,
        (0x0024, b"\x6e\x00\x1e\xff"),
    ]


usernames = st.one_of(
    st.just(f"{LOCAL}:{REMOTE}".encode()),
    st.sampled_from([b"", b":", b"ourfrag+", b"ourfrag+:", b"ourfrag+:other", b"ourfrag-:them", b"ourfrag+:them:"]),
    st.binary(max_size=20),
    st.sampled_from([b"a" * 513, b"b" * 514]),
)
kinds = st.one_of(
    st.sampled_from([0x0001, 0x0006, 0x0008, 0x0009, 0x0014, 0x0020, 0x0024, 0x0025, 0x8028, 0x8029, 0x802A, 0xC057]),
    st.integers(0, 0xFFFF),
)
attributes = st.one_of(
    st.tuples(st.just(0x0006), usernames), st.tuples(kinds, st.one_of(st.binary(max_size=24), st.just(bytes(20))))
)
transactions = st.binary(min_size=12, max_size=12)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Mostly a check that could be a browser's, with something else in it, behind it, or wrong with it."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=120))
    made = browser_check(nominate=draw(st.booleans()))
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        made.insert(draw(st.integers(0, len(made))), draw(attributes))
    if draw(st.integers(0, 3)) == 0:
        made = list(draw(st.lists(attributes, max_size=4)))
    behind = b""
    if draw(st.integers(0, 3)) == 0:
        kind, value = draw(attributes)
        behind = struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)
    message = bytearray(
        build(
            made,
            key=draw(st.sampled_from([KEY, KEY, KEY, b"another"])),
            transaction=draw(transactions),
            fingerprint=draw(st.booleans()),
            behind=behind,
        )
    )
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        message[draw(st.integers(0, len(message) - 1))] = draw(st.integers(0, 255))
    return bytes(message[: draw(st.integers(0, len(message))) if draw(st.integers(0, 5)) == 0 else len(message)])
