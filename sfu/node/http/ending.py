"""What is answered to requests that are still on their way when a server ends."""

from __future__ import annotations

from sfu.node.http.refusal import Refusal

LAST_REQUEST_S = 1.0
"""Within this time the first octet of a request must come on a connection that has had none when the server ends."""

_SAFE = {"GET", "HEAD", "OPTIONS"}

ENDING = Refusal(
    503,
    "The server ends",
    "This process ends, so nothing may begin in it; ask again: another one may have taken its place.",
    retry_after=1,
)


def changes(method: str) -> bool:
    """Whether a request would change something, which would be lost with the process."""
    return method not in _SAFE
