from __future__ import annotations

import pytest
from livekit.protocol.rtc import MuteTrackRequest, Ping, SignalRequest, SignalResponse

from sfu.signaling.livekit.frames import Frame, FrameError, parse_request


def test_both_forms_say_the_same() -> None:
    request = SignalRequest(ping_req=Ping(timestamp=7))
    assert parse_request(request.SerializeToString()) == request
    assert parse_request('{"pingReq": {"timestamp": "7"}}') == request


def test_fields_and_kinds_of_newer_clients_are_ignored() -> None:
    assert parse_request('{"pingReq": {"timestamp": "7", "colour": 1}, "more": {}}').ping_req.timestamp == 7
    unknown = b"\xca\x3e\x02\x08\x01"  # field 1001, with a message
    assert parse_request(unknown).WhichOneof("message") is None
    assert parse_request(b"").WhichOneof("message") is None


@pytest.mark.parametrize("frame", [b"\xff", b"\x0a\xff", "", "[]", "null", "{", '{"mute": 1}', '{"a":' * 5000])
def test_what_is_no_request_is_refused(frame: bytes | str) -> None:
    with pytest.raises(FrameError):
        parse_request(frame)


def test_a_frame_is_written_once_for_each_form() -> None:
    frame = Frame(SignalResponse(mute=MuteTrackRequest(sid="TR_a", muted=True)))
    assert frame.binary is frame.binary and frame.text is frame.text
    assert SignalResponse.FromString(frame.binary) == frame.response
    assert frame.text == '{"mute": {"sid": "TR_a", "muted": true}}'
