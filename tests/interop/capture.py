"""Capture what browsers send, as vectors for the parsers: `python -m tests.interop.capture [NAME...]`.

The files go to `tests/vectors/rtp`, whose README says what is in them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import struct
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.interop.answerer import Answerer
from tests.interop.browsers import BROWSERS, Page

TARGET = Path(__file__).parents[1] / "vectors" / "rtp"
SCRIPT = Path(__file__).with_name("capture.js").read_text()
KEPT_BYTES = 64
"""Of a payload; more where the lengths in it are needed to walk it."""
AUDIO_BPS = 40_000
"""So little that nothing is sent to probe for more: that would be padding."""
VIDEO_BPS = 4_000_000
SVC_BPS = 700_000
CAPTURE_LIMIT_S = 20.0
REPAIR_LIMIT = 20
"""RTX packets of one SSRC: most only carry padding."""
RECORD = struct.Struct("!IHH")
"""Microseconds since the first packet, the packet's length, octets of it that follow."""


@dataclass(frozen=True)
class Scene:
    """What a browser is asked to send."""

    name: str
    browser: str
    codec: str
    encodings: tuple[dict[str, Any], ...] = ()
    width: int = 640
    height: int = 360
    fps: int = 20
    red: bool = False
    declined: tuple[str, ...] = ()  # lines with these words are left out of the answer
    limit: int = 300  # packets, without those of RTX
    whole: bool = False  # all of each packet is stored, to be decoded


def simulcast(mode: str = "") -> tuple[dict[str, Any], ...]:
    """Three encodings, lowest first."""
    scales = (("q", 4, 60_000), ("h", 2, 150_000), ("f", 1, 500_000))
    encodings: list[dict[str, Any]] = []
    for rid, scale, rate in scales:
        encodings.append({"rid": rid, "scaleResolutionDownBy": scale, "maxBitrate": rate})
        if mode:
            encodings[-1]["scalabilityMode"] = mode
    return tuple(encodings)


def single(mode: str = "", rate: int = 250_000) -> tuple[dict[str, Any], ...]:
    """One encoding."""
    return ({"maxBitrate": rate, **({"scalabilityMode": mode} if mode else {})},)


BARE = ("dependency-descriptor",)
"""With the dependency descriptor Chromium leaves picture id, TL0PICIDX and TID out of VP8's own descriptor."""


def small(name: str, codec: str, encodings: tuple[dict[str, Any], ...], limit: int = 80, scale: int = 1) -> Scene:
    """A scene whose packets are stored whole."""
    browser = name.split("_", maxsplit=1)[0]
    return Scene(f"whole/{name}", browser, codec, encodings, 480 * scale, 270 * scale, 15, limit=limit, whole=True)


