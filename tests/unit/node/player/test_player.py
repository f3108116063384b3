"""The player's server: who may ask, what of a file is answered, and what is said of a file that is broken."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import io
import itertools
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from sfu.node.http.page_headers import APART
from sfu.node.player.app import Player, create_player_app
from sfu.node.player.ranges import PART_BYTES
from sfu.node.player.sound import SILENCE, fill, measure_opus
from sfu.recording.reader import read_record
from sfu.recording.recover import recover_record
from sfu.recording.signing import PublicKey, SigningKey, load_public_key
from tests.recorded.hearing import MARKS, build_hearing
from tests.recorded.media import Take
from tests.recorded.record import Source, build_record
from tests.recording_samples import begin_record

TOKEN = "a-token-that-nobody-guesses"
PORT = 4321
HOST = f"127.0.0.1:{PORT}"


@pytest.fixture(scope="module")
def hearing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record. Tests that change it take a copy."""
    path = tmp_path_factory.mktemp("player") / "record"
    build_hearing(path)
    return path


@contextlib.asynccontextmanager
async def serve(path: Path, key: PublicKey | None = None) -> AsyncIterator[tuple[httpx.AsyncClient, Player]]:
    player = Player(read_record(path), key)
    transport = httpx.ASGITransport(create_player_app(player, TOKEN, PORT))
    try:
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}/{TOKEN}/") as client:
            yield client, player
    finally:
        await player.close()
    assert not player.media_cache.folder.exists()


@pytest.fixture
async def http(hearing: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with serve(hearing) as (client, _):
        yield client


@pytest.fixture
def copy(hearing: Path, tmp_path: Path) -> Path:
    """The record once more, to be broken."""
    return Path(shutil.copytree(hearing, tmp_path / "copy"))


def list_files(path: Path) -> dict[str, tuple[int, int]]:
    return {
        str(each.relative_to(path)): (each.stat().st_size, each.stat().st_mtime_ns)
        for each in path.rglob("*")
        if each.is_file()
    }


async def fetch_whole(http: httpx.AsyncClient, number: int) -> bytes:
    answer = await http.get(f"media/{number}")
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) == len(answer.content)
    return answer.content


async def wait_for_verdict(http: httpx.AsyncClient) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            found: dict[str, Any] = (await http.get("verification.json")).json()
            if found["state"] != "checking":
                return found
            await asyncio.sleep(0.01)


# -- Who may ask -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (f"/{TOKEN}/", {}, 200),
        (f"/{TOKEN}/", {"host": f"localhost:{PORT}"}, 200),
        (f"/{TOKEN}/record.json", {"sec-fetch-site": "same-origin"}, 200),
        (f"/{TOKEN}/", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 200),
        ("/", {}, 404),
        ("/record.json", {}, 404),
        (f"/{TOKEN}", {}, 404),
        (f"/{TOKEN}x/record.json", {}, 404),
        (f"/{TOKEN[:-1]}/record.json", {}, 404),
        ("/\u00e9/record.json", {}, 404),
        (f"/{TOKEN}/record.json", {"host": "evil.example"}, 421),
        (f"/{TOKEN}/record.json", {"host": f"evil.example:{PORT}"}, 421),
        (f"/{TOKEN}/record.json", {"host": "127.0.0.1"}, 421),
        (f"/{TOKEN}/record.json", {"host": "127.0.0.1:80"}, 421),
        (f"/{TOKEN}/record.json", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
        (f"/{TOKEN}/media/1", {"sec-fetch-site": "same-site"}, 403),
    ],
)
async def test_only_the_printed_address_is_answered(
    http: httpx.AsyncClient, path: str, headers: dict[str, str], status: int
) -> None:
    answer = await http.get(f"http://{HOST}{path}", headers=headers)
    assert answer.status_code == status
    assert "access-control-allow-origin" not in answer.headers


