"""Where tiles stand."""

from __future__ import annotations

import itertools

import pytest

from sfu.recording.compose.layout import MAX_PEOPLE, MAX_SCREENS, Layout, Rect, build_layout

SIZES = [(1280, 720), (640, 360), (1920, 1080), (720, 1280), (854, 480)]


def rects(layout: Layout) -> list[Rect]:
    return [rect for place in (*layout.people, *layout.screens) for rect in (place.picture, place.caption)]


def overlap(one: Rect, other: Rect) -> bool:
    return one.x < other.right and other.x < one.right and one.y < other.bottom and other.y < one.bottom


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("screens", range(MAX_SCREENS + 1))
@pytest.mark.parametrize("lines", [1, 2])
def test_nothing_overlaps_and_all_is_within_the_picture(size: tuple[int, int], screens: int, lines: int) -> None:
    for people in range(MAX_PEOPLE + 1):
        layout = build_layout(people, screens, *size, lines)
        assert (len(layout.people), len(layout.screens)) == (people, screens)
        found = [*rects(layout), layout.bar]
        for rect in found:
            assert 0 <= rect.x < rect.right <= size[0] and 0 <= rect.y < rect.bottom <= size[1], (people, rect)
            assert not any(value % 2 for value in (rect.x, rect.y, rect.width, rect.height)), (people, rect)
        for one, other in itertools.combinations(found, 2):
            assert not overlap(one, other), (people, one, other)


@pytest.mark.parametrize("people", range(1, MAX_PEOPLE + 1))
def test_pictures_are_16_to_9_and_all_of_one_size(people: int) -> None:
    pictures = [place.picture for place in build_layout(people, 0, 1280, 720, 2).people]
    assert len({(rect.width, rect.height) for rect in pictures}) == 1
    assert pictures[0].width / pictures[0].height == pytest.approx(16 / 9, rel=0.02)
    for place in build_layout(people, 0, 1280, 720, 2).people:
        assert (place.caption.x, place.caption.y) == (place.picture.x, place.picture.bottom)


def test_there_is_room_around_each_picture_for_the_frame_of_who_speaks() -> None:
    for people, screens in itertools.product(range(1, MAX_PEOPLE + 1), range(MAX_SCREENS + 1)):
        layout = build_layout(people, screens, 1280, 720, 2)
        for place in layout.people:
            framed = Rect(place.picture.x - 4, place.picture.y - 4, place.picture.width + 8, place.picture.height + 8)
            others = [each for each in (*layout.people, *layout.screens) if each is not place]
            assert not any(overlap(framed, each.picture) or overlap(framed, each.caption) for each in others)
            assert framed.x >= 0 and framed.y >= 0 and framed.right <= 1280 and framed.bottom <= layout.bar.y


@pytest.mark.parametrize("people", range(2, MAX_PEOPLE + 1))
def test_a_grid_is_read_in_rows_and_more_people_never_get_larger_tiles(people: int) -> None:
    places = build_layout(people, 0, 1280, 720, 2).people
    order = [(place.picture.y, place.picture.x) for place in places]
    assert order == sorted(order)
    fewer = build_layout(people - 1, 0, 1280, 720, 2).people
    assert places[0].picture.width <= fewer[0].picture.width


def test_tiles_stay_large_enough_to_read_a_name() -> None:
    assert build_layout(MAX_PEOPLE, 0, 1280, 720, 2).people[0].picture.width >= 150
    assert build_layout(4, 0, 1280, 720, 2).people[0].picture.width >= 440


def test_a_screen_is_larger_than_everyone_together() -> None:
    layout = build_layout(4, 1, 1280, 720, 2)
    area = sum(place.picture.width * place.picture.height for place in layout.people)
    screen = layout.screens[0].picture
    assert screen.width * screen.height > 2 * area
    assert all(place.picture.x >= screen.right for place in layout.people)


@pytest.mark.parametrize("people", range(MAX_PEOPLE + 1))
def test_beside_a_screen_people_are_small_but_can_be_told_apart(people: int) -> None:
    layout = build_layout(people, 1, 1280, 720, 2)
    assert layout.screens[0].picture.width >= 620
    assert all(place.picture.width >= 96 for place in layout.people)


def test_the_grid_is_in_the_middle() -> None:
    for people in range(1, MAX_PEOPLE + 1):
        places = build_layout(people, 0, 1280, 720, 2).people
        first_row = [place for place in places if place.picture.y == places[0].picture.y]
        assert abs(first_row[0].picture.x - (1280 - first_row[-1].picture.right)) <= 4
