"""An offer of ours and a client's answer, and what an offer has in which place."""

from __future__ import annotations

from sfu.negotiation import (
    AnswerDiff,
    LocalTransport,
    Offerer,
)
from sfu.negotiation.sdp import SessionDescription, parse_sdp
from tests.unit.negotiation.conftest import Client


def agree(offerer: Offerer, client: Client, local: LocalTransport) -> tuple[SessionDescription, AnswerDiff]:
    offer = offerer.build_offer(local)
    return parse_sdp(offer), offerer.handle_answer(client.answer(offer))


def mids(session: SessionDescription) -> list[str | None]:
    return [media.attributes.first("mid") for media in session.media]
