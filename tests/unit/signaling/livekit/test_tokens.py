from __future__ import annotations

import base64
import datetime
import hashlib
import json
from typing import Any

import jwt
import pytest
from livekit import api
from livekit.protocol.models import ParticipantInfo, TrackSource
from livekit.protocol.room import RoomConfiguration

from sfu.errors import ArgumentError
from sfu.signaling.livekit.claims import Claims, GrantError, TokenError, VideoGrants
from sfu.signaling.livekit.participant import allows_source, build_permission
from sfu.signaling.livekit.tokens import LEEWAY, MAX_TOKEN_BYTES, ApiKeys

NOW = 1_800_000_000.0
SECRET = "s" * 40
OTHER = "o" * 40
JOIN = {"roomJoin": True, "room": "lobby"}
CLAIMS = {"iss": "one", "sub": "alice", "exp": NOW + 600, "video": JOIN}


def keys(now: float = NOW, **settings: float) -> ApiKeys:
    return ApiKeys({"one": SECRET, "two": OTHER}, lambda: now, **settings)


def sign(claims: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, secret, algorithm=algorithm)


def read(**claims: Any) -> Claims:
    return keys().verify(sign(CLAIMS | claims))


def test_a_token_of_the_server_sdk_says_what_it_was_given() -> None:
    config = RoomConfiguration(name="big", max_participants=7)
    token = (
        api.AccessToken("two", OTHER)
        .with_identity("alice")
        .with_name("Alice")
        .with_metadata("m")
        .with_attributes({"a": "b"})
        .with_kind("egress")
        .with_room_preset("preset")
        .with_room_config(config)
        .with_sip_grants(api.SIPGrants(admin=True))
        .with_grants(
            api.VideoGrants(
                room_join=True,
                room="lobby",
                can_publish_sources=["camera"],
                can_publish_data=False,
                hidden=True,
                can_update_own_metadata=True,
            )
        )
        .with_ttl(datetime.timedelta(hours=6))
        .to_jwt()
    )
    now = datetime.datetime.now(datetime.UTC).timestamp()
    claims = keys(now).verify(token)
    assert (claims.api_key, claims.identity, claims.name, claims.metadata) == ("two", "alice", "Alice", "m")
    assert claims.attributes == {"a": "b"}
    assert claims.room_config == config
    assert claims.room_preset == "preset"
    assert claims.sip.admin and not claims.sip.call
    assert claims.participant_kind == ParticipantInfo.Kind.EGRESS
    assert claims.video == VideoGrants(
        room_join=True,
        room="lobby",
        can_publish_data=False,
        can_publish_sources=frozenset({"camera"}),
        can_update_own_metadata=True,
        hidden=True,
    )
    assert claims.expires == pytest.approx(now + 6 * 3600, abs=60)


def test_what_is_unset_may_be_done_but_for_the_own_metadata() -> None:
    video = read().video
    assert video.can_publish and video.can_subscribe and video.can_publish_data
    assert not video.can_update_own_metadata and not video.can_subscribe_metrics
    assert video.can_publish_sources is None
    assert allows_source(build_permission(video), TrackSource.SCREEN_SHARE)


def test_data_may_be_sent_as_media_may_unless_it_is_set() -> None:
    assert not read(video=JOIN | {"canPublish": False}).video.can_publish_data
    assert read(video=JOIN | {"canPublish": False, "canPublishData": True}).video.can_publish_data


def test_only_sources_that_are_named_may_be_published() -> None:
    video = read(video=JOIN | {"canPublishSources": ["camera", "screen_share", "hologram"]}).video
    assert allows_source(build_permission(video), TrackSource.CAMERA) and allows_source(
        build_permission(video), TrackSource.SCREEN_SHARE
    )
    assert not allows_source(build_permission(video), TrackSource.MICROPHONE)
    assert not allows_source(build_permission(video), TrackSource.UNKNOWN)
    unknown_only = read(video=JOIN | {"canPublishSources": ["hologram"]}).video
    assert not allows_source(build_permission(unknown_only), TrackSource.CAMERA)
    forbidden = read(video=JOIN | {"canPublish": False, "canPublishSources": ["camera"]}).video
    assert not allows_source(build_permission(forbidden), TrackSource.CAMERA)


