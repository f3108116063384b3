"""The Python side of the generator: fills the tables, runs the loop in a thread, reads the counts."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pylibsrtp
from numpy.typing import NDArray

from bench.generator import layout as lay
from bench.generator.buffers import make_buffers
from bench.generator.loop import run
from bench.generator.native import SOL_UDP, UDP_GRO, session_address
from bench.links import EncodingPlan, Link, new_session
from bench.traffic import Traffic, traffic_of

_PAYLOAD_FEEDBACK = 206
_PLI, _FIR = 1, 4


@dataclass(frozen=True)
class Counts:
    """Sums over all links at one moment."""

    at_s: float
    sent_packets: int
    received_packets: int
    received_bytes: int
    lost: int
    reordered: int
    sampled: int
    unauthentic: int
    malformed: int
    overflow: int
    late_frames: int
    refused: int
    rtcp: int
    stun: int
    latency_count: int
    receive_calls: int


class Engine:
    """Runs the compiled loop over a fixed set of links; publishers first, then subscribers."""

    def __init__(self, links: Sequence[Link], *, sample_every: int, receiver_gro: bool, limit_s: float) -> None:
        self._links = list(links)
        self._limit_s = limit_s
        encodings = [(row, plan) for row, link in enumerate(self._links) for plan in link.encodings]
        self._tables = lay.make_tables(len(self._links), len(encodings))
        self._connections, self._streams = self._tables.connections, self._tables.streams
        self._encodings, self._control = self._tables.encodings, self._tables.control
        self._control[lay.SAMPLE_EVERY] = sample_every
        self._sessions: list[pylibsrtp.Session] = []
        self._rtcp_in: dict[int, pylibsrtp.Session] = {}
        self._epoll = select.epoll()
        self._rows = np.zeros(1 + max((link.socket.fileno() for link in links), default=0), np.int32)
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self.keyframe_requests = 0
        self.rtcp_failures = 0
        now_ns = time.monotonic_ns()
        for row, link in enumerate(self._links):
            self._add_link(row, link, now_ns, receiver_gro)
        for index, (row, plan) in enumerate(encodings):
            self._add_encoding(index, row, plan)

    def _keep(self, session: pylibsrtp.Session) -> int:
        self._sessions.append(session)
        return session_address(session)

    def _add_link(self, row: int, link: Link, now_ns: int, receiver_gro: bool) -> None:
        connection = self._connections[row]
        connection["fd"] = link.socket.fileno()
        connection["publisher"] = bool(link.encodings)
        connection["ssrc"] = 0x10000 + row
        connection["srtp_in"] = self._keep(new_session(link.keys.profile, link.keys.remote, outbound=False))
        connection["rtcp_out"] = self._keep(new_session(link.keys.profile, link.keys.local, outbound=True))
        # Spread over the interval, as the reports of people who joined at different times are.
        spread = row * 1_000_000_000 // max(len(self._links), 1)
        connection["next_report_ns"] = now_ns + 1_000_000_000 + spread
        if link.encodings:
            self._rtcp_in[row] = new_session(link.keys.profile, link.keys.remote, outbound=False)
        elif receiver_gro:
            connection["gro"] = 1
            link.socket.setsockopt(SOL_UDP, UDP_GRO, 1)
        if link.consents:
            connection["next_consent_ns"] = now_ns + spread * 5 // 2
            self._tables.consent_lengths[row] = len(link.consents[0])
            for turn in range(lay.CONSENTS):
                data = link.consents[turn % len(link.consents)]
                if len(data) != len(link.consents[0]) or len(data) > lay.CONSENT_BYTES:
                    raise ValueError(f"consent checks of one link must be of one length <= {lay.CONSENT_BYTES}")
                self._tables.consents[row, turn, : len(data)] = np.frombuffer(data, np.uint8)
        self._rows[link.socket.fileno()] = row
        self._epoll.register(link.socket.fileno(), select.EPOLLIN)

    def _add_encoding(self, index: int, row: int, plan: EncodingPlan) -> None:
        encoding = self._encodings[index]
        traffic: Traffic = traffic_of(plan.kind)
        encoding["connection"] = row
        encoding["video"] = traffic.video
        encoding["payload_type"] = plan.payload_type
        encoding["ssrc"] = plan.ssrc
        encoding["mid"] = ord(plan.mid)
        encoding["mid_id"] = plan.mid_id
        encoding["abs_send_time_id"] = plan.abs_send_time_id
        encoding["audio_level_id"] = plan.audio_level_id
        encoding["transport_sequence_id"] = plan.transport_sequence_id
        encoding["repair_ssrc"] = plan.repair_ssrc
        encoding["repair_type"] = plan.repair_type
        keys = self._links[row].keys
        encoding["srtp_out"] = self._keep(new_session(keys.profile, keys.local, outbound=True))
        encoding["rtcp_out"] = self._keep(new_session(keys.profile, keys.local, outbound=True))
        encoding["frame_packets"] = traffic.frame_packets
        encoding["frame_bytes"] = traffic.frame_bytes
        encoding["interval_ns"] = round(1e9 / traffic.frames_per_second)
        encoding["timestamp_step"] = round(traffic.clock_rate / traffic.frames_per_second)
        encoding["sequence"] = 1000 + 17 * index
        encoding["timestamp"] = 90_000 + 1_000 * index

    # -- running -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the loop's thread; it ends by `stop`, or by itself after the engine's time limit.

        Returns when the loop runs, which on the first call ever takes as long as compiling does.
        """
        # Compiling comes on top.
        self._control[lay.DEADLINE_NS] = time.monotonic_ns() + int((self._limit_s + 120.0) * 1e9)
        self._thread = threading.Thread(target=self._run, name="generator", daemon=True)
        self._thread.start()
        while self._control[lay.RUNNING] == 0:
            if not self._thread.is_alive():
                raise RuntimeError("the generator's loop did not start") from self._failure
            time.sleep(0.01)

    def _run(self) -> None:
        try:
            run(self._tables, make_buffers(), self._epoll.fileno(), self._rows)
        except BaseException as failure:
            self._failure = failure
            raise

    def stop(self) -> None:
        """End the loop and wait for its thread."""
        self._control[lay.STOP] = 1
        if self._thread is not None:
            self._thread.join(timeout=10.0)
            if self._thread.is_alive():
                raise RuntimeError("the generator's loop did not stop within 10 s")
        if self._failure is not None:
            raise RuntimeError("the generator's loop failed") from self._failure
        self._epoll.close()

    @property
    def running(self) -> bool:
        """Whether the loop runs."""
        return bool(self._control[lay.RUNNING])

    def set_sending(self, on: bool) -> None:
        """Start or pause publishing; publishers start spread over one frame interval."""
        if on:
            now_ns = time.monotonic_ns() + 5_000_000
            for index in range(len(self._encodings)):
                interval = int(self._encodings[index]["interval_ns"])
                self._encodings[index]["next_frame_ns"] = now_ns + interval * index // len(self._encodings)
        self._control[lay.SENDING] = int(on)

    def set_rate(self, factor: float) -> None:
        """Multiply the publishers' frame rate by `factor`; the frames stay as they are."""
        for index, plan in enumerate(plan for link in self._links for plan in link.encodings):
            self._encodings[index]["interval_ns"] = round(1e9 / traffic_of(plan.kind).frames_per_second / factor)

    def poll_notices(self) -> None:
        """Handle what the loop passed up: RTCP for publishers, a server's own ICE checks."""
        while self._control[lay.NOTICE_TAIL] < self._control[lay.NOTICE_HEAD]:
            slot = self._tables.notices[self._control[lay.NOTICE_TAIL] % lay.NOTICES]
            row = int(slot["connection"])
            data = slot["data"][: slot["length"]].tobytes()
            self._control[lay.NOTICE_TAIL] += 1
            if data[0] < 4:
                self._answer(self._links[row], data)
            else:
                self._handle_rtcp(row, data)

    @staticmethod
    def _answer(link: Link, data: bytes) -> None:
        answer = link.answer_check(data) if link.answer_check is not None else None
        if answer is not None:
            link.socket.send(answer)

    def _handle_rtcp(self, row: int, data: bytes) -> None:
        try:
            plain = self._rtcp_in[row].unprotect_rtcp(data)
        except pylibsrtp.Error:
            self.rtcp_failures += 1
            return
        if wants_keyframe(plain):
            self.keyframe_requests += 1
            mine = (self._encodings["connection"] == row) & (self._encodings["video"] == 1)
            self._encodings["keyframe"][mine] = 1

    # -- reading -------------------------------------------------------------------------------------

    def counts(self) -> Counts:
        """The sums right now; exact once sending has paused and what was under way has arrived."""
        connections, streams, encodings = self._connections, self._streams, self._encodings
        used = streams["received"] > 0
        expected = (streams["highest"] - streams["first"] + 1)[used]
        return Counts(
            at_s=time.monotonic(),
            sent_packets=int(encodings["packets"].sum()),
            received_packets=int(streams["received"].sum()),
            received_bytes=int(streams["bytes"].sum()),
            lost=int(expected.sum()) - int(streams["received"].sum()),
            reordered=int(streams["reordered"].sum()),
            sampled=int(streams["sampled"].sum()),
            unauthentic=int(streams["unauthentic"].sum()),
            malformed=int(streams["malformed"].sum()),
            overflow=int(connections["overflow"].sum()),
            late_frames=int(encodings["late"].sum()),
            refused=int(encodings["refused"].sum()),
            rtcp=int(connections["rtcp"].sum()),
            stun=int(connections["stun"].sum()),
            latency_count=int(self._control[lay.LATENCY_COUNT]),
            receive_calls=int(self._control[lay.RECEIVE_CALLS]),
        )

    def sent_by_link(self) -> NDArray[Any]:
        """Packets that each link's encodings have sent."""
        return np.bincount(
            self._encodings["connection"], self._encodings["packets"], minlength=len(self._links)
        ).astype(np.int64)

    def streams_by_link(self) -> NDArray[Any]:
        """Distinct SSRCs that each link has received."""
        return self._connections["streams"].copy()

    def received_by_link(self) -> NDArray[Any]:
        """RTP packets that each link has received."""
        return self._connections["packets"].astype(np.int64)

    def latency_us(self, since: int, until: int) -> NDArray[Any]:
        """The latency samples numbered [since, until), microseconds."""
        return self._tables.latency_ns[since : min(until, lay.LATENCY_SAMPLES)] / 1e3


def wants_keyframe(compound: bytes) -> bool:
    """Whether a compound RTCP packet holds a PLI or a FIR (RFC 4585 s6.3.1, RFC 5104 s4.3.1)."""
    at = 0
    while at + 4 <= len(compound):
        if compound[at + 1] == _PAYLOAD_FEEDBACK and compound[at] & 0x1F in (_PLI, _FIR):
            return True
        at += 4 * (1 + int.from_bytes(compound[at + 2 : at + 4], "big"))
    return False
