from __future__ import annotations

import base64
import gzip
import json
import tracemalloc

import pytest
from livekit.protocol.models import ClientInfo
from livekit.protocol.rtc import (
    AddTrackRequest,
    ConnectionSettings,
    JoinRequest,
    SessionDescription,
    SyncState,
    WrappedJoinRequest,
)

from sfu.signaling.livekit.join import MAX_JOIN_BYTES, JoinError, read_join_request, read_query


def pack(request: JoinRequest | bytes, *, compress: bool = False) -> str:
    inner = request if isinstance(request, bytes) else request.SerializeToString()
    kind = WrappedJoinRequest.Compression.GZIP if compress else WrappedJoinRequest.Compression.NONE
    wrapped = WrappedJoinRequest(compression=kind, join_request=gzip.compress(inner, mtime=0) if compress else inner)
    return base64.urlsafe_b64encode(wrapped.SerializeToString()).decode()


def test_a_query_says_who_the_client_is_and_what_it_wants() -> None:
    attributes = base64.urlsafe_b64encode(json.dumps({"a": "b"}).encode()).decode().rstrip("=")
    join = read_query(
        {
            "sdk": "js",
            "version": "2.23.0",
            "protocol": "17",
            "client_protocol": "2",
            "browser": "Firefox",
            "auto_subscribe": "0",
            "adaptive_stream": "1",
            "attributes": attributes,
            "later": "x",
        }
    )
    assert (join.client.sdk, join.client.version, join.protocol) == (ClientInfo.SDK.JS, "2.23.0", 17)
    assert (join.client.client_protocol, join.client.browser) == (2, "Firefox")
    assert (join.auto_subscribe, join.adaptive_stream, join.single, join.resumes) == (False, True, False, False)
    assert join.attributes == {"a": "b"}


def test_an_empty_query_means_the_defaults() -> None:
    join = read_query({"protocol": "seventeen", "sdk": "future"})
    assert (join.auto_subscribe, join.auto_subscribe_data, join.protocol) == (True, False, 0)
    assert join.client.sdk == ClientInfo.SDK.UNKNOWN


@pytest.mark.parametrize("attributes", ["!", base64.b64encode(b"[1]").decode(), base64.b64encode(b'{"a":1}').decode()])
def test_attributes_are_texts(attributes: str) -> None:
    with pytest.raises(JoinError):
        read_query({"attributes": attributes})


@pytest.mark.parametrize("compress", [False, True])
def test_a_join_request_holds_an_offer_tracks_and_state(compress: bool) -> None:
    request = JoinRequest(
        client_info=ClientInfo(sdk=ClientInfo.SDK.RUST, protocol=18),
        connection_settings=ConnectionSettings(auto_subscribe=True, adaptive_stream=True),
        participant_attributes={"a": "b"},
        add_track_requests=[AddTrackRequest(cid="c")],
        publisher_offer=SessionDescription(type="offer", sdp="v=0", id=3),
        reconnect=True,
        participant_sid="PA_x",
        sync_state=SyncState(track_sids_disabled=["TR_x"]),
    )
    join = read_join_request(pack(request, compress=compress))
    assert join.single and join.protocol == 18 and join.auto_subscribe and join.resumes
    assert [track.cid for track in join.tracks] == ["c"]
    assert join.offer is not None and join.offer.id == 3
    assert join.participant_sid == "PA_x"
    assert join.sync_state is not None and [*join.sync_state.track_sids_disabled] == ["TR_x"]
    assert read_query({"join_request": pack(request)}).single, "/rtc takes it, too"


def test_the_least_of_a_join_request() -> None:
    join = read_join_request(pack(JoinRequest()).rstrip("="))
    assert (join.offer, join.sync_state, join.auto_subscribe, join.allow_pause) == (None, None, False, False)


def test_a_gzip_bomb_is_not_unpacked() -> None:
    bomb = pack(b"\x00" * (200 << 20), compress=True)
    tracemalloc.start()
    try:
        with pytest.raises(JoinError, match="larger"):
            read_join_request(bomb)
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX_JOIN_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "packed",
    [
        "!!",
        "AAA*",
        base64.b64encode(b"\xff\xff").decode(),
        pack(b"\xff\xff"),
        base64.b64encode(WrappedJoinRequest(compression=1, join_request=b"no gzip").SerializeToString()).decode(),
        base64.b64encode(
            WrappedJoinRequest(compression=1, join_request=gzip.compress(b"abc", mtime=0)[:-4]).SerializeToString()
        ).decode(),
        "A" * (4 << 20),
    ],
)
def test_what_is_no_join_request_is_refused(packed: str) -> None:
    with pytest.raises(JoinError):
        read_join_request(packed)
