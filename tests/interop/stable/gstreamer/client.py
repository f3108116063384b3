"""Publishes or watches with GStreamer's webrtcbin, as tests/interop/stable/client.py asks for it.

It has an encoder of its own and so needs no clips: a test picture of 640x360 at 30 frames a second, a key frame each
two seconds and whenever one is asked for. It runs with the system's Python, which has the bindings.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from email.message import Message
from typing import BinaryIO

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

_LOADED = (
    *(Gst.PadProbeInfo.get_buffer, Gst.PadProbeInfo.get_event, Gst.Buffer.extract_dup, Gst.Event.get_structure),
    *(Gst.Element.get_static_pad, Gst.Pad.add_probe, Gst.Pad.get_direction, Gst.Pad.get_current_caps, Gst.Pad.link),
    *(Gst.Pad.send_event, Gst.Event.new_custom, Gst.Caps.get_structure),
    *(Gst.Structure.get_string, Gst.Structure.get_int),
    *(Gst.PadDirection.SRC, Gst.PadProbeType.BUFFER, Gst.PadProbeType.EVENT_UPSTREAM, Gst.PadProbeReturn.OK),
    *(Gst.Element.sync_state_with_parent, Gst.Bin.add, Gst.EventType.CUSTOM_UPSTREAM, Gst.Structure.new_from_string),
)
"""Asked for before there are threads: of two that need one first, one finds it half made and fails."""
CONNECT_S = 30
RETRY_S = 0.5
RETRY_WITHIN_S = 10.0
LOOK_S, PAUSE_S = 0.02, 0.1
VIDEO, AUDIO = 96, 111
TRANSPORT_WIDE = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

ENCODERS = {
    "vp8": "vp8enc deadline=1 target-bitrate=600000 keyframe-max-dist=60 name=encoder ! "
    "rtpvp8pay picture-id-mode=15-bit name=payloader",
    "vp9": "vp9enc deadline=1 cpu-used=8 target-bitrate=600000 keyframe-max-dist=60 name=encoder ! "
    "rtpvp9pay picture-id-mode=15-bit name=payloader",
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast bitrate=600 key-int-max=60 name=encoder ! "
    "video/x-h264,profile=constrained-baseline ! "
    "rtph264pay config-interval=-1 aggregate-mode=zero-latency name=payloader",
}
PROFILES = {"h264": "packetization-mode=(string)1,profile-level-id=(string)42e01f,"}
"""What is offered to receive; a payloader says itself what it sends."""


def say(event: str, **fields: object) -> None:
    """Print an event."""
    line = {"event": event, "at_us": time.time_ns() // 1000, **fields}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def caps(codec: str, payload_type: int, more: str = "") -> str:
    """What is offered of a video codec."""
    return (
        f"application/x-rtp,media=video,clock-rate=90000,encoding-name={codec.upper()},payload={payload_type},{more}"
        "rtcp-fb-nack=true,rtcp-fb-nack-pli=true,rtcp-fb-ccm-fir=true,"
        f"rtcp-fb-transport-cc=true,extmap-1={TRANSPORT_WIDE}"
    )


class Client:
    """A webrtcbin, its signaling, and what it says of itself."""

    def __init__(self, options: dict[str, str]) -> None:
        self.options = options
        self.loop = GLib.MainLoop()
        self.session = ""
        self.connected = False
        self.offered = False
        self.frames = 0
        self.asked = 0
        self.packets = 0
        self.came = None
        self.handed_on = None
        publishing = options["role"] == "publish"
        self.pipeline = self._publisher() if publishing else self._viewer()
        self.peer = self.pipeline.get_by_name("peer")
        if options.get("way") == "tcp":
            self.ice = self.peer.get_property("ice-agent")  # kept: GStreamer 1.22 counts what asks for it too little
            self.ice.set_property("ice-udp", False)
        self.peer.connect("on-negotiation-needed", self._create_offer)
        self.peer.connect("notify::connection-state", self._on_state)
        self.peer.connect("notify::ice-gathering-state", self._on_gathering)
        if publishing:
            self.peer.emit("get-transceiver", 0).set_property("do-nack", True)
        else:
            self._want_media()
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self._on_error)

    def run(self) -> None:
        """Until the standard input ends, or it must give up."""
        threading.Thread(target=self._wait_for_end, daemon=True).start()
        self.pipeline.set_state(Gst.State.PLAYING)
        GLib.timeout_add_seconds(CONNECT_S, self._give_up)
        GLib.timeout_add_seconds(1, self._tick)
        self.loop.run()
        if self.options["role"] == "publish":
            say("sent", frames=self.frames, key_frames_asked=self.asked)
        else:
            say("received", packets=self.packets)
        if self.session:
            self._request("DELETE", self.session)
        self.pipeline.set_state(Gst.State.NULL)

    def fail(self, why: str) -> None:
        """Say why it can not go on, and end."""
        say("failed", why=why)
        self.loop.quit()

    # Publishing

    def _publisher(self) -> Gst.Pipeline:
        codec = self.options["codec"]
        description = (
            "webrtcbin name=peer bundle-policy=max-bundle "
            "videotestsrc is-live=true ! video/x-raw,width=640,height=360,format=I420,framerate=30/1 ! queue ! "
            f"{ENCODERS[codec]} ! {caps(codec, VIDEO)} ! peer. "
            "audiotestsrc is-live=true volume=0.3 ! audioconvert ! audioresample ! queue ! opusenc ! rtpopuspay ! "
            f"application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload={AUDIO} ! peer."
        )
        pipeline = Gst.parse_launch(description)
        encoder = pipeline.get_by_name("encoder").get_static_pad("src")
        encoder.add_probe(Gst.PadProbeType.BUFFER, self._on_frame)
        encoder.add_probe(Gst.PadProbeType.EVENT_UPSTREAM, self._on_upstream)
        return pipeline

    def _on_frame(self, _pad: Gst.Pad, _info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        self.frames += self.connected
        return Gst.PadProbeReturn.OK

    def _on_upstream(self, _pad: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        structure = info.get_event().get_structure()
        self.asked += structure is not None and structure.get_name() == "GstForceKeyUnit"
        return Gst.PadProbeReturn.OK

    # Watching

    @staticmethod
    def _viewer() -> Gst.Pipeline:
        pipeline = Gst.Pipeline.new()
        peer = Gst.ElementFactory.make("webrtcbin", "peer")
        peer.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        pipeline.add(peer)
        return pipeline

    def _want_media(self) -> None:
        self.came = open(self.options["packets"], "wb")
        self.handed_on = open(self.options["packets"] + ".handed-on", "wb")
        threading.Thread(target=self._notice_pauses, daemon=True).start()
        # their classes, before there are threads; Python forgets a class of which nothing is there
        depayloaders = (f"rtp{codec}depay" for codec in ENCODERS)
        self.kept = [Gst.ElementFactory.make(name) for name in ("rtpjitterbuffer", "fakesink", *depayloaders)]
        self.kept_pads = [element.get_static_pad("sink") for element in self.kept]
        self.peer.get_by_name("rtpbin").connect("new-jitterbuffer", self._on_jitter_buffer)
        receive = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
        video = ";".join(caps(codec, VIDEO + number, PROFILES.get(codec, "")) for number, codec in enumerate(ENCODERS))
        audio = f"application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload={AUDIO}"
        for wanted in (video, audio):
            transceiver = self.peer.emit("add-transceiver", receive, Gst.Caps.from_string(wanted))
            transceiver.set_property("do-nack", True)  # in a bundle what the last one says counts for all
        self.peer.connect("pad-added", self._on_pad)

    def _on_pad(self, _peer: Gst.Element, pad: Gst.Pad) -> None:
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        described = pad.get_current_caps().get_structure(0)
        name, video = described.get_string("encoding-name"), described.get_string("media") == "video"
        say("track", payload_type=described.get_int("payload")[1], codec=name)
        pad.add_probe(Gst.PadProbeType.BUFFER, self._on_handed_on)
        sink = Gst.ElementFactory.make("fakesink")
        sink.set_property("async", False)
        sink.set_property("sync", False)
        chain = [sink]
        if video:  # asks for a key frame when something is missing, as players do
            depayloader = Gst.ElementFactory.make(f"rtp{name.lower()}depay")
            depayloader.set_property("request-keyframe", True)
            chain.insert(0, depayloader)
        for element in chain:
            self.pipeline.add(element)
            element.sync_state_with_parent()
        if video:
            chain[0].link(sink)
        pad.link(chain[0].get_static_pad("sink"))
        if video:  # as a decoder does that begins
            force = Gst.Structure.new_from_string("GstForceKeyUnit,all-headers=(boolean)true")
            pad.send_event(Gst.Event.new_custom(Gst.EventType.CUSTOM_UPSTREAM, force))

    @staticmethod
    def _notice_pauses() -> None:
        before = time.monotonic_ns()
        while True:
            time.sleep(LOOK_S)
            now = time.monotonic_ns()
            if now - before > PAUSE_S * 1e9:
                say("paused", for_us=(now - before) // 1000)
            before = now

    def _on_jitter_buffer(self, _bin: Gst.Element, buffer: Gst.Element, _session: int, _ssrc: int) -> None:
        buffer.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, self._on_packet)

    def _on_packet(self, _pad: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        """What came, decrypted, and from retransmissions restored."""
        self._keep(info, self.came)
        self.packets += 1
        return Gst.PadProbeReturn.OK

    def _on_handed_on(self, _pad: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        """What the jitter buffer did not drop."""
        self._keep(info, self.handed_on)
        return Gst.PadProbeReturn.OK

    @staticmethod
    def _keep(info: Gst.PadProbeInfo, file: BinaryIO) -> None:
        packet = info.get_buffer()
        data = packet.extract_dup(0, packet.get_size())
        head = (time.time_ns() // 1000).to_bytes(8, "big") + len(data).to_bytes(2, "big")
        file.write(head + data)

    # Signaling (RFC 9725, draft-ietf-wish-whep)

    def _create_offer(self, peer: Gst.Element) -> None:
        peer.emit("create-offer", None, Gst.Promise.new_with_change_func(self._on_offer))

    def _on_offer(self, promise: Gst.Promise) -> None:
        reply = promise.get_reply()  # owns the offer
        self.peer.emit("set-local-description", reply.get_value("offer"), None)

    def _on_gathering(self, peer: Gst.Element, _spec: object) -> None:
        complete = GstWebRTC.WebRTCICEGatheringState.COMPLETE
        if peer.get_property("ice-gathering-state") == complete and not self.offered:
            self.offered = True
            threading.Thread(target=self._negotiate, daemon=True).start()

    def _negotiate(self) -> None:
        sdp = self.peer.get_property("local-description").sdp.as_text()
        say("offer", sdp=sdp)
        until = time.monotonic() + RETRY_WITHIN_S
        while True:
            status, headers, body = self._request("POST", self.options["url"], sdp)
            if status == 201:
                break
            if "Retry-After" not in headers or time.monotonic() > until:
                say("refused", status=status, body=body)
                GLib.idle_add(self.loop.quit)
                return
            time.sleep(RETRY_S)
        say("answer", status=status, sdp=body)
        self.session = urllib.parse.urljoin(self.options["url"], headers["Location"])
        parsed, message = GstSdp.SDPMessage.new_from_text(body)
        if parsed != GstSdp.SDPResult.OK:
            GLib.idle_add(self.fail, "GStreamer does not understand the answer")
            return
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.peer.emit("set-remote-description", answer, None)

    def _request(self, method: str, url: str, body: str | None = None) -> tuple[int, Message, str]:
        headers = {"Authorization": f"Bearer {self.options['token']}", "Content-Type": "application/sdp"}
        request = urllib.request.Request(url, body.encode() if body else None, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, response.headers, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    # What happens

    def _on_state(self, peer: Gst.Element, _spec: object) -> None:
        state = peer.get_property("connection-state").value_nick
        say("state", state=state)
        if state == "connected" and not self.connected:
            self.connected = True
            say("connected")
        elif state in ("failed", "closed"):
            GLib.idle_add(self.fail, f"the connection is {state}")

    def _on_error(self, _bus: Gst.Bus, message: Gst.Message) -> None:
        error, detail = message.parse_error()
        self.fail(f"{error.message} ({detail})")

    def _give_up(self) -> bool:
        if not self.connected:
            self.fail(f"not connected within {CONNECT_S} s")
        return False

    def _tick(self) -> bool:
        if self.connected and self.options["role"] == "publish":
            say("sending", frames=self.frames)
        elif self.connected:
            self.came.flush()
            self.handed_on.flush()
            say("receiving", packets=self.packets)
        return True

    def _wait_for_end(self) -> None:
        sys.stdin.read()
        GLib.idle_add(self.loop.quit)


def parse(arguments: list[str]) -> dict[str, str]:
    """The command line; clips are taken and left aside."""
    role, url, *rest = arguments
    named = {name[2:]: value for name, value in zip(rest[::2], rest[1::2], strict=True)}
    return {"role": role, "url": url, **named}


if __name__ == "__main__":
    Gst.init(None)
    Client(parse(sys.argv[1:])).run()
