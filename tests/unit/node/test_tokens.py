from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest

from sfu.errors import InvalidNameError
from sfu.node.tokens import TokenAuthorizer, issue_token
from sfu.signaling import AuthorizationError, Grants

NOW = 1_800_000_000.0
SECRET = "s" * 40
OTHER = "o" * 40
CLAIMS = {"room": "lobby", "exp": NOW + 60, "publish": True}


def authorize(token: str, now: float = NOW) -> Grants:
    return TokenAuthorizer({"one": SECRET, "two": OTHER}, lambda: now).authorize(token)


def sign(claims: dict[str, Any], secret: str = SECRET, kid: Any = "one", algorithm: str = "HS256") -> str:
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode(claims, secret, algorithm=algorithm, headers=headers)


def test_an_issued_token_grants_what_it_was_issued_for() -> None:
    token = issue_token("two", OTHER, room="lobby", peer="alice", publish=True, now=NOW, ttl=60)
    assert authorize(token) == Grants(room="lobby", peer="alice", publish=True, subscribe=False)


def test_the_tenant_is_the_key_whose_secret_has_signed() -> None:
    assert authorize(sign(CLAIMS)).tenant == "one"
    assert authorize(sign(CLAIMS | {"iss": "two"})).tenant == "one"
    assert authorize(sign(CLAIMS | {"iss": "two"}, OTHER, kid=None)).tenant == "two"


def test_the_right_to_moderate_is_given_by_name_only() -> None:
    token = issue_token("one", SECRET, room="lobby", admin=True, now=NOW, ttl=60)
    assert authorize(token) == Grants(room="lobby", admin=True)
    assert not authorize(sign(CLAIMS | {"subscribe": True, "record": True})).admin


LONG = 30 * 86400.0


@pytest.mark.parametrize(
    ("claims", "taken"),
    [
        ({"exp": NOW + LONG}, True),
        ({"exp": NOW + LONG + 6}, False),
        ({"exp": NOW + 10 * 365 * 86400}, False),
        ({"exp": NOW + 60, "iat": NOW - LONG + 60}, True),
        ({"exp": NOW + 60, "iat": NOW - LONG - 60}, False),  # the last minute of one that was good for too long
        ({"exp": NOW + LONG + 60, "iat": NOW + 1000}, False),  # a time of issue that is to come makes none shorter
        ({"exp": NOW + 60, "iat": NOW + 1000}, True),
    ],
)
def test_a_token_is_good_for_no_longer_than_the_node_takes(claims: dict[str, float], taken: bool) -> None:
    token = sign(CLAIMS | claims)
    if taken:
        authorize(token)
    else:
        with pytest.raises(AuthorizationError, match="more than 2592000 s"):
            authorize(token)


def test_the_longest_lifetime_can_be_set() -> None:
    short = TokenAuthorizer({"one": SECRET}, lambda: NOW, max_lifetime=60.0)
    short.authorize(sign(CLAIMS))
    with pytest.raises(AuthorizationError, match="more than 60 s"):
        short.authorize(sign(CLAIMS | {"exp": NOW + 66}))


@pytest.mark.parametrize(
    ("claims", "audience", "reason"),
    [
        ({}, "", None),
        ({"aud": "sfu.example"}, "sfu.example", None),
        ({"aud": ["other", "sfu.example"]}, "sfu.example", None),
        ({}, "sfu.example", "does not say that it is for 'sfu.example'"),
        ({"aud": "other"}, "sfu.example", "another audience"),
        ({"aud": "sfu.example.other"}, "sfu.example", "another audience"),
        ({"aud": ["other"]}, "sfu.example", "another audience"),
        ({"aud": []}, "sfu.example", "another audience"),
        ({"aud": {"sfu.example": 1}}, "sfu.example", "another audience"),
        ({"aud": 7}, "sfu.example", "another audience"),
        ({"aud": "other"}, "", "has none set"),
        ({"aud": ["other"]}, "", "has none set"),
    ],
)
def test_a_token_is_for_this_audience_or_for_none(claims: dict[str, Any], audience: str, reason: str | None) -> None:
    authorizer = TokenAuthorizer({"one": SECRET}, lambda: NOW, audience=audience)
    token = sign(CLAIMS | claims)
    if reason is None:
        authorizer.authorize(token)
    else:
        with pytest.raises(AuthorizationError, match=reason):
            authorizer.authorize(token)


def test_grants_say_when_they_end() -> None:
    assert authorize(sign(CLAIMS | {"exp": NOW + 60.5})).expires == NOW + 60.5


