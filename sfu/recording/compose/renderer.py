"""Keeps the picture up to date: from one frame to the next, only what has changed is drawn or scaled again."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import replace

import av

from sfu.recording.compose.canvas import Canvas, Scaler, build_patch, convert_colour
from sfu.recording.compose.drawing import BACKGROUND, BAR, SPEAKING, TILE, Clock, Drawing, format_span
from sfu.recording.compose.layout import Layout, Place, Rect, build_layout, scale
from sfu.recording.compose.options import ComposeOptions
from sfu.recording.compose.sound import SoundPlayer
from sfu.recording.compose.text import Typesetter
from sfu.recording.compose.tiles import Tile, clean_text
from sfu.recording.compose.timeline import Scene, View
from sfu.recording.compose.video import VideoPlayer
from sfu.recording.reader import Record, RecordPause

_DAMAGED_PICTURE, _DAMAGED_SOUND = "Recording damaged", "Sound damaged"
_CLOCK_SHARE, _JUMP_SHARE = 0.36, 0.5
"""Shares of the bar's width: for the clock, and for a clock that shows a jump from one time to another."""
_FRAME = 4
"""Width in pixels of the frame around whoever speaks."""


class _Spot:
    """What is drawn at one place of the layout now."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.caption: tuple[str, bool] | None = None
        self.card: str | None = None
        self.frame: av.VideoFrame | None = None
        self.shape: tuple[int, int] | None = None


class Renderer:
    """The picture of a film while it is made."""

    def __init__(
        self,
        record: Record,
        tiles: Sequence[Tile],
        videos: Mapping[int, VideoPlayer],
        sounds: Mapping[int, SoundPlayer],
        typesetter: Typesetter,
        options: ComposeOptions,
    ) -> None:
        self._record = record
        self._tiles = tiles
        self._videos = videos
        self._sounds = sounds
        self._zone = options.zone
        self._canvas = Canvas(options.width, options.height)
        self._drawing = Drawing(typesetter, options.height)
        self._lines = 2 if any(tile.role and not tile.screen for tile in tiles) else 1
        self._scalers = {number: Scaler() for number in videos}
        self._layout: Layout | None = None
        self._seats: tuple[int, ...] = ()
        self._spots: list[_Spot] = []
        self._clock: Clock | None = None
        self._events: tuple[str, str, int] | None = None
        self._pause: RecordPause | None = None
        self._width, self._height = options.width, options.height

    def show(self, scene: Scene, t_us: int) -> None:
        """Draw what is on screen at a moment; the players must have been brought to it before."""
        views = (*scene.screens, *scene.people)
        layout = build_layout(len(scene.people), len(scene.screens), self._width, self._height, self._lines)
        seats = tuple(view.tile for view in views)
        if layout != self._layout or seats != self._seats:
            self._set_up(layout, seats)
        for spot, view in zip(self._spots, views, strict=True):
            self._show_tile(spot, view)
        self._show_events(layout.bar, scene.phase, scene.mark, scene.unseen)
        self._show_clock(layout.bar, Clock(self._wall(t_us), t_us // 1_000_000))

    def show_pause(self, pause: RecordPause, t_us: int, *, running: bool) -> None:
        """Draw a pause's card, with a running clock or one that shows a jump from one time to another."""
        layout = build_layout(0, 0, self._width, self._height, self._lines)
        if self._pause is not pause:
            self._set_up(layout, ())
            self._pause = pause
            times = format_span(self._wall(pause.begin_us), self._wall(pause.end_us))
            image = self._drawing.draw_pause(pause, times, self._width, layout.bar.y)
            self._canvas.paste(build_patch(image), 0, 0)
        self._show_events(layout.bar, "", "", 0)
        clock = Clock(self._wall(t_us), t_us // 1_000_000)
        self._show_clock(layout.bar, clock if running else replace(clock, until=self._wall(pause.end_us)))

    def build_frame(self) -> av.VideoFrame:
        """Return the picture as it is now."""
        return self._canvas.build_frame()

    def _wall(self, t_us: int) -> datetime.datetime:
        return (self._record.start + datetime.timedelta(microseconds=t_us)).astimezone(self._zone)

    def _set_up(self, layout: Layout, seats: tuple[int, ...]) -> None:
        self._layout, self._seats, self._pause = layout, seats, None
        self._spots = [_Spot(place) for place in (*layout.screens, *layout.people)]
        self._canvas.fill(Rect(0, 0, self._width, layout.bar.y), convert_colour(BACKGROUND))
        self._canvas.fill(layout.bar, convert_colour(BAR))
        self._clock = self._events = None

    def _show_tile(self, spot: _Spot, view: View) -> None:
        tile = self._tiles[view.tile]
        sound = self._sounds.get(view.microphone) if view.microphone is not None else None
        note = _DAMAGED_SOUND if sound is not None and sound.damaged else view.note
        self._show_caption(spot, tile, note, view.speaking)
        player = self._videos.get(view.source) if view.source is not None else None
        if player is None:
            self._show_card(spot, view, view.card)
        elif player.damaged:
            self._show_card(spot, view, _DAMAGED_PICTURE)
        elif player.frame is None:
            self._show_card(spot, view, "")
        else:
            self._show_picture(spot, self._scalers[player.source.number], player.frame)

    def _show_caption(self, spot: _Spot, tile: Tile, note: str, speaking: bool) -> None:
        if spot.caption == (note, speaking):
            return
        spot.caption = note, speaking
        at = spot.place.caption
        image = self._drawing.draw_caption(tile, note, speaking, at.width, at.height, self._lines)
        self._canvas.paste(build_patch(image), at.x, at.y)
        # the frame's lower edge lies on the caption, so it comes last
        thickness = scale(_FRAME, self._height)
        self._canvas.outline(spot.place.picture, thickness, convert_colour(SPEAKING if speaking else BACKGROUND))

    def _show_card(self, spot: _Spot, view: View, words: str) -> None:
        if spot.card == words:
            return
        spot.card, spot.frame, spot.shape = words, None, None
        at = spot.place.picture
        image = self._drawing.draw_card(self._tiles[view.tile], view.tile, words, at.width, at.height)
        self._canvas.paste(build_patch(image), at.x, at.y)

    def _show_picture(self, spot: _Spot, scaler: Scaler, frame: av.VideoFrame) -> None:
        if spot.frame is frame:
            return
        at = spot.place.picture
        patch = scaler.fit(frame, at.width, at.height)
        shape = patch.width, patch.height
        if spot.shape != shape:
            self._canvas.fill(at, convert_colour(TILE))
        spot.card, spot.frame, spot.shape = None, frame, shape
        x = at.x + (at.width - patch.width) // 4 * 2
        y = at.y + (at.height - patch.height) // 4 * 2
        self._canvas.paste(patch, x, y)

    def _show_events(self, bar: Rect, phase: str, mark: str, unseen: int) -> None:
        if self._events == (phase, mark, unseen):
            return
        self._events = phase, mark, unseen
        width = bar.width - self._clock_width(bar)
        room = clean_text(self._record.room)
        image = self._drawing.draw_events(room, phase, mark, unseen, width, bar.height)
        self._canvas.paste(build_patch(image), bar.x, bar.y)

    def _show_clock(self, bar: Rect, clock: Clock) -> None:
        clock = replace(clock, wall=clock.wall.replace(microsecond=0))
        if self._clock == clock:
            return
        self._clock = clock
        width = self._clock_width(bar)
        image = self._drawing.draw_clock(clock, width, bar.height)
        self._canvas.paste(build_patch(image), bar.right - width, bar.y)

    def _clock_width(self, bar: Rect) -> int:
        return int(bar.width * (_CLOCK_SHARE if self._pause is None else _JUMP_SHARE)) // 2 * 2
