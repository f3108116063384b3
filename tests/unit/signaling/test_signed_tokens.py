from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt
import pytest

from sfu.signaling.http.signed_tokens import Key, SignedTokens, read_signer

SECRETS = {"one": "1" * 64, "two": "2" * 64}


class Refused(Exception):
    pass


class Reader:
    """Counts how often it was asked for a secret, and for what claims say."""

    def __init__(self) -> None:
        self.sought = 0
        self.read = 0
        self.tokens = SignedTokens(self.find_key, self.read_claims, Refused, max_bytes=400)

    def find_key(self, token: str) -> Key:
        self.sought += 1
        key = str(read_signer(token).issuer)
        return Key(key, SECRETS[key])

    def read_claims(self, claims: Mapping[str, Any], key_id: str) -> str:
        self.read += 1
        assert claims["iss"] == key_id
        return str(claims["sub"])


def sign(key: str = "one", algorithm: str = "HS256", secret: str = "", **claims: object) -> str:
    return jwt.encode({"iss": key, "exp": 1, "sub": "alice", **claims}, secret or SECRETS[key], algorithm)


def test_a_token_is_read_once_however_often_it_comes() -> None:
    reader = Reader()
    tokens = [sign(), sign("two", sub="bob")]
    assert [reader.tokens.read(token) for token in tokens * 3] == ["alice", "bob"] * 3
    assert (reader.sought, reader.read) == (2, 2)


def test_what_is_remembered_is_bounded() -> None:
    reader = Reader()
    first = sign()
    reader.tokens.read(first)
    for number in range(512):
        reader.tokens.read(sign(sub=str(number)))
    reader.tokens.read(first)
    assert reader.read == 514, "the oldest was forgotten"


def test_what_is_refused_is_looked_at_anew_and_times_are_nobody_s_here() -> None:
    reader = Reader()
    forged = sign(secret="3" * 32)
    for _ in range(2):
        with pytest.raises(Refused, match="signature does not fit its key"):
            reader.tokens.read(forged)
    assert (reader.sought, reader.read) == (2, 0)
    assert reader.tokens.read(sign(nbf=10**12, iat=10**12, aud="elsewhere")) == "alice"


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (jwt.encode({"iss": "one"}, SECRETS["one"]), "no expiry"),
        (sign(algorithm="HS512"), "not signed with HS256"),
        (sign(sub="x" * 400), "longer than 400 bytes"),
        ("a.b.c", "not a well-formed"),
        ("\ud800", "not a well-formed"),
        ("", "not a well-formed"),
    ],
)
def test_each_error_says_what_is_wrong(token: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        Reader().tokens.read(token)
