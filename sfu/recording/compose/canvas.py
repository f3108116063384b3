"""The picture that is being composed, as planes of 4:2:0 video: what changes is written over what was there.

The matrix is that of ITU-R BT.601 in limited range, which is what WebRTC video comes in, so that cameras are copied
without conversion; only what Pillow draws goes from RGB to YUV, once.
"""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
import numpy.typing as npt
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from PIL import Image

from sfu.recording.compose.layout import Rect
from sfu.recording.compose.text import Colour

Plane = npt.NDArray[np.uint8]
BLACK = (16, 128, 128)
_BT709 = 1
_NEARLY = 0.98


@dataclass(frozen=True, slots=True)
class Patch:
    """A piece of picture: luma, and the two chroma planes at half the size."""

    planes: tuple[Plane, Plane, Plane]

    @property
    def width(self) -> int:
        """In pixels; even."""
        return int(self.planes[0].shape[1])

    @property
    def height(self) -> int:
        """In pixels; even."""
        return int(self.planes[0].shape[0])


def build_patch(image: Image.Image) -> Patch:
    """Convert an RGB image of even size."""
    frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
    return _extract(
        frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU601, dst_color_range=ColorRange.MPEG),
    )


def convert_colour(colour: Colour) -> tuple[int, int, int]:
    """Return Y, Cb and Cr of an RGB colour (ITU-R BT.601, limited range)."""
    red, green, blue = (value / 255 for value in colour)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return (
        round(16 + 219 * luma),
        round(128 + 224 * (blue - luma) / 1.772),
        round(128 + 224 * (red - luma) / 1.402),
    )


class Scaler:
    """Fits the frames of one source into a place, as large as they go without being cut or distorted."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def fit(self, frame: av.VideoFrame, width: int, height: int) -> Patch:
        """Return a frame as a patch that is at most as large as that."""
        ratio = min(width / frame.width, height / frame.height)
        scaled = self._reformatter.reformat(
            frame,
            width=_snap(frame.width * ratio, width),
            height=_snap(frame.height * ratio, height),
            format="yuv420p",
            # what says nothing is BT.601; sRGB's matrix is marked by some cameras and is none of a YUV frame
            dst_colorspace=Colorspace.ITU601 if frame.colorspace == _BT709 else None,
            dst_color_range=ColorRange.MPEG if frame.color_range == ColorRange.JPEG else None,
            interpolation=Interpolation.BICUBIC,
            threads=1,
        )
        return _extract(scaled)


class Canvas:
    """A picture of even width and height, black at first."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._data = np.empty((height * 3 // 2, width), np.uint8)
        luma, chroma = width * height, width * height // 4
        flat = self._data.reshape(-1)
        self.planes = (
            flat[:luma].reshape(height, width),
            flat[luma : luma + chroma].reshape(height // 2, width // 2),
            flat[luma + chroma :].reshape(height // 2, width // 2),
        )
        self.fill(Rect(0, 0, width, height), BLACK)

    def fill(self, rect: Rect, colour: tuple[int, int, int]) -> None:
        """Fill a rectangle of even coordinates with a colour (Y, Cb, Cr)."""
        for plane, value, shift in zip(self.planes, colour, (0, 1, 1), strict=True):
            plane[rect.y >> shift : rect.bottom >> shift, rect.x >> shift : rect.right >> shift] = value

    def outline(self, rect: Rect, thickness: int, colour: tuple[int, int, int]) -> None:
        """Draw a frame around a rectangle, outside of it."""
        x, y, t = rect.x - thickness, rect.y - thickness, thickness
        width, height = rect.width + 2 * t, rect.height + 2 * t
        self.fill(Rect(x, y, width, t), colour)
        self.fill(Rect(x, rect.bottom, width, t), colour)
        self.fill(Rect(x, y, t, height), colour)
        self.fill(Rect(rect.right, y, t, height), colour)

    def paste(self, patch: Patch, x: int, y: int) -> None:
        """Copy a patch to even coordinates; it must lie within the picture."""
        for plane, part, shift in zip(self.planes, patch.planes, (0, 1, 1), strict=True):
            height, width = part.shape
            plane[y >> shift : (y >> shift) + height, x >> shift : (x >> shift) + width] = part

    def build_frame(self) -> av.VideoFrame:
        """Return the picture as a frame that shares its memory: encode it before anything is drawn again."""
        frame = av.VideoFrame.from_numpy_buffer(self._data, format="yuv420p")
        frame.colorspace = Colorspace.ITU601
        frame.color_range = ColorRange.MPEG
        return frame


def _extract(frame: av.VideoFrame) -> Patch:
    width, height = frame.width, frame.height
    luma, first, second = frame.planes
    return Patch(
        (
            _view(luma, width, height),
            _view(first, width // 2, height // 2),
            _view(second, width // 2, height // 2),
        )
    )


def _view(plane: VideoPlane, width: int, height: int) -> Plane:
    lines = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
    view: Plane = lines[:height, :width]
    return view


def _snap(wanted: float, room: int) -> int:
    """Return an even length within the room; all of it when nearly all is wanted, so that no slit is left."""
    return room if wanted > room * _NEARLY else max(2, round(wanted / 2) * 2)
