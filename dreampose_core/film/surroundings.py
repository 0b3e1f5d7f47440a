"""A film in the photo's own framing: its frames put back into the photo that a window was cut out of.

Where nobody moves a film shows the photo's background, all but a shadow that the person took along; so frames fade into
the photo at the window's borders. What the window shows beyond the photo's borders is left away.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from dreampose_core.framing import Frame
from dreampose_core.photo import resized

FILM, PHOTO = "film", "photo"
FRAMINGS = (FILM, PHOTO)
FADE = 0.04  # of the window's width, at its borders
MOST_SIDE = 1280  # pixels; of a person who is small in a large photo the film gets smaller than it could be


@dataclass(frozen=True, eq=False)
class Surroundings:
    """The photo around the window that a film shows. photo: uint8 (H, W, 3); left, top, width, height: the window in
    its pixels, also beyond its borders."""

    photo: np.ndarray
    left: int
    top: int
    width: int
    height: int

    def put_in(self, frame: np.ndarray, into: np.ndarray | None = None) -> np.ndarray:
        """A frame of the window (h, w[, C]) of any size in a copy of `into` (H, W[, C]); by default in the photo, into
        which it fades."""
        whole = (self.photo if into is None else into).copy()
        rows, columns, inside = self._shared()
        framed = resized(frame, self.width, self.height)[inside]
        if into is None:
            share = self._share()[inside][..., None]
            framed = np.round(framed * share + whole[rows, columns] * (1 - share))
        whole[rows, columns] = framed
        return whole

    def cut(self, picture: np.ndarray) -> np.ndarray:
        """The window of a picture (H, W, 3) that `put_in` made; black beyond the photo."""
        window = np.zeros((self.height, self.width, *picture.shape[2:]), picture.dtype)
        rows, columns, inside = self._shared()
        window[inside] = picture[rows, columns]
        return window

    def _share(self) -> np.ndarray:
        """(h, w) f32: how much of the window is the frame's: all, but for borders beyond which the photo goes on."""
        high, wide = self.photo.shape[:2]
        fade = max(2.0, FADE * self.width)

        def along(size: int, goes_on: tuple[bool, bool]) -> np.ndarray:
            to_border = np.arange(size) + 0.5
            ramps = [
                np.clip(way / fade, 0, 1)
                for way, more in zip((to_border, size - to_border), goes_on, strict=True)
                if more
            ]
            return np.min([np.ones(size), *ramps], 0).astype(np.float32)

        across = along(self.width, (self.left > 0, self.left + self.width < wide))
        return across * along(self.height, (self.top > 0, self.top + self.height < high))[:, None]

    def _shared(self) -> tuple[slice, slice, tuple[slice, slice]]:
        """Rows and columns of the photo that the window covers, and the same of the window."""
        high, wide = self.photo.shape[:2]
        top, bottom = (int(np.clip(y, 0, high)) for y in (self.top, self.top + self.height))
        left, right = (int(np.clip(x, 0, wide)) for x in (self.left, self.left + self.width))
        inside = slice(top - self.top, bottom - self.top), slice(left - self.left, right - self.left)
        return slice(top, bottom), slice(left, right), inside

    def save(self, folder: Path) -> None:
        """Writes whole.png and window.json."""
        Image.fromarray(self.photo).save(folder / "whole.png")
        window = {name: value for name, value in asdict(self).items() if name != "photo"}
        (folder / "window.json").write_text(json.dumps(window))

    @classmethod
    def load(cls, folder: Path) -> Surroundings | None:
        """The inverse of save; None where there is nothing."""
        if not (folder / "window.json").exists():
            return None
        return cls(np.array(Image.open(folder / "whole.png")), **json.loads((folder / "window.json").read_text()))


def surroundings_of(photo: np.ndarray, frame: Frame, times: float) -> Surroundings:
    """Of a photo uint8 (H, W, 3), from which the frame cut a window; the window gets `times` the frame's size, or less
    where a side of the photo would have more than MOST_SIDE pixels."""
    high, wide = photo.shape[:2]
    scale = min(frame.scale * times, MOST_SIDE / max(high, wide))
    size = max(1, round(wide * scale)), max(1, round(high * scale))
    whole = cv2.resize(photo, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    left, top = round(frame.left * scale), round(frame.top * scale)
    window = round(frame.width / frame.scale * scale), round(frame.height / frame.scale * scale)
    return Surroundings(whole, left, top, *window)
