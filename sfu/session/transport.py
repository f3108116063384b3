"""One connection's transport: its Endpoint, row in the plane, RTCP cipher and data channels, kept in step."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from sfu.media.forwarding import capacity_checked
from sfu.negotiation import LocalTransport, RemoteTransport
from sfu.session.data_channels import DataChannels
from sfu.shard.environment import Environment
from sfu.shard.shard import Member, Shard
from sfu.transport import (
    Address,
    AddressesChanged,
    Closed,
    Connected,
    Endpoint,
    IceCredentials,
    RoutineChanged,
    RoutineChecks,
    RtcpCipher,
    new_inbound,
    new_outbound,
)

_log = logging.getLogger("sfu.session.transport")

_FIRST_BEHIND_STUN = b"\x04"
"""Datagrams of STUN begin with an octet below (RFC 7983)."""


class Transport:
    """One connection's ICE, DTLS and row in the plane; `close` ends it and frees the row."""

    def __init__(
        self, shard: Shard, environment: Environment, data: DataChannels, *, report_ssrc: int, cname: str
    ) -> None:
        """`report_ssrc` and `cname` are ours in what the plane reports to the client. May raise ServerFullError."""
        self.shard = shard
        self.connected = False
        self.closed_reason = ""
        """Why the endpoint closed by itself; empty while it has not."""
        self._environment = environment
        self._data = data
        self._dtls_client = False
        self._address: Address | None = None
        self._local = b""
        self._cipher: RtcpCipher | None = None
        with capacity_checked():
            self.row = shard.plane.open_connection(report_ssrc=report_ssrc, cname=cname)
        self._endpoint = Endpoint(
            identity=environment.identity,
            credentials=self._new_credentials(),
            profiles=environment.profiles,
            consent_timeout=environment.config.consent_timeout,
            handshake_timeout=environment.config.handshake_timeout,
            now=environment.clock(),
            find_origin=shard.find_origin,
            transactions=shard.plane.checks.memory(self.row),
        )

    @property
    def local(self) -> LocalTransport:
        """Our side of the transport, as SDP describes it."""
        credentials = self._endpoint.credentials
        fingerprint = ("sha-256", self._environment.identity.fingerprint)
        return LocalTransport(credentials.ufrag, credentials.pwd, fingerprint, self.shard.candidates)

    @property
    def drops(self) -> Mapping[str, int]:
        """What its endpoint and its data channels have dropped, by reason."""
        return {**self._endpoint.drops, **self._data.drops}

    def local_ufrags(self) -> list[str]:
        """Return our ICE user fragments that connectivity checks may name."""
        return self._endpoint.local_ufrags()

    def set_remote(self, remote: RemoteTransport) -> None:
        """Take over what the client's SDP says of its side."""
        self._dtls_client = remote.dtls_client
        self._endpoint.set_remote(
            ufrag=remote.ufrag,
            pwd=remote.pwd,
            fingerprints=remote.fingerprints,
            dtls_client=remote.dtls_client,
        )

    def restart_ice(self) -> None:
        """Choose new local credentials; the old ones stay valid until the client uses the new."""
        self.shard.plane.checks.leave(self.row)
        self._endpoint.restart_ice(self._new_credentials())

    def handle_datagram(self, data: bytes, address: Address, now: float, local: bytes = b"") -> None:
        """Handle a datagram of STUN or DTLS that came to a local address of ours."""
        if data[:1] < _FIRST_BEHIND_STUN:
            self._note_signs()
        self._endpoint.handle_datagram(data, address, now, local)

    def handle_timeout(self, now: float) -> None:
        """Do what is due in the endpoint, which is told first where media and checks came from."""
        due = self._endpoint.poll_timeout()
        if due is not None and due <= now:
            self._note_signs()
        self._endpoint.handle_timeout(now)
        self._data.transport.handle_timeout(now)

    def handle_stall(self, now: float) -> None:
        """Extend the deadlines after this process stood still: what was not read in that time is not the client's
        fault.
        """
        self._endpoint.handle_stall(now)

    def forget_address(self, address: Address) -> None:
        """Give up an address, where another connection's client has proved to be."""
        self._note_signs()
        self._endpoint.forget_address(address)

    def poll_timeout(self) -> float | None:
        """The next deadline of the endpoint, and of the data channels."""
        due = (self._endpoint.poll_timeout(), self._data.transport.poll_timeout())
        return min((each for each in due if each is not None), default=None)

    def take_data(self, taken: bool) -> None:
        """Let data channels through, or not."""
        if taken is not self._endpoint.takes_data:
            self._endpoint.takes_data = taken
            self.shard.plane.set_data(self.row, taken=taken)

    def flush(self, member: Member, now: float) -> bool:
        """Send what the endpoint has to send, take over what it has found; return whether it connected just now.

        When the endpoint has closed, `closed_reason` is set.
        """
        plane = self.shard.plane
        fresh = False
        while (event := self._endpoint.poll_event()) is not None:
            if isinstance(event, AddressesChanged):
                self._address, self._local = event.selected, event.local
                self.shard.set_addresses(member, event.verified, event.selected, event.local)
            elif isinstance(event, RoutineChanged):
                self._pass_routine(event.checks)
            elif isinstance(event, Connected):
                keys = event.keys
                self._cipher = RtcpCipher(keys)
                plane.set_keys(self.row, new_inbound(keys.profile, keys.remote), new_outbound(keys.profile, keys.local))
                self.connected = fresh = True
            elif isinstance(event, Closed):
                self.closed_reason = event.reason.value
                if event.detail:
                    _log.info("endpoint closed", extra={"reason": event.reason.value, "detail": event.detail})
        if self._endpoint.takes_data:
            self._pass_data(now)
        self._transmit()
        return fresh

    def flush_data(self) -> None:
        """Send what the data channels have to send."""
        while (packet := self._data.transport.poll_transmit()) is not None:
            self._endpoint.send_data(packet)
        self._transmit()

    def send_rtcp(self, packet: bytes) -> None:
        """Protect and send a compound packet under our SSRC as a receiver (transport/srtp.py: no other's index is
        counted here); do nothing before the client is connected.
        """
        if self._cipher is None or self._address is None:
            return
        self.shard.plane.send(self._cipher.protect(packet), self._address, self._local)

    def close(self, now: float) -> None:
        """Tell the client, and free the row. Its Encodings and Subscriptions must be closed already."""
        self._endpoint.close(now)
        self._transmit()
        self.connected = False
        self._cipher = None
        self.shard.plane.close_connection(self.row)
        self.shard.keep_drops(self.drops)

    def _note_signs(self) -> None:
        """Tell the endpoint what the plane knows of where the client was heard."""
        addresses = self.shard.plane.addresses
        for address, when in addresses.heard(self.row):
            self._endpoint.note_media(address, when)
        for address, when in addresses.checked(self.row):
            self._endpoint.note_check(address, when)

    def _pass_routine(self, checks: RoutineChecks | None) -> None:
        """Let the plane answer these checks, and no others."""
        if checks is None:
            self.shard.plane.checks.leave(self.row)
            return
        self.shard.plane.checks.answer(
            self.row,
            ufrag=checks.credentials.ufrag,
            pwd=checks.credentials.pwd,
            remote_ufrag=checks.remote_ufrag,
            nominated=checks.nominated,
        )

    def _pass_data(self, now: float) -> None:
        """Bring records and data channels together, once there are both."""
        transport, section = self._data.transport, self._data.section
        if self.connected and section is not None and not transport.started:
            transport.start(
                client=self._dtls_client, remote_port=section.port, most_octets=section.max_message_size, now=now
            )
        while (record := self._endpoint.poll_data()) is not None:
            transport.handle_record(record, now)
        while (packet := transport.poll_transmit()) is not None:
            self._endpoint.send_data(packet)

    def _transmit(self) -> None:
        while (transmit := self._endpoint.poll_transmit()) is not None:
            self.shard.plane.send(*transmit)

    def _new_credentials(self) -> IceCredentials:
        return IceCredentials.generate(self._environment.rng.randbytes)