PAIR: tuple[dict[str, Any], ...] = (
    {"rid": "h", "scaleResolutionDownBy": 2, "maxBitrate": 40_000},
    {"rid": "f", "scaleResolutionDownBy": 1, "maxBitrate": 90_000},
)
WHOLE = [
    small("chromium_vp8_simulcast", "VP8", PAIR, 160),
    small("chromium_vp9_l3t3", "VP9", single("L3T3", SVC_BPS), 160, 2),
    small("chromium_vp9_l3t3_key", "VP9", single("L3T3_KEY", SVC_BPS), 160, 2),
    small("chromium_av1_l1t1", "AV1", single(rate=80_000)),
    small("chromium_av1_l3t3", "AV1", single("L3T3", SVC_BPS), 160, 2),
    small("chromium_h264_simulcast", "H264", PAIR, 160),
    small("firefox_vp9", "VP9", single(rate=80_000)),
    small("firefox_av1", "AV1", single(rate=80_000)),
]
"""Stored whole, so that they can be decoded."""
SCENES = [
    Scene("chromium_vp8_simulcast_l1t3", "chromium", "VP8", simulcast("L1T3"), width=960, height=540, limit=360),
    Scene("chromium_vp8_simulcast", "chromium", "VP8", simulcast(), width=960, height=540, limit=240),
    Scene("chromium_vp8_l1t1", "chromium", "VP8", single(), limit=120),
    Scene("chromium_vp8_l1t2", "chromium", "VP8", single("L1T2"), limit=200),
    Scene("chromium_vp9_l1t3", "chromium", "VP9", single("L1T3"), limit=200),
    Scene("chromium_vp9_l3t3", "chromium", "VP9", single("L3T3", SVC_BPS), width=960, height=540, limit=500),
    Scene(
        "chromium_vp9_l3t3_key",
        "chromium",
        "VP9",
        single("L3T3_KEY", SVC_BPS),
        width=960,
        height=540,
        limit=500,
    ),
    Scene("chromium_vp9_simulcast_l1t3", "chromium", "VP9", simulcast("L1T3"), width=960, height=540, limit=360),
    Scene("chromium_av1_l1t3", "chromium", "AV1", single("L1T3"), limit=200),
    Scene("chromium_av1_l3t3", "chromium", "AV1", single("L3T3", SVC_BPS), width=960, height=540, limit=500),
    Scene(
        "chromium_av1_l3t3_key",
        "chromium",
        "AV1",
        single("L3T3_KEY", SVC_BPS),
        width=960,
        height=540,
        limit=500,
    ),
    Scene("chromium_av1_simulcast_l1t3", "chromium", "AV1", simulcast("L1T3"), width=960, height=540, limit=300),
    Scene("chromium_h264_l1t1", "chromium", "H264", single(), limit=150),
    Scene("chromium_h264_l1t3", "chromium", "H264", single("L1T3"), limit=200),
    Scene("chromium_h264_simulcast", "chromium", "H264", simulcast(), width=960, height=540, limit=240),
    Scene("chromium_vp8_l1t3_bare", "chromium", "VP8", single("L1T3"), limit=200, declined=BARE),
    Scene(
        "chromium_vp8_simulcast_bare",
        "chromium",
        "VP8",
        simulcast(),
        width=960,
        height=540,
        limit=240,
        declined=BARE,
    ),
    Scene("chromium_vp9_l1t3_bare", "chromium", "VP9", single("L1T3"), limit=200, declined=BARE),
    Scene(
        "chromium_vp9_l3t3_bare",
        "chromium",
        "VP9",
        single("L3T3", SVC_BPS),
        width=960,
        height=540,
        limit=400,
        declined=BARE,
    ),
    Scene(
        "chromium_vp9_l3t3_key_bare",
        "chromium",
        "VP9",
        single("L3T3_KEY", SVC_BPS),
        width=960,
        height=540,
        limit=400,
        declined=BARE,
    ),
    Scene(
        "chromium_av1_l3t3_bare",
        "chromium",
        "AV1",
        single("L3T3", SVC_BPS),
        width=960,
        height=540,
        limit=400,
        declined=BARE,
    ),
    Scene("chromium_h264_l1t3_bare", "chromium", "H264", single("L1T3"), limit=150, declined=BARE),
    Scene("chromium_opus_red", "chromium", "opus", red=True, limit=150),
    Scene("chromium_opus", "chromium", "opus", limit=100),
    Scene("firefox_vp8_simulcast", "firefox", "VP8", simulcast(), width=960, height=540, limit=300),
    Scene(
        "firefox_vp8_simulcast_bare",
        "firefox",
        "VP8",
        simulcast(),
        width=960,
        height=540,
        limit=240,
        declined=BARE,
    ),
    Scene("firefox_vp9", "firefox", "VP9", single(), limit=150),
    Scene("firefox_av1", "firefox", "AV1", single(), limit=150),
    Scene("firefox_h264", "firefox", "H264", single(), limit=150),
    Scene("firefox_opus", "firefox", "opus", limit=100),
    *WHOLE,
]


