"""The uncompressed header of a VP9 frame (VP9 bitstream specification, section 6.2): its size, and not showing it.

Of the spatial layers of a picture the highest is meant to be seen, yet senders mark each as shown (show_frame). A
receiver of RTP takes the last one. A player of files shows all that are marked, three pictures of three sizes; in a
superframe all but the last should be hidden. To hide a frame of a picture that has others behind it changes nothing in
decoding: show_frame matters for the frame after it only if both have one size (UsePrevFrameMvs), which layers have not.
"""

from __future__ import annotations

from sfu.recording.depacketize.bits import BitReader

_KEY_HEADER_BYTES = 24
_MAX_HEADER_BYTES = 160
_SYNC_CODE = 0x498342
_SRGB = 7
_REFERENCES = 3
_FEATURE_BITS = (8 + 1, 6 + 1, 2, 0)  # of a segment, with the sign where there is one


def parse_key_frame_size(frame: bytes) -> tuple[int, int] | None:
    """Return width and height if the header is that of a key frame, else None."""
    bits = BitReader(frame[:_KEY_HEADER_BYTES])
    profile = _read_profile(bits)
    if profile < 0 or bits.read(2) != 0:  # show_existing_frame, frame_type
        return None
    bits.skip(2)  # show_frame, error_resilient_mode
    if not _skip_color(bits, profile):
        return None
    width, height = bits.read(16) + 1, bits.read(16) + 1
    return None if bits.exhausted else (width, height)


def hide_frame(frame: bytes, width: int) -> bytes:
    """Return the frame with show_frame 0; unchanged if its header is not of a form that we know.

    `width` is the frame's own, for a header that refers to the size of another frame; 0 if not known.
    """
    bits = BitReader(frame[:_MAX_HEADER_BYTES])
    profile = _read_profile(bits)
    if profile < 0 or bits.read(1):  # show_existing_frame
        return frame
    inter = bits.read(1)  # frame_type
    shown_at = bits.at
    if not bits.read(1):  # show_frame
        return frame
    if not inter:
        return _clear_bit(frame, shown_at)
    resilient = bits.read(1)
    rest_at = bits.at
    end = _find_end(bits, resilient, width)
    octets = (end + 7) // 8
    if end < 0 or bits.read(8 * octets - end) or bits.exhausted or octets >= len(frame):
        return frame
    # a hidden frame says whether it is intra-only: a bit more, so that what follows moves towards the next octet
    header = int.from_bytes(_clear_bit(frame[:octets], shown_at)) >> (8 * octets - end)
    rest_bits = end - rest_at
    longer = header >> rest_bits << (rest_bits + 1) | header & ((1 << rest_bits) - 1)
    longer_octets = (end + 8) // 8
    longer <<= 8 * longer_octets - (end + 1)
    return longer.to_bytes(longer_octets) + frame[octets:]


def _clear_bit(data: bytes, at: int) -> bytes:
    octets = bytearray(data)
    octets[at >> 3] &= ~(0x80 >> (at & 7))
    return bytes(octets)


def _read_profile(bits: BitReader) -> int:
    """Return the profile behind the frame marker; -1 if this is no VP9 frame."""
    if bits.read(2) != 2:
        return -1
    profile = bits.read(1) | bits.read(1) << 1
    if profile == 3 and bits.read(1):
        return -1
    return profile


def _skip_color(bits: BitReader, profile: int) -> bool:
    """Skip frame_sync_code and color_config; return whether the former is right."""
    if bits.read(24) != _SYNC_CODE:
        return False
    if profile >= 2:
        bits.skip(1)
    if bits.read(3) != _SRGB:
        bits.skip(1)
        if profile in (1, 3):
            bits.skip(3)
    elif profile in (1, 3):
        bits.skip(1)
    return True


def _find_end(bits: BitReader, resilient: int, width: int) -> int:
    """Return where the header of a shown inter frame ends, read from behind error_resilient_mode; -1 if that is
    unknown.
    """
    if not resilient:
        bits.skip(2)  # reset_frame_context
    bits.skip(8)  # refresh_frame_flags
    bits.skip(_REFERENCES * 4)
    if not any(bits.read(1) for _ in range(_REFERENCES)):  # found_ref
        width = bits.read(16) + 1
        bits.skip(16)
    if bits.read(1):  # render_and_frame_size_different
        bits.skip(32)
    bits.skip(1)  # allow_high_precision_mv
    if not bits.read(1):  # is_filter_switchable
        bits.skip(2)
    if not resilient:
        bits.skip(2)  # refresh_frame_context, frame_parallel_decoding_mode
    bits.skip(2)  # frame_context_idx
    _skip_loop_filter(bits)
    bits.skip(8)  # base_q_idx
    for _ in range(3):
        if bits.read(1):
            bits.skip(5)
    _skip_segmentation(bits)
    if not width:
        return -1
    _skip_tiles(bits, width)
    return bits.at if bits.read(16) else -1  # header_size_in_bytes, never 0


def _skip_loop_filter(bits: BitReader) -> None:
    """Skip the loop filter's parameters (section 6.2.8)."""
    bits.skip(6 + 3)
    if bits.read(1) and bits.read(1):  # loop_filter_delta_enabled, loop_filter_delta_update
        for _ in range(4 + 2):
            if bits.read(1):
                bits.skip(7)


def _skip_segmentation(bits: BitReader) -> None:
    """Skip the segmentation parameters (section 6.2.11)."""
    if not bits.read(1):
        return
    if bits.read(1):  # segmentation_update_map
        _skip_probabilities(bits, 7)
        if bits.read(1):  # segmentation_temporal_update
            _skip_probabilities(bits, 3)
    if bits.read(1):  # segmentation_update_data
        bits.skip(1)
        for _ in range(8):
            for size in _FEATURE_BITS:
                if bits.read(1):
                    bits.skip(size)


def _skip_probabilities(bits: BitReader, count: int) -> None:
    for _ in range(count):
        if bits.read(1):
            bits.skip(8)


def _skip_tiles(bits: BitReader, width: int) -> None:
    """Skip the tiles' parameters (section 6.2.13)."""
    superblocks = (width + 63) // 64
    least = most = 0
    while (64 << least) < superblocks:
        least += 1
    while (superblocks >> (most + 1)) >= 4:
        most += 1
    while least < most and bits.read(1):
        least += 1
    if bits.read(1):
        bits.skip(1)
