"""What commands ask of a node that runs: they sign the order with one of its keys."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx

from sfu.node.tokens import issue_token

if TYPE_CHECKING:
    from sfu.node.config.settings import Settings

_TOKEN_S = 3600.0
_PATIENCE_S = 10.0


class NodeRefusedError(Exception):
    """The node does not do what it is asked for, or does not answer."""


class NodeClient:
    """Speaks to one node, found by its own settings."""

    def __init__(self, settings: Settings, url: str) -> None:
        """`url`: where it is; empty: where the settings say. Raises ValueError, which says what is missing."""
        if not settings.keys:
            raise ValueError("the settings have no keys, and a node takes this order from who has one of its keys")
        key_id, secret = next(iter(settings.keys.items()))
        token = issue_token(
            key_id,
            secret.get_secret_value(),
            room="*",
            admin=True,
            now=time.time(),
            ttl=min(_TOKEN_S, settings.max_token_lifetime),
            audience=settings.token_audience,
        )
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(
            base_url=url or _find_url(settings),
            headers=headers,
            timeout=_PATIENCE_S,
            # a connection for each: a process that ends closes an idle one, maybe while an order is on its way there
            limits=httpx.Limits(max_keepalive_connections=0),
            trust_env=False,
        )

    def close(self) -> None:
        """Let its connections go."""
        self._client.close()

    def ask(self, method: str, path: str, order: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the JSON object of the answer. Raises NodeRefusedError."""
        try:
            response = self._client.request(method, path, json=order)
            body = response.json()
        except httpx.HTTPError as error:
            raise NodeRefusedError(f"no node answers at {self._client.base_url}: {error}") from error
        except ValueError as error:
            raise NodeRefusedError(f"what answers at {self._client.base_url} is no node") from error
        if response.is_success and isinstance(body, dict):
            return body
        detail = body.get("detail") or body.get("title") if isinstance(body, dict) else ""
        raise NodeRefusedError(f"the node at {self._client.base_url} refuses ({response.status_code}): {detail}")


def _find_url(settings: Settings) -> str:
    """Where the node listens: HTTP without TLS is there in any case."""
    if not settings.port:
        raise ValueError("the settings leave the port to the system: say with --url where the node is")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"
