"""An SCTP association over DTLS (RFC 8261, RFC 9260), as data channels need it (RFC 8831); sans-IO.

Ours, and not aiortc's without its IO: there one SACK of 1,136 octets cost 1.3 s, nothing bounded what is kept beyond
the announced window, and each kind of chunk but two raised struct errors when it was cut short. It has none of SCTP
that data channels cannot use: there is one path, ICE consent says whether the peer is there, and associations neither
restart nor end gracefully.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from sfu.transport.sctp.chunks import (
    Init,
    ResetResponse,
    build_forward_tsn,
    read_data,
    read_forward_tsn,
    read_reconfiguration,
    read_sack,
)
from sfu.transport.sctp.events import (
    Arrived,
    AssociationEvent,
    Ended,
    Established,
    OwnReset,
    PeerReset,
    Settled,
)
from sfu.transport.sctp.handshake import Handshake
from sfu.transport.sctp.outgoing import Outgoing
from sfu.transport.sctp.packet import (
    HEADER_LENGTH,
    MAX_PACKET_LENGTH,
    Chunk,
    ChunkType,
    MalformedError,
    build_chunk,
    build_packet,
    build_parameter,
    read_packet,
)
from sfu.transport.sctp.reassembly import Message, ViolationError
from sfu.transport.sctp.receiver import Receiver
from sfu.transport.sctp.resets import MAX_STREAMS as MAX_RESET_STREAMS
from sfu.transport.sctp.resets import Resets
from sfu.transport.sctp.sender import Sender

PORT = 5000
"""The SCTP port of either side where SDP says nothing else (RFC 8841 section 5)."""

MAX_STREAMS = 1024
"""Streams of either direction, as in browsers."""

STALL_TIMEOUT = 60.0
"""Seconds without any acknowledgement of what is under way after which an association ends."""

_ACK_DELAY = 0.1
_MAX_BURST = 64  # packets of one turn
_MAX_WAITING_CHUNKS = 32  # answers that the peer makes us send in one turn
_USER_ABORT, _PROTOCOL_VIOLATION = 12, 13  # error causes, RFC 9260 section 3.3.10
_STALE_COOKIE = 3


class Association:
    """Our end of an association.

    The owner passes packets and the time, then calls `flush` for what is to be sent and takes `events`. Either side
    begins, and both may (RFC 8841 section 9.3).

    Args:
        randbytes: gives random octets.
        drops: counts what is dropped, by reason.
        window: octets that are held of what the peer sends.
        most_octets: of one of its messages.
        local_port, remote_port: SCTP ports, of `a=sctp-port`.
    """

    def __init__(
        self,
        *,
        randbytes: Callable[[int], bytes],
        drops: Counter[str],
        window: int,
        most_octets: int,
        local_port: int = PORT,
        remote_port: int = PORT,
    ) -> None:
        self.established = False
        """Whether messages can flow; stays so at the end."""
        self.ended = False
        self.events: list[AssociationEvent] = []
        """What has happened, to be taken by the caller."""
        self._drops = drops
        self._ports = (local_port, remote_port)
        self._tag = int.from_bytes(randbytes(4)) or 1
        self._first_tsn = int.from_bytes(randbytes(4))
        self._sender = Sender(drops, self._first_tsn)
        self._receiver = Receiver(drops, window=window, most_octets=most_octets, most_streams=MAX_STREAMS)
        own = Init(self._tag, window, MAX_STREAMS, MAX_STREAMS, self._first_tsn, partial=True, resets=True)
        self._handshake = Handshake(own, self._ports, randbytes, drops)
        self._output: list[bytes] = []
        self._chunks: list[bytes] = []  # that go out before data
        self._resets = Resets(self._first_tsn, 0, self._chunks)

    def start(self, now: float) -> None:
        """Begin; the peer may have begun already."""
        if not self._handshake.begun:
            self._handshake.start(now)

    def send(self, message: Outgoing) -> None:
        """Queue a message; `flush` sends it."""
        self._sender.queue.add(message)

    def reset(self, stream: int, *, at_once: bool = False) -> None:
        """Begin a stream of ours anew once what waits for it has gone out; `at_once`: throw that away."""
        if at_once:
            self._sender.abandon_queued(stream)
        if stream not in self._resets.wanted:
            self._resets.wanted.append(stream)

    def release(self, message: Message) -> None:
        """A message that has come is done with: its place in the window is free."""
        self._receiver.release(message)

    def end(self, reason: str, detail: str = "") -> None:
        """Finish, and tell the peer (ABORT)."""
        if not self.ended:
            cause = _USER_ABORT if reason == "closed" else _PROTOCOL_VIOLATION
            self._pack([build_chunk(ChunkType.ABORT, build_parameter(cause))])
            self._finish(reason, detail)

    def handle_packet(self, data: bytes, now: float) -> None:
        """Take what came in a DTLS record; what is malformed or out of place is dropped and counted."""
        if self.ended:
            self._drops["sctp_ended"] += 1
            return
        try:
            packet = read_packet(data)
        except MalformedError:
            self._drops["sctp_malformed"] += 1
            return
        if (packet.source, packet.destination) != self._ports[::-1]:
            self._drops["sctp_port"] += 1
            return
        chunks = packet.chunks
        if any(chunk.kind == ChunkType.INIT for chunk in chunks):
            if packet.tag or len(chunks) > 1:
                self._drops["sctp_malformed"] += 1
            else:
                self._contained(Association._handle_init, chunks[0], now)
            return
        if packet.tag != self._tag:
            self._drops["sctp_tag"] += 1
            return
        with_data = False
        for chunk in chunks:
            handler = _HANDLERS.get(chunk.kind)
            if handler is None:
                self._drops["sctp_unknown_chunk"] += 1
                if not chunk.kind & 0x80:  # RFC 9260 section 3.2: go on behind those of the upper half only
                    break
                continue
            with_data = with_data or chunk.kind == ChunkType.DATA
            if not self._contained(handler, chunk, now):
                return
        if with_data and self.established:
            self._receiver.note_packet(now)

    def handle_timeout(self, now: float) -> None:
        """Do what is due."""
        if self.ended:
            return
        if self._handshake.is_over(now):
            self.end("handshake_timeout", "the peer does not complete the SCTP handshake")
        elif self.established:
            since = self._sender.waiting_since
            if since is not None and now >= since + STALL_TIMEOUT:
                self.end("stalled", f"nothing that was sent was acknowledged for {STALL_TIMEOUT:.0f} s")
                return
            self._sender.handle_timeout(now)
            self._resets.handle_timeout(now)
            self._receiver.handle_timeout(now)

    def poll_timeout(self) -> float | None:
        """When to call `handle_timeout` and `flush`, in absolute seconds."""
        if self.ended:
            return None
        since = self._sender.waiting_since
        deadlines = (
            self._handshake.poll_timeout(),
            self._receiver.poll_timeout(),
            self._sender.poll_timeout(),
            self._resets.poll_timeout(),
            None if since is None else since + STALL_TIMEOUT,
        )
        return min((due for due in deadlines if due is not None), default=None)

    def flush(self, now: float) -> list[bytes]:
        """The packets to send now."""
        if (packet := self._handshake.poll_packet(now)) is not None and not self.ended:
            self._output.append(packet)
        if self.established and not self.ended:
            self._ask_for_resets(now)
            for _ in range(_MAX_BURST):
                if not self._fill_packet(now):
                    break
        self._take_settled()
        output, self._output = self._output, []
        return output

    # the handshake (RFC 9260 section 5)

    def _handle_init(self, chunk: Chunk, now: float) -> None:
        self._output.append(self._handshake.answer_init(Init.read(chunk.value)))

    def _handle_init_ack(self, chunk: Chunk, now: float) -> None:
        if self._handshake.take_init_ack(chunk.value):
            self._take_peer()

    def _handle_cookie_echo(self, chunk: Chunk, now: float) -> None:
        fresh = self._handshake.peer is None
        if not self._handshake.take_cookie(chunk.value):
            return
        if fresh:
            self._take_peer()
        self._queue_chunk(build_chunk(ChunkType.COOKIE_ACK))
        self._establish()

    def _handle_cookie_ack(self, chunk: Chunk, now: float) -> None:
        if self._handshake.cookie_sent:
            self._establish()

    def _take_peer(self) -> None:
        """The handshake has brought what the peer's side is like."""
        init = self._handshake.peer
        assert init is not None
        self._receiver.begin(init.tsn)
        wanted, self._resets = self._resets.wanted, Resets(self._first_tsn, init.tsn, self._chunks)
        self._resets.wanted = wanted
        self._sender.window = init.window
        self._sender.partial = init.partial

    def _establish(self) -> None:
        if not self.established:
            self.established = True
            self._handshake.complete()
            self.events.append(Established())

    # what comes

    def _handle_data(self, chunk: Chunk, now: float) -> None:
        if self._handshake.peer is None:
            self._drops["sctp_early"] += 1
            return
        self._deliver(self._receiver.add(read_data(chunk.flags, chunk.value)))

    def _handle_forward_tsn(self, chunk: Chunk, now: float) -> None:
        self._deliver(self._receiver.skip(read_forward_tsn(chunk.value)))

    def _deliver(self, messages: Sequence[Message]) -> None:
        self.events.extend(Arrived(message) for message in messages)
        self._take_peer_reset(self._resets.poll_reset(self._receiver.cumulative))

    def _handle_sack(self, chunk: Chunk, now: float) -> None:
        if not self._sender.handle_sack(read_sack(chunk.value), now):
            self._drops["sctp_unsent_acknowledged"] += 1

    def _handle_heartbeat(self, chunk: Chunk, now: float) -> None:
        if len(chunk.value) <= MAX_PACKET_LENGTH - HEADER_LENGTH - 4:
            self._queue_chunk(build_chunk(ChunkType.HEARTBEAT_ACK, chunk.value))

    def _handle_reconfiguration(self, chunk: Chunk, now: float) -> None:
        for part in read_reconfiguration(chunk.value):
            if isinstance(part, ResetResponse):
                done = self._resets.handle_response(part, now)
                for stream in done:
                    self._sender.queue.restart(stream)
                if done:
                    self.events.append(OwnReset(done))
            elif len(self._chunks) < _MAX_WAITING_CHUNKS:
                self._take_peer_reset(self._resets.handle_request(part, self._receiver.cumulative))

    def _take_peer_reset(self, streams: Sequence[int]) -> None:
        for stream in streams:
            self._receiver.reset(stream)
        if streams:
            self.events.append(PeerReset(streams))

    def _handle_abort(self, chunk: Chunk, now: float) -> None:
        self._finish("aborted_by_peer")

    def _handle_shutdown(self, chunk: Chunk, now: float) -> None:
        self._pack([build_chunk(ChunkType.SHUTDOWN_ACK)])
        self._finish("closed_by_peer")

    def _handle_error(self, chunk: Chunk, now: float) -> None:
        """Begin anew where a cookie has become stale (RFC 9260 section 5.2.6); other errors we could not mend."""
        stale = int.from_bytes(chunk.value[:2]) == _STALE_COOKIE
        if self._handshake.cookie_sent and not self.established and stale:
            self._handshake.begin_anew()
        else:
            self._drops["sctp_error"] += 1

    def _ignore(self, chunk: Chunk, now: float) -> None:
        """Answers to what we never ask for."""

    # what goes

    def _fill_packet(self, now: float) -> bool:
        """Make one packet of what may go out; False: nothing may."""
        chunks: list[bytes] = []
        room = MAX_PACKET_LENGTH - HEADER_LENGTH
        if (acknowledgement := self._receiver.poll_ack()) is not None:
            chunks.append(acknowledgement)
            room -= len(acknowledgement)
        while self._chunks and len(self._chunks[0]) <= room:
            chunks.append(self._chunks.pop(0))
            room -= len(chunks[-1])
        forwards = self._sender.forwards
        if forwards is not None and 8 + 4 * len(forwards.streams) <= room:
            chunks.append(build_forward_tsn(forwards))
            self._sender.forwards = None
            room -= len(chunks[-1])
        if not self._chunks:
            while (chunk := self._sender.next_chunk(room, now)) is not None:
                chunks.append(chunk)
                room -= len(chunk)
        if chunks:
            self._pack(chunks)
        return bool(chunks)

    def _ask_for_resets(self, now: float) -> None:
        wanted = self._resets.wanted
        if not wanted or self._resets.asking:
            return
        ready = [stream for stream in wanted if not self._sender.queue.holds(stream)][:MAX_RESET_STREAMS]
        self._resets.wanted = [stream for stream in wanted if stream not in ready]
        if self._handshake.peer is None or not self._handshake.peer.resets:
            self.events += [OwnReset(ready), PeerReset(ready)]
        elif ready:
            self._resets.ask(ready, self._sender.last_tsn, self._sender.rto, now)

    def _take_settled(self) -> None:
        settled = self._sender.take_settled()
        self.events.extend(Settled(stream, *amounts) for stream, amounts in settled.items())

    def _queue_chunk(self, chunk: bytes) -> None:
        if len(self._chunks) >= _MAX_WAITING_CHUNKS:
            self._drops["sctp_answers"] += 1
            return
        self._chunks.append(chunk)

    def _pack(self, chunks: Sequence[bytes]) -> None:
        """Queue a packet, if the peer is known already."""
        peer = self._handshake.peer
        if peer is not None:
            self._output.append(build_packet(*self._ports, peer.tag, chunks))

    def _contained(self, handler: _Handler, chunk: Chunk, now: float) -> bool:
        """Whether the association goes on."""
        try:
            handler(self, chunk, now)
        except MalformedError:
            self._drops["sctp_malformed"] += 1
        except ViolationError as error:
            self._drops["sctp_violation"] += 1
            self.end("violation", str(error))
        return not self.ended

    def _finish(self, reason: str, detail: str = "") -> None:
        self.ended = True
        self.events.append(Ended(reason, detail))


_Handler = Callable[[Association, Chunk, float], None]
_HANDLERS: dict[int, _Handler] = {
    ChunkType.DATA: Association._handle_data,
    ChunkType.INIT_ACK: Association._handle_init_ack,
    ChunkType.SACK: Association._handle_sack,
    ChunkType.HEARTBEAT: Association._handle_heartbeat,
    ChunkType.HEARTBEAT_ACK: Association._ignore,
    ChunkType.ABORT: Association._handle_abort,
    ChunkType.SHUTDOWN: Association._handle_shutdown,
    ChunkType.SHUTDOWN_ACK: Association._ignore,
    ChunkType.ERROR: Association._handle_error,
    ChunkType.COOKIE_ECHO: Association._handle_cookie_echo,
    ChunkType.COOKIE_ACK: Association._handle_cookie_ack,
    ChunkType.SHUTDOWN_COMPLETE: Association._ignore,
    ChunkType.RE_CONFIG: Association._handle_reconfiguration,
    ChunkType.FORWARD_TSN: Association._handle_forward_tsn,
}
