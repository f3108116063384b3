from __future__ import annotations

import contextlib
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sfu import Layer, Track
from sfu.media.layer import WHOLE
from sfu.signaling import Problem
from sfu.signaling.sessions.layer_choice import LayerChoice, parse_choice, resolve_choice


def track(*rids: str) -> Track:
    return cast("Track", SimpleNamespace(encodings=[SimpleNamespace(rid=rid) for rid in rids]))


SIMULCAST = track("q", "h", "f")
SCALABLE = track("")


@pytest.mark.parametrize(
    "body", ["", "  \n", "null", "{}", '{"encodingId": null}', '{"encodingId": ""}', '{"other": [1]}']
)
def test_nothing_chosen_is_automatic(body: str) -> None:
    choice = parse_choice(body)
    assert choice == LayerChoice()
    assert resolve_choice(choice, SIMULCAST) == resolve_choice(choice, SCALABLE) == WHOLE


@pytest.mark.parametrize(
    ("body", "ceiling"),
    [
        ('{"encodingId": "q"}', (0, 7)),
        ('{"rid": "h"}', (1, 7)),
        ('{"rid": "f", "encodingId": "f"}', (2, 7)),
        ('{"encodingId": "h", "spatialLayerId": 0, "temporalLayerId": 1}', (1, 1)),
        ('{"encodingId": "h", "maxTemporalLayerId": 2}', (1, 2)),
        ('{"temporalLayerId": 0}', (3, 0)),
        ('{"encodingId": "h", "maxSpatialLayerId": 0}', (1, 7)),  # within the Encoding, which has no more than that
        ('{"temporalLayerId": 2, "maxTemporalLayerId": 1}', (3, 1)),
        ('{"maxTemporalLayerId": 200}', (3, 7)),
    ],
)
def test_in_simulcast_the_encoding_is_the_spatial_layer(body: str, ceiling: tuple[int, int]) -> None:
    assert resolve_choice(parse_choice(body), SIMULCAST) == Layer(*ceiling)


@pytest.mark.parametrize(
    ("body", "ceiling"),
    [
        ('{"spatialLayerId": 1, "temporalLayerId": 0}', (1, 0)),
        ('{"maxSpatialLayerId": 1}', (1, 7)),
        ('{"spatialLayerId": 2, "maxSpatialLayerId": 1, "maxTemporalLayerId": 2}', (1, 2)),
        ('{"encodingId": "0", "spatialLayerId": 0}', (0, 7)),
        ('{"maxSpatialLayerId": 65535}', (3, 7)),
    ],
)
def test_without_simulcast_it_is_the_scalable_layer(body: str, ceiling: tuple[int, int]) -> None:
    assert resolve_choice(parse_choice(body), SCALABLE) == Layer(*ceiling)


def test_encodings_without_rids_are_called_by_their_place() -> None:
    assert resolve_choice(parse_choice('{"encodingId": "1"}'), track("", "", "")) == Layer(1, 7)


@pytest.mark.parametrize(
    ("body", "about"),
    [
        ('{"encodingId": "hd"}', SIMULCAST),
        ('{"encodingId": "1"}', SIMULCAST),
        ('{"encodingId": "1"}', SCALABLE),
        ('{"encodingId": "q", "spatialLayerId": 1}', SIMULCAST),
        ('{"spatialLayerId": 4}', SCALABLE),
        ('{"temporalLayerId": 8}', SCALABLE),
    ],
)
def test_what_there_cannot_be_is_unknown(body: str, about: Track) -> None:
    with pytest.raises(Problem) as caught:
        resolve_choice(parse_choice(body), about)
    assert caught.value.status == 404


@pytest.mark.parametrize(("media", "index"), [('"0"', 0), ("3", 3), ('"65535"', 65535), ("null", None), ('""', None)])
def test_the_media_section_is_an_index(media: str, index: int | None) -> None:
    assert parse_choice(f'{{"mediaId": {media}}}').media == index


WRONG_NUMBERS = ["-1", "1.0", "true", '"1"', "[]", "{}", "NaN", "Infinity", "1e9", "65536", "9" * 400]


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[]",
        "7",
        '"q"',
        "true",
        "{'encodingId': 'q'}",
        "\ufeff{}",
        "[" * 100_000,
        '{"a":' * 30_000,
        '{"spatialLayerId": ' + "9" * 5000 + "}",
        '{"encodingId": 1}',
        '{"encodingId": ["q"]}',
        '{"rid": {"q": 1}}',
        '{"encodingId": "q", "rid": "h"}',
        *(f'{{"{name}": {value}}}' for name in ("spatialLayerId", "maxTemporalLayerId") for value in WRONG_NUMBERS),
        *(
            f'{{"mediaId": {value}}}'
            for value in [v for v in WRONG_NUMBERS if v != '"1"'] + ['"-1"', '"x"', '"٣"', '"1234567"']
        ),
    ],
)
def test_a_malformed_choice_is_refused(body: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_choice(body)
    assert caught.value.status == 400
    assert caught.value.detail


@pytest.mark.parametrize("field", ["maxWidth", "maxHeight"])
def test_sizes_that_we_do_not_know_are_not_passed_over(field: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_choice(f'{{"{field}": 640}}')
    assert caught.value.status == 422
    assert parse_choice(f'{{"{field}": null}}') == LayerChoice()


VALUES: list[Any] = [None, True, 0, -1, 1.5, "", "q", "\ud800", [], {}]


@pytest.mark.parametrize("name", ["mediaId", "encodingId", "rid", "spatialLayerId", "maxSpatialLayerId", "maxWidth"])
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_any_value_is_understood_or_refused(name: str, value: Any) -> None:
    with contextlib.suppress(Problem):
        ceiling = resolve_choice(parse_choice(json.dumps({name: value})), SIMULCAST)
        assert Layer(0, 0) <= ceiling <= WHOLE
