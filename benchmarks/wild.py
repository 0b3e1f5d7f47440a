"""Contact sheets of real photos: photo, the paper's recipe, ours, in two motions; to be looked at, not measured.

    python -m benchmarks.wild PHOTO [PHOTO ...] --paper RUN/mini --out FOLDER [--motions NAME,NAME] [--authors VIDEO]

Ours is what `animate` makes with its default settings. A video may stand for a photo: its first frame is taken.
--authors: what the authors' own full-size model made of the first photo, shown below. The sheets are pictures of
people, so they go where --out says, and nowhere else.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import imageio.v3 as iio
import numpy as np
from PIL import Image

from benchmarks.recipes import PAPER_FINETUNE, PAPER_STEPS
from dreampose_core.drive import load_drive, make_poses
from dreampose_core.finetune.finetune import finetune_subject
from dreampose_core.library.library import Library
from dreampose_core.pipeline import DreamPosePipeline
from dreampose_core.settings import AnimateSettings
from dreampose_core.studio import Order, make_clip
from dreampose_core.subject import Subject
from dreampose_core.weights.checkpoints import load_model
from pose_tools.video import VIDEOS, read_frames

COLUMNS = 6  # frames of a motion
HEIGHT = 480  # pixels of a picture on the sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, nargs="+", metavar="PHOTO")
    parser.add_argument("--paper", type=Path, required=True, metavar="MODEL")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--motions", default="catwalk,half_turn")
    parser.add_argument("--authors", type=Path, metavar="VIDEO")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    paper = load_model(options.paper)
    for number, photo in enumerate(options.photos):
        rows = sheet(photo, options.motions.split(","), paper)
        if number == 0 and options.authors:
            rows.append(_row(list(iio.imiter(options.authors))))
        widest = max(row.shape[1] for row in rows)
        rows = [np.pad(row, ((0, 0), (0, widest - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
        path = options.out / f"{photo.stem}.jpg"
        Image.fromarray(np.concatenate(rows)).save(path, quality=88)
        print(path, flush=True)


def sheet(photo: Path, motions: list[str], paper: DreamPosePipeline) -> list[np.ndarray]:
    """Two rows a motion: the paper's recipe, and ours, each after the photo."""
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        library, tuned = Library(folder / "library"), None
        if photo.suffix.lower() in VIDEOS:
            first = next(iter(read_frames(photo)))
            photo = folder / "first.png"
            Image.fromarray(first).save(photo)
        for motion in motions:
            settings = AnimateSettings(motion)
            ours = make_clip(Order(library, settings, folder / motion, "somebody", motion, photo=photo))
            subject = Subject.load(library.subject_folder("somebody"))
            tuned = tuned or finetune_subject(paper, subject, None, PAPER_FINETUNE, folder / "tuned")
            poses, _ = make_poses(load_drive(motion, None), subject, settings.frames, settings.fps)
            picks = np.linspace(0, len(poses) - 1, COLUMNS).round().astype(int)
            fixed = {"num_inference_steps": PAPER_STEPS, "batch_size": 1, "only": picks.tolist()}
            made = dict(tuned.frames(subject.photo, poses, None, **fixed))
            rows.append(_row([subject.photo, *(made[i] for i in picks)]))
            clip = list(iio.imiter(ours.video))
            rows.append(_row([subject.photo, *(clip[i] for i in picks)]))
    return rows


def _row(frames: list[np.ndarray]) -> np.ndarray:
    """The first and COLUMNS further frames beside each other, at one height."""
    picks = np.linspace(0, len(frames) - 1, COLUMNS + 1).round().astype(int)
    return np.concatenate([_at_height(frames[i]) for i in picks], 1)


def _at_height(picture: np.ndarray) -> np.ndarray:
    width = round(picture.shape[1] * HEIGHT / picture.shape[0])
    return cv2.resize(picture[..., :3], (width, HEIGHT), interpolation=cv2.INTER_AREA)


if __name__ == "__main__":
    main()
