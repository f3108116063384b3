"""The node's tokens: JSON Web Tokens (RFC 7519) signed with HS256, made by whoever holds one of the node's keys.

Claims: `room` (a name, or `*`), `exp` (required), `sub` (the peer's name; left open when absent), `publish`,
`subscribe`, `record` and `admin` (booleans, false when absent), `nbf`, `iat`, `aud`, `sid` (the login that a token
without a name belongs to: OpenID Connect Front-Channel Logout 1.0 section 3). The key is named by the header's `kid`,
or else by the claim `iss`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jwt

from sfu.errors import InvalidNameError
from sfu.signaling import ANY_ROOM, AuthorizationError, Grants
from sfu.signaling.http.names import parse_peer_name, parse_room_name
from sfu.signaling.http.signed_tokens import ALGORITHM, Key, SignedTokens, read_signer

MAX_TOKEN_BYTES = 4096
_MAX_LOGIN_LENGTH = 256
LEEWAY = 5.0
"""Seconds by which the clocks of issuer and node may differ."""

MAX_LIFETIME = 30 * 86400.0
"""Seconds for which a token may be valid, unless a setting says otherwise."""

DEV_KEY_ID = "dev"
"""Id of the key that a node in development makes for itself at each start."""


def issue_token(
    key_id: str,
    secret: str,
    *,
    room: str,
    now: float,
    ttl: float,
    peer: str | None = None,
    publish: bool = False,
    subscribe: bool = False,
    record: bool = False,
    admin: bool = False,
    audience: str = "",
) -> str:
    """Return a signed token. `ttl` is in seconds, `now` in seconds since the Unix epoch. Raises ValueError for a wrong
    name.
    """
    claims: dict[str, Any] = {
        "iss": key_id,
        "iat": int(now),
        "exp": int(now + ttl),
        "room": room if room == ANY_ROOM else parse_room_name(room),
        "publish": publish,
        "subscribe": subscribe,
        "record": record,
        "admin": admin,
    }
    if peer is not None:
        claims["sub"] = parse_peer_name(peer)
    if audience:
        claims["aud"] = audience
    return jwt.encode(claims, secret, algorithm=ALGORITHM, headers={"kid": key_id})


class TokenAuthorizer:
    """Checks tokens against the node's keys."""

    def __init__(
        self,
        keys: Mapping[str, str],
        clock: Callable[[], float],
        *,
        audience: str = "",
        max_lifetime: float = MAX_LIFETIME,
    ) -> None:
        """`keys` holds secrets by key id. `clock` returns seconds since the Unix epoch. `audience` is what the claim
        `aud` of a token must name; if it is empty, tokens must not have the claim. `max_lifetime` is the longest that a
        token may be valid, in seconds.
        """
        self._keys = dict(keys)
        self._clock = clock
        self._audience = audience
        self._max_lifetime = max_lifetime
        self._tokens = SignedTokens(self._find_key, _keep, AuthorizationError, max_bytes=MAX_TOKEN_BYTES)

    def authorize(self, token: str) -> Grants:
        """Return the token's grants; raise AuthorizationError, which says what is wrong with the token."""
        claims, key_id = self._tokens.read(token)
        _check_times(claims, self._clock(), self._max_lifetime)
        _check_audience(claims, self._audience)
        return _read_grants(claims, key_id)

    def is_valid(self, token: str) -> bool:
        """Whether the token is valid, for whatever room."""
        try:
            self.authorize(token)
        except AuthorizationError:
            return False
        return True

    def _find_key(self, token: str) -> Key:
        signer = read_signer(token)
        key_id = signer.issuer if signer.key_id is None else signer.key_id
        if not isinstance(key_id, str):
            raise AuthorizationError("The token does not name its key (header kid, or claim iss).")
        secret = self._keys.get(key_id)
        if secret is None:
            raise AuthorizationError("The token names a key that this server does not have.")
        return Key(key_id, secret)


def _keep(claims: Mapping[str, Any], key_id: str) -> tuple[Mapping[str, Any], str]:
    """What a token says is looked at when it is used, since a clock and an audience belong to that."""
    return claims, key_id


def _check_times(claims: Mapping[str, Any], now: float, max_lifetime: float) -> None:
    expires = _read_time(claims, "exp")
    if now >= expires + LEEWAY:
        raise AuthorizationError("The token has expired.")
    # By its own words, and by ours: who has no iat, or one in the future, has no longer.
    issued = min(now, _read_time(claims, "iat")) if "iat" in claims else now
    if expires - issued > max_lifetime + LEEWAY:
        raise AuthorizationError(
            f"The token is good for more than {max_lifetime:.0f} s, the most that this server takes: issue another."
        )
    if "nbf" in claims and now < _read_time(claims, "nbf") - LEEWAY:
        raise AuthorizationError("The token is not valid yet.")


def _check_audience(claims: Mapping[str, Any], audience: str) -> None:
    """Check the claim `aud`: a token that names an audience without us MUST be refused (RFC 7519 section 4.1.3)."""
    given = claims.get("aud")
    if given is None:
        if audience:
            raise AuthorizationError(f"The token does not say that it is for {audience!r} (claim aud).")
        return
    named = given if isinstance(given, list) else [given]
    if not audience:
        raise AuthorizationError("The token is for an audience (claim aud), and this server has none set.")
    if audience not in named:
        raise AuthorizationError(f"The token is for another audience (claim aud); this server is {audience!r}.")


def _read_time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e18:
        raise AuthorizationError(f"The token's time {name} is not a number.")
    return value


def _read_grants(claims: Mapping[str, Any], key_id: str) -> Grants:
    room, peer = claims.get("room"), claims.get("sub")
    rights = {right: claims.get(right, False) for right in ("publish", "subscribe", "record", "admin")}
    if not isinstance(room, str):
        raise AuthorizationError("The token names no room (claim room).")
    if not all(isinstance(given, bool) for given in rights.values()):
        raise AuthorizationError("The token's claims publish, subscribe, record and admin must be true or false.")
    try:
        room = room if room == ANY_ROOM else parse_room_name(room)
        if peer is not None:
            peer = parse_peer_name(peer) if isinstance(peer, str) else parse_peer_name("")
    except InvalidNameError as error:
        raise AuthorizationError(f"The token's claims are wrong: {error}") from error
    login = claims.get("sid")
    if login is not None and not (isinstance(login, str) and 0 < len(login) <= _MAX_LOGIN_LENGTH):
        raise AuthorizationError(f"The token's claim sid is not a text of 1 to {_MAX_LOGIN_LENGTH} characters.")
    expires = _read_time(claims, "exp")
    return Grants(room=room, peer=peer, login=login, tenant=key_id, expires=expires, **rights)