@dataclass
class Recording:
    """The packets of a scene as they come."""

    scene: Scene
    repair_types: set[int] = field(default_factory=set)
    packets: list[tuple[float, bytes]] = field(default_factory=list)
    media: Counter[int] = field(default_factory=Counter)  # packets by SSRC
    repair: Counter[int] = field(default_factory=Counter)
    last: dict[int, list[int]] = field(default_factory=dict)  # sequence numbers by SSRC
    done: asyncio.Event = field(default_factory=asyncio.Event)
    half: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, packet: bytes, now: float) -> None:
        """Take one, unless there are enough of its SSRC."""
        ssrc, sequence = int.from_bytes(packet[8:12]), int.from_bytes(packet[2:4])
        sources = max(1, len(self.scene.encodings))
        if packet[1] & 0x7F in self.repair_types:
            self.repair[ssrc] += 1
            if self.repair[ssrc] > REPAIR_LIMIT:
                return
        else:
            if self.media[ssrc] >= self.scene.limit // sources:
                return
            self.media[ssrc] += 1
            self.last.setdefault(ssrc, []).append(sequence)
        self.packets.append((now, packet))
        total = sum(self.media.values())
        if total >= self.scene.limit // 2:
            self.half.set()
        if total >= self.scene.limit // sources * sources:
            self.done.set()


def kept(packet: bytes, codec: str, whole: bool = False) -> int:
    """How much of a packet is stored: its header, and what of the payload a parser looks at; or all of it."""
    if whole:
        return len(packet)
    payload = 12 + 4 * (packet[0] & 0x0F)
    if packet[0] & 0x10:
        payload += 4 + 4 * int.from_bytes(packet[payload + 2 : payload + 4])
    if codec == "opus":
        return len(packet)
    end = payload + KEPT_BYTES
    if codec == "H264" and len(packet) > payload and packet[payload] & 0x1F == 24:  # STAP-A
        end = len(packet)
    if codec == "AV1":
        end = max(end, _last_element(packet, payload) + 16)
    return min(end, len(packet))


def _last_element(packet: bytes, at: int) -> int:
    """Where the last OBU element of an AV1 payload begins (RTP Payload Format For AV1, section 4.3)."""
    if at >= len(packet):
        return at
    count = packet[at] >> 4 & 3
    at += 1
    number = 1
    while number != count:
        size = shift = 0
        start = at
        while at < len(packet):
            octet = packet[at]
            size |= (octet & 0x7F) << shift
            shift += 7
            at += 1
            if not octet & 0x80:
                break
        if at + size >= len(packet):
            return start
        at += size
        number += 1
    return at


async def run(page: Page, scene: Scene) -> dict[str, Any] | None:
    """Capture one scene; the facts about it, or None where the browser has no such codec."""
    await page.evaluate(SCRIPT)
    recording = Recording(scene)
    answerer = Answerer(recording.add, AUDIO_BPS if scene.codec == "opus" else VIDEO_BPS, scene.declined)
    await answerer.open()
    try:
        options = {
            "codec": scene.codec,
            "encodings": list(scene.encodings) or None,
            "width": scene.width,
            "height": scene.height,
            "fps": scene.fps,
            "red": scene.red,
        }
        offer = await page.evaluate(f"capture.offer({json.dumps(options)})")
        if offer is None:
            return None
        recording.repair_types = {int(pt) for pt in re.findall(r"^a=rtpmap:(\d+) rtx/", offer, re.MULTILINE)}
        answer = answerer.answer(offer)
        parameters = await page.evaluate(f"capture.answer({json.dumps(answer)})")
        async with asyncio.timeout(CAPTURE_LIMIT_S):
            await answerer.connected.wait()
        pli_at = None
        try:
            async with asyncio.timeout(CAPTURE_LIMIT_S):
                await recording.half.wait()
                for ssrc, sequences in recording.last.items() if scene.codec != "opus" else ():
                    answerer.request_again(ssrc, sequences[-12:-2:3])
                answerer.request_key_frames(list(recording.last))
                pli_at = len(recording.packets)
                await recording.done.wait()
        except TimeoutError:
            print(f"{scene.name}: not all within {CAPTURE_LIMIT_S} s: {dict(recording.media)}")  # noqa: T201
        stats = await page.evaluate("capture.stats()")
        agent = await page.evaluate("navigator.userAgent")
    finally:
        await page.evaluate("capture.pc && capture.pc.close()")
        await answerer.close()
    write(recording)
    return facts(recording, offer, answer, parameters, stats, pli_at, agent)


