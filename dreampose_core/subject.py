"""From a photo to a subject: the person found, framed for a profile's size, and a body laid under them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from dreampose_core.film.surroundings import Surroundings, surroundings_of
from dreampose_core.framing import PERSON, frame_person
from dreampose_core.photo import evened, resized
from pose_tools.body.figure import load_figure
from pose_tools.body.fit import FittedBody, fit_picture
from pose_tools.body.raster import draw_iuv
from pose_tools.errors import BadInput
from pose_tools.finding import extent, find_person, grown, is_somebody_else, person_mask, too_dark
from pose_tools.landmarks import Landmarks, find_landmarks

LOOK_SIDE = 1280  # longer side in pixels at which people are looked for
FINE_FOLDER = "fine"
FINE = 3  # the framed person is looked at in up to this many times the profile's size
MIN_PERSON = 120  # pixels from head to feet in the photo
FEET, HEAD, HIPS, SHOULDERS = (27, 28), (0,), (23, 24), (11, 12)  # mediapipe's numbers of landmarks
SEEN = 0.3  # visibility from which on a landmark counts as seen
CUT = 0.3  # of the person's height, along a side of the picture
MIN_OVERLAP = 0.4  # of the fitted body with the person's mask

WHOLE = "please take a photo of one person from head to feet."


@dataclass(frozen=True, eq=False)
class Subject:
    """One person, ready to be animated at one picture size.

    photo: uint8 (H, W, 3) RGB, framed; mask: float32 (H, W), 0..1 the person; body: fitted to the photo, its
    camera is the photo's; charts: uint8 (H, W, 3) IUV of that body. fine: the same person in the same frame at a
    multiple of that size, whose detail the film is given; None where a film has the model's own size. around: the whole
    photo, and where in it this one is; None of a subject that was made before it was kept.
    """

    photo: np.ndarray
    mask: np.ndarray
    body: FittedBody
    charts: np.ndarray
    fine: Subject | None = None
    around: Surroundings | None = None

    @classmethod
    def of(cls, photo: np.ndarray, mask: np.ndarray, body: FittedBody) -> Subject:
        """With the charts of the body."""
        return cls(photo, mask, body, draw_iuv(load_figure(), body.shape, body.pose, body.camera))

    def save(self, folder: Path) -> None:
        """Write photo.png, mask.png, charts.png and body.json, what is around, and the fine subject into a folder
        within; the folder appears whole or not at all."""
        folder = Path(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
        made.mkdir()
        try:
            Image.fromarray(self.photo).save(made / "photo.png")
            Image.fromarray(np.round(self.mask * 255).astype(np.uint8)).save(made / "mask.png")
            Image.fromarray(self.charts).save(made / "charts.png")
            (made / "body.json").write_text(json.dumps(self.body.to_dict()))
            if self.fine is not None:
                self.fine.save(made / FINE_FOLDER)
            if self.around is not None:
                self.around.save(made)
            os.replace(made, folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    @classmethod
    def load(cls, folder: Path) -> Subject:
        folder = Path(folder)
        photo, mask, charts = (np.array(Image.open(folder / f"{n}.png")) for n in ("photo", "mask", "charts"))
        body = FittedBody.from_dict(json.loads((folder / "body.json").read_text()))
        fine = cls.load(folder / FINE_FOLDER) if (folder / FINE_FOLDER).is_dir() else None
        return cls(photo, mask.astype(np.float32) / 255, body, charts, fine, Surroundings.load(folder))


def prepare_subject(image: np.ndarray, width: int, height: int, finer: int = 1) -> Subject:
    """Find the one person of a photo, frame them for width x height pixels, and fit a body.

    image: uint8 (H, W, 3) RGB of any size; finer: above 1 the subject has a finer one of so many times the size.
    Raises BadInput, one sentence, where there is no person, more than
    one, only part of one, or where the person is too small or too dark.
    """
    if too_dark(image):
        raise BadInput("The picture is too dark to see the person; please take a brighter photo.")
    factor = min(1.0, LOOK_SIDE / max(image.shape[:2]))
    seen = resized(image, round(image.shape[1] * factor), round(image.shape[0] * factor))
    seen = evened(seen)
    found = find_person(seen)
    if found is None:
        raise BadInput(f"No person was found in the picture; {WHOLE}")
    landmarks, person = found
    _check_whole(landmarks, person)
    top, bottom = extent(person, axis=1)
    pixels = round((bottom - top) / factor)
    if pixels < MIN_PERSON:
        raise BadInput(f"The person is only {pixels} pixels high; {MIN_PERSON} or more are needed.")
    if is_somebody_else(seen, person):
        raise BadInput("There are two or more people in the picture; please take a photo of one person.")

    fine = int(np.clip(pixels / (PERSON * height), 1, FINE))
    frame = frame_person(person, image.shape[1], width * fine, height * fine)
    framed = frame.apply(image, person)
    fine_marks, inside = find_landmarks(evened(framed)), None
    if fine_marks is not None:
        small = resized(fine_marks.mask, width, height)
        marks = replace(fine_marks, points=fine_marks.points / fine, mask=small)
        inside = person_mask(marks)
    if inside is None:
        raise BadInput(f"The person could not be made out well enough; {WHOLE}")
    near = grown(inside, 3)
    marks = replace(marks, mask=_whole_levels(marks.mask * near))
    photo = resized(framed, width, height)
    body = fit_picture(photo, marks)
    if body.overlap < MIN_OVERLAP:
        raise BadInput(f"The pose of this person could not be read; {WHOLE}")
    around = surroundings_of(image, frame, finer / fine)
    subject = replace(Subject.of(photo, marks.mask, body), around=around)
    if finer == 1:
        return subject
    large = width * finer, height * finer
    mask = _whole_levels(resized(fine_marks.mask, *large) * resized(near.astype(np.float32), *large))
    return replace(subject, fine=Subject.of(resized(framed, *large), mask, body.scaled(finer)))


def _whole_levels(mask: np.ndarray) -> np.ndarray:
    """In steps of 1/255, so that a mask that was saved and loaded is the same."""
    return np.round(mask * 255).astype(np.uint8).astype(np.float32) / 255


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
