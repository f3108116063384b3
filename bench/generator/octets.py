"""Big-endian numbers in byte arrays, and where things stand in an RTP packet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.generator.kernel import kernel, stage

Octets = NDArray[np.uint8]


@kernel
def put_u16(buffer: Octets, at: int, value: int) -> None:
    """Big-endian 16 bits."""
    buffer[at] = (value >> 8) & 0xFF
    buffer[at + 1] = value & 0xFF


@kernel
def put_u32(buffer: Octets, at: int, value: int) -> None:
    """Big-endian 32 bits."""
    put_u16(buffer, at, (value >> 16) & 0xFFFF)
    put_u16(buffer, at + 2, value & 0xFFFF)


@kernel
def get_u16(buffer: Octets, at: int) -> int:
    """Big-endian 16 bits."""
    return (np.int64(buffer[at]) << 8) | np.int64(buffer[at + 1])


@kernel
def get_u32(buffer: Octets, at: int) -> int:
    """Big-endian 32 bits."""
    return (get_u16(buffer, at) << 16) | get_u16(buffer, at + 2)


@stage
def header_end(packet: Octets, kept: int) -> int:
    """Where the payload of an RTP packet begins (RFC 3550 section 5.1), -1 where `packet[:kept]` ends before."""
    at = 12 + 4 * (np.int64(packet[0]) & 0x0F)
    if packet[0] & 0x10:
        if at + 4 > kept:
            return -1
        at += 4 + 4 * get_u16(packet, at + 2)
    return at if at <= kept else -1


@kernel
def find_extension(packet: Octets, kept: int, wanted: int) -> int:
    """Where the data of the header extension with the id `wanted` begin (RFC 8285), -1: it is not there."""
    if packet[0] & 0x10 == 0:
        return -1
    end = header_end(packet, kept)
    if end < 0:
        return -1
    at = 12 + 4 * (np.int64(packet[0]) & 0x0F)
    profile = get_u16(packet, at)
    short = profile == 0xBEDE
    if not short and profile & 0xFFF0 != 0x1000:
        return -1
    at += 4
    while at < end:
        first = np.int64(packet[at])
        if first == 0:
            at += 1
            continue
        if short:
            number, data, size = first >> 4, at + 1, (first & 0x0F) + 1
        elif at + 2 > end:
            return -1
        else:
            number, data, size = first, at + 2, np.int64(packet[at + 1])
        if data + size > end:
            return -1
        if number == wanted:
            return data
        at = data + size
    return -1
