"""How tokens are decoded: signatures by PyJWT, times and audiences by us, against a clock that is an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jwt.types import Options

DECODE_OPTIONS: Options = {
    "require": ["exp"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}
MIN_SECRET_BYTES = 32
"""Least bytes of a secret: a key must be as long as the hash (RFC 7518 section 3.2)."""