def write(recording: Recording) -> None:
    """The packets as `RECORD` and octets."""
    first = recording.packets[0][0]
    with (TARGET / f"{recording.scene.name}.rtp").open("wb") as file:
        for now, packet in recording.packets:
            length = kept(packet, recording.scene.codec, recording.scene.whole)
            file.write(RECORD.pack(int((now - first) * 1e6), len(packet), length) + packet[:length])


def facts(
    recording: Recording, offer: str, answer: str, parameters: Any, stats: Any, pli_at: int | None, agent: str
) -> dict[str, Any]:
    """What is known about a capture from outside its packets."""
    scene = recording.scene
    types = {int(pt): name for pt, name in re.findall(r"^a=rtpmap:(\d+) (\S+?)\r?$", answer, re.MULTILINE)}
    formats = dict(re.findall(r"^a=fmtp:(\d+) (.+?)\r?$", answer, re.MULTILINE))
    sources: dict[int, dict[str, Any]] = {}
    for _, packet in recording.packets:
        source = sources.setdefault(int.from_bytes(packet[8:12]), {"packets": 0, "payload_types": []})
        source["packets"] += 1
        if packet[1] & 0x7F not in source["payload_types"]:
            source["payload_types"].append(packet[1] & 0x7F)
    repairs = {int(media): int(own) for media, own in re.findall(r"^a=ssrc-group:FID (\d+) (\d+)", offer, re.MULTILINE)}
    for one in stats:
        if one["ssrc"] in sources:
            sources[one["ssrc"]]["rid"] = one.get("rid", "")
        repair = one.get("rtxSsrc", repairs.get(one["ssrc"]))
        if repair in sources:
            sources[repair] |= {"rid": one.get("rid", ""), "repairs": one["ssrc"]}
    return {
        "browser": agent,
        "asked": {"codec": scene.codec, "encodings": list(scene.encodings), "red": scene.red},
        "source": {"width": scene.width, "height": scene.height, "fps": scene.fps},
        "payload_types": {str(pt): {"codec": name, "fmtp": formats.get(str(pt), "")} for pt, name in types.items()},
        "extensions": dict(re.findall(r"^a=extmap:(\d+)(?:/\w+)? (\S+)", answer, re.MULTILINE)),
        "ssrcs": {str(ssrc): source for ssrc, source in sources.items()},
        "pli_before_packet": pli_at,
        "parameters": [dict(one) for one in parameters["encodings"]],
        "stats": stats,
        "offer": offer,
    }


async def main(names: list[str]) -> None:
    """Capture these scenes, or all."""
    (TARGET / "whole").mkdir(parents=True, exist_ok=True)
    for name in BROWSERS:
        scenes = [scene for scene in SCENES if scene.browser == name and (not names or scene.name in names)]
        if not scenes:
            continue
        async with BROWSERS[name]() as browser:
            for scene in scenes:
                page = await browser.open()
                start = time.monotonic()
                found = await run(page, scene)
                await page.close()
                if found is None:
                    print(f"{scene.name}: this {name} cannot send {scene.codec}")  # noqa: T201
                    continue
                (TARGET / f"{scene.name}.json").write_text(json.dumps(found, indent=1) + "\n")
                print(f"{scene.name}: {time.monotonic() - start:.1f} s", found["ssrcs"], found["stats"])  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    asyncio.run(main(parser.parse_args().names))
