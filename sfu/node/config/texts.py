"""How settings are written where all values are text: in the environment."""

from __future__ import annotations

import ipaddress
import json
from typing import Annotated, Any

from pydantic import BeforeValidator


def split(value: Any) -> Any:
    """Split a list that is given as one string, `a, b`; TOML has lists of its own."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def parse_pairs(value: Any) -> Any:
    """Parse a table that is given as one string, `id:secret, id:secret`."""
    if not isinstance(value, str):
        return value
    pairs = {}
    for part in split(value):
        key, colon, secret = part.partition(":")
        if not colon:
            raise ValueError("write it as 'id:secret', several separated by commas")
        pairs[key.strip()] = secret.strip()
    return pairs


def parse_ice_servers(value: Any) -> Any:
    """Parse ICE servers that are given as one string: URLs separated by commas, or a JSON list of objects."""
    if isinstance(value, str):
        if value.lstrip().startswith("["):
            try:
                return json.loads(value)
            except ValueError as error:
                raise ValueError(f"is not a JSON list: {error}") from error
        return [{"urls": url} for url in split(value)]
    return value


def check_ip(value: str) -> str:
    """Return an IP address as it is; raises ValueError for what is none."""
    if value == "localhost":
        return "127.0.0.1"
    try:
        ipaddress.ip_address(value)
    except ValueError:
        raise ValueError(f"{value!r} is not an IP address (use 0.0.0.0 or :: for all)") from None
    return value


Texts = Annotated[tuple[str, ...], BeforeValidator(split)]
