"""Sends webhooks by HTTP, signed as receivers of the LiveKit protocol check it."""

from __future__ import annotations

import asyncio

import httpx

from sfu.signaling.livekit.tokens import ApiKeys

CONTENT_TYPE = "application/webhook+json"
"""Of its own, so that receivers check the signature before they parse."""
_TIMEOUT_S = 10.0
_MOST_ANSWER = 65536


class Poster:
    """The `Post` of a node. Connections are kept, a few for each receiver."""

    def __init__(self, keys: ApiKeys, api_key: str = "", *, timeout: float = _TIMEOUT_S) -> None:
        """`api_key`: signs; the first, unless named. `timeout`: seconds for one attempt, answer included."""
        self._keys = keys
        self._api_key = api_key
        self._timeout = timeout
        self._client = httpx.AsyncClient(follow_redirects=False, timeout=timeout)

    async def __call__(self, url: str, body: bytes) -> int:
        """POST `body`; the answer's status. Raises OSError where none comes."""
        headers = {
            "Authorization": self._keys.sign_body(body, self._api_key),
            "Content-Type": CONTENT_TYPE,
            "User-Agent": "sfu",
        }
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream("POST", url, content=body, headers=headers) as response,
            ):
                await _discard(response)
                return response.status_code
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise ConnectionError(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()


async def _discard(response: httpx.Response) -> None:
    """Read a short answer, so that the connection can be used again; a long one is cut."""
    size = 0
    async for part in response.aiter_raw():
        size += len(part)
        if size > _MOST_ANSWER:
            return
