"""Makes a film of a record: plays all sources in step with the record's clock, and writes what is seen and heard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sfu.recording.compose.chapters import build_chapters
from sfu.recording.compose.ciphertext import hide_ciphertext, list_hidden
from sfu.recording.compose.drawing import format_elapsed
from sfu.recording.compose.edit_list import Edit, EditList, build_edit_list
from sfu.recording.compose.encoding import FilmWriter
from sfu.recording.compose.fonts import FontSet, find_fonts
from sfu.recording.compose.link import build_link, build_metadata, hash_file, link_path, write_link
from sfu.recording.compose.media import VerifiedFile
from sfu.recording.compose.mixing import Limiter
from sfu.recording.compose.options import ComposeOptions
from sfu.recording.compose.renderer import Renderer
from sfu.recording.compose.sound import SAMPLE_RATE, SoundPlayer
from sfu.recording.compose.text import Typesetter
from sfu.recording.compose.tiles import Tile, build_tiles
from sfu.recording.compose.timeline import Timeline
from sfu.recording.compose.video import VideoPlayer
from sfu.recording.errors import RecordError
from sfu.recording.folder import MEDIA
from sfu.recording.reader import Record, read_record

Progress = Callable[[int, int], None]
"""Called after each frame, with the number of frames written and that of all."""


@dataclass(frozen=True, slots=True)
class Film:
    """A film that was made."""

    path: Path
    link: Path
    """The file beside it that names the record."""
    duration_us: int
    frames: int
    warnings: tuple[str, ...]
    """What whoever shows the film should know, although all media are in it."""
    problems: tuple[str, ...]
    """Media that are missing in the film, because they are missing or damaged in the record."""


def compose_film(
    source: Path, output: Path, options: ComposeOptions | None = None, progress: Progress | None = None
) -> Film:
    """Make a film of the record in the folder `source`, and the file that links them beside it.

    Raises:
        RecordError: it is no record, nothing is in it, or the film cannot be written; then none is left behind.
    """
    options = options or ComposeOptions()
    record = hide_ciphertext(read_record(source))
    _check_output(record, output, options)
    if not any(each.spans for each in record.sources):
        raise RecordError(record.path, "nothing was recorded in it: there is no film to make")
    fonts = find_fonts(options.fonts)
    tiles = build_tiles(record)
    warnings = (*_warn(record), *_find_undrawable(record, tiles, fonts))
    edits = build_edit_list(record.duration_us, record.pauses, options.fps, keep_pauses=options.keep_pauses)
    chapters = build_chapters(record, edits)
    writer = FilmWriter(output, options.width, options.height, options.fps, chapters, build_metadata(record))
    try:
        with _Performance(record, tiles, fonts, edits, options) as performance:
            for number, _ in enumerate(performance.play(writer), 1):
                if progress is not None:
                    progress(number, edits.frames)
            problems = performance.find_problems()
        writer.finish()
        digest, size = hash_file(writer.part)
        write_link(output, build_link(record, output, digest, size, edits, chapters, problems, options))
        try:
            writer.publish()
        except BaseException:
            link_path(output).unlink(missing_ok=True)
            raise
    except BaseException:
        writer.abandon()
        raise
    return Film(output, link_path(output), edits.duration_us, edits.frames, warnings, problems)


class _Performance:
    """Plays a record from its beginning to its end, once."""

    def __init__(
        self, record: Record, tiles: tuple[Tile, ...], fonts: FontSet, edits: EditList, options: ComposeOptions
    ) -> None:
        self._record = record
        self._edits = edits
        self._videos = {each.number: VideoPlayer(each) for each in record.sources if each.kind == "video"}
        self._sounds = {each.number: SoundPlayer(each) for each in record.sources if each.kind == "audio"}
        self._timeline = Timeline(record, tiles)
        self._renderer = Renderer(record, tiles, self._videos, self._sounds, Typesetter(fonts), options)
        self._limiter = Limiter()

    def __enter__(self) -> _Performance:
        return self

    def __exit__(self, *_: object) -> None:
        for video in self._videos.values():
            video.close()
        for sound in self._sounds.values():
            sound.close()

    def play(self, writer: FilmWriter) -> Iterator[None]:
        """Write one frame after the other, each with its sound."""
        for edit in self._edits.all:
            for frame in range(edit.first_frame, edit.first_frame + edit.frames):
                t_us = self._edits.record_us(edit, frame)
                mixed = self._mix(edit, frame)
                if edit.pause is not None:
                    self._renderer.show_pause(edit.pause, t_us, running=edit.running)
                else:
                    for player in self._videos.values():
                        player.advance(t_us)
                    self._renderer.show(self._timeline.scene_at(t_us), t_us)
                writer.write_picture(self._renderer.build_frame())
                writer.write_sound(self._limiter.process(mixed))
                yield
        writer.write_sound(self._limiter.flush())

    def find_problems(self) -> tuple[str, ...]:
        """Return what could not be shown, file by file."""
        hidden = list_hidden(self._record)
        found = {each.source.file.name: each.reader.file for each in self._videos.values()}
        found |= {each.source.file.name: each.reader.file for each in self._sounds.values()}
        return (*hidden, *(_describe(name, file) for name, file in sorted(found.items()) if file.damaged))

    def _mix(self, edit: Edit, frame: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        """Return the sound of one frame: all that is heard in it, added up; silence while the record is paused."""
        begin, first, last = (
            self._edits.film_samples(each, SAMPLE_RATE) for each in (edit.first_frame, frame, frame + 1)
        )
        mixed = np.zeros((2, last - first), np.float32)
        if edit.pause is None:
            at = edit.begin_us * SAMPLE_RATE // 1_000_000 + first - begin
            for player in self._sounds.values():
                player.add_to(mixed, at)
        return mixed


def _check_output(record: Record, output: Path, options: ComposeOptions) -> None:
    folder = output.absolute().parent
    if output.exists() and not options.overwrite:
        raise RecordError(output, "there is such a file already; say --overwrite to replace it")
    if output.is_dir():
        raise RecordError(output, "this is a folder; name a file like hearing.mp4")
    if record.path.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise RecordError(output, "a film does not belong into a record's folder: write it elsewhere")


def _warn(record: Record) -> Iterator[str]:
    if not record.closed:
        yield f"{record.path}: the record was not closed; the film shows what is there (`sfu recover` closes it)"


def _find_undrawable(record: Record, tiles: tuple[Tile, ...], fonts: FontSet) -> Iterator[str]:
    texts = [tile.name for tile in tiles] + [tile.role for tile in tiles] + [record.room]
    texts += [name for phase in record.phases for name in phase.names] + [mark.name for mark in record.marks]
    texts += [text for pause in record.pauses for text in (pause.ground, pause.authoriser, pause.note)]
    for text in dict.fromkeys(texts):
        if missing := fonts.find_missing(text):
            yield f"{text!r}: no font has {missing!r}; boxes are drawn instead. Give one that has with --font FILE"


def _describe(name: str, file: VerifiedFile) -> str:
    at = format_elapsed((file.first_damaged_us or 0) // 1_000_000)
    more = f", and {file.damaged - 1} more" if file.damaged > 1 else ""
    return f"{MEDIA}/{name}: {file.reason} (first at {at}{more}); the film shows a card there"
