"""The commands that the control side gives a plane, and the rows of its tables that they take and free."""

from __future__ import annotations

import abc
import enum
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sfu.routing.addresses import Addresses
from sfu.routing.checks import Checks
from sfu.routing.kernels import command_records as commands
from sfu.routing.kernels.connection_columns import NAME_BYTES, UFRAGS
from sfu.routing.kernels.media_columns import LARGEST_SET_BYTES, PARAMETER_INDEXES
from sfu.routing.kernels.native import srtp_handle
from sfu.routing.kernels.tables import Tables
from sfu.routing.limits import PlaneLimits
from sfu.routing.queues import CommandQueue
from sfu.routing.repairs import Repairs
from sfu.routing.rows import Rows
from sfu.routing.table_reader import TableReader
from sfu.units import MASK_32
from sfu.wire.extensions import EXTENSION_COUNT, MAX_EXTENSION_ID, Extension
from sfu.wire.payload_format import PayloadFormat
from sfu.wire.ufrag import pack_ufrag


class Feedback(enum.IntEnum):
    """Which congestion feedback one side sends on the packets that it receives."""

    NONE = 0
    PACKETS = 1
    """The arrival time of each packet: transport-wide feedback."""
    RATES = 2
    """REMB; from a client it may also be receiver reports alone."""


