"""JSON Web Tokens (RFC 7519) signed with HS256 by a key that the token names: what the node's tokens and those of the
LiveKit protocol have in common.

Signatures are PyJWT's to check; times and audiences are ours, against a clock that is an argument.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import jwt

if TYPE_CHECKING:
    from jwt.types import Options

ALGORITHM = "HS256"
MIN_SECRET_BYTES = 32
"""Least bytes of a secret: a key must be as long as the hash (RFC 7518 section 3.2)."""
_MAX_REMEMBERED = 512
_LATELY = 16
_OPTIONS: Options = {
    "require": ["exp"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}

T = TypeVar("T")


class Key(NamedTuple):
    """Signs tokens."""

    id: str
    secret: str


class SignedTokens(Generic[T]):
    """Reads tokens, each of them once: one token comes with many requests, and neither its signature nor what it says
    changes. Whether it is good at this moment is the caller's to check, anew each time.
    """

    def __init__(
        self,
        find_key: Callable[[str], Key],
        read: Callable[[Mapping[str, Any], str], T],
        refuse: Callable[[str], Exception],
        *,
        max_bytes: int,
    ) -> None:
        """`find_key` returns the key that a token names; `read` makes something of the claims of one whose signature is
        right, and of that key's id. Both raise an error of the kind that `refuse` makes of a message. A token of more
        than `max_bytes` is not looked at.
        """
        self._find_key = find_key
        self._read_claims = read
        self._refuse = refuse
        self._max_bytes = max_bytes
        self.read = functools.lru_cache(maxsize=_MAX_REMEMBERED)(self._read)
        """Returns what a token says; raises an error that says what is wrong with it and never quotes it."""

    def _read(self, token: str) -> T:
        if len(token) > self._max_bytes:
            raise self._refuse(f"The token is longer than {self._max_bytes} bytes.")
        try:
            key = self._find_key(token)
            claims: dict[str, Any] = jwt.decode(token, key.secret, algorithms=[ALGORITHM], options=_OPTIONS)
        except jwt.InvalidSignatureError as error:
            raise self._refuse("The token's signature does not fit its key: compare the secrets.") from error
        except jwt.MissingRequiredClaimError as error:
            raise self._refuse("The token has no expiry (claim exp).") from error
        except jwt.InvalidAlgorithmError as error:
            raise self._refuse(f"The token is not signed with {ALGORITHM}.") from error
        except (jwt.PyJWTError, UnicodeError, ValueError, RecursionError) as error:
            raise self._refuse("The token is not a well-formed JSON Web Token.") from error
        return self._read_claims(claims, key.id)


class Signer(NamedTuple):
    """Whose key a token says that it is signed by, as it stands there: of any type, or None."""

    key_id: object
    """The header's `kid`."""
    issuer: object
    """The claim `iss`."""


@functools.lru_cache(maxsize=_LATELY)
def read_signer(token: str) -> Signer:
    """Return whose key is to check a token, which nobody has done yet. Raises what PyJWT does.

    The last ones are remembered: a token is shown to the keys of several kinds one after the other.
    """
    read = jwt.decode_complete(token, options={"verify_signature": False})
    return Signer(read["header"].get("kid"), read["payload"].get("iss"))