def test_a_token_without_grants_allows_nothing() -> None:
    claims = keys().verify(sign({"iss": "one", "sub": "alice", "exp": NOW + 60}))
    video = claims.video
    assert not any((video.can_publish, video.can_subscribe, video.can_publish_data, video.room_join))
    with pytest.raises(GrantError, match="roomJoin"):
        claims.require_join()


def test_the_identity_may_stand_in_the_tokens_id() -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != "sub"}
    assert keys().verify(sign(claims | {"jti": "bob"})).identity == "bob"
    assert read(jti="bob").identity == "alice"


@pytest.mark.parametrize(
    ("claims", "taken"),
    [
        ({"exp": NOW - LEEWAY + 1}, True),
        ({"exp": NOW - LEEWAY}, False),
        ({"nbf": NOW + LEEWAY}, True),
        ({"nbf": NOW + LEEWAY + 1}, False),
        ({"exp": NOW + 30 * 86400}, True),
        ({"exp": NOW + 31 * 86400}, False),
        ({"exp": NOW + 60, "iat": NOW - 31 * 86400}, False),
        ({"exp": NOW + 60, "nbf": NOW - 31 * 86400}, False),
    ],
)
def test_a_token_counts_from_its_beginning_to_its_expiry(claims: dict[str, float], taken: bool) -> None:
    if taken:
        read(**claims)
    else:
        with pytest.raises(TokenError, match=r"expired|not valid yet|more than 2592000 s"):
            read(**claims)


def test_a_remembered_token_expires_all_the_same() -> None:
    now = [NOW]
    remembering = ApiKeys({"one": SECRET}, lambda: now[0])
    token = sign(CLAIMS)
    remembering.verify(token)
    now[0] += 600 + LEEWAY
    with pytest.raises(TokenError, match="expired"):
        remembering.verify(token)


def unsigned(claims: dict[str, Any], header: dict[str, Any]) -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims))
    return ".".join(parts) + "."


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (sign(CLAIMS, OTHER), "signature does not fit"),
        (sign(CLAIMS | {"iss": "two"}), "signature does not fit"),
        (sign(CLAIMS | {"iss": "three"}), "names no API key"),
        (sign({name: value for name, value in CLAIMS.items() if name != "iss"}), "names no API key"),
        (sign({name: value for name, value in CLAIMS.items() if name != "exp"}), "no expiry"),
        (sign(CLAIMS, "s" * 64, "HS512"), "not signed with HS256"),
        (unsigned(CLAIMS, {"alg": "none", "typ": "JWT"}), "not signed with HS256"),
        (unsigned(CLAIMS, {"alg": "HS256", "typ": "JWT"}), "signature does not fit"),
        (sign(CLAIMS | {"metadata": "m" * MAX_TOKEN_BYTES}), "longer than 16384 bytes"),
        ("", "not a well-formed"),
        ("a.b.c", "not a well-formed"),
        ("é" * 20, "not a well-formed"),
        ("[" * 9000, "not a well-formed"),
        (unsigned([], {"alg": "HS256"}), "not a well-formed"),  # type: ignore[arg-type]
    ],
)
def test_a_token_that_cannot_be_trusted_is_refused_with_its_reason(token: str, reason: str) -> None:
    with pytest.raises(TokenError, match=reason) as refused:
        keys().verify(token)
    assert refused.value.status == 401
    assert not token or token not in str(refused.value)


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"nbf": "now"},
        {"nbf": float("nan")},
        {"sub": 7},
        {"sub": "x" * 257},
        {"name": ["alice"]},
        {"attributes": {"a": 1}},
        {"attributes": []},
        {"video": "all"},
        {"video": JOIN | {"room": 7}},
        {"video": JOIN | {"roomJoin": "yes"}},
        {"video": JOIN | {"roomJoin": 1}},
        {"video": JOIN | {"canPublishSources": "camera"}},
        {"video": JOIN | {"canPublishSources": [1]}},
        {"sip": {"admin": "yes"}},
        {"kindDetails": [1]},
        {"roomConfig": {"maxParticipants": "many"}},
        {"roomConfig": []},
    ],
)
def test_claims_of_the_wrong_type_are_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(TokenError, match=r"claim|time"):
        read(**claims)


