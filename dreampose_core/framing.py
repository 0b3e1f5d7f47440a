"""Framing a person: which part of a photo becomes the picture, and what stands beyond the photo."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter1d

from pose_tools.finding import extent

PERSON = 0.88  # of the picture's height, from the hair to the shoes
HEADROOM = 0.055  # of the picture's height above the hair
ROOM = 0.9  # of the picture's width that the person may fill at most
LINE_DEPTH = 3  # pixels of the border that are averaged into what stands beyond it
GAP_MARGIN = 4  # pixels around the person that are not taken for the background
LINE_BLUR = 2.0  # pixels, along the border


@dataclass(frozen=True)
class Frame:
    """A window onto a photo. left, top: its corner in the photo's pixels, also outside of the photo.

    scale: pixels of the framed picture per pixel of the photo; width, height: of the framed picture.
    """

    left: float
    top: float
    scale: float
    width: int
    height: int

    def apply(self, photo: np.ndarray, person: np.ndarray) -> np.ndarray:
        """Cut the window out of the photo, uint8 (H, W, 3) -> (height, width, 3).

        Beyond the photo its border goes on, without the person where the border cuts them. person: bool (h,
        w), of the whole photo at any size.
        """
        high, wide = photo.shape[:2]
        x0, x1 = (int(np.clip(v, 0, wide)) for v in (self.left, np.ceil(self.left + self.width / self.scale)))
        y0, y1 = (int(np.clip(v, 0, high)) for v in (self.top, np.ceil(self.top + self.height / self.scale)))
        size = max(1, round((x1 - x0) * self.scale)), max(1, round((y1 - y0) * self.scale))
        shrink = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_CUBIC
        part = cv2.resize(photo[y0:y1, x0:x1], size, interpolation=shrink)
        left, top = max(0, round((x0 - self.left) * self.scale)), max(0, round((y0 - self.top) * self.scale))
        part = part[: self.height - top, : self.width - left]
        fine = cv2.resize(person.astype(np.uint8), (wide, high), interpolation=cv2.INTER_NEAREST)[
            y0:y1, x0:x1
        ]
        hidden = cv2.resize(fine, size, interpolation=cv2.INTER_NEAREST)[: part.shape[0], : part.shape[1]] > 0
        right, below = self.width - left - part.shape[1], self.height - top - part.shape[0]
        return _extend(part, hidden, (left, right, top, below))

    def move(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 2) of the photo in pixels to points of the framed picture."""
        return (points - (self.left, self.top)) * self.scale


def frame_person(person: np.ndarray, photo_width: int, width: int, height: int) -> Frame:
    """The frame in which a person stands in the middle with room for arms and steps.

    person: bool (h, w), of the whole photo, which is `photo_width` pixels wide. The middle lies between that
    of the whole person and that of the lower half, since an arm may reach out and a body lean to one side.
    """
    unit = photo_width / person.shape[1]
    top, bottom = (v * unit for v in extent(person, axis=1))
    left, right = (v * unit for v in extent(person, axis=0))
    rows = int((top + bottom) / 2 / unit)
    legs = float(np.nonzero(person[rows:])[1].mean() + 0.5) * unit
    middle = (legs + (left + right) / 2) / 2
    reach = 2 * max(right - middle, middle - left)
    scale = min(PERSON * height / (bottom - top), ROOM * width / reach)
    foot = height * (HEADROOM + PERSON)  # the ground stays where it is, also for people with wide arms
    return Frame(middle - width / 2 / scale, bottom - foot / scale, scale, width, height)


def _extend(part: np.ndarray, hidden: np.ndarray, margins: tuple[int, int, int, int]) -> np.ndarray:
    """Let the border of a picture go on by (left, right, top, below) pixels; hidden: not to be used."""
    left, right, top, below = margins
    columns = [np.repeat(_line(part, hidden)[:, None], left, axis=1), part]
    columns.append(np.repeat(_line(part[:, ::-1], hidden[:, ::-1])[:, None], right, axis=1))
    wide = np.concatenate(columns, axis=1)
    over = np.pad(hidden, ((0, 0), (left, right))).T
    turned = wide.swapaxes(0, 1)
    rows = [np.repeat(_line(turned, over)[None], top, axis=0), wide]
    rows.append(np.repeat(_line(turned[:, ::-1], over[:, ::-1])[None], below, axis=0))
    return np.ascontiguousarray(np.concatenate(rows, axis=0))


def _line(part: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """The left border of a picture as one calm line of colours, uint8 (H, 3), gaps closed linearly."""
    line = part[:, :LINE_DEPTH].astype(np.float32).mean(axis=1)
    gaps = binary_dilation(hidden[:, :LINE_DEPTH].any(axis=1), iterations=GAP_MARGIN)
    seen = np.flatnonzero(~gaps)
    if 0 < len(seen) < len(line):
        rows = np.arange(len(line))
        line = np.stack([np.interp(rows, seen, line[seen, c]) for c in range(3)], axis=1).astype(np.float32)
    line = gaussian_filter1d(line, LINE_BLUR, axis=0, mode="nearest")
    return np.clip(np.round(line), 0, 255).astype(np.uint8)
