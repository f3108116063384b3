"""What an SDK encrypts from end to end passes untouched: its key opens what others receive, and what was recorded."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from livekit import api, rtc

from sfu.recording.clusters import read_blocks, read_layout
from sfu.recording.reader import RecordSource, read_record
from sfu.recording.verify import Outcome, verify_record
from tests.interop.livekit.server_api.node import PATIENCE_S, Node, Receiver, token, until

pytestmark = [pytest.mark.stable, pytest.mark.asyncio(loop_scope="session")]

PASSWORD = b"a-password-that-the-server-does-not-know"
WIDTH, HEIGHT = 320, 180
IN_THE_CLEAR = {"opus": (1, 1), "VP8": (10, 3), "VP9": (0, 0)}
"""Octets before the ciphertext: of key frames, and of others."""
CODECS = {"H264": rtc.VideoCodec.H264, "VP8": rtc.VideoCodec.VP8, "VP9": rtc.VideoCodec.VP9}
PICTURES = 25
START_CODE = b"\0\0\0\1"
SLICES = (1, 5)
"""Types of NAL units (H.264, table 7-1)."""


def make_key() -> AESGCM:
    """As the SDK derives it from a shared password (`LKFrameEncryptionKey` is its salt)."""
    derivation = PBKDF2HMAC(SHA256(), length=16, salt=b"LKFrameEncryptionKey", iterations=100_000)
    return AESGCM(derivation.derive(PASSWORD))


def decrypt(key: AESGCM, frame: bytes, clear: int) -> bytes:
    """A frame ends with the initialisation vector, its length, and the key's index; raises InvalidTag."""
    vector = frame[-2]
    body, nonce = frame[clear : -2 - vector], frame[-2 - vector : -2]
    return key.decrypt(nonce, body, frame[:clear])


def restore_stream(unit: bytes) -> tuple[bytes, int]:
    """An access unit of H.264 as it was encrypted, and how many octets are in the clear: two of its first slice, too.

    A file has lengths in the place of start codes; what was encrypted is escaped, so that none shows up in it.
    """
    stream, at = b"", 0
    while at < len(unit):
        size = int.from_bytes(unit[at : at + 4])
        nal, at = unit[at + 4 : at + 4 + size], at + 4 + size
        stream += START_CODE
        if nal[0] & 0x1F in SLICES:
            clear = len(stream) + 2
            return stream + nal[:2] + nal[2:].replace(b"\0\0\3", b"\0\0"), clear
        stream += nal
    raise AssertionError("a picture without a slice")


def frames_of(source: RecordSource) -> list[tuple[bytes, bool]]:
    with source.file.open("rb") as file:
        blocks = [block for cluster in read_layout(file).clusters for block in read_blocks(file, cluster)]
        found = []
        for block in blocks:
            file.seek(block.offset)
            found.append((file.read(block.size), block.key))
    return found


@contextlib.asynccontextmanager
async def entered(node: Node, room: str, identity: str) -> AsyncIterator[rtc.Room]:
    """With the password."""
    encryption = rtc.E2EEOptions()
    encryption.key_provider_options.shared_key = PASSWORD
    client = rtc.Room()
    url = node.url.replace("http", "ws")
    await client.connect(url, token(room, identity), rtc.RoomOptions(encryption=encryption))
    try:
        yield client
    finally:
        await client.disconnect()


async def publish(room: rtc.Room, codec: str) -> asyncio.Task[None]:
    """A picture that moves, and a tone."""
    video, audio = rtc.VideoSource(WIDTH, HEIGHT), rtc.AudioSource(48000, 1)
    camera = rtc.LocalVideoTrack.create_video_track("camera", video)
    microphone = rtc.LocalAudioTrack.create_audio_track("microphone", audio)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_CAMERA, simulcast=False, video_codec=CODECS[codec])
    await room.local_participant.publish_track(camera, options)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    await room.local_participant.publish_track(microphone, options)
    tone = (np.sin(2 * np.pi * 500 * np.arange(1920) / 48000) * 10000).astype(np.int16).tobytes()
    picture = np.zeros((HEIGHT, WIDTH, 4), np.uint8)

    async def play() -> None:
        for number in range(1 << 30):
            picture[:, : WIDTH // 2] = 5 * number % 256
            video.capture_frame(rtc.VideoFrame(WIDTH, HEIGHT, rtc.VideoBufferType.RGBA, picture.tobytes()))
            await audio.capture_frame(rtc.AudioFrame(tone, 48000, 1, 1920))

    return asyncio.ensure_future(play())


async def count_pictures(track: rtc.RemoteTrack, wanted: int) -> None:
    seen = 0
    async with asyncio.timeout(PATIENCE_S):
        async for _ in rtc.VideoStream(track):
            seen += 1
            if seen == wanted:
                return


@pytest.mark.parametrize("codec", sorted(CODECS))
async def test_who_has_the_key_can_open_what_is_received_and_recorded(
    lk: api.LiveKitAPI, node: Node, receiver: Receiver, tmp_path: Path, codec: str
) -> None:
    name = f"secret-{codec}"
    states: list[int] = []
    async with entered(node, name, "alice") as alice, entered(node, name, "bob") as bob:
        tracks: asyncio.Queue[rtc.RemoteTrack] = asyncio.Queue()
        bob.on("track_subscribed", lambda each, *_: each.kind == rtc.TrackKind.KIND_VIDEO and tracks.put_nowait(each))
        bob.on("e2ee_state_changed", lambda _, state: states.append(state))
        task = await publish(alice, codec)
        try:
            request = api.RoomCompositeEgressRequest(
                room_name=name, file_outputs=[api.EncodedFileOutput(filepath=f"{name}.mp4")]
            )
            info = await lk.egress.start_room_composite_egress(request)
            await until(lambda: states.count(rtc.EncryptionState.OK) == 2)
            await count_pictures(await tracks.get(), PICTURES)
            await lk.egress.stop_egress(api.StopEgressRequest(egress_id=info.egress_id))
            await until(lambda: "egress_ended" in receiver.names(name))
        finally:
            task.cancel()
    assert set(states) == {rtc.EncryptionState.OK}
    (ended,) = (await lk.egress.list_egress(api.ListEgressRequest(egress_id=info.egress_id))).items
    assert ended.status == api.EgressStatus.EGRESS_FAILED
    assert "encrypted from end to end" in ended.error
    record = node.folder / "records" / ended.details.removeprefix("record ").partition(", ")[0]
    verdict = verify_record(record, node.key.public)
    assert verdict.outcome is Outcome.INTACT
    sources = read_record(record).sources
    assert sorted((each.kind, each.encryption) for each in sources) == [("audio", "GCM"), ("video", "GCM")]
    assert verdict.encrypted == {f"media/{each.file.name}": "GCM" for each in sources}
    key = make_key()
    for source in sources:
        frames = frames_of(source)
        assert len(frames) > PICTURES // 2
        assert frames[0][1]
        for frame, is_key in frames:
            sent, clear = (
                restore_stream(frame) if source.codec == "H264" else (frame, IN_THE_CLEAR[source.codec][not is_key])
            )
            assert decrypt(key, sent, clear)
