"""Whatever bytes a client sends: they are dropped and counted, or passed on in its own name."""

from __future__ import annotations

import random

import pytest
from livekit.protocol.metrics import MetricsBatch, TimeSeriesMetric
from livekit.protocol.models import (
    ActiveSpeakerUpdate,
    ChatMessage,
    DataPacket,
    DataStream,
    RpcResponse,
    SpeakerInfo,
    Transcription,
    UserPacket,
)

from sfu.signaling.livekit.data.rpc import Calls
from tests.unit.signaling.livekit.data.hall import Hall

SEEDS = [
    DataPacket(user=UserPacket(payload=b"x", participant_identity="carol", destination_sids=["PA_bob"]), sequence=7),
    DataPacket(chat_message=ChatMessage(id="1", message="hello"), participant_identity="carol"),
    DataPacket(speaker=ActiveSpeakerUpdate(speakers=[SpeakerInfo(sid="PA_bob")]), destination_identities=["bob"]),
    DataPacket(transcription=Transcription(track_id="TR_x")),
    DataPacket(metrics=MetricsBatch(timestamp_ms=1, time_series=[TimeSeriesMetric(label=1)])),
    DataPacket(rpc_response=RpcResponse(request_id="1", payload="x")),
    DataPacket(stream_header=DataStream.Header(stream_id="s", text_header=DataStream.TextHeader()), sequence=8),
    DataPacket(participant_sid="PA_carol", participant_identity="carol", sequence=1 << 31),
]


def mutate(chance: random.Random) -> bytes:
    message = bytearray(chance.choice(SEEDS).SerializeToString())
    for _ in range(chance.randrange(1, 5)):
        match chance.randrange(4):
            case 0:
                message[chance.randrange(len(message))] = chance.randrange(256)
            case 1:
                message.insert(chance.randrange(len(message) + 1), chance.randrange(256))
            case 2:
                message += chance.choice(SEEDS).SerializeToString()
            case 3:
                del message[chance.randrange(1, len(message) + 1) :]
    return bytes(message)


@pytest.mark.parametrize("seed", range(5))
def test_mutated_packets_are_lost_or_told_truly(seed: int) -> None:
    chance = random.Random(seed)
    hall = Hall(data_burst=1_000_000)
    calls = Calls(hall.exchange)
    hall.exchange.intercept = calls.settle
    alice, bob = hall.enter("alice"), hall.enter("bob", can_subscribe_metrics=True)
    for _ in range(2000):
        (alice.reliable if chance.random() < 0.5 else alice.lossy).come(mutate(chance))
    passed = [*bob.reliable.packets, *bob.lossy.packets]
    assert len(passed) > 100 and sum(hall.lost.values()) > 100
    for packet in passed:
        assert (packet.participant_identity, packet.participant_sid) == ("alice", alice.sid)
        assert packet.WhichOneof("value") not in ("speaker", "transcription")
        if packet.HasField("user"):
            assert (packet.user.participant_identity, packet.user.participant_sid) == ("alice", alice.sid)
    numbers = [packet.sequence for packet in bob.reliable.packets if packet.sequence]
    assert numbers == sorted(set(numbers))
    assert hall.lost.keys() <= {"malformed", "empty", "forged", "not_allowed", "repeated"}


def test_a_large_packet_of_many_small_parts_is_passed_on_or_dropped() -> None:
    hall = Hall()
    alice, bob = hall.enter("alice"), hall.enter("bob")
    attributes = {str(index): "" for index in range(20_000)}
    nested = DataPacket(stream_header=DataStream.Header(stream_id="s", attributes=attributes))
    alice.reliable.come(nested)
    alice.reliable.come(DataPacket(user=UserPacket(destination_identities=[""] * 100_000)))
    assert len(bob.reliable.got) == 1
    assert hall.lost == {"too_many_destinations": 1}
