"""What a subscriber sees of the numbers, whatever is lost, repaired, left out and switched: each is given once, and
only what was lost and not repaired leaves a hole.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sfu.routing.kernels.numbering import NUMBERS, PICTURE, SEQUENCE, TIMESTAMP, number_packet
from sfu.routing.kernels.select import FILL, FORWARD, PRECEDED, REPLAYED, SKIP, select_packet
from sfu.routing.kernels.tables import make_tables
from sfu.wire.kernels.layers import describe_opaque, layers_from
from sfu.wire.kernels.rtp import PACKET
from sfu.wire.layers import ALL_LAYERS
from sfu.wire.payload_format import PayloadFormat

from .modes import examples

PICTURES = 60
ENCODINGS = 3
PATTERN = (0, 2, 1, 2)
GROUP = 16
"""Pictures from one key frame of an Encoding to the next."""
REPAIR_US = 60_000


@dataclass
class Media:
    """One packet on its way in."""

    encoding: int
    sequence: int
    picture: int
    first: bool
    last: bool
    padding: bool = False
    """It holds nothing but padding."""
    lost: bool = False
    repaired: bool = False

    @property
    def key(self) -> bool:
        return self.picture % GROUP == 5 * self.encoding % GROUP and not self.padding

    @property
    def temporal(self) -> int:
        return 0 if self.key else PATTERN[self.picture % 4]


@dataclass
class Viewer:
    """A subscription's row, and what went out to it."""

    codec: int
    seed: int
    given: list[int] = field(default_factory=list)
    sent: list[tuple[int, int, int, Media]] = field(default_factory=list)  # outcome, number, timestamp

    def __post_init__(self) -> None:
        self.tables = make_tables(1, 1, 1, 1, 64)
        self.tables.history_written[0] = 1
        self.numbers = np.zeros(NUMBERS, np.int64)
        self.packets = np.zeros(4096, PACKET)
        self.rows: list[Media] = []
        entry = self.entry = self.tables.subscriptions[0]
        entry["source"], entry["current_index"] = -1, -1
        entry["seed_sequence"], entry["log"] = self.seed, -1
        self.aim(0, 7)

    def aim(self, index: int, temporal: int) -> None:
        self.entry["target_index"], self.entry["target_spatial"] = index, 3
        self.entry["target_temporal"] = temporal

    def take(self, media: Media, arrival_us: int, *, late: bool) -> None:
        row = len(self.rows)
        self.rows.append(media)
        describe_opaque(self.packets, row)
        packet = self.packets[row]
        starts = media.key and media.first
        packet["sequence"], packet["timestamp"] = media.sequence & 0xFFFF, 3000 * media.picture + 7 * media.encoding
        packet["source"], packet["index"] = media.encoding + 1, media.encoding
        packet["codec"], packet["clock_rate"], packet["arrival_us"] = self.codec, 90000, arrival_us
        packet["key"], packet["switch"] = starts, ALL_LAYERS if starts else 0
        packet["late"], packet["marker"], packet["temporal"] = late, media.last, media.temporal
        packet["frame_start"], packet["parameters"], packet["bare"] = media.first, -1, 0
        packet["payload_bytes"] = 0 if media.padding else 100
        if media.padding:
            packet["picture_id"] = packet["frame_number"] = -1
        elif self.codec == PayloadFormat.VP8:
            packet["present"] = layers_from(0, media.temporal)
            packet["picture_id"], packet["tl0_picture"] = media.picture + 100 & 0x7FFF, media.picture // 4 & 0xFF
        elif starts:
            packet["parameters"], packet["bare"] = 0, media.picture % 2
        behind = self._behind(row) if late and starts else []
        packet["follows"] = len(behind)
        if self._forward(row) & REPLAYED:
            for following in behind:
                self._forward(following)

    def _behind(self, row: int) -> list[int]:
        media = self.rows[row]
        found = {
            other.sequence: k
            for k, other in enumerate(self.rows[:row])
            if other.encoding == media.encoding and 0 < other.sequence - media.sequence < 512
        }
        return [found[sequence] for sequence in sorted(found)]

    def _forward(self, row: int) -> int:
        chosen = select_packet(self.tables, 0, self.packets, row)
        if chosen == SKIP:
            return chosen
        number_packet(self.tables, 0, self.packets, row, self.numbers)
        number = int(self.numbers[SEQUENCE])
        if chosen & PRECEDED:
            self.given.append((number - 1) & 0xFFFF)
        self.given.append(number)
        self.sent.append((chosen, number, int(self.numbers[TIMESTAMP]), self.rows[row]))
        return chosen

    @property
    def holes(self) -> set[int]:
        """Numbers between those given that nobody got."""
        extended = [self.seed]
        for number in self.given:
            ahead = (number - extended[-1]) & 0xFFFF
            extended.append(extended[-1] + (ahead if ahead < 0x8000 else ahead - 0x10000))
        return set(range(min(extended), max(extended) + 1)) - set(extended)