def test_the_right_to_record_is_given_by_name_only() -> None:
    token = issue_token("two", OTHER, room="lobby", record=True, now=NOW, ttl=60)
    assert authorize(token) == Grants(room="lobby", record=True)
    assert not authorize(issue_token("two", OTHER, room="lobby", publish=True, now=NOW, ttl=60)).record
    assert not authorize(sign(CLAIMS | {"subscribe": True})).record  # as tokens were before there was this right


def test_a_token_may_leave_the_peer_and_the_room_open() -> None:
    assert authorize(issue_token("one", SECRET, room="*", now=NOW, ttl=60)) == Grants(room="*")


def test_tokens_of_one_login_are_one_subject_s_and_no_name_is_like_it() -> None:
    tokens = [sign(CLAIMS | {"sid": login, "exp": NOW + ttl}) for login, ttl in (("a", 60), ("a", 90), ("b", 60))]
    first, renewed, other = (authorize(token).subject(token) for token in tokens)
    assert first == renewed != other
    assert len(first) > 64  # longer than a peer's name
    named = sign(CLAIMS | {"sid": "a", "sub": "alice"})
    assert authorize(named).subject(named) == "alice"


@pytest.mark.parametrize("login", ["", "a" * 257, 7, True, ["a"]])
def test_a_login_is_a_short_text(login: object) -> None:
    with pytest.raises(AuthorizationError, match="sid"):
        authorize(sign(CLAIMS | {"sid": login}))


def test_the_key_may_be_named_by_the_issuer() -> None:
    assert authorize(sign(CLAIMS | {"iss": "two"}, OTHER, kid=None)).publish


@pytest.mark.parametrize(("age", "good"), [(59.0, True), (64.0, True), (65.0, False), (1e6, False)])
def test_a_token_ends_at_its_expiry_with_a_little_leeway(age: float, good: bool) -> None:
    token = issue_token("one", SECRET, room="lobby", now=NOW, ttl=60)
    if good:
        authorize(token, NOW + age)
    else:
        with pytest.raises(AuthorizationError, match="expired"):
            authorize(token, NOW + age)


def unsigned() -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'kid': 'one'})}.{part(CLAIMS)}."


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", "well-formed"),
        ("a.b.c", "well-formed"),
        ("\udcff", "well-formed"),
        ("é.é.é", "well-formed"),
        ("[" * 4000, "well-formed"),
        ("x" * 5000, "longer"),
        (unsigned(), "well-formed|signed with"),
        (sign(CLAIMS, "x" * 64, algorithm="HS512"), "signed with"),
        (sign(CLAIMS, OTHER), "signature"),
        (sign(CLAIMS, kid="three"), "does not have"),
        (sign(CLAIMS, kid=None), "does not name"),
        (sign(CLAIMS | {"iss": "three"}, kid=None), "does not have"),
        (sign({"room": "lobby"}), "no expiry"),
        (sign(CLAIMS | {"exp": "tomorrow"}), "exp is not a number"),
        (sign(CLAIMS | {"exp": True}), "exp is not a number"),
        (sign(CLAIMS | {"exp": float("inf")}), "exp is not a number"),
        (sign(CLAIMS | {"exp": float("nan")}), "exp is not a number"),
        (sign(CLAIMS | {"nbf": NOW + 60}), "not valid yet"),
        (sign(CLAIMS | {"nbf": "now"}), "nbf is not a number"),
        (sign({"exp": NOW + 60}), "names no room"),
        (sign(CLAIMS | {"room": ["lobby"]}), "names no room"),
        (sign(CLAIMS | {"room": "a b"}), "room's name"),
        (sign(CLAIMS | {"publish": "yes"}), "true or false"),
        (sign(CLAIMS | {"subscribe": 1}), "true or false"),
        (sign(CLAIMS | {"record": "true"}), "true or false"),
        (sign(CLAIMS | {"record": None}), "true or false"),
        (sign(CLAIMS | {"admin": 1}), "true or false"),
        (sign(CLAIMS | {"iat": "today"}), "iat is not a number"),
        (sign(CLAIMS | {"sub": ""}), "peer's name"),
        (sign(CLAIMS | {"sub": 7}), "peer's name"),
        (sign(CLAIMS | {"sub": "a\nb"}), "peer's name"),
    ],
)
def test_any_other_token_is_refused_with_the_reason(token: str, reason: str) -> None:
    with pytest.raises(AuthorizationError, match=reason) as caught:
        authorize(token)
    assert len(token) < 10 or token not in str(caught.value)


def test_a_wrong_name_gets_no_token() -> None:
    for names in ({"room": "a b"}, {"room": "lobby", "peer": " "}):
        with pytest.raises(InvalidNameError):
            issue_token("one", SECRET, now=NOW, ttl=60, **names)  # type: ignore[arg-type]
