"""What an H.264 sequence parameter set says of pictures (H.264 section 7.3.2.1.1)."""

from __future__ import annotations

from typing import NamedTuple

from sfu.recording.depacketize.bits import BitReader

_WITH_CHROMA_FORMAT = frozenset((44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244))
_WITH_EXTENSION = frozenset((100, 110, 122, 144))
_MAX_REFERENCE_CYCLE = 255
_MAX_SIDE = 16_384
_SEQUENCE = 7


class Parameters(NamedTuple):
    """The parts of a sequence parameter set that a container needs."""

    width: int
    """Width in pixels after cropping."""
    height: int
    chroma: int
    """The field chroma_format_idc."""
    depths: tuple[int, int]
    """Bits of luma and chroma samples, less 8."""

    def build_configuration(self, sequences: list[bytes], pictures: list[bytes]) -> bytes:
        """AVCDecoderConfigurationRecord (ISO/IEC 14496-15 section 5.3.3.1) of parameter sets, of which the first of a
        sequence is this one; at most 31 and 255.
        """
        sequence = sequences[0]
        record = b"\x01" + sequence[1:4] + bytes([0xFF, 0xE0 | len(sequences)])
        record += b"".join(len(unit).to_bytes(2) + unit for unit in sequences)
        record += bytes([len(pictures)]) + b"".join(len(unit).to_bytes(2) + unit for unit in pictures)
        if sequence[1] in _WITH_EXTENSION:
            record += bytes([0xFC | self.chroma, 0xF8 | self.depths[0], 0xF8 | self.depths[1], 0])
        return record


def parameter_id(unit: bytes) -> int:
    """Return the id of a parameter set, of a sequence (type 7) or of a picture (sections 7.3.2.1.1 and 7.3.2.2)."""
    bits = BitReader(unit[1:].replace(b"\0\0\3", b"\0\0"))
    if unit[0] & 0x1F == _SEQUENCE:
        bits.skip(24)  # profile, constraints and level
    return bits.read_golomb()


def parse_parameters(unit: bytes) -> Parameters | None:
    """Parse a NAL unit of type 7; None: it is malformed, or the size is beyond what any level has."""
    bits = BitReader(unit[1:].replace(b"\0\0\3", b"\0\0"))
    profile = bits.read(8)
    bits.skip(16)
    bits.read_golomb()  # seq_parameter_set_id
    chroma, depths = _read_chroma(bits) if profile in _WITH_CHROMA_FORMAT else (1, (0, 0))
    bits.read_golomb()  # log2_max_frame_num_minus4
    order = bits.read_golomb()
    if order == 0:
        bits.read_golomb()
    elif order == 1:
        bits.skip(1)
        bits.read_golomb()
        bits.read_golomb()
        cycle = bits.read_golomb()
        if cycle > _MAX_REFERENCE_CYCLE:
            return None
        for _ in range(cycle):
            bits.read_golomb()
    bits.read_golomb()  # max_num_ref_frames
    bits.skip(1)
    width = 16 * (bits.read_golomb() + 1)
    map_units = bits.read_golomb() + 1
    frames_only = bits.read(1)
    height = 16 * map_units * (2 - frames_only)
    if not frames_only:
        bits.skip(1)
    bits.skip(1)
    if bits.read(1):  # frame_cropping_flag
        left, right, top, bottom = (bits.read_golomb() for _ in range(4))
        width -= (left + right) * (2 if chroma in (1, 2) else 1)
        height -= (top + bottom) * (2 if chroma == 1 else 1) * (2 - frames_only)
    if bits.exhausted or not 0 < width <= _MAX_SIDE or not 0 < height <= _MAX_SIDE:
        return None
    return Parameters(width, height, chroma & 3, (depths[0] & 7, depths[1] & 7))


def _read_chroma(bits: BitReader) -> tuple[int, tuple[int, int]]:
    """Return the chroma format and depths, and skip the scaling lists behind them."""
    chroma = bits.read_golomb()
    if chroma == 3:
        bits.skip(1)
    depths = bits.read_golomb(), bits.read_golomb()
    bits.skip(1)
    if bits.read(1):  # seq_scaling_matrix_present_flag
        for number in range(12 if chroma == 3 else 8):
            if bits.read(1):
                _skip_scaling_list(bits, 16 if number < 6 else 64)
    return chroma, depths


def _skip_scaling_list(bits: BitReader, size: int) -> None:
    """Skip a scaling list (section 7.3.2.1.1.1)."""
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.read_signed_golomb()) % 256
        last = following or last
