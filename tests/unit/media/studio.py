"""A publisher of three Encodings, its Track, and the viewers who come and go, second by second."""

from __future__ import annotations

import dataclasses

from sfu.negotiation.types import IncomingEncoding
from tests.unit.fakes import FakePlane
from tests.unit.media.scene import Scene
from tests.unit.session.viewer import HIGH, LOW, MIDDLE, Viewer, give_states

RIDS = "qhf"


class Studio:
    """A publisher of three Encodings that sends those that are wanted, as far as it is `able`, and a clock.

    `rise`: the seconds that it takes to get from one to the next.
    """

    def __init__(self, plane: FakePlane, able: str = RIDS, *, obeys: bool = True, rise: float = 0.0) -> None:
        self.plane = plane
        self.scene = Scene(plane, *(IncomingEncoding(rid, 500 + k) for k, rid in enumerate(RIDS)))
        self.scene.subscription.close()
        self.track = self.scene.track
        self.able, self.obeys, self.rise = able, obeys, rise
        self.sending = dict(zip(RIDS, (LOW, MIDDLE, HIGH), strict=True))
        self.wanted_for = dict.fromkeys(RIDS, 0.0)
        self.now = 100.0
        self.padding = 0
        """Packets of each Encoding that hold nothing but padding."""
        self.octets = dict.fromkeys(RIDS, 0)
        by_row = {encoding.row: encoding.rid for encoding in self.track.encodings}
        plane.layer_octets = lambda row: [self.octets[by_row[row]], *[0] * 31]  # type: ignore[method-assign]
        blank = plane.encoding_state
        plane.encoding_state = lambda row: dataclasses.replace(  # type: ignore[method-assign]
            blank(row),
            packets=self.octets[by_row[row]] // 1000 + self.padding,
            media_packets=self.octets[by_row[row]] // 1000,
            octets=self.octets[by_row[row]],
        )
        self.started: set[str] = set()

    def sends(self, rid: str) -> bool:
        """The lowest is always sent, as by the page."""
        wanted = next(encoding.wanted for encoding in self.track.encodings if encoding.rid == rid)
        self.wanted_for[rid] = self.wanted_for[rid] + 1.0 if wanted or not self.obeys else 0.0
        risen = self.wanted_for[rid] > RIDS.index(rid) * self.rise
        return rid == self.able[0] or (rid in self.able and risen)

    def pass_time(self, seconds: float, *viewers: Viewer) -> None:
        for _ in range(round(seconds)):
            sent = [rid for rid in RIDS if self.sends(rid)]
            for rid in sent:
                if rid not in self.started:
                    self.started.add(rid)
                    self.scene.learn(RIDS.index(rid), self.now)
            self.now += 1.0
            for k, (rid, rate) in enumerate(self.sending.items()):
                if rid in sent:
                    self.octets[rid] += round(rate / 8)
                encoding = self.track.encodings[k]
                self.track.note_packets(encoding, self.octets[rid] // 1000, self.now)
            self.track.handle_tick(self.now)
            self.track.handle_timeout(self.now)
            for viewer in viewers:
                viewer.clock = self.now
                viewer.budget.update(self.now)

    def watch(self, estimate: float | None = None) -> Viewer:
        viewer = Viewer(self.scene.shard, self.plane)
        give_states(self.plane)
        viewer.clock = self.now
        made = viewer.take(self.track, f"v{self.now}", ssrc=70, repair_ssrc=80)
        viewer.subscriptions.append(made)
        if estimate is not None:
            viewer.budget.start(300_000.0, self.now)
            viewer.budget.handle_estimate(estimate, self.now)
        made.start(self.track.codec)
        return viewer

    def rates(self) -> dict[str, int]:
        return {RIDS[step.layer.spatial]: round(step.rate_bps) for step in self.track.list_steps()}

    @property
    def wanted(self) -> str:
        return "".join(encoding.rid for encoding in self.track.encodings if encoding.wanted)


def target(viewer: Viewer) -> str:
    found = viewer.subscriptions[0].target
    assert found is not None
    return RIDS[found.spatial]