def make_media(first_sequences: list[int], sizes: list[int], padding: int = 0) -> list[Media]:
    """All Encodings' packets in the order of sending; `sizes`: packets of each picture, cyclic; `padding`: of padding,
    behind each third picture.
    """
    media: list[Media] = []
    next_sequence = list(first_sequences)
    for picture in range(PICTURES):
        for encoding in range(ENCODINGS):
            size = sizes[(picture + encoding) % len(sizes)]
            for k in range(size):
                media.append(Media(encoding, next_sequence[encoding], picture, k == 0, k == size - 1))
                next_sequence[encoding] += 1
            for _ in range(padding if picture % 3 == encoding else 0):
                media.append(Media(encoding, next_sequence[encoding], picture, False, False, padding=True))
                next_sequence[encoding] += 1
    return media


def run(
    codec: int, media: list[Media], losses: dict[int, int | None], aims: dict[int, tuple[int, int]], seed: int
) -> Viewer:
    """`losses`: by packet, how many pictures later it is repaired, None: never. `aims`: by picture."""
    viewer = Viewer(codec, seed)
    repairs: dict[int, list[Media]] = {}
    heard: set[int] = set()
    picture = 0
    for at, packet in enumerate(media):
        if packet.picture != picture:
            for number in range(picture + 1, packet.picture + 1):
                for late in repairs.pop(number, []):
                    if late.encoding in heard:  # nothing is asked for before the first
                        late.repaired = True
                        viewer.take(late, number * 33_333, late=True)
            picture = packet.picture
        if picture in aims:
            viewer.aim(*aims.pop(picture))
        if at in losses:
            packet.lost = True
            delay = losses[at]
            if delay is not None:
                repairs.setdefault(picture + delay, []).append(packet)
            continue
        heard.add(packet.encoding)
        viewer.take(packet, picture * 33_333, late=False)
    return viewer


@given(
    codec=st.sampled_from([int(PayloadFormat.VP8), int(PayloadFormat.H264)]),
    chance=st.integers(0, 1 << 32),
    loss=st.sampled_from([0.02, 0.1, 0.3]),
    for_good=st.sampled_from([0.0, 0.2]),
    padding=st.sampled_from([0, 1, 40]),
)
@settings(max_examples=examples(300), deadline=None)
def test_each_number_is_given_once_and_only_what_is_lost_for_good_leaves_a_hole(codec, chance, loss, for_good, padding):
    rng = random.Random(chance)
    sizes = [rng.randrange(1, 5) for _ in range(5)]
    media = make_media([rng.randrange(0x10000) for _ in range(ENCODINGS)], sizes, padding)
    losses: dict[int, int | None] = {}
    for at in range(len(media)):
        if rng.random() < loss:
            losses[at] = None if rng.random() < for_good else rng.randrange(1, 5)
    aims = {picture: (rng.randrange(ENCODINGS), rng.choice((0, 1, 2, 7))) for picture in range(0, PICTURES, 3)}
    viewer = run(codec, media, losses, aims, rng.randrange(0x10000))
    assert len(set(viewer.given)) == len(viewer.given)
    missing = [packet for packet in media if packet.lost and not packet.repaired]
    assert len(viewer.holes) <= len(missing)
    if not missing:
        assert viewer.holes == set()
    for chosen, _, _, packet in viewer.sent:
        assert packet.repaired or not packet.padding, chosen


