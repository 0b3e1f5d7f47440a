"""Likeness, steadiness and the usual measures, recipe by recipe, on people that no training has seen.

    python -m pose_tools.people --out PEOPLE --subjects 8 --frames 49 --seed 920000 --sequence 24 --traced
    python -m benchmarks.quality PEOPLE [--video FILE] [--subjects N] [--frames N] [--recipes NAME,...]

A rendered subject brings the true frames and the true correspondences; a real video is enacted anew from its first
frame. Every recipe gets the photo alone, with the true poses put on the body that was fitted to the photo. The table
has means over subjects with 95 % intervals (Student's t), and paired differences to the recipe REFERENCE.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy import stats

from benchmarks import record
from benchmarks.scenes import LANDMARKS_EVERY, LEAST_FACE, Scene, real_scene, rendered_scene
from dreampose_core import metrics
from dreampose_core.checkpoints import load_model
from dreampose_core.finetune import FinetuneSettings, finetune_subject
from dreampose_core.pipeline import DreamPosePipeline
from dreampose_core.profiles import DEFAULT_PROFILE, Profile, find_profile
from pose_tools.landmarks import find_landmarks

REFERENCE = "mini"
MEASURES = {  # name: (digits, what it is)
    "l1": (4, "mean absolute difference of the whole picture, 0 to 1"),
    "psnr": (2, "of the whole picture, dB"),
    "ssim": (4, "of the whole picture"),
    "lpips": (4, "Zhang et al. 2018, where the package lpips and its network are installed"),
    "l1_person": (4, "mean absolute difference on the true person"),
    "unsteady": (4, "difference of a frame and its predecessor carried along the true motion, less the true clip's"),
    "colour": (4, "error of the garment's colours in its own chart, 0 to 1"),
    "pattern": (4, "error of what the garment's chart has beyond its large colours, 0 to 1"),
    "face": (4, "mean absolute difference on the true face, 0 to 1"),
    "pose_px": (2, "mean distance of the landmarks found in the film and in the true frames, pixels"),
    "seconds_frame": (2, "of a frame, carrying and rendering"),
    "seconds_once": (1, "of fitting, cutting out and finetuning, once a subject"),
}
FIGURES = ("l1", "psnr", "ssim", "l1_person", "unsteady", "colour", "pattern", "face", "pose_px", "seconds_frame")
SHEET_COLUMNS = 4


class Maker:
    """One scene and the models that its recipes share. profile: whose weights and settings are used."""

    def __init__(self, scene: Scene, profile: Profile, base: DreamPosePipeline):
        self.scene, self.profile, self.base = scene, profile, base
        self.tuning = 0.0  # seconds

    @cached_property
    def tuned(self) -> DreamPosePipeline:
        started = time.monotonic()
        settings = FinetuneSettings(steps=self.profile.finetune_steps, decoder_steps=self.profile.decoder_steps)
        with tempfile.TemporaryDirectory() as folder:
            made = finetune_subject(
                self.base, self.scene.subject, self.scene.sheet, settings, Path(folder) / "tuned"
            )
        self.tuning = time.monotonic() - started
        return made

    def render(self, model: DreamPosePipeline, seed: int = 0) -> np.ndarray:
        """The scene's clip, uint8 (T, H, W, 3)."""
        return model(
            self.scene.subject.photo,
            self.scene.poses,
            self.scene.carried,
            num_inference_steps=self.profile.steps,
            s1=self.profile.s1,
            s2=self.profile.s2,
            seed=seed,
        )

    def keep_background(self) -> np.ndarray:
        """The model's clip within about two pixels of the carried person, and the carried background beyond."""
        out = []
        for frame, one in zip(self.render(self.base), self.scene.carried, strict=True):
            near = cv2.dilate((one.alpha > 0.02).astype(np.float32), np.ones((3, 3)))
            near = cv2.GaussianBlur(near, (0, 0), 1.0)[..., None]
            out.append((frame * near + one.picture * (1 - near) + 0.5).astype(np.uint8))
        return np.stack(out)

    def refine_carried(self) -> np.ndarray:
        """The refiner on the carried picture that went through the autoencoder, without the UNet."""
        out = []
        for one in self.scene.carried:
            latents = self.base.encode_pictures(one.picture[None])
            refined = self.base.refine(self.base.decode(latents), [one])
            out.append(((refined[0].movedim(0, -1) + 1) * 127.5).round().byte().numpy())
        return np.stack(out)

    def own_noise(self) -> DreamPosePipeline:
        """The model with new noise for every frame."""
        flags = {name: self.base.config[name] for name in ("start", "strength", "raw_photo", "whole_photo")}
        return DreamPosePipeline(**self.base.components, **flags, shared_noise=False)