def test_unknown_claims_of_newer_issuers_are_ignored() -> None:
    claims = read(
        inference={"perform": True}, video=JOIN | {"canFly": True}, roomConfig={"name": "r", "newer": 1}, kind="robot"
    )
    assert claims.require_join() == "lobby"
    assert claims.room_config == RoomConfiguration(name="r")
    assert claims.participant_kind == ParticipantInfo.Kind.STANDARD


def test_who_may_register_agents_enters_as_one() -> None:
    assert read(video=JOIN | {"agent": True}).participant_kind == ParticipantInfo.Kind.AGENT
    assert read(kind="agent").participant_kind == ParticipantInfo.Kind.AGENT


@pytest.mark.parametrize(
    ("claims", "room", "reason"),
    [
        ({}, "attic", "another room"),
        ({"sub": ""}, "lobby", "no identity"),
        ({"video": {"room": "lobby"}}, "lobby", "roomJoin"),
        ({"video": {"roomJoin": True}}, "", "which room"),
    ],
)
def test_a_token_enters_no_room_but_its_own(claims: dict[str, Any], room: str, reason: str) -> None:
    with pytest.raises(GrantError, match=reason) as refused:
        read(**claims).require_join(room)
    assert refused.value.status == 403


def test_a_right_counts_in_its_room_and_to_its_destination_only() -> None:
    admin = read(video={"roomAdmin": True, "room": "lobby", "destinationRoom": "attic"})
    admin.require("room_admin", "lobby")
    admin.require("room_admin", "lobby", "attic")
    for wrong in (
        ("room_admin", "attic"),
        ("room_admin", ""),
        ("room_admin", "lobby", "cellar"),
        ("room_admin", "lobby", ""),
    ):
        with pytest.raises(GrantError, match="another"):
            admin.require(*wrong)
    with pytest.raises(GrantError, match=r"video\.roomCreate"):
        admin.require("room_create")
    with pytest.raises(GrantError, match="another"):
        read(video={"roomAdmin": True}).require("room_admin", "")


def test_a_fresh_token_says_the_same_and_is_good_for_its_time() -> None:
    claims = read(
        name="Alice", metadata="m", attributes={"a": "b"}, kind="sip", kindDetails=["x"], roomPreset="p",
        roomConfig={"name": "r", "agents": [{"agentName": "helper"}]}, sip={"call": True},
        video=JOIN | {"canPublishSources": ["camera"], "canSubscribe": False, "hidden": True, "destinationRoom": "x"},
    )  # fmt: skip
    token = keys().mint(claims, ttl=60.0)
    fresh = keys(NOW + 1).verify(token)
    assert fresh == claims
    assert fresh.expires == NOW + 60
    with pytest.raises(TokenError, match="expired"):
        keys(NOW + 60 + LEEWAY).verify(token)


def test_a_fresh_token_is_taken_by_the_server_sdk() -> None:
    now = datetime.datetime.now(datetime.UTC).timestamp()
    claims = keys(now).verify(sign(CLAIMS | {"exp": now + 60}))
    told = api.TokenVerifier("one", SECRET).verify(keys(now).mint(claims))
    assert told.identity == "alice"
    assert told.video is not None and told.video.room_join and told.video.room == "lobby"


def test_the_signature_of_a_body_holds_for_that_body() -> None:
    body = b'{"event":"room_started"}'
    claims = keys().verify(keys().sign_body(body, "two"))
    assert claims.api_key == "two"
    assert base64.b64decode(claims.sha256) == hashlib.sha256(body).digest()
    with pytest.raises(GrantError):
        claims.require_join()
    with pytest.raises(ArgumentError, match="no API key 'three'"):
        keys().sign_body(body, "three")


def test_short_secrets_and_no_keys_are_refused() -> None:
    with pytest.raises(ArgumentError, match="'devkey' has less than 32 bytes"):
        ApiKeys({"devkey": "secret"}, lambda: NOW)
    with pytest.raises(ArgumentError, match="no API key"):
        ApiKeys({}, lambda: NOW)
