"""The Python side of the generator: fills the tables, runs the loop in a thread, reads the counts."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pylibsrtp
from numpy.typing import NDArray

from bench.generator import layout as lay
from bench.generator.buffers import make_buffers
from bench.generator.loop import run
from bench.generator.native import SO_TIMESTAMPNS, SOL_UDP, UDP_GRO, session_address
from bench.generator.reports import FEEDBACK_INTERVAL_NS
from bench.links import EncodingPlan, Link, StreamPlan, new_session
from bench.traffic import Traffic

#: The first consent checks of all links are spread over so long.
_CONSENT_NS = 5_000_000_000


@dataclass(frozen=True)
class Counts:
    """Sums over all links at one moment."""

    at_s: float
    sent_packets: int
    delivered_packets: int  # of media, each once for each subscriber
    arrived_packets: int  # whatever came as RTP
    lost: int  # of the numbers of media streams
    reordered: int
    duplicates: int
    padding: int  # packets that carry nothing
    repaired: int  # delivered by a retransmission
    asked: int  # packets that subscribers asked for again
    given_up: int
    repeated: int  # packets that publishers sent again
    sampled: int
    unauthentic: int
    malformed: int
    overflow: int
    late_frames: int
    refused: int
    rtcp: int
    rtcp_failed: int
    keyframe_requests: int
    feedbacks: int  # transport-wide, that subscribers sent
    unstamped: int  # arrivals told of by when they were read
    feedbacks_in: int  # that publishers got
    consents: int
    stun: int
    latency_count: int
    receive_calls: int


class Engine:
    """Runs the compiled loop over a fixed set of links; publishers first, then subscribers."""

    def __init__(
        self,
        links: Sequence[Link],
        *,
        traffic: Mapping[str, Traffic],
        sample_every: int,
        receiver_gro: bool,
        limit_s: float,
    ) -> None:
        self._links = list(links)
        self._traffic = traffic
        self._limit_s = limit_s
        encodings = [(row, plan) for row, link in enumerate(self._links) for plan in link.encodings]
        self._tables = lay.make_tables(len(self._links), len(encodings))
        self._connections, self._streams = self._tables.connections, self._tables.streams
        self._encodings, self._control = self._tables.encodings, self._tables.control
        self._control[lay.SAMPLE_EVERY] = sample_every
        self._sessions: list[pylibsrtp.Session] = []
        self._epoll = select.epoll()
        self._rows = np.zeros(1 + max((link.socket.fileno() for link in links), default=0), np.int32)
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        now_ns = time.monotonic_ns()
        self._control[lay.EPOCH_NS] = now_ns
        self._control[lay.REAL_TIME_NS] = time.time_ns() - now_ns
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
        connection["random"] = row
        connection["transport_sequence_id"] = link.transport_sequence_id
        connection["srtp_in"] = self._keep(new_session(link.keys.profile, link.keys.remote, outbound=False))
        connection["rtcp_out"] = self._keep(new_session(link.keys.profile, link.keys.local, outbound=True))
        # Spread over the interval, as those of people who joined at different times are.
        share = row / max(len(self._links), 1)
        connection["next_feedback_ns"] = now_ns + int(share * FEEDBACK_INTERVAL_NS)
        for plan in link.streams:
            self._name_stream(row, plan)
        if receiver_gro and not link.encodings:
            connection["gro"] = 1
            link.socket.setsockopt(SOL_UDP, UDP_GRO, 1)
        elif link.transport_sequence_id:
            connection["stamped"] = 1
            link.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        if link.consents:
            connection["next_consent_ns"] = now_ns + int(share * _CONSENT_NS)
            self._tables.consent_lengths[row] = len(link.consents[0])
            for turn in range(lay.CONSENTS):
                data = link.consents[turn % len(link.consents)]
                if len(data) != len(link.consents[0]) or len(data) > lay.CONSENT_BYTES:
                    raise ValueError(f"consent checks of one link must be of one length <= {lay.CONSENT_BYTES}")
                self._tables.consents[row, turn, : len(data)] = np.frombuffer(data, np.uint8)
        self._rows[link.socket.fileno()] = row
        self._epoll.register(link.socket.fileno(), select.EPOLLIN)

    def name_streams(self, row: int, plans: Sequence[StreamPlan]) -> None:
        """What the server has said only now that it sends on a link, the row-th; call it while nothing is sent.

        Packets of these streams that have come already are counted as others'.
        """
        for plan in plans:
            self._name_stream(row, plan)

    def _name_stream(self, row: int, plan: StreamPlan) -> None:
        stream = lay.add_stream(self._tables, row, plan.ssrc, lay.VIDEO if plan.kind == "video" else lay.AUDIO)
        if plan.repair_ssrc:
            lay.add_repair(self._tables, row, stream, plan.repair_ssrc)

    def _add_encoding(self, index: int, row: int, plan: EncodingPlan) -> None:
        encoding = self._encodings[index]
        traffic = self._traffic[plan.kind]
        encoding["connection"] = row
        encoding["video"] = traffic.video
        encoding["payload_type"] = plan.payload_type
        encoding["ssrc"] = plan.ssrc
        encoding["mid"] = ord(plan.mid)
        encoding["mid_id"] = plan.mid_id
        encoding["rid"] = ord(plan.rid or "\0")
        encoding["rid_id"] = plan.rid_id
        encoding["repaired_rid_id"] = plan.repaired_rid_id
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
        """Multiply the publishers' frame rate by `factor`; the frames stay as they are, and so does audio."""
        for index, plan in enumerate(plan for link in self._links for plan in link.encodings):
            traffic = self._traffic[plan.kind]
            if traffic.video:
                self._encodings[index]["interval_ns"] = round(1e9 / traffic.frames_per_second / factor)

    def poll_notices(self) -> None:
        """Handle what the loop passed up: a server's own ICE checks."""
        while self._control[lay.NOTICE_TAIL] < self._control[lay.NOTICE_HEAD]:
            slot = self._tables.notices[self._control[lay.NOTICE_TAIL] % lay.NOTICES]
            link = self._links[int(slot["connection"])]
            data = slot["data"][: slot["length"]].tobytes()
            self._control[lay.NOTICE_TAIL] += 1
            answer = link.answer_check(data) if link.answer_check is not None else None
            if answer is not None:
                link.socket.send(answer)

    # -- reading -------------------------------------------------------------------------------------

    def counts(self) -> Counts:
        """The sums right now; exact once sending has paused and what was under way has arrived."""
        connections, encodings = self._connections, self._encodings
        streams = self._streams[:, : max(int(connections["streams"].max()), 1)]
        media = (streams["arrived"] > 0) & ((streams["kind"] == lay.VIDEO) | (streams["kind"] == lay.AUDIO))
        numbers = (streams["highest"] - streams["first"] + 1)[media]
        come = (streams["arrived"] - streams["duplicates"] + streams["repaired"])[media]
        return Counts(
            at_s=time.monotonic(),
            sent_packets=int(encodings["packets"].sum()),
            delivered_packets=int(streams["delivered"].sum()),
            arrived_packets=int(streams["arrived"].sum()),
            lost=int(numbers.sum()) - int(come.sum()),
            reordered=int(streams["reordered"].sum()),
            duplicates=int(streams["duplicates"].sum()),
            padding=int(streams["padding"].sum()),
            repaired=int(streams["repaired"].sum()),
            asked=int(connections["asked"].sum()),
            given_up=int(connections["given_up"].sum()),
            repeated=int(encodings["repeated"].sum()),
            sampled=int(streams["sampled"].sum()),
            unauthentic=int(streams["unauthentic"].sum()),
            malformed=int(streams["malformed"].sum()),
            overflow=int(connections["overflow"].sum()),
            late_frames=int(encodings["late"].sum()),
            refused=int(encodings["refused"].sum()),
            rtcp=int(connections["rtcp"].sum()),
            rtcp_failed=int(connections["rtcp_failed"].sum()),
            keyframe_requests=int(connections["keyframe_requests"].sum()),
            feedbacks=int(connections["feedbacks"].sum()),
            unstamped=int(connections["unstamped"].sum()),
            feedbacks_in=int(connections["feedbacks_in"].sum()),
            consents=int(connections["consents"].sum()),
            stun=int(connections["stun"].sum()),
            latency_count=int(self._control[lay.LATENCY_COUNT]),
            receive_calls=int(self._control[lay.RECEIVE_CALLS]),
        )

    def sent_by_encoding(self) -> NDArray[Any]:
        """Packets that each encoding has sent, in the order of the links, repeats left out."""
        return self._encodings["packets"].astype(np.int64)

    def sent_by_link(self) -> NDArray[Any]:
        """Packets that each link's encodings have sent, repeats left out."""
        return np.bincount(
            self._encodings["connection"], self._encodings["packets"], minlength=len(self._links)
        ).astype(np.int64)

    def delivered_by_link(self) -> NDArray[Any]:
        """Packets of media that each link has received, each once."""
        return self._connections["packets"].astype(np.int64)

    def streams_by_link(self) -> NDArray[Any]:
        """Streams of media of which each link has received something."""
        streams = self._streams
        media = (streams["kind"] == lay.VIDEO) | (streams["kind"] == lay.AUDIO)
        return np.count_nonzero(media & (streams["delivered"] > 0), axis=1)

    def latency_us(self, since: int, until: int) -> NDArray[Any]:
        """The latency samples numbered [since, until), microseconds."""
        return self._tables.latency_ns[since : min(until, lay.LATENCY_SAMPLES)] / 1e3