async def test_no_other_origin_may_use_an_answer(http: httpx.AsyncClient) -> None:
    for path in ("", "record.json", "main.js", "media/1", "shared/style.css"):
        answer = await http.get(path, headers={"origin": "https://evil.example"})
        assert answer.status_code == 200
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert set(APART.items()) <= {(name, answer.headers.get(name)) for name in APART}
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "media/99", "media/0", "media/-1", "media/1/../../ledger.jsonl", "media/001-audio.mkv", "ledger.jsonl",
        "%2e%2e/app.py", "shared/%2e%2e/cli.py", "..%2f..%2fcli.py", "shared/..%2fcli.py", "media/%2e%2e%2f%2e%2e",
        "sources/99", "nothing.js",
    ],
)  # fmt: skip
async def test_nothing_else_is_served(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(f"http://{HOST}/{TOKEN}/{path}")).status_code == 404


async def test_only_reading_is_possible(http: httpx.AsyncClient) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert (await http.request(method, "record.json")).status_code == 405
        assert (await http.request(method, "media/1")).status_code == 405


# -- The timeline ----------------------------------------------------------------------------------------------------


async def test_the_timeline_says_what_the_ledger_says(http: httpx.AsyncClient) -> None:
    told = (await http.get("record.json")).json()
    assert told["record"]["room"] == "Hearing 12/2026"
    assert told["record"]["start"] == "2026-03-04T09:00:00+00:00"
    assert told["duration"] == 60_000
    assert {mark["at"]: mark["name"] for mark in told["marks"]} == MARKS
    assert told["marks"][0]["data"] == [["page", "12"]]
    assert [phase["names"] for phase in told["phases"]] == [["Opening"], ["Hearing of the witness"]]
    assert told["pauses"] == [
        {
            "begin": 24_000, "end": 34_000, "ground": "Deliberation",
            "authoriser": "Dr. Anna Weber", "note": "Private deliberation", "subject": "",
        }
    ]  # fmt: skip
    by_number = {source["number"]: source for source in told["sources"]}
    assert {(source["name"], source["role"]) for source in by_number.values()} == {
        ("Dr. Anna Weber", "Presiding judge"),
        ("Jonas Lindqvist", "Counsel for the claimant"),
        ("Maria Okonkwo", "Witness"),
    }
    assert {"begin": 46_000, "end": 50_000, "cause": "disconnect"} in by_number[4]["gaps"]
    assert by_number[6]["spans"] == [{"begin": 36_000, "end": 54_000}]


async def test_the_record_is_verified_on_request(http: httpx.AsyncClient) -> None:
    assert (await http.get("verification.json")).json()["state"] == "checking"
    found = await wait_for_verdict(http)
    assert (found["state"], "no key was given" in found["problem"]) == ("unpinned", True)


async def test_who_signed_is_known_with_a_key_only(hearing: Path) -> None:
    async with serve(hearing, load_public_key(hearing / "public-key.pem")) as (http, _):
        found = await wait_for_verdict(http)
    assert (found["state"], found["problem"]) == ("intact", "")
    async with serve(hearing, SigningKey.generate().public) as (http, _):
        assert (await wait_for_verdict(http))["state"] == "other-key"


async def test_a_recovered_record_is_not_called_intact(tmp_path: Path) -> None:
    key = SigningKey.generate()
    folder = begin_record(tmp_path / "record", key).folder
    recover_record(folder, key, datetime.datetime.now(datetime.UTC))
    async with serve(folder, key.public) as (http, _):
        found = await wait_for_verdict(http)
    assert (found["state"], "signed it up to line" in found["problem"]) == ("recovered", True)


async def test_an_altered_record_is_told_with_the_place(copy: Path) -> None:
    file = copy / "media" / "002-video.mkv"
    data = bytearray(file.read_bytes())
    data[-20] ^= 1
    file.write_bytes(data)
    async with serve(copy) as (http, _):
        found = await wait_for_verdict(http)
        assert (found["state"], found["file"]) == ("altered", "media/002-video.mkv")


# -- Media -----------------------------------------------------------------------------------------------------------


async def test_parts_are_the_bytes_of_the_whole(http: httpx.AsyncClient) -> None:
    whole = await fetch_whole(http, 2)
    size = len(whole)
    for asked, begin, end in [
        ("bytes=0-", 0, size), ("bytes=0-0", 0, 1), ("bytes=100-299", 100, 300), (f"bytes={size - 1}-", size - 1, size),
        ("bytes=-5", size - 5, size), (f"bytes=-{size * 2}", 0, size), (f"bytes=7-{size * 2}", 7, size),
    ]:  # fmt: skip
        answer = await http.get("media/2", headers={"range": asked})
        end = min(end, begin + PART_BYTES)
        assert (answer.status_code, answer.content) == (206, whole[begin:end]), asked
        assert answer.headers["content-range"] == f"bytes {begin}-{end - 1}/{size}"
        assert answer.headers["accept-ranges"] == "bytes"