@given(first=st.integers(0, 0xFFFF), seed=st.integers(0, 0xFFFF))
@example(first=0, seed=0)
@settings(max_examples=examples(12), deadline=None)
def test_what_comes_late_has_its_place_however_long_the_source_lasts(first, seed):
    """Nothing is left out for more than half the numbers there are, and for more than all."""
    viewer = Viewer(int(PayloadFormat.VP8), seed)
    step = 251
    sequence = first
    for k in range(0x18000 // step):
        viewer.rows.clear()
        media = Media(0, sequence, 0 if k == 0 else 1, True, True)
        viewer.take(media, k * 1000, late=False)
        viewer.rows.clear()
        viewer.take(Media(0, sequence - 1, 1, True, True), k * 1000, late=True) if k else None
        sequence += step
    outcomes = [chosen for chosen, *_ in viewer.sent]
    assert outcomes == [FORWARD] * (2 * (0x18000 // step) - 1)
    assert [(number - seed) & 0xFFFF for _, number, _, _ in viewer.sent] == [
        (media.sequence - first) & 0xFFFF for *_, media in viewer.sent
    ]


def test_a_packet_repaired_after_the_switch_takes_the_place_that_was_kept_for_it():
    """The last packet of a base frame is lost; what was behind it is left out; the lower Encoding's key frame comes,
    and the repair before or after that.
    """
    for after in (False, True):
        viewer = Viewer(int(PayloadFormat.VP8), 1000)
        viewer.aim(2, 7)
        viewer.take(Media(2, 500, 10, True, True), 0, late=False)  # 5 * 2 % 16: a key frame
        viewer.take(Media(2, 501, 12, True, False), 33_000, late=False)
        lost = Media(2, 502, 12, False, True)
        viewer.aim(0, 7)
        viewer.take(Media(2, 503, 13, True, True), 66_000, late=False)  # its temporal layer 2 is left out by now
        if not after:
            viewer.take(lost, 80_000, late=True)
        viewer.take(Media(0, 9000, 16, True, False), 99_000, late=False)
        viewer.take(Media(0, 9001, 16, False, True), 99_000, late=False)
        if after:
            viewer.take(lost, 130_000, late=True)
        numbers = {(media.encoding, media.sequence): number for _, number, _, media in viewer.sent}
        assert numbers == {(2, 500): 1000, (2, 501): 1001, (2, 502): 1002, (0, 9000): 1003, (0, 9001): 1004}
        chosen = {media.sequence: outcome for outcome, _, _, media in viewer.sent}
        assert chosen[502] == FORWARD


def test_what_an_old_layer_left_out_is_filled_after_the_switch():
    viewer = Viewer(int(PayloadFormat.VP8), 0)
    viewer.aim(2, 0)
    viewer.take(Media(2, 500, 10, True, True), 0, late=False)
    viewer.take(Media(2, 502, 12, True, True), 33_000, late=False)
    viewer.aim(0, 0)
    viewer.take(Media(0, 9000, 16, True, True), 99_000, late=False)
    viewer.take(Media(2, 501, 11, True, True), 99_000, late=True)
    assert [(outcome, number) for outcome, number, *_ in viewer.sent] == [
        (FORWARD, 0),
        (FORWARD, 2),
        (FORWARD, 3),
        (FILL, 1),
    ]


def test_picture_ids_go_on_behind_what_was_reserved():
    viewer = Viewer(int(PayloadFormat.VP8), 0)
    pictures = []
    viewer.aim(2, 7)
    viewer.take(Media(2, 500, 10, True, True), 0, late=False)
    viewer.aim(0, 7)
    viewer.take(Media(2, 502, 13, True, True), 66_000, late=False)  # left out; 501, picture 12, is missing
    viewer.take(Media(2, 501, 12, True, True), 80_000, late=True)
    pictures.append(int(viewer.numbers[PICTURE]))
    viewer.take(Media(0, 9000, 16, True, True), 99_000, late=False)
    pictures.append(int(viewer.numbers[PICTURE]))
    assert pictures[0] != pictures[1]
    assert (pictures[1] - pictures[0]) & 0x7FFF < 0x4000
