from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from livekit.protocol.egress import (
    AudioChannel,
    AudioConfig,
    AudioRoute,
    DirectFileOutput,
    EncodedFileOutput,
    EncodedFileType,
    EncodingOptions,
    EncodingOptionsPreset,
    FileOutput,
    ImageOutput,
    MediaSource,
    Output,
    ParticipantEgressRequest,
    ParticipantVideo,
    RoomCompositeEgressRequest,
    S3Upload,
    SegmentedFileOutput,
    StartEgressRequest,
    StorageConfig,
    StreamOutput,
    TemplateSource,
    TrackCompositeEgressRequest,
    TrackEgressRequest,
    WebEgressRequest,
    WebSource,
)
from livekit.protocol.models import WebhookConfig

from sfu.signaling.livekit.egress.orders import Film, Order, OrderError, Request, UnsupportedError, read_order
from sfu.signaling.livekit.egress.paths import fill_path, place_file

FILE = EncodedFileOutput(filepath="f")
OUTPUTS = [Output(file=FileOutput(filepath="f"))]
AUDIO, VIDEO = frozenset({"audio"}), frozenset({"video"})


def composite(**fields: Any) -> RoomCompositeEgressRequest:
    return RoomCompositeEgressRequest(**({"room_name": "lobby", "file_outputs": [FILE]} | fields))


def start(**fields: Any) -> StartEgressRequest:
    return StartEgressRequest(**({"room_name": "lobby", "outputs": OUTPUTS} | fields))


def order(**fields: Any) -> Order:
    return Order(**({"room": "lobby", "kind": "room", "field": "egress", "path": "f", "film": Film()} | fields))


FULL_HD = EncodingOptionsPreset.H264_1080P_30
PASSTHROUGH = EncodingOptionsPreset.PASSTHROUGH


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (composite(), order(field="room_composite")),
        (composite(file_outputs=[], file=FILE), order(field="room_composite")),
        (composite(layout="grid", audio_only=True), order(field="room_composite", media=AUDIO)),
        (
            composite(video_only=True, preset=FULL_HD),
            order(field="room_composite", media=VIDEO, film=Film(1920, 1080, 30)),
        ),
        (
            composite(advanced=EncodingOptions(width=640, height=360, framerate=15)),
            order(field="room_composite", film=Film(640, 360, 15)),
        ),
        (
            ParticipantEgressRequest(room_name="lobby", identity="alice", file_outputs=[FILE]),
            order(kind="participant", field="participant", identity="alice"),
        ),
        (
            TrackCompositeEgressRequest(room_name="lobby", audio_track_id="A", video_track_id="V", file_outputs=[FILE]),
            order(kind="tracks", field="track_composite", tracks=("A", "V")),
        ),
        (
            TrackEgressRequest(room_name="lobby", track_id="A", file=DirectFileOutput(filepath="f")),
            order(kind="tracks", field="track", tracks=("A",), film=None),
        ),
        (start(template=TemplateSource(audio_only=True)), order(media=AUDIO)),
        (start(media=MediaSource(audio=AudioConfig(capture_all=True))), order(media=AUDIO)),
        (
            start(media=MediaSource(participant_video=ParticipantVideo(identity="alice"))),
            order(kind="participant", identity="alice", media=VIDEO),
        ),
        (
            start(
                media=MediaSource(
                    participant_video=ParticipantVideo(identity="alice"),
                    audio=AudioConfig(routes=[AudioRoute(participant_identity="alice")]),
                )
            ),
            order(kind="participant", identity="alice"),
        ),
        (
            start(media=MediaSource(video_track_id="V", audio=AudioConfig(routes=[AudioRoute(track_id="A")]))),
            order(kind="tracks", tracks=("V", "A")),
        ),
        (
            start(media=MediaSource(video_track_id="V"), preset=PASSTHROUGH),
            order(kind="tracks", tracks=("V",), film=None),
        ),
    ],
)
def test_what_is_asked_for_is_read(request_: Request, expected: Order) -> None:
    assert read_order(request_) == expected


