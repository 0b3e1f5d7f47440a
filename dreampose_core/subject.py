"""From a photo to a subject: the person found, framed for a profile's size, and a body laid under them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from dreampose_core.framing import PERSON, extent, frame_person
from pose_tools.body.figure import load_figure
from pose_tools.body.fit import FittedBody, fit_picture
from pose_tools.body.raster import draw_iuv
from pose_tools.errors import BadInput
from pose_tools.landmarks import Landmarks, find_landmarks

LOOK_SIDE = 1280  # longer side in pixels at which people are looked for
FINE = 3  # the framed person is looked at in up to this many times the profile's size
MIN_PERSON = 120  # pixels from head to feet in the photo
DARK = 26  # a picture whose brightest parts (95 of 100 pixels below) stay under this level of 255
FEET, HEAD, HIPS, SHOULDERS = (27, 28), (0,), (23, 24), (11, 12)  # mediapipe's numbers of landmarks
SEEN = 0.3  # visibility from which on a landmark counts as seen
CLOSE = 0.6  # a person of less than this part of the picture's height is looked at once more from nearby
CUT = 0.3  # of the person's height, along a side of the picture
SECOND_AREA = 0.08  # of the first one's area
SECOND_SIZE = 0.4  # height of a second person, as a part of the first one's, from which on it counts
MIN_OVERLAP = 0.4  # of the fitted body with the person's mask

WHOLE = "please take a photo of one person from head to feet."


@dataclass(frozen=True, eq=False)
class Subject:
    """One person, ready to be animated at one picture size.

    photo: uint8 (H, W, 3) RGB, framed; mask: float32 (H, W), 0..1 the person; body: fitted to the photo, its
    camera is the photo's; charts: uint8 (H, W, 3) IUV of that body.
    """

    photo: np.ndarray
    mask: np.ndarray
    body: FittedBody
    charts: np.ndarray

    def save(self, folder: Path) -> None:
        """Write photo.png, mask.png, charts.png and body.json; the folder appears whole or not at all."""
        folder = Path(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
        made.mkdir()
        try:
            Image.fromarray(self.photo).save(made / "photo.png")
            Image.fromarray(np.round(self.mask * 255).astype(np.uint8)).save(made / "mask.png")
            Image.fromarray(self.charts).save(made / "charts.png")
            (made / "body.json").write_text(json.dumps(self.body.to_dict()))
            os.replace(made, folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    @classmethod
    def load(cls, folder: Path) -> Subject:
        folder = Path(folder)
        photo, mask, charts = (np.array(Image.open(folder / f"{n}.png")) for n in ("photo", "mask", "charts"))
        body = FittedBody.from_dict(json.loads((folder / "body.json").read_text()))
        return cls(photo, mask.astype(np.float32) / 255, body, charts)


def prepare_subject(image: np.ndarray, width: int, height: int) -> Subject:
    """Find the one person of a photo, frame them for width x height pixels, and fit a body.

    image: uint8 (H, W, 3) RGB of any size. Raises BadInput, one sentence, where there is no person, more than
    one, only part of one, or where the person is too small or too dark.
    """
    if np.percentile(image.max(axis=2), 95) < DARK:
        raise BadInput("The picture is too dark to see the person; please take a brighter photo.")
    factor = min(1.0, LOOK_SIDE / max(image.shape[:2]))
    seen = _resize(image, round(image.shape[1] * factor), round(image.shape[0] * factor))
    landmarks = _look(seen)
    person = _person(landmarks)
    _check_whole(landmarks, person)
    top, bottom = extent(person, axis=1)
    pixels = round((bottom - top) / factor)
    if pixels < MIN_PERSON:
        raise BadInput(f"The person is only {pixels} pixels high; {MIN_PERSON} or more are needed.")
    _check_alone(seen, person)

    fine = int(np.clip(pixels / (PERSON * height), 1, FINE))
    frame = frame_person(person, image.shape[1], width * fine, height * fine)
    framed = frame.apply(image, person)
    marks = find_landmarks(framed)
    if marks is None:
        raise BadInput(f"The person could not be made out well enough; {WHOLE}")
    marks = replace(marks, points=marks.points / fine, mask=_resize(marks.mask, width, height))
    # whole levels, so that a mask that was saved and loaded is the same
    mask = np.round(marks.mask * _grown(_person(marks), 3) * 255).astype(np.uint8)
    marks = replace(marks, mask=mask.astype(np.float32) / 255)
    photo = _resize(framed, width, height)
    body = fit_picture(photo, marks)
    if body.overlap < MIN_OVERLAP:
        raise BadInput(f"The pose of this person could not be read; {WHOLE}")
    charts = draw_iuv(load_figure(), body.shape, body.pose, body.camera)
    return Subject(photo, marks.mask, body, charts)


def _look(picture: np.ndarray) -> Landmarks:
    """Landmarks of the person; a second, closer look is taken at somebody small.

    BadInput if there is nobody.
    """
    landmarks = find_landmarks(picture)
    if landmarks is None:
        raise BadInput(f"No person was found in the picture; {WHOLE}")
    (top, bottom), (left, right) = (extent(_person(landmarks), axis) for axis in (1, 0))
    if bottom - top > CLOSE * picture.shape[0]:
        return landmarks
    margin = (bottom - top) // 3
    x, y = max(0, left - margin), max(0, top - margin)
    near = find_landmarks(np.ascontiguousarray(picture[y : bottom + margin, x : right + margin]))
    if near is None:
        return landmarks
    mask = np.zeros(picture.shape[:2], np.float32)
    mask[y : bottom + margin, x : right + margin] = near.mask
    return replace(near, points=near.points + (x, y), mask=mask)


def _check_whole(landmarks: Landmarks, person: np.ndarray) -> None:
    """BadInput unless head, hips and feet are inside of the picture and seen, and no side is cut off."""
    height, width = landmarks.mask.shape
    inside = ((landmarks.points >= 0) & (landmarks.points < (width, height))).all(axis=1)
    seen = inside & (landmarks.visibility >= SEEN)
    if not seen[list(HEAD)].any():
        raise BadInput(f"The head is not in the picture; {WHOLE}")
    if not inside[list(FEET)].any() or not seen[list(FEET)].any():
        raise BadInput(f"The feet are not in the picture; {WHOLE}")
    if not seen[list(HIPS)].any() or not seen[list(SHOULDERS)].any():
        raise BadInput(f"Only a part of the person can be seen; {WHOLE}")
    top, bottom = extent(person, axis=1)
    if max(person[:, 0].sum(), person[:, -1].sum()) > CUT * (bottom - top):
        raise BadInput(f"The picture's edge cuts the person; {WHOLE}")


def _check_alone(picture: np.ndarray, person: np.ndarray) -> None:
    """BadInput if there is another person of a like size: looks again with the first one painted over."""
    top, bottom = extent(person, axis=1)
    left, right = extent(person, axis=0)
    size = bottom - top
    covered = _grown(person, round(0.04 * size))
    small = cv2.inpaint(*_inpaint_input(picture, covered), 3, cv2.INPAINT_TELEA)
    fill = cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    rest = np.where(covered[..., None], fill, picture)
    views = [(0, rest.shape[1]), (0, left), (right, rest.shape[1])]
    for start, end in views:
        if end - start < SECOND_SIZE / 3 * size:
            continue
        found = find_landmarks(np.ascontiguousarray(rest[:, start:end]))
        if found is None:
            continue
        other = _person(found) & ~covered[:, start:end]
        seen = found.visibility >= 0.5
        high = np.ptp(found.points[seen, 1]) if seen.sum() >= 12 else 0.0
        if high >= SECOND_SIZE * size and other.sum() >= SECOND_AREA * person.sum():
            raise BadInput("There are two or more people in the picture; please take a photo of one person.")


def _inpaint_input(picture: np.ndarray, covered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Picture and hole, small: what is painted in is only there to hide the person from the finder."""
    factor = min(1.0, 200 / max(picture.shape[:2]))
    size = max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor))
    hole = cv2.resize(covered.astype(np.uint8), size, interpolation=cv2.INTER_AREA)
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA), (hole > 0).astype(np.uint8)


def _person(landmarks: Landmarks) -> np.ndarray:
    """The pieces of the mask on which landmarks lie, bool (H, W). BadInput if there are none."""
    count, pieces = cv2.connectedComponents((landmarks.mask > 0.5).astype(np.uint8))
    height, width = landmarks.mask.shape
    inside = ((landmarks.points >= 0) & (landmarks.points < (width, height))).all(axis=1)
    x, y = landmarks.points[inside].astype(int).T
    hits = np.bincount(pieces[y, x], minlength=count)
    hits[0] = 0
    if not hits.any():
        raise BadInput(f"No person was found in the picture; {WHOLE}")
    return (hits > 0)[pieces]


def _grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return cv2.dilate(mask.astype(np.uint8), kernel) > 0


def _resize(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    if picture.shape[:2] == (height, width):
        return picture
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
