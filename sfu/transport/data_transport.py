"""The data channels of one connection (RFC 8831) over an SCTP association, sans-IO.

The owner passes what came in DTLS records, and the time, and then empties `poll_transmit` and `poll_event`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

from sfu.events import DataChannelState
from sfu.transport import dcep
from sfu.transport.channel import (
    BufferDrained,
    Channel,
    ChannelClosed,
    ChannelOpened,
    ChannelReady,
    DataEvent,
    DataLimits,
    MessageArrived,
    TransportEnded,
)
from sfu.transport.sctp import (
    MAX_STREAMS,
    MESSAGE_OVERHEAD,
    PORT,
    Arrived,
    Association,
    AssociationEvent,
    Established,
    Message,
    Outgoing,
    OwnReset,
    PeerReset,
    Settled,
)

_DCEP, _TEXT, _BINARY, _TEXT_EMPTY, _BINARY_EMPTY = 50, 51, 53, 56, 57
"""Payload protocol identifiers (RFC 8831 section 8)."""

LOSSY_SHARE = 4
"""A quarter of the buffer is what channels that may lose messages fill at most: what they have is worth sending soon or
never, and what may not be lost needs the place."""


class DataTransport:
    """All channels of a connection. They can be opened before `start`, which the first negotiation brings."""

    def __init__(self, limits: DataLimits, *, randbytes: Callable[[int], bytes], drops: Counter[str]) -> None:
        self.ended = False
        self._limits = limits
        self._randbytes = randbytes
        self._drops = drops
        self._association: Association | None = None
        self._next_id = 0
        self._most_sent = 0
        self._channels: dict[int, Channel] = {}
        self._unnumbered: list[Channel] = []
        self._reset: dict[int, set[type]] = {}  # which sides have begun a closing channel's stream anew
        self._events: deque[DataEvent] = deque()
        self._transmits: deque[bytes] = deque()
        self._held = 0
        self._held_lossy = 0
        self._unsent: list[tuple[Channel, Outgoing]] = []  # until there is an association
        self._flush_due: float | None = None

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Those that are not closed."""
        return (*self._channels.values(), *self._unnumbered)

    @property
    def started(self) -> bool:
        """Whether negotiation has brought a place for them."""
        return self._association is not None

    @property
    def most_sent(self) -> int:
        """Octets of the largest message that the peer takes and our buffer holds."""
        return min(self._most_sent or self._limits.message, self._limits.buffer - MESSAGE_OVERHEAD)

    def start(self, *, client: bool, remote_port: int, most_octets: int, now: float) -> None:
        """Negotiation has brought a data section, and DTLS is up; once.

        Args:
            client: whether we are the DTLS client, whose channels have even ids (RFC 8832 section 6).
            remote_port: the peer's `a=sctp-port`.
            most_octets: its `a=max-message-size`, 0: any.
            now: the time.
        """
        if self._association is not None or self.ended:
            return
        self._next_id = 0 if client else 1
        self._most_sent = most_octets
        self._association = Association(
            randbytes=self._randbytes,
            drops=self._drops,
            window=2 * max(self._limits.message, 128 * 1024),
            most_octets=self._limits.message,
            local_port=PORT,
            remote_port=remote_port,
        )
        self._association.start(now)
        waiting, self._unnumbered = self._unnumbered, []
        for channel in waiting:
            self._number(channel)
            self._announce(channel, now)
        unsent, self._unsent = self._unsent, []
        for channel, message in unsent:
            if channel.id is not None:
                message.stream = channel.id
                self._association.send(message)
        self._flush(now)

    def open(self, channel: Channel, now: float) -> bool:
        """Open a channel of ours; False: there are as many as there may be, or its id is in use.

        One that is `negotiated` brings its id.
        """
        if self.ended or len(self.channels) >= self._limits.channels:
            return False
        if channel.id is not None:
            if not 0 <= channel.id < MAX_STREAMS or channel.id in self._channels:
                return False
            self._channels[channel.id] = channel
            if self._association is not None and self._association.established:
                self._make_ready(channel)
            return True
        channel.acknowledged = False
        if self._association is None:
            self._unnumbered.append(channel)
            return True
        self._number(channel)
        self._announce(channel, now)
        self._flush(now)
        return True

    def send(self, channel: Channel, content: bytes | str, now: float) -> bool:
        """Take a message of at most `most_sent` octets; False: the buffer is full, and it was not taken."""
        if isinstance(content, str):
            payload, protocol = content.encode(), _TEXT if content else _TEXT_EMPTY
        else:
            payload, protocol = bytes(content), _BINARY if content else _BINARY_EMPTY
        payload = payload or b"\0"  # SCTP knows no empty messages (RFC 8831 section 6.6)
        size = len(payload) + MESSAGE_OVERHEAD
        full = self._held + size > self._limits.buffer
        if full or (channel.lossy and (self._held_lossy + size) * LOSSY_SHARE > self._limits.buffer):
            if channel.lossy:
                self._drops["data_buffer_full"] += 1
            return False
        self._queue(channel, protocol, payload, now)
        # What is sent at one moment shares packets: only the first goes at once.
        if channel.buffered == len(payload):
            self._flush(now)
        elif self._flush_due is None:
            self._flush_due = now
        return True

    def close(self, channel: Channel, now: float) -> None:
        """Close a channel once what it has waiting is sent."""
        if channel.state in (DataChannelState.CLOSING, DataChannelState.CLOSED):
            return
        channel.state = DataChannelState.CLOSING
        if channel.id is None or self._association is None:
            self._forget(channel)
            return
        self._association.reset(channel.id)
        self._flush(now)

    def release(self, message: Message, now: float) -> None:
        """A message that came is done with; the peer may send as much again."""
        if self._association is not None:
            self._association.release(message)
            if self._flush_due is None:
                self._flush_due = now

    def handle_record(self, data: bytes, now: float) -> None:
        """Take the content of a DTLS record of application data."""
        if self.ended:
            self._drops["sctp_ended"] += 1
            return
        if self._association is None:
            self._drops["data_not_negotiated"] += 1
            return
        self._association.handle_packet(data, now)
        self._flush(now)

    def handle_timeout(self, now: float) -> None:
        """Do what is due."""
        if self._association is not None:
            self._association.handle_timeout(now)
            self._flush(now)

    def poll_timeout(self) -> float | None:
        """When to call `handle_timeout`."""
        if self._association is None:
            return None
        due = (self._association.poll_timeout(), self._flush_due)
        return min((each for each in due if each is not None), default=None)

    def poll_transmit(self) -> bytes | None:
        """The content of the next DTLS record to send, or None."""
        return self._transmits.popleft() if self._transmits else None

    def poll_event(self) -> DataEvent | None:
        """The next event, or None."""
        return self._events.popleft() if self._events else None

    def end(self, reason: str) -> None:
        """Close all channels at once: negotiation has taken their place away, or the connection closes."""
        if self._association is not None:
            self._association.end("closed")
            self._transmits.extend(self._association.flush(0.0))
        self._finish(reason)

    def _number(self, channel: Channel) -> None:
        """Give it the next id of our parity; those of closed channels come again."""
        while self._next_id in self._channels or self._next_id >= MAX_STREAMS:
            self._next_id = self._next_id + 2 if self._next_id < MAX_STREAMS else self._next_id & 1
        channel.id = self._next_id
        self._channels[channel.id] = channel
        self._next_id += 2

    def _announce(self, channel: Channel, now: float) -> None:
        lifetime = channel.max_lifetime
        opening = dcep.Open(
            channel.label,
            channel.protocol,
            channel.ordered,
            channel.max_retransmits,
            None if lifetime is None else round(lifetime * 1000),
        )
        self._queue(channel, _DCEP, opening.build(), now)

    def _queue(self, channel: Channel, protocol: int, payload: bytes, now: float) -> None:
        control = protocol == _DCEP
        reliable = control or not channel.lossy
        message = Outgoing(
            channel.id or 0,
            protocol,
            payload,
            # Behind the opening until the peer has answered to it (RFC 8832 section 6).
            ordered=channel.ordered or control or not channel.acknowledged,
            max_retransmits=None if reliable else channel.max_retransmits,
            expires_at=None if reliable or channel.max_lifetime is None else now + channel.max_lifetime,
        )
        self._count(channel, len(payload), 1)
        if self._association is None:
            self._unsent.append((channel, message))
        else:
            self._association.send(message)

    def _count(self, channel: Channel, octets: int, messages: int) -> None:
        channel.buffered += octets
        held = octets + MESSAGE_OVERHEAD * messages
        self._held += held
        if channel.lossy:
            self._held_lossy += held

    def _flush(self, now: float) -> None:
        """Act on what the association tells, and let go out what may, until nothing more comes of it."""
        association = self._association
        while association is not None:
            events, association.events = association.events, []
            for event in events:
                self._handle(event, now)
            self._transmits.extend(association.flush(now))
            if not association.events:
                break
        self._flush_due = None

    def _handle(self, event: AssociationEvent, now: float) -> None:
        if isinstance(event, Arrived):
            self._handle_message(event.message, now)
        elif isinstance(event, Settled):
            channel = self._channels.get(event.stream)
            if channel is not None:
                self._count(channel, -event.octets, -event.messages)
                self._events.append(BufferDrained(channel))
        elif isinstance(event, Established):
            for channel in self._channels.values():
                if channel.negotiated:
                    self._make_ready(channel)
        elif isinstance(event, PeerReset | OwnReset):
            for stream in event.streams:
                self._note_reset(stream, type(event))
        else:
            self._finish(event.reason, event.detail)

    def _handle_message(self, message: Message, now: float) -> None:
        channel = self._channels.get(message.stream)
        if message.protocol == _DCEP:
            self._handle_dcep(channel, message, now)
        elif channel is None or channel.state is DataChannelState.CLOSING:
            self._drops["data_unknown_channel"] += 1
        elif message.protocol in (_TEXT, _TEXT_EMPTY):
            try:
                text = "" if message.protocol == _TEXT_EMPTY else message.payload.decode()
            except UnicodeDecodeError:
                self._drops["data_not_text"] += 1
            else:
                self._events.append(MessageArrived(channel, text, message))
                return
        elif message.protocol in (_BINARY, _BINARY_EMPTY):
            content = b"" if message.protocol == _BINARY_EMPTY else message.payload
            self._events.append(MessageArrived(channel, content, message))
            return
        else:
            self._drops["data_unknown_protocol"] += 1
        self.release(message, now)

    def _handle_dcep(self, channel: Channel | None, message: Message, now: float) -> None:
        if self._association is None:
            return
        if dcep.is_ack(message.payload):
            if channel is not None and not channel.acknowledged:
                channel.acknowledged = True
                self._make_ready(channel)
            return
        try:
            opening = dcep.read_open(message.payload)
        except dcep.DcepError:
            self._drops["data_open_malformed"] += 1
            if channel is None:
                self._association.reset(message.stream)
            return
        if channel is not None:
            self._drops["data_open_twice"] += 1
        elif len(self.channels) >= self._limits.channels:
            self._drops["data_channel_limit"] += 1
            self._association.reset(message.stream)
        else:
            lifetime = opening.max_lifetime_ms
            channel = Channel(
                opening.label,
                opening.protocol,
                opening.ordered,
                opening.max_retransmits,
                None if lifetime is None else lifetime / 1000,
                id=message.stream,
                state=DataChannelState.OPEN,
            )
            self._channels[message.stream] = channel
            self._queue(channel, _DCEP, dcep.ACK, now)
            self._events.append(ChannelOpened(channel))

    def _make_ready(self, channel: Channel) -> None:
        if channel.state is DataChannelState.CONNECTING:
            channel.state = DataChannelState.OPEN
            self._events.append(ChannelReady(channel))

    def _note_reset(self, stream: int, side: type) -> None:
        channel = self._channels.get(stream)
        if channel is None or self._association is None:
            return
        if channel.state is not DataChannelState.CLOSING:
            channel.state = DataChannelState.CLOSING
            self._association.reset(stream, at_once=True)
        sides = self._reset.setdefault(stream, set())
        sides.add(side)
        if len(sides) > 1:
            self._forget(channel)

    def _forget(self, channel: Channel) -> None:
        channel.state = DataChannelState.CLOSED
        if channel in self._unnumbered:
            self._unnumbered.remove(channel)
        if channel.id is not None and self._channels.get(channel.id) is channel:
            del self._channels[channel.id]
            self._reset.pop(channel.id, None)
        self._events.append(ChannelClosed(channel))

    def _finish(self, reason: str, detail: str = "") -> None:
        if self.ended:
            return
        self.ended = True
        for channel in self.channels:
            self._forget(channel)
        self._association = None  # with what waited in it
        self._unsent.clear()
        self._events.append(TransportEnded(reason, detail))
