"""Whatever a client calls itself: a name that is its own normal form, or the one error."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from sfu.errors import InvalidNameError
from sfu.rooms.lookalikes import appearances
from sfu.rooms.names import parse_name

MOST = 16
# surrogates, too: they come in by JSON
TEXTS = st.text(st.characters(), max_size=5 * MOST) | st.text(
    st.sampled_from("aA1lI \u0301\u200b\ufe0f\u3164\u0430\u1112\u1161")
)


@given(TEXTS)
def test_a_name_is_its_own_normal_form_or_refused(text: str) -> None:
    try:
        name = parse_name("peer", text, MOST)
    except InvalidNameError:
        return
    assert parse_name("peer", name, MOST) == name == unicodedata.normalize("NFKC", name)
    assert 1 <= len(name) <= MOST
    assert name.isprintable()
    assert name == name.strip()


@given(TEXTS)
def test_what_something_looks_like_looks_like_it(text: str) -> None:
    for appearance in appearances(text):
        assert appearances(appearance) & appearances(text)
