"""What a packet says once it is passed on, whatever its sender has made it say."""

from __future__ import annotations

import pytest
from livekit.protocol.metrics import EventMetric, MetricSample, MetricsBatch, TimeSeriesMetric
from livekit.protocol.models import (
    ActiveSpeakerUpdate,
    ChatMessage,
    DataPacket,
    DataStream,
    EncryptedPacket,
    ParticipantInfo,
    RpcAck,
    RpcError,
    RpcRequest,
    RpcResponse,
    SipDTMF,
    SpeakerInfo,
    Transcription,
    UserPacket,
)

from tests.unit.signaling.livekit.data.hall import Hall

TEXT = DataStream.Header(
    stream_id="s", topic="t", total_length=3, attributes={"a": "b"}, text_header=DataStream.TextHeader()
)
BYTES = DataStream.Header(stream_id="s", byte_header=DataStream.ByteHeader(name="photo.png"))
KINDS: dict[str, DataPacket] = {
    "user": DataPacket(user=UserPacket(payload=b"x", topic="t", id="1", start_time=3, end_time=4)),
    "sip_dtmf": DataPacket(sip_dtmf=SipDTMF(code=1, digit="1")),
    "chat_message": DataPacket(chat_message=ChatMessage(id="1", timestamp=5, message="hello")),
    "rpc_request": DataPacket(rpc_request=RpcRequest(id="1", method="m", payload="p", version=1)),
    "rpc_ack": DataPacket(rpc_ack=RpcAck(request_id="1")),
    "rpc_response": DataPacket(rpc_response=RpcResponse(request_id="1", error=RpcError(code=1500))),
    "stream_header": DataPacket(stream_header=TEXT),
    "stream_chunk": DataPacket(stream_chunk=DataStream.Chunk(stream_id="s", chunk_index=1, content=b"abc")),
    "stream_trailer": DataPacket(stream_trailer=DataStream.Trailer(stream_id="s", reason="done")),
    "encrypted_packet": DataPacket(encrypted_packet=EncryptedPacket(iv=b"iv", key_index=1, encrypted_value=b"secret")),
}
"""What any participant may send to all."""
OTHERS = ("speaker", "transcription", "metrics")
TRANSCRIPT = DataPacket(transcription=Transcription(transcribed_participant_identity="carol", track_id="TR_x"))
SPEAKER = DataPacket(speaker=ActiveSpeakerUpdate(speakers=[SpeakerInfo(sid="PA_x", level=1.0, active=True)]))
NEWER = b"\xca\x3e\x02\x08\x01"  # field 1001


def copy(packet: DataPacket) -> DataPacket:
    return DataPacket.FromString(packet.SerializeToString())


def test_all_kinds_of_the_protocol_are_named_here() -> None:
    kinds = {field.name for field in DataPacket.DESCRIPTOR.oneofs_by_name["value"].fields}
    assert kinds == KINDS.keys() | OTHERS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reliable", [True, False])
def test_each_kind_reaches_the_others_as_it_was_sent(kind: str, reliable: bool) -> None:
    hall = Hall()
    alice, bob, carol = hall.enter("alice"), hall.enter("bob"), hall.enter("carol")
    (alice.reliable if reliable else alice.lossy).come(copy(KINDS[kind]))
    assert not alice.reliable.got and not alice.lossy.got
    for guest in (bob, carol):
        (packet,) = guest.reliable.packets if reliable else guest.lossy.packets
        assert not (guest.lossy.got if reliable else guest.reliable.got)
        assert (packet.participant_identity, packet.participant_sid) == ("alice", alice.sid)
        assert packet.kind == (DataPacket.Kind.RELIABLE if reliable else DataPacket.Kind.LOSSY)
        if kind == "user":
            assert (packet.user.participant_identity, packet.user.participant_sid) == ("alice", alice.sid)
            packet.user.participant_identity = packet.user.participant_sid = ""
        assert getattr(packet, kind) == getattr(KINDS[kind], kind)
    assert not hall.lost


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_sends_in_the_name_of_another(kind: str) -> None:
    hall = Hall()
    alice, bob, carol = hall.enter("alice"), hall.enter("bob"), hall.enter("carol")
    packet = copy(KINDS[kind])
    packet.participant_identity, packet.participant_sid = "carol", carol.sid
    if kind == "user":
        packet.user.participant_identity, packet.user.participant_sid = "carol", carol.sid
    alice.reliable.come(packet)
    (seen,) = bob.reliable.packets
    assert (seen.participant_identity, seen.participant_sid) == ("alice", alice.sid)
    assert (seen.user.participant_identity or "alice", seen.user.participant_sid or alice.sid) == ("alice", alice.sid)


