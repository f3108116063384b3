"""What an AV1 sequence header says of pictures (AV1 bitstream specification, section 5.5)."""

from __future__ import annotations

from typing import NamedTuple

from sfu.recording.depacketize.bits import BitReader

_MAX_HEADER_BYTES = 512  # 32 operating points need 320
_SRGB = (1, 13, 0)  # BT.709 primaries, sRGB transfer, identity matrix
_SELECT = 2


class Sequence(NamedTuple):
    """The parts of a sequence header that a container needs."""

    width: int
    """Largest width in pixels."""
    height: int
    profile: int
    level: int
    """Level of operating point 0."""
    tier: int
    layers: int
    """Number of spatial layers of operating point 0, which is the one that players choose."""
    color: int
    """The octet of a configuration record behind profile and level, without the tier."""

    def build_configuration(self, header: bytes) -> bytes:
        """AV1CodecConfigurationRecord (AV1 in ISOBMFF, section 2.3.3); `header`: the whole OBU, with its size."""
        return bytes([0x81, self.profile << 5 | self.level, self.tier << 7 | self.color, 0]) + header


def parse_sequence(body: bytes) -> Sequence | None:
    """Parse the body of a sequence header OBU; None: malformed."""
    bits = BitReader(body[:_MAX_HEADER_BYTES])
    profile = bits.read(3)
    bits.skip(1)  # still_picture
    reduced = bool(bits.read(1))
    level, tier, layers = (bits.read(5), 0, 1) if reduced else _read_operating_points(bits)
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    width, height = bits.read(width_bits) + 1, bits.read(height_bits) + 1
    _skip_tools(bits, reduced)
    color = _read_color(bits, profile)
    return None if bits.exhausted else Sequence(width, height, profile, level, tier, layers, color)


def _read_operating_points(bits: BitReader) -> tuple[int, int, int]:
    """Return level, tier and number of spatial layers of the first operating point."""
    decoder_model = False
    delay_bits = 0
    if bits.read(1):  # timing_info_present_flag
        bits.skip(64)
        if bits.read(1):  # equal_picture_interval
            bits.read_golomb()
        decoder_model = bool(bits.read(1))
        if decoder_model:
            delay_bits = bits.read(5) + 1
            bits.skip(32 + 5 + 5)
    initial_delay = bits.read(1)
    first = (0, 0, 1)
    for number in range(bits.read(5) + 1):
        layers = bits.read(12) >> 8  # operating_point_idc: a mask of spatial layers, one of temporal layers
        level = bits.read(5)
        tier = bits.read(1) if level > 7 else 0
        if decoder_model and bits.read(1):
            bits.skip(2 * delay_bits + 1)
        if initial_delay and bits.read(1):
            bits.skip(4)
        if number == 0:
            first = (level, tier, max(1, layers.bit_count()))
    return first


def _skip_tools(bits: BitReader, reduced: bool) -> None:
    """Skip the fields between the size and the colours."""
    if not reduced and bits.read(1):  # frame_id_numbers_present_flag
        bits.skip(7)
    bits.skip(3)  # 128x128 superblocks, filter_intra, intra_edge_filter
    if not reduced:
        bits.skip(4)  # interintra, masked compound, warped motion, dual filter
        order_hint = bits.read(1)
        if order_hint:
            bits.skip(2)
        screen_content = _SELECT if bits.read(1) else bits.read(1)
        if screen_content and not bits.read(1):  # seq_choose_integer_mv
            bits.skip(1)
        if order_hint:
            bits.skip(3)
    bits.skip(3)  # superres, cdef, restoration


def _read_color(bits: BitReader, profile: int) -> int:
    """Return color_config (section 5.5.2) as the bits of a configuration record."""
    high_depth = bits.read(1)
    twelve = bits.read(1) if profile == 2 and high_depth else 0
    monochrome = bits.read(1) if profile != 1 else 0
    described = tuple(bits.read(8) for _ in range(3)) if bits.read(1) else None
    across = down = position = 0
    if monochrome:
        bits.skip(1)
        across = down = 1
    elif described != _SRGB:
        bits.skip(1)  # color_range
        if profile == 0:
            across = down = 1
        elif profile == 2:
            across = bits.read(1) if twelve else 1
            down = bits.read(1) if twelve and across else 0
        if across and down:
            position = bits.read(2)
    return high_depth << 6 | twelve << 5 | monochrome << 4 | across << 3 | down << 2 | position