async def test_a_part_is_never_long(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sfu.node.player.ranges.PART_BYTES", 1000)
    whole = await fetch_whole(http, 1)
    answer = await http.get("media/1", headers={"range": "bytes=500-"})
    assert answer.content == whole[500:1500]
    assert answer.headers["content-range"] == f"bytes 500-1499/{len(whole)}"


async def test_a_part_beyond_the_end_is_refused(http: httpx.AsyncClient) -> None:
    size = len(await fetch_whole(http, 2))
    for asked in (f"bytes={size}-", "bytes=9-8", "bytes=-0", "bytes=9999999999999999999-"):
        answer = await http.get("media/2", headers={"range": asked})
        assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size}"), asked


@pytest.mark.parametrize("asked", ["bytes=", "bytes=a-b", "bytes=-", "items=0-1", "bytes=0-1,5-6", "bytes=" + "9" * 99])
async def test_a_range_that_is_none_gets_the_whole(http: httpx.AsyncClient, asked: str) -> None:
    whole = await fetch_whole(http, 1)
    answer = await http.get("media/1", headers={"range": asked})
    assert (answer.status_code, answer.content) == (200, whole)


async def test_a_head_tells_the_size(http: httpx.AsyncClient) -> None:
    size = len(await fetch_whole(http, 2))
    answer = await http.head("media/2")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", str(size))


async def test_video_is_the_records_own_bytes_with_an_index(http: httpx.AsyncClient, hearing: Path) -> None:
    whole = await fetch_whole(http, 2)
    recorded = (hearing / "media" / "002-video.mkv").read_bytes()
    clusters = recorded[recorded.index(b"\x1f\x43\xb6\x75") :]
    assert whole.endswith(clusters)
    assert len(whole) < len(clusters) + 4096
    with av.open(io.BytesIO(whole)) as film:
        assert film.duration == 60_000_000
        assert [entry.timestamp for entry in film.streams.video[0].index_entries if entry.is_keyframe][:3] == [
            0, 2000, 4000
        ]  # fmt: skip


async def test_what_is_encrypted_is_named_and_not_played(tmp_path: Path) -> None:
    takes = [Take(0, 1_000)]
    sources = [Source("ann", "audio", takes, encryption="GCM"), Source("ann", "video", takes, encryption="GCM")]
    build_record(tmp_path / "record", [*sources, Source("ben", "audio", takes)], [], 1_000)
    async with serve(tmp_path / "record") as (http, _):
        timeline = (await http.get("record.json")).json()
        assert [source["encryption"] for source in timeline["sources"]] == ["GCM", "GCM", ""]
        for number in (1, 2):
            told = (await http.get(f"sources/{number}")).json()
            assert told["playable"] is False
            assert told["problem"] == "it is encrypted from end to end (GCM); only who has that key can play it"
            assert (await http.get(f"media/{number}")).status_code >= 400
        assert (await http.get("sources/3")).json()["playable"] is True


async def test_a_late_video_begins_at_time_zero_all_the_same(http: httpx.AsyncClient) -> None:
    answer = (await http.get("sources/6")).json()
    assert answer == {"playable": True, "type": "video/mp4", "problem": ""}
    with av.open(io.BytesIO(await fetch_whole(http, 6))) as film:
        times = [round(float(frame.time or 0), 3) for frame in film.decode(video=0)]
    assert times[:3] == [0.0, 36.0, 36.25]
    assert times[-1] == 53.75


async def test_h264_of_changing_size_becomes_one_film(tmp_path: Path) -> None:
    takes = [Take(500, 3_000), Take(3_000, 6_000, (320, 180)), Take(6_000, 7_000)]
    build_record(tmp_path / "record", [Source("ann", "video", takes, "h264")], [], 7_000)
    async with serve(tmp_path / "record") as (http, _):
        with av.open(io.BytesIO(await fetch_whole(http, 1))) as film:
            frames = [(round(float(frame.time or 0), 3), frame.width) for frame in film.decode(video=0)]
    assert frames[0] == (0.0, 160)
    assert frames[1:] == [(at / 1000, 320 if 3_000 <= at < 6_000 else 160) for at in range(500, 7_000, 250)]