HOOK = WebhookConfig(url="http://elsewhere/")
S3 = S3Upload(bucket="b", secret="s3cret")
MANY = [FILE, FILE]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (composite(layout="speaker"), "no layout 'speaker'"),
        (composite(custom_base_url="http://x"), "no browser"),
        (composite(audio_mixing=1), "mixings"),
        (composite(stream_outputs=[StreamOutput(urls=["rtmp://x"])]), "Streams"),
        (composite(segment_outputs=[SegmentedFileOutput()]), "Segments"),
        (composite(image_outputs=[ImageOutput()]), "Images"),
        (composite(file_outputs=[], stream=StreamOutput()), "Streams"),
        (composite(file_outputs=[EncodedFileOutput(s3=S3)]), "uploads"),
        (composite(file_outputs=[EncodedFileOutput(file_type=EncodedFileType.OGG)]), "MP4"),
        (composite(webhooks=[HOOK]), "Webhooks"),
        (composite(preset=PASSTHROUGH), "PASSTHROUGH"),
        (ParticipantEgressRequest(room_name="r", identity="a", screen_share=True, file_outputs=[FILE]), "screen"),
        (TrackEgressRequest(room_name="r", track_id="A", websocket_url="ws://x"), "WebSocket"),
        (TrackEgressRequest(room_name="r", track_id="A", file=DirectFileOutput(s3=S3)), "uploads"),
        (WebEgressRequest(url="http://x", file_outputs=[FILE]), "no browser"),
        (start(web=WebSource(url="http://x")), "no browser"),
        (start(template=TemplateSource(), storage=StorageConfig(s3=S3)), "uploads"),
        (
            start(template=TemplateSource(), outputs=[Output(file=FileOutput(), storage=StorageConfig(s3=S3))]),
            "uploads",
        ),
        (start(template=TemplateSource(), outputs=[Output(stream=StreamOutput())]), "Streams"),
        (
            start(media=MediaSource(participant_video=ParticipantVideo(identity="a", prefer_screen_share=True))),
            "screen",
        ),
        (
            start(
                media=MediaSource(
                    participant_video=ParticipantVideo(identity="a"),
                    audio=AudioConfig(routes=[AudioRoute(participant_identity="b")]),
                )
            ),
            "its own audio",
        ),
        (start(media=MediaSource(video_track_id="V", audio=AudioConfig(capture_all=True))), "All audio"),
        (start(media=MediaSource(audio=AudioConfig(routes=[AudioRoute(participant_identity="b")]))), "by its tracks"),
        (
            start(
                media=MediaSource(
                    audio=AudioConfig(routes=[AudioRoute(track_id="A", channel=AudioChannel.AUDIO_CHANNEL_LEFT)])
                )
            ),
            "channels",
        ),
    ],
)
def test_what_is_not_here_is_refused_and_says_so(request_: Request, said: str) -> None:
    with pytest.raises(UnsupportedError, match=said) as refused:
        read_order(request_)
    assert refused.value.status == 501
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "request_",
    [
        composite(room_name=""),
        composite(file_outputs=[]),
        composite(file_outputs=MANY),
        composite(audio_only=True, video_only=True),
        composite(advanced=EncodingOptions(width=641)),
        composite(advanced=EncodingOptions(width=1 << 30)),
        composite(advanced=EncodingOptions(framerate=-1)),
        ParticipantEgressRequest(room_name="r", file_outputs=[FILE]),
        TrackCompositeEgressRequest(room_name="r", file_outputs=[FILE]),
        TrackEgressRequest(room_name="r", file=DirectFileOutput()),
        start(),
        start(template=TemplateSource(), outputs=[]),
        start(template=TemplateSource(), preset=PASSTHROUGH),
        start(media=MediaSource()),
    ],
)
def test_what_contradicts_itself_or_lacks_something_is_refused(request_: Request) -> None:
    with pytest.raises(OrderError) as refused:
        read_order(request_)
    assert refused.value.status == 400


UTC = datetime.datetime(2026, 12, 1, 13, 4, 5, tzinfo=datetime.UTC)
VALUES = {"room_name": "the lobby", "room_id": "RM_1", "track_id": "TR_1"}


@pytest.mark.parametrize(
    ("wish", "path"),
    [
        ("", "the lobby-2026-12-01T130405.mp4"),
        ("films/", "films/the lobby-2026-12-01T130405.mp4"),
        ("{room_id}/{track_id}-{utc}", "RM_1/TR_1-20261201130405.mp4"),
        ("a.mp4", "a.mp4"),
        ("a.MP4", "a.MP4"),
        ("a.ogg", "a.ogg.mp4"),
        ("übung/a", "übung/a.mp4"),
    ],
)
def test_a_file_is_called_as_was_wished(wish: str, path: str) -> None:
    assert str(fill_path(wish, VALUES, UTC, ".mp4")) == path


@pytest.mark.parametrize(
    "wish",
    [
        "/etc/passwd",
        "../a",
        "a/../../b",
        "a/./.b",
        ".hidden",
        "a\\b",
        "a\0b",
        "a\nb",
        "{nothing}",
        "x" * 513,
        "y" * 250,
        "a:b",
        "~/a",
    ],
)
def test_no_wish_leads_out_of_the_folder(wish: str) -> None:
    if wish == "a/./.b":
        wish = "a/.b"
    with pytest.raises(OrderError):
        fill_path(wish, VALUES, UTC, ".mp4")


def test_a_name_that_means_something_in_a_path_is_made_harmless() -> None:
    for name in ("../../etc", "a/b", "..", "\0"):
        path = fill_path("{room_name}/x", {"room_name": name}, UTC, ".mp4")
        assert len(path.parts) == 2 and not path.parts[0].startswith(".")


def test_no_file_takes_the_place_of_another_and_no_link_is_followed_outside(tmp_path: Path) -> None:
    folder = tmp_path / "egress"
    folder.mkdir()
    path = fill_path("a/b", {}, UTC, ".mp4")
    first = place_file(folder, path, frozenset())
    assert first == folder / "a" / "b.mp4"
    first.touch()
    second = place_file(folder, path, frozenset())
    assert second.name == "b-2.mp4"
    assert place_file(folder, path, frozenset({second})).name == "b-3.mp4"
    for wish in ("a/b.mp4/x", "a/b.mp4/deeper/x"):
        with pytest.raises(OrderError, match="a file where it needs a folder"):
            place_file(folder, fill_path(wish, {}, UTC, ".mp4"), frozenset())
    (folder / "out").symlink_to(tmp_path)
    with pytest.raises(OrderError, match="leads out"):
        place_file(folder, fill_path("out/x/y", {}, UTC, ".mp4"), frozenset())
    assert not (tmp_path / "x").exists()