@pytest.mark.parametrize("kind", KINDS)
def test_who_is_hidden_is_not_named(kind: str) -> None:
    hall = Hall()
    ghost, bob = hall.enter("ghost", hidden=True), hall.enter("bob")
    packet = copy(KINDS[kind])
    packet.participant_identity = "bob"
    ghost.reliable.come(packet)
    (seen,) = bob.reliable.packets
    assert (seen.participant_identity, seen.user.participant_identity, seen.user.participant_sid) == ("", "", "")
    bob.say(b"hello")
    assert len(ghost.reliable.got) == 1


@pytest.mark.parametrize("kind", [*KINDS, *OTHERS])
def test_who_may_not_publish_data_sends_nothing(kind: str) -> None:
    hall = Hall()
    mute, bob = hall.enter("mute", can_publish_data=False), hall.enter("bob", can_subscribe_metrics=True)
    packet = copy(KINDS.get(kind) or {"transcription": TRANSCRIPT, "speaker": SPEAKER}.get(kind) or make_metrics())
    mute.reliable.come(packet)
    mute.lossy.come(packet)
    assert not bob.reliable.got and not bob.lossy.got
    assert hall.lost == {"forged" if kind == "speaker" else "not_allowed": 2}


def test_a_right_that_is_taken_counts_from_then_on() -> None:
    hall = Hall()
    alice, bob = hall.enter("alice"), hall.enter("bob")
    alice.say(b"1")
    alice.participant.permission.can_publish_data = False
    alice.say(b"2")
    alice.participant.permission.can_publish_data = True
    alice.say(b"3")
    assert bob.heard == [b"1", b"3"]


def test_only_the_server_knows_who_speaks() -> None:
    hall = Hall()
    alice, bob = hall.enter("alice", agent=True), hall.enter("bob")
    alice.reliable.come(SPEAKER)
    alice.lossy.come(SPEAKER)
    assert not bob.reliable.got and not bob.lossy.got
    assert hall.lost == {"forged": 2}


@pytest.mark.parametrize("by_kind", [True, False])
def test_only_agents_transcribe(by_kind: bool) -> None:
    hall = Hall()
    alice, bob, agent = hall.enter("alice"), hall.enter("bob"), hall.enter("agent", agent=not by_kind)
    if by_kind:
        agent.participant.kind = ParticipantInfo.Kind.AGENT
    alice.reliable.come(TRANSCRIPT)
    agent.reliable.come(TRANSCRIPT)
    (seen,) = bob.reliable.packets
    assert (seen.participant_identity, seen.transcription) == ("agent", TRANSCRIPT.transcription)
    assert hall.lost == {"not_allowed": 1}


@pytest.mark.parametrize("kind", KINDS)
def test_agents_speak_for_others_in_chat_and_text_only_and_it_is_marked(kind: str) -> None:
    hall = Hall()
    bob, agent = hall.enter("bob"), hall.enter("agent", agent=True)
    packet = copy(KINDS[kind])
    packet.participant_identity = "carol"
    agent.reliable.come(packet)
    (seen,) = bob.reliable.packets
    assert seen.participant_sid == agent.sid
    assert seen.participant_identity == ("carol" if kind in ("chat_message", "stream_header") else "agent")
    if kind == "chat_message":
        assert seen.chat_message.generated
    if kind == "stream_header":
        assert seen.stream_header.text_header.generated
    agent.reliable.come(DataPacket(stream_header=BYTES, participant_identity="carol"))
    assert bob.reliable.packets[-1].participant_identity == "agent"


