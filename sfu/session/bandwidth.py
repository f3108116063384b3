"""The budget of one connection: what its path carries, shared among its Subscriptions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sfu.bwe.allocation import MARGIN, Allocator, Demand, Step
from sfu.bwe.backlog import Backlog
from sfu.bwe.headroom import find_headroom
from sfu.bwe.key_frame_budget import WAIT, KeyFrameBudget
from sfu.bwe.receiver_reports import ReportedLoss
from sfu.media.layer import Layer
from sfu.media.statistics import RateMeter
from sfu.media.subscription import Subscription
from sfu.routing.plane import Plane

INTERVAL = 0.5
"""Seconds between two updates of a budget of which nobody can say how long the choice holds."""
RESTS = 5.0
"""The same where all videos have their best, with headroom: then an update comes as soon as that is used up."""
_AUDIO_OVERHEAD_BPS = 20_000.0
_UNBOUNDED_BPS = 1_000_000_000
_USABLE = 1.04
"""Share of the estimate that is allocated where nothing is lost; the loss is subtracted, for retransmissions.

It is above 1, since the estimate stays below what gets through, and videos do not peak at the same time.
"""
_MOST_REPAIRS = 0.15
_FULL = 0.85
"""Share of what a full path carried that the lowest steps may have, however low the estimate is now."""
_CATCH_UP_S, _MOST_CATCH_UP = 1.0, 0.25
"""Seconds in which the backlog before the pacer should drain, and the most of the estimate (0..1) that is spent on it:
a backlog may stem from a time when the path carried much more, and is no reason to pause a video.
"""
_LIMIT_FACTOR = 1.5
_LEAST_LIMIT_BPS = 100_000.0
_LEAST_VIDEO_LIMIT_BPS = 2_500_000.0
"""Least limit of a connection with video: a publisher that has just begun still raises its rate."""
_LIMIT_STEP = 0.1
"""The relative change of a limit above which the plane is told."""


@dataclass(frozen=True)
class BandwidthStats:
    """What is known of the path to a client, and how it is used; rates in bits a second."""

    estimate_bps: int | None
    """The rate that the path carries; None while it is not known, as where the client gives no feedback."""
    budget_bps: int | None
    """The rate that may be spent on video: the estimate less the audio and what drains the pacer's backlog."""
    allocated_bps: int
    """The rate of the chosen Layers."""
    wanted_bps: int
    """The rate of all videos at their best, up to their ceilings."""
    sent_bps: int
    received_bps: int
    """The rate that arrived, by the client's feedback."""
    loss: float
    """The share of packets that were lost, 0..1."""
    round_trip_time_s: float
    queue_delay_s: float
    """How much longer than at best packets are on their way now."""
    received_octets: int
    """Octets of UDP payload that have come from the client so far, of all kinds."""
    sent_octets: int
    """Octets of media that have gone to it, with their headers."""


