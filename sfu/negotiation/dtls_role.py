"""Who begins the DTLS handshake (RFC 8842, RFC 4145)."""

from __future__ import annotations

from dataclasses import replace

from .errors import NegotiationError
from .types import RemoteTransport

__all__ = ["ANSWER_DEFAULT", "OFFER_DEFAULT", "local_setup", "settle_answered_role", "settle_offered_role"]

OFFER_DEFAULT = "active"
ANSWER_DEFAULT = "passive"
"""What a description without `a=setup` means (RFC 4145 section 4)."""


def settle_offered_role(remote: RemoteTransport, before: RemoteTransport | None) -> RemoteTransport:
    """Return `remote` with the role that the client gets by its offer; `before` is its transport as agreed last.

    Where the offer leaves the choice to us, the client becomes active: as the server we choose the SRTP profile. A
    later offer keeps what was agreed (RFC 8842 section 5.5). Raises `NegotiationError` for other roles, and for one
    that changes.
    """
    if remote.setup == "actpass":
        return replace(remote, setup="active" if before is None else before.setup)
    return _checked(remote, before, "actpass, active or passive")


def settle_answered_role(remote: RemoteTransport, before: RemoteTransport | None) -> RemoteTransport:
    """Do as `settle_offered_role` does, for the answer to our offer, which leaves the choice to the client."""
    return _checked(remote, before, "active or passive")


def local_setup(remote: RemoteTransport) -> str:
    """Return the `a=setup` of our answer (RFC 4145 section 4.1)."""
    return "active" if remote.dtls_client else "passive"


def _checked(remote: RemoteTransport, before: RemoteTransport | None, accepted: str) -> RemoteTransport:
    if remote.setup not in ("active", "passive"):
        hint = "; it asks for no connection at all" if remote.setup == "holdconn" else ""
        raise NegotiationError(f"a=setup:{remote.setup[:20]} cannot be taken{hint}. Accepted: a=setup:{accepted}")
    if before is not None and remote.setup != before.setup:
        raise NegotiationError(
            f"a=setup:{remote.setup} changes the DTLS role of a connection that stands. Accepted: "
            f"a=setup:{before.setup}, or another connection"
        )
    return remote
