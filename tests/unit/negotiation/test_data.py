"""The section of data channels in offers and answers (RFC 8841)."""

from __future__ import annotations

import random

import pytest

from sfu.negotiation import Answerer, DataSection, LocalTransport, NegotiationError, Offerer
from sfu.negotiation.types import Candidate

LOCAL = LocalTransport("ufra", "p" * 22, ("sha-256", ":".join(["AB"] * 32)), (Candidate("127.0.0.1", 5000),))
HEAD = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
TRANSPORT = [
    "a=ice-ufrag:abcd",
    f"a=ice-pwd:{'x' * 22}",
    f"a=fingerprint:sha-256 {':'.join(['CD'] * 32)}",
    "a=setup:actpass",
]
AUDIO = ["m=audio 9 UDP/TLS/RTP/SAVPF 111", *TRANSPORT, "a=mid:0", "a=rtpmap:111 opus/48000/2", "a=rtcp-mux"]


def data(
    *, mid: str = "1", first: str = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", **attributes: object
) -> list:
    said = {"sctp-port": 5000, "max-message-size": 262144, **{k.replace("_", "-"): v for k, v in attributes.items()}}
    lines = [f"a={name}:{value}" for name, value in said.items() if value is not None]
    return [first, *TRANSPORT, f"a=mid:{mid}", *lines]


def text(*sections: list[str], bundle: str = "0 1") -> str:
    return "\r\n".join([*HEAD, f"a=group:BUNDLE {bundle}", *(line for each in sections for line in each), ""])


def answerer(*, takes: bool = True) -> Answerer:
    return Answerer(max_media=8, rng=random.Random(1), data_size=70_000 if takes else None)


def section_of(answer: str) -> list[str]:
    return answer[answer.index("m=application") :].splitlines()


def test_an_offer_with_data_beside_media_is_answered_in_the_bundle():
    mine = answerer()
    diff = mine.handle_offer(text(AUDIO, data(sctp_port=6000, max_message_size=1000)))
    assert diff.data == DataSection("1", 6000, 1000)
    answer = mine.build_answer(LOCAL)
    assert "a=group:BUNDLE 0 1" in answer
    lines = section_of(answer)
    assert lines[0] == "m=application 5000 UDP/DTLS/SCTP webrtc-datachannel"
    assert {"a=sctp-port:5000", "a=max-message-size:70000", "a=mid:1", "a=setup:passive"} <= set(lines)
    assert not any(line.startswith(("a=rtcp-mux", "a=sendrecv", "a=inactive")) for line in lines)


def test_an_offer_of_data_alone_connects():
    mine = answerer()
    diff = mine.handle_offer(text(data(mid="0"), bundle="0"))
    assert diff.data is not None and not diff.incoming and not diff.slots
    assert diff.remote.ufrag == "abcd"
    assert "m=application 5000 " in mine.build_answer(LOCAL)


@pytest.mark.parametrize(
    ("said", "port", "size"),
    [
        ({"sctp_port": None, "max_message_size": None}, 5000, 65536),
        ({"sctp_port": "x", "max_message_size": "-1"}, 5000, 65536),
        ({"sctp_port": 0, "max_message_size": 0}, 5000, 0),
        ({"sctp_port": 70000, "max_message_size": 1 << 63}, 5000, 65536),
        ({"max_message_size": " 1000 "}, 5000, 1000),
    ],
)
def test_what_a_section_leaves_out_or_gets_wrong_counts_as_the_default(said, port, size):
    assert answerer().handle_offer(text(AUDIO, data(**said))).data == DataSection("1", port, size)


def test_who_takes_no_data_declines_the_section_alone():
    mine = answerer(takes=False)
    assert mine.handle_offer(text(AUDIO, data())).data is None
    answer = mine.build_answer(LOCAL)
    assert section_of(answer)[0] == "m=application 0 UDP/DTLS/SCTP webrtc-datachannel"
    assert "a=group:BUNDLE 0\r\n" in answer
    with pytest.raises(NegotiationError, match="it needs an audio or video section"):
        answerer(takes=False).handle_offer(text(data(mid="0"), bundle="0"))


def test_the_old_form_is_declined_and_the_word_says_so():
    old = [*data(first="m=application 9 DTLS/SCTP 5000", sctp_port=None), "a=sctpmap:5000 webrtc-datachannel 1024"]
    mine = answerer()
    assert mine.handle_offer(text(AUDIO, old)).data is None
    assert section_of(mine.build_answer(LOCAL))[0] == "m=application 0 DTLS/SCTP 5000"
    with pytest.raises(NegotiationError, match="the form with a=sctpmap is none that is taken"):
        answerer().handle_offer(text(old, bundle="1"))


def test_a_second_section_and_one_with_a_transport_of_its_own_are_declined():
    mine = answerer()
    assert mine.handle_offer(text(AUDIO, data(), data(mid="2"), bundle="0 1 2")).data == DataSection("1", 5000, 262144)
    assert mine.build_answer(LOCAL).count("m=application 0 ") == 1
    own = [line.replace("abcd", "other") for line in data()]
    mine = answerer()
    assert mine.handle_offer(text(AUDIO, own, bundle="0")).data is None
    assert "m=application 0 " in mine.build_answer(LOCAL)


def test_a_later_offer_keeps_the_section_or_ends_it():
    mine = answerer()
    mine.handle_offer(text(AUDIO, data()))
    assert mine.handle_offer(text(AUDIO, data())).data is not None
    ended = mine.handle_offer(text(AUDIO, data(first="m=application 0 UDP/DTLS/SCTP webrtc-datachannel"), bundle="0"))
    assert ended.data is None
    again = answerer()
    again.handle_offer(text(AUDIO, data()))
    with pytest.raises(NegotiationError, match="mid"):
        again.handle_offer(text(AUDIO, data(mid="7"), bundle="0 7"))


def offerer() -> Offerer:
    made = Offerer(max_media=4, rng=random.Random(1), data_size=70_000)
    made.add_data()
    made.add_data()
    return made


def reply(offer: str, *, port: int = 9) -> str:
    answer = offer.replace("a=setup:actpass", "a=setup:active").replace("a=ice-lite\r\n", "")
    return answer.replace("m=application 5000", f"m=application {port}")


def test_our_offer_of_data_alone_has_one_section():
    mine = offerer()
    assert mine.needs_offer
    offer = mine.build_offer(LOCAL)
    assert offer.count("m=") == 1 and section_of(offer)[0] == "m=application 5000 UDP/DTLS/SCTP webrtc-datachannel"
    assert {"a=sctp-port:5000", "a=max-message-size:70000", "a=setup:actpass"} <= set(section_of(offer))
    diff = mine.handle_answer(reply(offer))
    assert diff.data == DataSection("0", 5000, 70000) and not diff.rejected
    assert not mine.needs_offer


def test_an_answer_that_refuses_data_beside_media_leaves_the_media():
    mine = offerer()
    mine.add_incoming("audio")
    diff = mine.handle_answer(reply(mine.build_offer(LOCAL), port=0))
    assert diff.data is None and diff.rejected == ["0"]
    assert not mine.needs_offer
    assert "m=application 0 " in mine.build_offer(LOCAL)


def test_data_can_be_added_later():
    mine = Offerer(max_media=4, rng=random.Random(1))
    mine.add_incoming("audio")
    mine.handle_answer(reply(mine.build_offer(LOCAL)))
    mine.add_data()
    assert mine.needs_offer
    assert mine.handle_answer(reply(mine.build_offer(LOCAL))).data is not None
