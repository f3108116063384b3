"""Access tokens of the LiveKit protocol: JSON Web Tokens (RFC 7519), signed with HS256 by the secret of an API key.

Claims: `iss` (which API key), `sub` (the identity; `jti` where it is absent), `exp` (required), `nbf`, `name`,
`metadata`, `attributes`, `kind`, `kindDetails`, `sha256` (of a webhook's body), `roomPreset`, `roomConfig`, `video` and
`sip` (grants). Claims that are not known are ignored, since newer SDKs have more of them.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import jwt

from sfu.errors import ArgumentError
from sfu.signaling.http.signed_tokens import ALGORITHM, MIN_SECRET_BYTES, Key, SignedTokens, read_signer
from sfu.signaling.livekit.claims import Claims, TokenError

MAX_TOKEN_BYTES = 16384
"""Metadata and attributes may be inside, and a longer token has too much of them."""
LEEWAY = 60.0
"""Seconds that the clocks of issuer and node may differ by."""
MAX_LIFETIME = 30 * 86400.0
"""Seconds that a token may be good for, unless it is set."""
REFRESH_TTL = 600.0
"""Seconds that a token is good for which the node gives a participant to come back with."""
WEBHOOK_TTL = 300.0
"""Seconds that the signature of a webhook is good for, from each attempt to deliver it on."""


class ApiKeys:
    """The API keys of a node: they verify what SDKs bring, and sign what it gives out itself."""

    def __init__(
        self, secrets: Mapping[str, str], clock: Callable[[], float], *, max_lifetime: float = MAX_LIFETIME
    ) -> None:
        """`secrets`: by API key. `clock` returns seconds since the Unix epoch. `max_lifetime`: seconds that a token may
        be good for. Raises ArgumentError where there is no key, or a secret is too short.
        """
        if not secrets:
            raise ArgumentError("There is no API key: give one, with its secret.")
        for key, secret in secrets.items():
            if len(secret.encode()) < MIN_SECRET_BYTES:
                raise ArgumentError(f"The secret of API key {key!r} has less than {MIN_SECRET_BYTES} bytes (RFC 7518).")
        self._secrets = dict(secrets)
        self._clock = clock
        self._max_lifetime = max_lifetime
        self._tokens = SignedTokens(self._find_key, _read_claims, TokenError, max_bytes=MAX_TOKEN_BYTES)

    @property
    def names(self) -> tuple[str, ...]:
        """The API keys, without their secrets; the first one signs where none is named."""
        return tuple(self._secrets)

    def verify(self, token: str) -> Claims:
        """What the token says; raises TokenError, which tells what is wrong with it and never quotes it."""
        claims, not_before, issued = self._tokens.read(token)
        now = self._clock()
        if now >= claims.expires + LEEWAY:
            raise TokenError("The token has expired (claim exp): issue another.")
        # By its own words, and by ours: who has no iat or nbf, or one in the future, has no longer.
        if claims.expires - min(now, issued) > self._max_lifetime + LEEWAY:
            raise TokenError(
                f"The token is good for more than {self._max_lifetime:.0f} s, the most that this server takes: "
                "issue another."
            )
        if now < not_before - LEEWAY:
            raise TokenError("The token is not valid yet (claim nbf): compare the clocks of issuer and server.")
        return claims

    def is_valid(self, token: str) -> bool:
        """Whether the token is good for anything."""
        try:
            self.verify(token)
        except TokenError:
            return False
        return True

    def mint(self, claims: Claims, ttl: float = REFRESH_TTL) -> str:
        """Sign a token that says the same as `claims`, by their API key, good for `ttl` seconds from now."""
        now = self._clock()
        times = {"nbf": int(now), "exp": int(now + ttl)}
        key = claims.api_key if claims.api_key in self._secrets else self.names[0]
        return self._sign(key, {**claims.as_json(), **times, "iss": key})

    def sign_body(self, body: bytes, api_key: str = "", ttl: float = WEBHOOK_TTL) -> str:
        """Sign a token that vouches for the body of a webhook. `api_key`: by which key; the first, unless named."""
        now = self._clock()
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        key = api_key or self.names[0]
        if key not in self._secrets:
            raise ArgumentError(f"There is no API key {key!r} to sign webhooks with.")
        return self._sign(key, {"iss": key, "nbf": int(now), "exp": int(now + ttl), "sha256": digest})

    def _sign(self, key: str, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self._secrets[key], algorithm=ALGORITHM, headers={"kid": key})

    def _find_key(self, token: str) -> Key:
        key = read_signer(token).issuer
        secret = self._secrets.get(key) if isinstance(key, str) else None
        if not isinstance(key, str) or secret is None:
            raise TokenError("The token names no API key of this server (claim iss).")
        return Key(key, secret)


def _read_claims(decoded: Mapping[str, Any], key_id: str) -> tuple[Claims, float, float]:
    """The claims, the time from when on they hold, and that of the token's issue; the times as the token says."""
    not_before = _read_time(decoded, "nbf", 0.0)
    return Claims.from_json(decoded), not_before, _read_time(decoded, "iat", not_before or float("inf"))


def _read_time(claims: Mapping[str, Any], name: str, default: float) -> float:
    value = claims.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise TokenError(f"The token's time {name} is not a number.")
    return value