async def test_sound_goes_on_through_all_gaps(http: httpx.AsyncClient) -> None:
    with av.open(io.BytesIO(await fetch_whole(http, 3))) as sound:
        packets = [(packet.pts, bytes(packet)) for packet in sound.demux(audio=0) if packet.pts is not None]
    times = [pts for pts, _ in packets]
    assert {later - sooner for sooner, later in itertools.pairwise(times)} == {20}
    silent = [pts for pts, data in packets if data == SILENCE]
    spoken = [pts for pts, data in packets if data != SILENCE]
    assert all(11_980 <= pts < 18_020 or 23_980 <= pts < 34_020 or pts < 20 for pts in silent)
    assert not any(12_020 <= pts < 17_980 or 24_020 <= pts < 33_980 for pts in spoken)


def test_opus_packets_are_measured() -> None:
    assert [measure_opus(bytes([config << 3])) for config in (0, 3, 12, 15, 16, 19, 31)] == [
        10,
        60,
        10,
        20,
        2.5,
        20,
        20,
    ]
    assert measure_opus(bytes([31 << 3 | 1])) == 40
    assert measure_opus(bytes([31 << 3 | 3, 6])) == 120
    assert measure_opus(SILENCE) == 20


def test_sound_of_any_clock_stays_with_the_records() -> None:
    voice = bytes([31 << 3, 1, 2])
    for share in (0.999, 1.0, 1.001):
        packets = [(round(20 * number * share), voice) for number in range(30_000)]
        spoken = {time for time, data in fill(packets) if data == voice}
        heard = [time for time, _ in fill(packets)]
        assert {b - a for a, b in itertools.pairwise(heard)} == {20}
        assert abs(heard[-1] - packets[-1][0]) <= 40
        assert len(spoken) >= 29_900


async def test_damaged_and_missing_files_are_named(copy: Path) -> None:
    media = copy / "media"
    (media / "001-audio.mkv").unlink()
    (media / "002-video.mkv").write_bytes(b"")
    whole = (media / "003-audio.mkv").read_bytes()
    (media / "003-audio.mkv").write_bytes(whole[: len(whole) // 2])
    whole = (media / "004-video.mkv").read_bytes()
    (media / "004-video.mkv").write_bytes(whole[: len(whole) // 2] + b"\xff" * 5000)
    (media / "005-audio.mkv").unlink()
    (media / "005-audio.mkv").symlink_to("/etc/hostname")
    (media / "006-video.mkv").write_bytes(b"\x00" * 100_000)
    before = list_files(copy)
    async with serve(copy) as (http, _):
        assert (await http.get("record.json")).status_code == 200
        told = {number: (await http.get(f"sources/{number}")).json() for number in range(1, 7)}
        assert [told[number]["playable"] for number in range(1, 7)] == [False, False, True, True, False, False]
        assert told[1]["problem"] == "the file is missing"
        assert told[2]["problem"] == "the file is empty"
        assert "no whole cluster" in told[3]["problem"]
        assert told[4]["problem"]
        assert "cannot be read" in told[5]["problem"]
        assert told[6]["problem"]
        for number in (1, 2, 5, 6):
            assert (await http.get(f"media/{number}")).status_code == 404
        for number in (3, 4):
            assert (await http.get(f"media/{number}", headers={"range": "bytes=0-"})).status_code == 206
    assert list_files(copy) == before


async def test_any_cut_of_a_file_is_taken(copy: Path) -> None:
    file = copy / "media" / "002-video.mkv"
    whole = file.read_bytes()
    for end in [*range(0, 400, 23), *range(400, len(whole), len(whole) // 12)]:
        file.write_bytes(whole[:end])
        async with serve(copy) as (http, _):
            told = (await http.get("sources/2")).json()
            assert told["playable"] or told["problem"]


async def test_the_record_is_only_read(http: httpx.AsyncClient, hearing: Path) -> None:
    before = list_files(hearing)
    for number in range(1, 7):
        await fetch_whole(http, number)
    assert list_files(hearing) == before
