"""What negotiation does with any text: a client's offer, its answer to ours, or a fragment.

An input is an octet that says what it is taken for, and the text. It is taken, or refused with the one error; what is
taken is safe to act on; what is refused has changed nothing.
"""

from __future__ import annotations

import random
import re

from sfu.negotiation import (
    Answerer,
    Candidate,
    Codec,
    Incoming,
    LocalTransport,
    NegotiationError,
    Offerer,
    Outgoing,
    RemoteTransport,
    SdpLimits,
    build_sdp_fragment,
    parse_sdp_fragment,
)
from sfu.negotiation.sdp import MediaDescription, parse_sdp

MODES = ("publish", "watch", "later", "answer", "fragment")
MAX_MEDIA = 12
LIMITS = SdpLimits(size=32 * 1024, lines=600)
_LOCAL = LocalTransport("ours", "p" * 24, ("sha-256", ":".join(["5A"] * 32)), (Candidate("192.0.2.1", 5000),))
_FIRST = (
    "v=0\no=- 1 1 IN IP4 0\ns=-\nt=0 0\na=group:BUNDLE 0 1\na=ice-ufrag:abcd\na=ice-pwd:" + "p" * 22 + "\n"
    "a=fingerprint:sha-256 " + ":".join(["AB"] * 32) + "\na=setup:actpass\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\na=mid:0\na=rtcp-mux\na=sendrecv\na=rtpmap:111 opus/48000/2\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:1\na=rtcp-mux\na=sendrecv\na=rtpmap:96 VP8/90000\n"
)
_STREAMS = (
    Codec("audio", "opus", 48000, 2, 111),
    Codec("video", "VP8", 90000, 0, 96),
    Codec("video", "H264", 90000, 0, 102, {"packetization-mode": "1", "profile-level-id": "42e01f"}),
)
_DIRECTIONS = {"sendrecv", "sendonly", "recvonly", "inactive"}


def run(data: bytes) -> None:
    """Run one input; any exception is a finding."""
    if not data:
        return
    mode, text = MODES[data[0] % len(MODES)], data[1:].decode("utf-8", "replace")
    if mode == "fragment":
        _run_fragment(text)
    elif mode == "answer":
        _run_answer(text)
    else:
        _run_offer(text, publish=mode != "watch", first=_FIRST if mode == "later" else None)


def _run_offer(text: str, *, publish: bool, first: str | None) -> None:
    answerer = Answerer(max_media=MAX_MEDIA, rng=random.Random(1), publish=publish, transport_cc=True, limits=LIMITS)
    before = ""
    if first is not None:
        answerer.handle_offer(first)
        before = answerer.build_answer(_LOCAL)
    try:
        diff = answerer.handle_offer(text)
    except NegotiationError:
        if first is not None:
            assert _body(answerer.build_answer(_LOCAL)) == _body(before)
        return
    _check_remote(diff.remote)
    assert publish or not diff.incoming
    _check_incoming(diff.incoming)
    for number, slot in enumerate(diff.slots, 1):
        assert not slot.filled
        for codec in _STREAMS:
            if any(mine.takes(codec) for mine in slot.codecs):
                answerer.assign(slot.mid, Outgoing(number, "cname", "stream", "track", codec, 100 + number))
    _check_answer(parse_sdp(text).media, answerer.build_answer(_LOCAL), answerer.mids)
    assert len(set(answerer.mids)) == len(answerer.mids) <= MAX_MEDIA
    assert set(build_sdp_fragment(_LOCAL, mids=answerer.mids)) <= set(build_sdp_fragment(_LOCAL)) | set(text)
    again = answerer.handle_offer(text)
    assert (again.incoming, again.ended, again.withdrawn, again.restarted) == (diff.incoming, [], [], False)


def _run_answer(text: str) -> None:
    offerer = Offerer(max_media=MAX_MEDIA, rng=random.Random(1), transport_cc=True, limits=LIMITS)
    for number, codec in enumerate(_STREAMS, 1):
        offerer.add(Outgoing(number, "cname", "stream", "track", codec, 100 + number))
    offerer.add_incoming("video")
    offerer.build_offer(_LOCAL)
    try:
        diff = offerer.handle_answer(text)
    except NegotiationError:
        assert offerer.pending
        return
    _check_remote(diff.remote)
    _check_incoming(diff.incoming)
    mids = [item.mid for item in diff.incoming]
    assert {*diff.accepted, *diff.rejected, *mids} <= set(offerer.mids)
    offerer.request_offer()
    offerer.build_offer(_LOCAL)


def _run_fragment(text: str) -> None:
    try:
        fragment = parse_sdp_fragment(text, LIMITS)
    except NegotiationError:
        return
    assert (fragment.ufrag is None) == (fragment.pwd is None)
    assert len(fragment.candidates) <= LIMITS.lines


def _check_remote(remote: RemoteTransport) -> None:
    """What protects is there, whatever else was left aside."""
    assert re.fullmatch(r"[0-9A-Za-z+/]{4,256}", remote.ufrag)
    assert re.fullmatch(r"[0-9A-Za-z+/]{22,256}", remote.pwd)
    assert remote.fingerprints
    for algorithm, digest in remote.fingerprints:
        octets = {"sha-256": 32, "sha-384": 48, "sha-512": 64}[algorithm]
        assert re.fullmatch(r"[0-9A-F]{2}(:[0-9A-F]{2})*", digest)
        assert len(digest) == 3 * octets - 1
    assert remote.setup in ("active", "passive")


def _check_incoming(incoming: list[Incoming]) -> None:
    """Every source is one stream, and what is told to others can stand in a description."""
    ssrcs = []
    for item in incoming:
        assert 1 <= len(item.encodings) <= 4
        ssrcs += [ssrc for each in item.encodings for ssrc in (each.ssrc, each.repair_ssrc) if ssrc is not None]
        Outgoing(1, item.cname or "c", item.stream_id or "s", item.track_id or "t", item.codec)
        offerer = Offerer(max_media=1, rng=random.Random(1))
        offerer.add(Outgoing(1, "c", "s", "t", item.codec))
        offerer.build_offer(_LOCAL)
    assert len(set(ssrcs)) == len(ssrcs)


def _check_answer(offered: list[MediaDescription], answer: str, mids: tuple[str, ...]) -> None:
    """RFC 3264 section 6: section by section, with what was offered."""
    session = parse_sdp(answer)
    assert len(session.media) == len(offered) == len(mids)
    bundled = (session.attributes.first("group") or "").split()[1:]
    for mine, theirs, mid in zip(session.media, offered, mids, strict=True):
        assert (mine.kind, mine.protocol) == (theirs.kind, theirs.protocol)
        assert set(mine.formats) <= set(theirs.formats)
        assert mine.attributes.first("mid") in (None, mid)
        if not mine.port:
            assert mid not in bundled
            continue
        assert theirs.open
        for name in ("ice-ufrag", "ice-pwd", "fingerprint", "setup", "rtcp-mux"):
            assert len(mine.attributes.all(name)) == 1
        assert len([name for name, _ in mine.attributes if name in _DIRECTIONS]) == 1


def _body(description: str) -> list[str]:
    return description.split("\r\n")[2:]