class Commander(TableReader, abc.ABC):
    """Gives commands from the control thread; all return at once, and are applied in order."""

    def __init__(self, index: int, tables: Tables, limits: PlaneLimits, rng: random.Random) -> None:
        super().__init__(tables)
        self._rng = rng
        self._connections = Rows("connections", limits.connections)
        self._tracks = Rows("tracks", limits.tracks)
        self._encodings = Rows("encodings", limits.encodings)
        self._subscriptions = Rows("subscriptions", limits.subscriptions)
        self._track_generations: dict[int, int] = {}
        self._sessions: dict[int, tuple[Any, Any]] = {}
        self._queue = CommandQueue(index)
        self._post = self._queue.post
        self.addresses = Addresses(tables, self._post, lambda: self.family)
        """Where the connections' peers are."""
        self.checks = Checks(tables, self._post, lambda: self.settled)
        """Which of their connectivity checks the plane answers."""
        self.repairs = Repairs(limits, self._post, rng)
        """By what the subscriptions' packets can be sent again."""
        self._planes: Sequence[Commander] = [self]

    @property
    @abc.abstractmethod
    def family(self) -> int:
        """The address family of the plane's socket; known once the plane is started."""

    @property
    def settled(self) -> bool:
        """Whether the plane has applied every command."""
        return self._queue.applied

    def open_connection(self, *, report_ssrc: int = 0, cname: str = "") -> int:
        """Take a row for one peer's connection. Raises CapacityError.

        `report_ssrc`: ours, in the plane's feedback and reports to the client (0: it sends no reports); used for
        nothing else, since the plane counts its SRTCP index. `cname`: our name in them.
        """
        row = self._connections.take()
        self.addresses.open(row)
        self._post(row, commands.OpenConnection(report_ssrc, cname.encode("ascii")))
        return row

    def set_extensions(self, connection: int, ids: Mapping[Extension, int], *, mixed: bool = False) -> None:
        """Agree on header extension ids (1 to 14) for both directions of a connection.

        `mixed`: the client takes the two-byte form besides the one-byte form (RFC 8285 section 4.1.2).
        """
        identifiers = bytearray(EXTENSION_COUNT)
        for extension, identifier in ids.items():
            if not 1 <= identifier <= MAX_EXTENSION_ID:
                raise ValueError(f"extension id {identifier} of {extension.name} is not within 1..14")
            identifiers[extension] = identifier
        self._post(connection, commands.SetExtensions(mixed, bytes(identifiers)))

    def set_keys(self, connection: int, receive_srtp: Any, send_srtp: Any) -> None:
        """Give a connection its SRTP sessions (`pylibsrtp.Session`), which the plane alone uses from then on."""
        self._queue.keep_until_applied(self._sessions.pop(connection, None))
        self._sessions[connection] = (receive_srtp, send_srtp)
        self._post(connection, commands.SetKeys(srtp_handle(receive_srtp), srtp_handle(send_srtp)))

    def set_ufrags(self, connection: int, ufrags: Sequence[str]) -> None:
        """Set a connection's local ICE user fragments, at most two: checks that name no connection's are dropped."""
        packed = [pack_ufrag(ufrag) for ufrag in ufrags]
        if len(packed) > UFRAGS:
            raise ValueError(f"{len(packed)} user fragments; a connection has at most {UFRAGS}")
        self._post(connection, commands.SetUfrags(*packed, *[-1] * (UFRAGS - len(packed))))

    def set_control(self, connection: int, feedback: Feedback, *, reports: Feedback) -> None:
        """Agree on congestion feedback.

        Args:
            feedback: what the client tells us of what it gets.
            reports: what we tell the client of what it sends; with `RATES` an `UplinkEstimate` comes, to be told.
        """
        self._post(connection, commands.SetControl(feedback, reports))

    def set_limit(self, connection: int, rate_bps: int) -> None:
        """Set the rate that a connection can use at most: no higher rate is tried."""
        self._post(connection, commands.SetLimit(rate_bps))

    def set_loss_bound(self, connection: int, rate_bps: int) -> None:
        """Set the bound that receiver reports put on the path, for a client with `Feedback.RATES`."""
        self._post(connection, commands.SetLossBound(rate_bps))

    def close_connection(self, connection: int) -> None:
        """Free a connection's row; its encodings and subscriptions have been closed before."""
        self._queue.keep_until_applied(self._sessions.pop(connection, None))
        self._post(connection, commands.CloseConnection())
        self.addresses.close(connection)
        self._connections.give_back(connection)

    def open_track(self) -> int:
        """Take a row for a track that is published on, or relayed to, this shard. Raises CapacityError."""
        row = self._tracks.take()
        self._track_generations[row] = self._track_generations.get(row, 0) + 1
        self._post(row, commands.OpenTrack(self._track_generations[row]))
        return row

    def track_generation(self, track: int) -> int:
        """Return the generation of a track's row; tapped packets carry it, so that late ones do not pass for another
        track's.
        """
        return self._track_generations[track]

    def close_track(self, track: int) -> None:
        """Free a track's row; its encodings and subscriptions have been closed before."""
        self._post(track, commands.CloseTrack())
        self._tracks.give_back(track)

    def open_encoding(
        self,
        track: int,
        connection: int,
        *,
        mid: str,
        rid: str = "",
        ssrc: int = 0,
        payload_type: int,
        clock_rate: int,
        audio: bool,
        codec: PayloadFormat = PayloadFormat.OPAQUE,
        index: int = 0,
        redundant_type: int = 0,
        asks: bool = False,
        repairs: int = -1,
        resent: bool = False,
    ) -> int:
        """Take a row for one RTP stream of a track. Raises CapacityError.

        Args:
            ssrc: 0: to be learned from MID, RID (for a repair stream the repaired RID) or payload type.
            index: which Encoding of the track it is, 0 the lowest.
            redundant_type: payload type of RED around the codec's packets, 0: none.
            asks: give `Gap` and `Repaired` notices.
            resent: what is asked for comes again as it was, without RTX.
            repairs: the encoding whose packets this one repeats (RFC 4588), -1: it carries media.
        """
        row = self._encodings.take()
        self._post(
            row,
            commands.OpenEncoding(
                track=track,
                connection=connection,
                ssrc=ssrc or -1,
                payload_type=payload_type,
                redundant_type=redundant_type,
                audio=audio,
                codec=codec,
                index=index,
                asks=asks * (2 if resent else 1),
                repairs=repairs,
                clock_rate=clock_rate,
                mid=_name(mid),
                rid=_name(rid),
            ),
        )
        return row

    def close_encoding(self, encoding: int) -> None:
        """Free an encoding's row."""
        self._post(encoding, commands.CloseEncoding())
        self._encodings.give_back(encoding)

    def set_clock_offset(self, encoding: int, clock_offset: int) -> None:
        """Set an encoding's clock: its timestamps plus `clock_offset` are on its track's common clock."""
        self._post(encoding, commands.SetClockOffset(clock_offset))

    def open_subscription(
        self,
        track: int,
        connection: int,
        *,
        mid: str,
        ssrc: int,
        payload_type: int,
        redundant_type: int = 0,
        transport_cc: bool = True,
        pads: bool = False,
        cname: str = "",
    ) -> int:
        """Forward a track to a connection as `ssrc`; numbering starts at random. Raises CapacityError.

        `redundant_type`: the client's payload type of RED; 0: RED is unpacked for it. `transport_cc`: the packets carry
        transport-wide sequence numbers, if the connection has an id for them. `pads`: where it has no retransmission
        stream, probes of its path are packets of padding among its own. `cname`: its name in reports, at most
        `CNAME_BYTES` characters.
        """
        row = self._subscriptions.take()
        seed = self._rng.getrandbits(47)  # RFC 3550 section 5.1; not near the sequence's wrap, for early losses
        self._post(
            row,
            commands.OpenSubscription(
                track=track,
                connection=connection,
                ssrc=ssrc,
                payload_type=payload_type,
                redundant_type=redundant_type,
                transport_cc=transport_cc,
                pads=pads,
                seed_sequence=seed & 0x7FFF,
                seed_timestamp=seed >> 16,
                mid=_name(mid),
                cname=cname.encode("ascii"),
            ),
        )
        return row

    def move_subscription(self, subscription: int, track: int) -> None:
        """Go on with another track (-1: with nothing, for now) under the numbering that the client knows; video from
        the next key frame on.
        """
        self._post(subscription, commands.MoveSubscription(track))

    def close_subscription(self, subscription: int, *, goodbye: bool = False) -> None:
        """Stop forwarding and free the row; with `goodbye`, a client that has got sender reports is told by BYE."""
        self._post(subscription, commands.CloseSubscription(goodbye))
        self._subscriptions.give_back(subscription)
        self.repairs.release(subscription)

    def set_target(self, subscription: int, index: int, spatial: int, temporal: int) -> None:
        """Aim a video subscription at the Encoding `index`, and within it at Layer(spatial 0..3, temporal 0..7)."""
        self._post(subscription, commands.SetTarget(index, spatial, temporal))

    def tell_parameters(self, track: int, index: int, sets: Iterable[bytes]) -> None:
        """Tell H.264 parameter sets of a track's Encoding `index`, as NAL units, which SDP named."""
        if index >= PARAMETER_INDEXES:
            return
        for unit in sets:
            if not 0 < len(unit) <= LARGEST_SET_BYTES:
                continue
            parts = [unit[at : at + commands.PART_BYTES] for at in range(0, len(unit), commands.PART_BYTES)]
            for number, part in enumerate(parts):
                self._post(track, commands.TellSet(index, number == 0, number == len(parts) - 1, part))

    def set_paused(self, subscription: int, paused: bool) -> None:
        """Hold back, or forward again, a subscription's packets."""
        self._post(subscription, commands.SetPaused(paused))

    def set_tapped(self, track: int, encodings: int) -> None:
        """Copy the decrypted packets of some of a track's encodings to the tap ring: bit k for encoding k, 0: none."""
        self._post(track, commands.SetTap(encodings))

    def pass_report(self, track: int, index: int, ntp_time: int, rtp_timestamp: int) -> None:
        """Pass a publisher's sender report on the Encoding `index` of a track on to who is shown that, now and as the
        first report of who comes later. `ntp_time` is in 1/2^32 s.
        """
        self._post(track, commands.PassReport(index, ntp_time >> 32, ntp_time & MASK_32, rtp_timestamp))

    def forget_report(self, track: int, index: int) -> None:
        """Forget the last sender report on the Encoding `index`, since another source has taken its place."""
        self._post(track, commands.ForgetReport(index))

    def set_relay(self, track: int, shard: int, target: int) -> None:
        """Relay a track to `target`, its row on another shard (-1: stop)."""
        generation = self._planes[shard]._track_generations[target] if target >= 0 else 0
        self._post(track, commands.SetRelay(shard, target, generation))

    def rows_in_use(self) -> dict[str, int]:
        """Return the number of rows in use, by table."""
        return {rows.name: rows.taken for rows in self._all_rows()}

    def _all_rows(self) -> tuple[Rows, ...]:
        return self._connections, self._tracks, self._encodings, self._subscriptions, *self.repairs.rows


def _name(text: str) -> bytes:
    raw = text.encode("ascii")
    if len(raw) > NAME_BYTES:
        raise ValueError(f"MID or RID {text!r} is longer than {NAME_BYTES} characters")
    return raw