@dataclass(frozen=True)
class Recipe:
    """make: the clip; carries: whether the carried pictures are used, for the seconds; tunes: whether the finetune."""

    make: Callable[[Maker], np.ndarray]
    carries: bool = True
    tunes: bool = False


RECIPES: dict[str, Recipe] = {
    "photo standing still": Recipe(lambda m: np.repeat(m.scene.subject.photo[None], len(m.scene.carried), 0), False),
    "carried picture": Recipe(lambda m: np.stack([one.picture for one in m.scene.carried])),
    "refiner without UNet": Recipe(lambda m: m.refine_carried()),
    "mini": Recipe(lambda m: m.render(m.base)),
    "mini finetuned": Recipe(lambda m: m.render(m.tuned), tunes=True),
    "mini on the carried background": Recipe(lambda m: m.keep_background()),
    "mini with seed 1": Recipe(lambda m: m.render(m.base, seed=1)),
    "mini with own noise a frame": Recipe(lambda m: m.render(m.own_noise())),
}


def measure(clip: np.ndarray, scene: Scene) -> dict[str, float]:
    """All of MEASURES but the seconds; nan for what cannot be measured here."""
    truth = scene.truth
    colour, pattern = metrics.likeness(clip, truth.frames, truth.texels, truth.cells)
    faces = [i for i in range(len(clip)) if truth.face[i].sum() >= LEAST_FACE]
    unsteady = metrics.unsteadiness(clip, truth.flow) - metrics.unsteadiness(truth.frames, truth.flow)
    return {
        "l1": float(metrics.l1(clip, truth.frames).mean()),
        "psnr": float(metrics.psnr(clip, truth.frames).mean()),
        "ssim": float(metrics.ssim(clip, truth.frames).mean()),
        "lpips": lpips(clip, truth.frames),
        "l1_person": float(np.nanmean(metrics.l1(clip, truth.frames, truth.mask))),
        "unsteady": float(np.nanmean(unsteady)) if np.isfinite(unsteady).any() else float("nan"),
        "colour": colour,
        "pattern": pattern,
        "face": float(np.mean(metrics.l1(clip[faces], truth.frames[faces], truth.face[faces]) if faces else np.nan)),
        "pose_px": pose_error(clip, scene),
    }


def pose_error(clip: np.ndarray, scene: Scene) -> float:
    """Mean distance in pixels of the landmarks that are seen in the true frames; the mean over every few frames."""
    errors = []
    for true, frame in zip(scene.truth.landmarks, clip[::LANDMARKS_EVERY], strict=True):
        found = find_landmarks(frame)
        if true is not None and found is not None:
            seen = true.visibility > 0.5
            errors.append(np.linalg.norm(found.points - true.points, axis=1)[seen].mean())
    return float(np.mean(errors)) if errors else float("nan")


def lpips(clip: np.ndarray, truth: np.ndarray) -> float:
    """nan where the package is not installed."""
    if find_spec("lpips") is None:
        return float("nan")
    import lpips as package

    network = package.LPIPS(net="alex", verbose=False)
    pair = [torch.from_numpy(pictures).movedim(-1, 1).float() / 127.5 - 1 for pictures in (clip, truth)]
    with torch.no_grad():
        return float(torch.cat([network(a[None], b[None]) for a, b in zip(*pair, strict=True)]).mean())


def run(scene: Scene, profile: Profile, base: DreamPosePipeline, recipes: list[str]) -> tuple[dict, dict]:
    """{recipe: clip} and {recipe: figures} of one scene."""
    maker, clips, figures = Maker(scene, profile, base), {}, {}
    for name in recipes:
        recipe = RECIPES[name]
        if recipe.tunes:
            maker.tuned  # noqa: B018  its seconds are counted apart from the rendering's
        started = time.monotonic()
        clips[name] = recipe.make(maker)
        seconds = (time.monotonic() - started) / len(clips[name])
        figures[name] = measure(clips[name], scene) | {
            "seconds_frame": seconds + scene.seconds_carry * recipe.carries,
            "seconds_once": scene.seconds_once * recipe.carries + maker.tuning * recipe.tunes,
        }
    return clips, figures


def interval(values: list[float]) -> tuple[float, float]:
    """Mean and half of the 95 % interval, of the values that are numbers."""
    known = [v for v in values if np.isfinite(v)]
    if len(known) < 2:
        return (known[0] if known else float("nan")), float("nan")
    return float(np.mean(known)), float(stats.sem(known) * stats.t.ppf(0.975, len(known) - 1))


