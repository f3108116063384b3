"""Dependency descriptors bit by bit, as text."""

from __future__ import annotations


def octets(bits: str) -> bytes:
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8)


def head(template: int, number: int = 1, start: int = 1, end: int = 1) -> str:
    return f"{start:b}{end:b}{template:06b}{number:016b}"


def two_layers(offset: int = 0, second: str = "R") -> str:
    """L2T1: decode target 0 is the lower layer, 1 both; templates: key frame, lower layer, upper layer.

    `second`: what a lower frame that is no key frame is for target 1.
    """
    codes = {"-": "00", "D": "01", "S": "10", "R": "11"}
    dtis = "".join(codes[symbol] for symbol in "SS" + "S" + second + "-S")
    fdiffs = "0" + "100010" + "100000"
    return f"{offset:06b}" + "00001" + "00" + "10" + "11" + dtis + fdiffs + "0" + "0"