class Budget:
    """The budget of a connection, which calls `handle_estimate` on each estimate of the plane, and `update` on other
    changes.
    """

    def __init__(self, plane: Plane, row: int, subscriptions: Collection[Subscription]) -> None:
        """`row` is the connection's; `subscriptions` is a live view of its Subscriptions."""
        self.estimate_bps: float | None = None
        """The rate that the path carries; None: no limit is known, so all get their best."""
        self.budget_bps: float | None = None
        self.allocated_bps = 0.0
        self.wanted_bps = 0.0
        self._bound_bps = float("inf")
        self._plane = plane
        self._row = row
        self._subscriptions = subscriptions
        self._allocator: Allocator[str, Layer] = Allocator()
        self._key_frames = KeyFrameBudget()
        self._backlog = Backlog()
        self._audio: dict[str, RateMeter] = {}
        self._controlled = False
        self._by_reports = False
        self._reported = ReportedLoss()
        self._sent = RateMeter()
        self._limit_bps = 0.0
        self._next: float | None = None
        self._least_bps = float("inf")  # an estimate of that or more changes nothing

    @property
    def controlled(self) -> bool:
        """Whether congestion control was agreed on with the client, so that there is a budget to share."""
        return self._controlled

    def start(self, estimate_bps: float | None, now: float) -> None:
        """Begin congestion control with an estimate; None where the client sends only receiver reports."""
        if not self._controlled:
            self._controlled = True
            self._by_reports = estimate_bps is None
            self.estimate_bps = estimate_bps
            self._next = now + INTERVAL
            self._tell_limit(_LEAST_VIDEO_LIMIT_BPS)  # whatever the client says of its path

    def bound(self, rate_bps: float, now: float) -> None:
        """See `Connection.limit_bandwidth`; infinite: no bound."""
        self._bound_bps = rate_bps
        self.update(now)

    def heed_reports(self, now: float) -> None:
        """Go by receiver reports from now on, as other feedback is of no use; there is no limit until they show one."""
        self._by_reports = True
        self.estimate_bps = None
        self.update(now)

    def handle_estimate(self, rate_bps: float, now: float) -> bool:
        """Take the plane's estimate of what the path carries; return whether the budget was allocated anew."""
        if not self._controlled:
            return False
        self.estimate_bps = rate_bps if rate_bps < _UNBOUNDED_BPS else None
        if rate_bps >= self._least_bps:
            return False
        self.update(now)
        return True

    def handle_loss(self, fraction_lost: float, now: float) -> None:
        """Take the loss (0..1) from receiver reports, which count where the client gives no better feedback."""
        if not self._by_reports:
            return
        sent_bps = self._sent.update(self._plane.connection_state(self._row).bytes_out, now)
        if self._reported.handle_report(fraction_lost, sent_bps, now):
            bound = self._reported.bound_bps
            self._plane.set_loss_bound(self._row, _UNBOUNDED_BPS if bound is None else round(bound))

    def poll_timeout(self) -> float | None:
        """Return when the next update is due; None: not before the start, or a Subscription's beginning."""
        return self._next

    def handle_timeout(self, now: float) -> None:
        """Update the budget, if that is due."""
        if self._next is not None and now >= self._next:
            self.update(now)

    def update(self, now: float) -> None:
        """Allocate the budget anew among the videos."""
        if not self._controlled:
            return
        self._next = usual = now + INTERVAL
        path = self._plane.estimator_state(self._row)
        videos: list[Subscription] = []
        audio_bps = 0.0
        best_bps = 0.0
        meters, self._audio = self._audio, {}  # of those that are still there
        for subscription in self._subscriptions:
            subscription.layers.bound_growth()
            if subscription.track.kind == "audio":
                meter = self._audio[subscription.id] = meters.get(subscription.id) or RateMeter()
                rate = meter.update(subscription.octets, now)
                audio_bps += rate + _AUDIO_OVERHEAD_BPS if rate else 0.0
            elif subscription.negotiated and subscription.is_shown:
                videos.append(subscription)
                best_bps += subscription.track.best_rate_bps
        self.budget_bps = self._find_budget(audio_bps, path.loss, now)
        videos.sort(key=lambda video: -video.priority)
        demands = [Demand(video.id, video.layers.list_steps(), video.priority) for video in videos]
        allocation = self._allocator.allocate(
            float("inf") if self.budget_bps is None else self.budget_bps,
            demands,
            now,
            floor_bps=min(self._find_floor(videos, path.full_bps, audio_bps, now), self._bound_bps),
        )
        self.allocated_bps, self.wanted_bps = allocation.spent_bps, allocation.wanted_bps
        if self.budget_bps is not None:
            self._key_frames.refill(self.budget_bps, now)
        for video in videos:
            if video.id in allocation.chosen:
                step = allocation.chosen[video.id]
                if step is not None and not self._may_have(video, step, measured=path.full_bps > 0.0):
                    self._next = min(self._next, now + WAIT)
                    if not video.layers.is_new:
                        continue  # keeps what it has
                    step = video.layers.list_steps()[0]
                video.allocate(None if step is None else step.layer, now)
            elif self.budget_bps is not None:
                video.allocate(Layer(0, 0), now)  # its rates are not known yet: begin low
        hold = self._allocator.poll_timeout()
        if hold is not None:
            self._next = min(self._next, max(hold, now))
        self._least_bps = float("inf")
        if len(allocation.chosen) == len(videos):  # otherwise not all rates are known
            self._set_limit(best_bps + audio_bps, has_video=bool(videos))
            if allocation.next_bps is None and hold is None and self._next == usual:
                self._rest(videos, allocation.spent_bps + audio_bps, now)

    def _find_budget(self, audio_bps: float, loss: float, now: float) -> float | None:
        """Return what may be spent on video; None: no limit is known."""
        if self.estimate_bps is None:
            return None if self._bound_bps == float("inf") else max(0.0, self._bound_bps - audio_bps)
        queued = self._plane.connection_state(self._row).queued_bytes
        backlog_bps = self._backlog.update(queued, now) / _CATCH_UP_S
        catch_up_bps = min(backlog_bps, _MOST_CATCH_UP * self.estimate_bps)
        carried_bps = self.estimate_bps * (_USABLE - min(loss, _MOST_REPAIRS)) - catch_up_bps
        return max(0.0, min(carried_bps, self._bound_bps) - audio_bps)

    def _rest(self, videos: Sequence[Subscription], spent_bps: float, now: float) -> None:
        """Decide nothing for a while, since all videos have their best, unless there is hardly room for it; where there
        is no Subscription, nothing until one begins.
        """
        if not self._subscriptions:
            self._next = None
            return
        carried_bps = float("inf") if self.estimate_bps is None else self.estimate_bps
        headroom = find_headroom(carried_bps, self._bound_bps, usable=_USABLE - _MOST_REPAIRS, spent_bps=spent_bps)
        if headroom is None:
            return
        self._least_bps = headroom.least_bps
        self._next = now + RESTS
        for video in videos:
            video.layers.let_grow(headroom.growth_bps / len(videos))

    def stats(self) -> BandwidthStats:
        """Return a snapshot."""
        state = self._plane.estimator_state(self._row)
        traffic = self._plane.connection_state(self._row)
        known = self._controlled and self.estimate_bps is not None
        return BandwidthStats(
            estimate_bps=None if not known else round(self.estimate_bps or 0.0),
            budget_bps=None if self.budget_bps is None else round(self.budget_bps),
            allocated_bps=round(self.allocated_bps),
            wanted_bps=round(self.wanted_bps),
            sent_bps=round(state.sent_bps) if known else 0,
            received_bps=round(state.acked_bps) if known else 0,
            loss=state.loss if known else 0.0,
            round_trip_time_s=state.round_trip_us / 1e6 if known else 0.0,
            queue_delay_s=state.queue_ms / 1e3 if known else 0.0,
            received_octets=traffic.bytes_in,
            sent_octets=traffic.bytes_out,
        )

    def _find_floor(self, videos: Sequence[Subscription], full_bps: float, audio_bps: float, now: float) -> float:
        """Return what the lowest steps may cost though the budget is less, since an untested estimate forbids nothing.

        `full_bps` is what got through when the path was full; 0: it was not seen to be. Until then videos begin one
        after the other, so that a full path is noticed in time.
        """
        if full_bps > 0.0:
            return _FULL * full_bps - audio_bps
        lowest_bps, waiting = 0.0, 0
        for video in videos:
            steps = video.layers.list_steps()
            if steps and (video.layers.is_new or video.starved):
                waiting += 1
            if steps and waiting < 2:
                lowest_bps += (1.0 + MARGIN) * steps[0].rate_bps + 1.0
        if waiting > 1:
            self._next = now + WAIT
        return lowest_bps

    def _may_have(self, video: Subscription, step: Step[Layer], *, measured: bool) -> bool:
        """Whether a video may go to a step now: it needs no large key frame, or the key-frame budget allows one."""
        if self.budget_bps is None:
            return True
        if not measured and step.layer == video.layers.list_steps()[0].layer:
            return True  # it had its turn before
        if video.layers.enters(step.layer):
            return self._key_frames.take(step.rate_bps)
        if video.layers.descends(step.layer):
            self._key_frames.charge(step.rate_bps)
        return True

    def _set_limit(self, usable_bps: float, *, has_video: bool) -> None:
        """Tell the plane the most that could be used, so that it does not probe for more."""
        limit = max(_LIMIT_FACTOR * usable_bps, _LEAST_VIDEO_LIMIT_BPS if has_video else _LEAST_LIMIT_BPS)
        if abs(limit - self._limit_bps) > _LIMIT_STEP * self._limit_bps:
            self._tell_limit(limit)

    def _tell_limit(self, limit_bps: float) -> None:
        self._limit_bps = limit_bps
        self._plane.set_limit(self._row, round(limit_bps))