def test_what_newer_clients_say_is_passed_on() -> None:
    hall = Hall()
    alice, bob = hall.enter("alice"), hall.enter("bob")
    alice.reliable.come(NEWER + DataPacket(participant_identity="carol").SerializeToString())
    alice.reliable.come(NEWER + KINDS["user"].SerializeToString())
    first, second = bob.reliable.got
    assert NEWER in first and NEWER in second
    assert [packet.participant_identity for packet in bob.reliable.packets] == ["alice", "alice"]


@pytest.mark.parametrize(
    "message", [b"", b"\xff", b"\x12\x7f", b"plain text", DataPacket(sequence=1).SerializeToString()]
)
def test_what_is_no_packet_is_dropped_and_counted(message: bytes) -> None:
    hall = Hall()
    alice, bob = hall.enter("alice"), hall.enter("bob")
    alice.reliable.come(message)
    alice.lossy.come(message)
    alice.say(b"good", 1)
    assert bob.heard == [b"good"] and not bob.lossy.got
    assert sum(hall.losses[reason] for reason in ("malformed", "empty")) == 2


@pytest.mark.parametrize("field", ["destination_identities", "user.destination_identities", "user.destination_sids"])
def test_a_packet_names_a_bounded_number_of_receivers(field: str) -> None:
    hall = Hall()
    alice, bob = hall.enter("alice"), hall.enter("bob")
    for names in (["bob", *("x" * 1000)], ["bob", bob.sid, *("x" * 998)]):
        packet = copy(KINDS["user"])
        inner = packet.user if field.startswith("user.") else packet
        getattr(inner, field.removeprefix("user.")).extend(names)
        alice.reliable.come(packet)
    assert len(bob.reliable.got) == 1
    assert hall.lost == {"too_many_destinations": 1}


def make_metrics(at: int = 5_000_000, *, event: bool = True) -> DataPacket:
    series = TimeSeriesMetric(label=1, samples=[MetricSample(timestamp_ms=at - 500, value=1.0)])
    ended = EventMetric(label=2, start_timestamp_ms=at - 400, end_timestamp_ms=at - 300)
    begun = EventMetric(label=2, start_timestamp_ms=at - 400)
    return DataPacket(
        metrics=MetricsBatch(timestamp_ms=at, time_series=[series], events=[ended, begun] if event else [])
    )


def test_metrics_go_to_those_who_may_have_them_with_times_of_our_clock() -> None:
    hall = Hall()
    alice, bob = hall.enter("alice", can_subscribe_metrics=True), hall.enter("bob")
    carol = hall.enter("carol", can_subscribe_metrics=True)
    packet = make_metrics()
    packet.destination_identities.append("bob")
    alice.reliable.come(packet)
    assert not bob.reliable.got
    for guest in (alice, carol):  # its sender, too
        (seen,) = guest.reliable.packets
        assert seen.participant_identity == "alice"
        batch = seen.metrics
        times = [
            batch.normalized_timestamp,
            batch.time_series[0].samples[0].normalized_timestamp,
            batch.events[0].normalized_start_timestamp,
            batch.events[0].normalized_end_timestamp,
        ]
        now = int(hall.now * 1000)
        assert [each.ToMilliseconds() - now for each in times] == [0, -500, -400, -300]
        assert not batch.events[1].HasField("normalized_end_timestamp")


@pytest.mark.parametrize("at", [-1, 1 << 62, -(1 << 63)])
def test_metrics_of_no_time_are_dropped(at: int) -> None:
    hall = Hall()
    alice, bob = hall.enter("alice"), hall.enter("bob", can_subscribe_metrics=True)
    alice.reliable.come(DataPacket(metrics=MetricsBatch(timestamp_ms=at)))
    late = make_metrics(event=False)
    late.metrics.time_series[0].samples[0].timestamp_ms = at
    alice.reliable.come(late)
    assert not bob.reliable.got
    assert hall.lost == {"malformed": 2}
