"""A look at a few frames of a clip before work is spent on it: is there one person, whole, large and bright enough?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pose_tools.errors import BadInput
from pose_tools.finding import extent, find_person, is_somebody_else, too_dark
from pose_tools.video import read_frames

LOOKS = 6  # frames, spread over the clip
MIN_PERSON = 72  # pixels from head to feet at the size that is looked at
SEEN = 0.3  # visibility from which on a landmark counts as seen
HEAD, FEET = (0,), (27, 28)  # mediapipe's numbers of landmarks


def inspect_clip(
    path: Path, size: tuple[int, int], start: float, seconds: float, picked: tuple[float, float] | None = None
) -> tuple[str, ...]:
    """Plain sentences about what will not come out well; none where all is well.

    size: (width, height) in pixels to look at; start, seconds: the part of the video. BadInput where nobody is
    found, or the person is too small or too dark in all the frames looked at.
    """
    looks = list(_some_frames(path, size, start, seconds))
    bright = [frame for frame in looks if not too_dark(frame)]
    if not bright:
        raise BadInput("The video is too dark to see the person; please use a brighter one.")
    found = [(frame, *one) for frame in bright if (one := find_person(frame))]
    if not found:
        raise BadInput("No person was found in the video; please use one that shows a person from head to feet.")
    heights = [np.ptp(extent(person, axis=1)) for _, _, person in found]
    if max(heights) < MIN_PERSON:
        raise BadInput(
            "The person is too small in the video; please use one in which the person fills more of the frame."
        )
    notes = []
    if picked is None and is_somebody_else(found[0][0], found[0][2]):
        notes.append("There are several people in the video; click on the one to follow, or the largest is taken.")
    for part, marks in (("head is", HEAD), ("feet are", FEET)):
        if sum(_outside(landmarks, marks) for _, landmarks, _ in found) > len(found) / 2:
            notes.append(f"The {part} outside of the picture for most of the time and will be guessed.")
    return tuple(notes)


def _some_frames(path: Path, size: tuple[int, int], start: float, seconds: float) -> Iterator[np.ndarray]:
    """Frames from the middles of equal parts; a video that breaks off gives fewer."""
    for k in range(LOOKS):
        try:
            yield next(iter(read_frames(path, size=size, start=start + seconds * (k + 0.5) / LOOKS)))
        except BadInput:
            if k == 0:
                yield next(iter(read_frames(path, size=size, start=start)))


def _outside(landmarks, marks: tuple[int, ...]) -> bool:
    """Whether none of these landmarks is seen inside of the picture."""
    height, width = landmarks.mask.shape
    points = landmarks.points[list(marks)]
    inside = ((points >= 0) & (points < (width, height))).all(axis=1)
    return not (inside & (landmarks.visibility[list(marks)] >= SEEN)).any()
