from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sfu import Layer, Subscription, Track
from sfu.signaling.sessions.layer_description import LayerBoard, describe_current, describe_layers
from tests.unit.signaling.layered import encoding_stats


class FakeTrack:
    """A video with the Encodings given as statistics."""

    kind = "video"

    def __init__(self, *encodings: SimpleNamespace) -> None:
        self.encodings = encodings
        self.asked = 0

    def stats(self) -> Any:
        self.asked += 1
        return SimpleNamespace(encodings=self.encodings)


def describe(*encodings: SimpleNamespace) -> dict[str, Any]:
    return describe_layers(cast("Track", FakeTrack(*encodings)))


def receive(track: FakeTrack, current: Layer | None = None) -> Subscription:
    return cast("Subscription", SimpleNamespace(track=track, current=current))


LOW = encoding_stats(
    rid="q", bit_rate_bps=100, temporal_layers=2, layer_bit_rates_bps={Layer(0, 0): 60, Layer(0, 1): 40}
)
HIGH = encoding_stats(rid="f", bit_rate_bps=900)
SILENT = encoding_stats(rid="f", active=False)


def test_simulcast_that_flows_and_that_does_not() -> None:
    assert describe(LOW, SILENT) == {
        "active": [{"id": "q", "simulcastIdx": 0, "bitrate": 100}],
        "inactive": [{"id": "f", "simulcastIdx": 1}],
        "layers": [
            {
                "encodingId": "q",
                "rid": "q",
                "simulcastIdx": 0,
                "spatialLayerId": 0,
                "temporalLayerId": 1,
                "bitrate": 100,
            },
            {
                "encodingId": "q",
                "rid": "q",
                "simulcastIdx": 0,
                "spatialLayerId": 0,
                "temporalLayerId": 0,
                "bitrate": 60,
            },
        ],
    }


def test_the_rates_of_simulcast_stand_under_the_encoding_s_place() -> None:
    rates = {Layer(1, 0): 500, Layer(1, 1): 400}
    high = encoding_stats(rid="f", bit_rate_bps=900, temporal_layers=2, layer_bit_rates_bps=rates)
    assert [about["bitrate"] for about in describe(LOW, high)["layers"]] == [900, 500, 100, 60]


def test_the_best_comes_first() -> None:
    described = describe(LOW, HIGH)
    assert [about["id"] for about in described["active"]] == ["f", "q"]
    assert [about["bitrate"] for about in described["layers"]] == [900, 100, 60]


def test_scalable_video_is_one_encoding_of_many_layers() -> None:
    rates = {Layer(spatial, temporal): 10**spatial for spatial in range(3) for temporal in range(3)}
    about = {"spatial_layers": 3, "temporal_layers": 3, "layer_bit_rates_bps": rates}
    described = describe(encoding_stats(bit_rate_bps=333, **about))
    assert described["active"] == [{"id": "0", "simulcastIdx": 0, "bitrate": 333}]
    layers = [(about["spatialLayerId"], about["temporalLayerId"], about["bitrate"]) for about in described["layers"]]
    # Who takes a layer takes those below, too.
    assert layers[::-1] == [(0, 0, 1), (0, 1, 2), (0, 2, 3), (1, 0, 11), (1, 1, 22), (1, 2, 33)] + [
        (2, 0, 111),
        (2, 1, 222),
        (2, 2, 333),
    ]
    assert all("rid" not in about and about["encodingId"] == "0" for about in described["layers"])


def test_a_video_without_layers_has_one() -> None:
    (layer,) = describe(encoding_stats(bit_rate_bps=5, spatial_layers=0, temporal_layers=0))["layers"]
    assert (layer["spatialLayerId"], layer["temporalLayerId"], layer["bitrate"]) == (0, 0, 5)


@pytest.mark.parametrize(
    ("encodings", "current", "told"),
    [
        ((LOW, HIGH), Layer(1, 2), {"encodingId": "f", "spatialLayerId": 0, "temporalLayerId": 2}),
        ((LOW, HIGH), Layer(3, 7), {"encodingId": "f", "spatialLayerId": 0, "temporalLayerId": 7}),
        ((LOW,), Layer(2, 1), {"encodingId": "q", "spatialLayerId": 2, "temporalLayerId": 1}),
        ((LOW,), None, None),
    ],
)
def test_the_current_layer_is_named_as_it_would_be_chosen(
    encodings: tuple[SimpleNamespace, ...], current: Layer | None, told: dict[str, Any] | None
) -> None:
    assert describe_current(receive(FakeTrack(*encodings), current)) == told


def test_a_track_is_described_once_for_all_who_watch_it() -> None:
    board, track = LayerBoard(1.0), FakeTrack(LOW)
    for current, now in ((Layer(0, 0), 10.0), (Layer(0, 1), 10.9)):
        section = json.loads(board.describe({3: receive(track, current)}, now))["3"]
        assert section["current"]["temporalLayerId"] == current.temporal
        assert section["active"][0]["id"] == "q"
    assert track.asked == 1
    assert json.loads(board.describe({3: receive(track)}, 11.0))["3"]["current"] is None
    assert track.asked == 2


def test_what_no_longer_holds_is_described_anew() -> None:
    board, track = LayerBoard(60.0), FakeTrack(LOW)
    board.describe({0: receive(track)}, 0.0)
    track.encodings = (HIGH,)
    assert json.loads(board.describe({0: receive(track)}, 0.1))["0"]["active"][0]["id"] == "q"
    board.clear()
    assert json.loads(board.describe({0: receive(track)}, 0.2))["0"]["active"][0]["id"] == "f"


def test_only_video_is_described() -> None:
    sound = cast("Subscription", SimpleNamespace(track=SimpleNamespace(kind="audio")))
    assert LayerBoard(1.0).describe({0: sound}, 0.0) == "{}"
    both = LayerBoard(1.0).describe({0: sound, 1: receive(FakeTrack(LOW)), 2: receive(FakeTrack(HIGH))}, 0.0)
    assert list(json.loads(both)) == ["1", "2"]


def test_hostile_rids_stay_json() -> None:
    board = LayerBoard(1.0)
    about = board.describe({0: receive(FakeTrack(encoding_stats(rid='"},\n')), Layer(0, 0))}, 0.0)
    assert "\n" not in about
    assert json.loads(about)["0"]["current"]["encodingId"] == '"},\n'
