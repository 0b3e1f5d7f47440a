"""Quality on rendered people that no training has seen, against their true frames.

    python -m pose_tools.people --out PEOPLE --subjects 8 --frames 25 --seed 900000 --sequence 12
    python -m benchmarks.heldout PEOPLE [--subjects N] [--frames N] [--name heldout]

Every subject's photo is the only picture the model gets; it is found, fitted and finetuned as in use, and each frame
is made for the true pose put on the fitted body.  Compared are: the photo standing still; the carried picture alone;
the model before and after the finetune.  Figures are means over subjects with 95 % intervals (Student's t).
"""

import argparse
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks import record
from benchmarks.spread import interval
from dreampose_core.carry import carry, make_sheet
from dreampose_core.checkpoints import load_model
from dreampose_core.finetune import FinetuneSettings, finetune_subject
from dreampose_core.metrics import compare
from dreampose_core.profiles import DEFAULT_PROFILE, find_profile
from dreampose_core.subject import Subject
from dreampose_core.training.prepare import true_pose
from pose_tools.body.fit import fit_body
from pose_tools.landmarks import find_landmarks
from pose_tools.sequence import PoseSequence

RECIPES = ("still photo", "carried picture", "before the finetune", "after the finetune")
SHEET_COLUMNS = 4


def rendered_subject(photo: np.ndarray) -> Subject | None:
    """The subject of a rendered photo as it is, or None where nobody is found."""
    found = find_landmarks(photo)
    if found is None:
        return None
    return Subject.of(photo, found.mask, fit_body(found))


def make_clips(people: dict, profile, frames: int) -> tuple[dict[str, np.ndarray], np.ndarray] | None:
    """One subject by every recipe: {recipe: uint8 (T, H, W, 3)} and the true frames; None where nobody is found."""
    subject = rendered_subject(people["frames"][0])
    if subject is None:
        return None
    sheet = make_sheet(subject.photo, subject.mask, subject.body)
    rows = range(1, min(len(people["frames"]), frames + 1))
    carried = [carry(sheet, true_pose(subject.body, people, row)) for row in rows]
    poses = PoseSequence(np.stack([one.iuv for one in carried]), fps=12)
    base = load_model(profile.folder)
    settings = FinetuneSettings(steps=profile.finetune_steps, decoder_steps=profile.decoder_steps)
    options = {"num_inference_steps": profile.steps, "s1": profile.s1, "s2": profile.s2}
    with tempfile.TemporaryDirectory() as folder:
        tuned = finetune_subject(base, subject, sheet, settings, Path(folder) / "tuned")
        clips = {
            "still photo": np.repeat(subject.photo[None], len(rows), 0),
            "carried picture": np.stack([one.picture for one in carried]),
            "before the finetune": base(subject.photo, poses, carried, **options),
            "after the finetune": tuned(subject.photo, poses, carried, **options),
        }
    return clips, people["frames"][list(rows)]


def cell(values: list[float]) -> dict[str, float]:
    """Of the table: mean and half of the 95 % interval."""
    return {name: round(value, 4) for name, value in zip(("mean", "interval"), interval(values), strict=True)}


def sheet_rows(photo: np.ndarray, clips: dict[str, np.ndarray], truth: np.ndarray) -> np.ndarray:
    """Photo, then for a few frames: truth, carried, before, after; side by side."""
    picks = np.linspace(0, len(truth) - 1, SHEET_COLUMNS).round().astype(int)
    shown = [photo]
    for pick in picks:
        shown += [truth[pick]] + [clips[recipe][pick] for recipe in RECIPES[1:]]
    return np.concatenate(shown, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("people", type=Path)
    parser.add_argument("--subjects", type=int, default=8)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--profile", default=DEFAULT_PROFILE)
    parser.add_argument("--name", default="heldout", help="of the files in benchmarks/results")
    options = parser.parse_args()
    profile = find_profile(options.profile)
    figures: dict[str, dict[str, list[float]]] = {recipe: {} for recipe in RECIPES}
    rows, missed, started = [], 0, time.monotonic()
    for path in sorted(options.people.glob("subject_*.npz"))[: options.subjects]:
        with np.load(path) as data:
            people = {key: data[key] for key in data.files}
        made = make_clips(people, profile, options.frames)
        if made is None:
            missed += 1
            continue
        clips, truth = made
        mask = people["mask"][1 : len(truth) + 1].astype(np.float32) / 255
        for recipe, clip in clips.items():
            for measure, value in compare(clip, truth, mask).items():
                figures[recipe].setdefault(measure, []).append(value)
        rows.append(sheet_rows(people["frames"][0], clips, truth))
        after, before = (figures[recipe]["psnr"][-1] for recipe in (RECIPES[3], RECIPES[2]))
        print(f"{path.stem}: PSNR {before:.2f} before, {after:.2f} after the finetune", flush=True)
    table = {recipe: {name: cell(values) for name, values in kept.items()} for recipe, kept in figures.items()}
    about = {
        "subjects": len(rows),
        "frames": options.frames,
        "nobody_found": missed,
        "seconds": round(time.monotonic() - started),
    }
    path = record.write(options.name, about | {"table": table, "each": figures})
    contact = np.concatenate(rows)
    small = cv2.resize(contact, (contact.shape[1] // 2, contact.shape[0] // 2), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(path.with_suffix(".jpg")), small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    for recipe, row in table.items():
        cells = (f"{name} {row[name]['mean']:.4f} ± {row[name]['interval']:.4f}" for name in ("psnr", "ssim", "l1"))
        print(f"{recipe:22s}", *cells, sep="  ")


if __name__ == "__main__":
    main()