def tabulate(each: dict[str, dict[str, dict[str, float]]], recipes: list[str]) -> dict:
    """{recipe: {measure: {mean, interval, over_reference, its interval}}} of {scene: {recipe: {measure: value}}}; None
    stands for what is not known."""
    table: dict = {}
    for recipe in recipes:
        for name in MEASURES:
            values = [scene[recipe][name] for scene in each.values()]
            cell = dict(zip(("mean", "interval"), interval(values), strict=True))
            if REFERENCE in recipes and recipe != REFERENCE:
                gains = [scene[recipe][name] - scene[REFERENCE][name] for scene in each.values()]
                cell |= dict(zip(("over_reference", "over_interval"), interval(gains), strict=True))
            table.setdefault(recipe, {})[name] = _plain(cell)
    return table


def _plain(values: dict[str, float]) -> dict[str, float | None]:
    return {name: round(value, 5) if np.isfinite(value) else None for name, value in values.items()}


def print_table(table: dict) -> None:
    print(f"{'':26s}" + "".join(f"{name:>19s}" for name in FIGURES))
    for recipe, row in table.items():
        cells = []
        for name in FIGURES:
            digits, mean, spread = MEASURES[name][0], row[name]["mean"], row[name]["interval"]
            text = "-" if mean is None else f"{mean:.{digits}f}" + ("" if spread is None else f" ± {spread:.{digits}f}")
            cells.append(f"{text:>19s}")
        print(f"{recipe:26s}" + "".join(cells), flush=True)


def contact(scene: Scene, clips: dict[str, np.ndarray]) -> np.ndarray:
    """Photo, then for a few frames the truth above every recipe's; one column a frame."""
    picks = np.linspace(0, len(scene.truth.frames) - 1, SHEET_COLUMNS).round().astype(int)
    blank = np.full_like(scene.subject.photo, 255)
    rows = [[scene.subject.photo, *(scene.truth.frames[i] for i in picks)]]
    rows += [[blank, *(clip[i] for i in picks)] for clip in clips.values()]
    return np.concatenate([np.concatenate(row, 1) for row in rows])


def write_contact(path: Path, sheets: list[np.ndarray]) -> None:
    """Subjects beside each other, at half size, JPEG."""
    whole = np.concatenate(sheets, 1)
    small = cv2.resize(whole, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(path), small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("people", type=Path, nargs="?")
    parser.add_argument("--video", type=Path, help="a real video; its figures and its pictures are not for others")
    parser.add_argument("--subjects", type=int, default=8)
    parser.add_argument("--frames", type=int, default=24, help="of each motion")
    parser.add_argument("--video-frames", type=int, default=84, help="of the video, 12 a second")
    parser.add_argument("--recipes", default=",".join(RECIPES), help="names parted by commas")
    parser.add_argument("--profile", default=DEFAULT_PROFILE)
    parser.add_argument("--name", default="quality", help="of the files in benchmarks/results")
    options = parser.parse_args(arguments)
    recipes = options.recipes.split(",")
    if unknown := [name for name in recipes if name not in RECIPES]:
        parser.error(f"there is no recipe {unknown[0]!r}; there are: {', '.join(RECIPES)}")
    profile = find_profile(options.profile)
    base = load_model(profile.folder)
    paths = sorted(options.people.glob("subject_*.npz"))[: options.subjects] if options.people else []
    each, real, sheets, missed, started = {}, {}, [], 0, time.monotonic()
    for path in paths:
        scene = rendered_scene(path, options.frames)
        if scene is None:
            missed += 1
            continue
        clips, each[path.stem] = run(scene, profile, base, recipes)
        sheets.append(contact(scene, clips))
        print(f"{path.stem} done after {time.monotonic() - started:.0f} s", flush=True)
    about = {"reference": REFERENCE, "recipes": recipes}
    about["lpips"] = "measured" if find_spec("lpips") else "not measured: the package lpips is not installed"
    about["measures"] = {name: what for name, (_, what) in MEASURES.items()}
    if each:
        table = tabulate(each, recipes)
        about_people = {"subjects": len(each), "frames": options.frames, "nobody_found": missed}
        figures = about | about_people | {"seconds": round(time.monotonic() - started)}
        path = record.write(options.name, figures | {"table": table, "each": _rounded(each)})
        write_contact(path.with_suffix(".jpg"), sheets)
        print_table(table)
    if options.video:
        scene = real_scene(options.video, options.video_frames, profile.width, profile.height)
        clips, real[options.video.stem] = run(scene, profile, base, recipes)
        table = tabulate(real, recipes)
        path = record.write(f"{options.name}_real", about | {"frames": options.video_frames, "table": table})
        # a real person's pictures stay out of the results
        write_contact(Path(tempfile.gettempdir()) / f"{options.name}_real.jpg", [contact(scene, clips)])
        print_table(table)


def _rounded(each: dict) -> dict:
    return {scene: {recipe: _plain(row) for recipe, row in rows.items()} for scene, rows in each.items()}


if __name__ == "__main__":
    main()
