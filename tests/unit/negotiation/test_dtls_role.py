"""Both DTLS roles (RFC 8842): a client may wait for our handshake or begin its own."""

from __future__ import annotations

import pytest

from sfu.negotiation import Answerer, LocalTransport, NegotiationError, Offerer
from sfu.negotiation.sdp import parse_sdp
from tests.unit.negotiation.conftest import Client, MakeOutgoing
from tests.unit.offers import make_offer

SEND = ("audio", "sendonly")


def offer(setup: str | None) -> str:
    made = make_offer(SEND, setup=setup or "")
    return made if setup is not None else made.replace("a=setup:\r\n", "")


@pytest.mark.parametrize(
    ("offered", "answered", "dtls_client"),
    [
        ("actpass", "passive", False),  # as the server we choose the SRTP profile
        ("active", "passive", False),
        ("passive", "active", True),
        ("PASSIVE ", "active", True),
        (None, "passive", False),  # RFC 4145 section 4: active is an offer's default
    ],
)
def test_an_offer_is_answered_with_the_other_role(
    answerer: Answerer, local: LocalTransport, offered: str | None, answered: str, dtls_client: bool
) -> None:
    assert answerer.handle_offer(offer(offered)).remote.dtls_client is dtls_client
    (section,) = parse_sdp(answerer.build_answer(local)).media
    assert section.attributes.all("setup") == [answered]


@pytest.mark.parametrize(("first", "answered"), [("actpass", "passive"), ("passive", "active")])
def test_the_role_stays_in_later_offers(answerer: Answerer, local: LocalTransport, first: str, answered: str) -> None:
    answerer.handle_offer(offer(first))
    for later in ("actpass", first):
        answerer.handle_offer(offer(later))
        assert f"a=setup:{answered}\r\n" in answerer.build_answer(local)
    other = "active" if first == "passive" else "passive"
    with pytest.raises(NegotiationError, match="changes the DTLS role"):
        answerer.handle_offer(offer(other))
    assert f"a=setup:{answered}\r\n" in answerer.build_answer(local)


@pytest.mark.parametrize("setup", ["holdconn", "?", "server"])
def test_other_roles_are_refused_with_those_that_are_accepted(answerer: Answerer, setup: str) -> None:
    with pytest.raises(NegotiationError, match="Accepted: a=setup:actpass, active or passive"):
        answerer.handle_offer(offer(setup))


@pytest.mark.parametrize(
    ("answered", "dtls_client"), [("active", False), ("passive", True), (None, True), ("actpass", None), ("x", None)]
)
def test_the_answer_to_our_offer_chooses(
    offerer: Offerer,
    client: Client,
    local: LocalTransport,
    outgoing: MakeOutgoing,
    answered: str | None,
    dtls_client: bool | None,
) -> None:
    offerer.add(outgoing())
    client.setup = answered or "none"
    text = client.answer(offerer.build_offer(local)).replace("a=setup:none\r\n", "")
    if dtls_client is None:
        with pytest.raises(NegotiationError, match="Accepted: a=setup:active or passive"):
            offerer.handle_answer(text)
        return
    assert offerer.handle_answer(text).remote.dtls_client is dtls_client
    offerer.request_offer()
    text = client.answer(offerer.build_offer(local))
    other = "passive" if "a=setup:active" in text else "active"
    with pytest.raises(NegotiationError, match="changes the DTLS role"):
        offerer.handle_answer(text.replace(f"a=setup:{client.setup}", f"a=setup:{other}"))
