r"""Likeness, steadiness and the usual measures, recipe by recipe, on people that no training has seen.

    python -m pose_tools.people --out PEOPLE --subjects 8 --frames 49 --seed 920000 --sequence 24 --traced \
        --width 512 --height 640
    python -m dreampose_core train-mini --paper --begin-with assets/models/mini --people OTHERS --out RUN
    python -m benchmarks.quality PEOPLE --paper RUN/mini [--video FILE] [--keep FOLDER] [--recipes NAME,...]

Pictures of twice the model's size are measured at that size; what a recipe makes smaller is enlarged for it.
A rendered subject brings the true frames and the true correspondences; a real video is enacted anew from its first
frame. Every recipe gets the photo alone, with the true poses put on the body that was fitted to the photo. The table
has means over subjects with 95 % intervals (Student's t), and paired differences to the paper's recipe and to ours.
"""

import argparse
import re
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path

import cv2
import numpy as np

from benchmarks import record
from benchmarks.recipes import OURS, PAPER, RECIPES, Maker, Recipe
from benchmarks.scenes import LANDMARKS_EVERY, LEAST_FACE, Scene, Truth, real_scene, rendered_scene
from benchmarks.spread import interval
from dreampose_core.evaluation import metrics
from dreampose_core.evaluation.perceptual import LPIPS, Distance, find_networks
from dreampose_core.profiles import DEFAULT_PROFILE, find_profile
from dreampose_core.weights.checkpoints import load_model
from pose_tools.files import replacing
from pose_tools.landmarks import find_landmarks

REFERENCES = {"over_paper": PAPER, "over_ours": OURS}
MEASURES = {  # name: (digits, what it is)
    "l1": (4, "mean absolute difference of the whole picture, 0 to 1"),
    "psnr": (2, "of the whole picture, dB"),
    "ssim": (4, "of the whole picture"),
    "lpips": (4, "Zhang et al. 2018, AlexNet, of every few frames, where its network is there"),
    "lpips_cloth": (4, "the same, with the true picture beyond the true garment"),
    "l1_person": (4, "mean absolute difference on the true person"),
    "unsteady": (4, "difference of a frame and its predecessor carried along the true motion, less the true clip's"),
    "colour": (4, "error of the garment's colours in its own chart, 0 to 1"),
    "pattern": (4, "error of what the garment's chart has beyond its large colours, 0 to 1"),
    "colour_shown": (4, "the same, of what the photo shows"),
    "pattern_shown": (4, "the same, of what the photo shows"),
    "face": (4, "mean absolute difference on the true face, 0 to 1"),
    "pose_px": (2, "mean distance of the landmarks found in the film and in the true frames, pixels"),
    "seconds_frame": (2, "of a frame, carrying and rendering"),
    "seconds_once": (1, "of fitting, cutting out and finetuning, once a subject"),
}
FIGURES = ("l1", "psnr", "ssim", "lpips", "lpips_cloth", "l1_person", "unsteady", "colour", "pattern", "colour_shown")
FIGURES += ("pattern_shown", "face", "pose_px", "seconds_frame")
LPIPS_EVERY = 6  # frames
SHEET_COLUMNS, SHEET_WIDTH = 4, 64  # frames of a subject's contact sheet, and pixels of each


def measure(clip: np.ndarray, scene: Scene, unlike: Distance | None = None) -> dict[str, float]:
    """All of MEASURES but the seconds; nan for what cannot be measured here. A clip that is smaller than the truth is
    enlarged to it. unlike: LPIPS, where its network is there."""
    truth = scene.truth
    clip = enlarged(clip, truth.frames)
    garment = clip, truth.frames, truth.texels, truth.cells
    (colour, pattern), (colour_shown, pattern_shown) = (metrics.likeness(*garment, a) for a in (None, truth.in_photo))
    faces = [i for i in range(len(clip)) if truth.face[i].sum() >= LEAST_FACE]
    unsteady = metrics.unsteadiness(clip, truth.flow) - metrics.unsteadiness(truth.frames, truth.flow)
    return {
        "l1": float(metrics.l1(clip, truth.frames).mean()),
        "psnr": float(metrics.psnr(clip, truth.frames).mean()),
        "ssim": float(metrics.ssim(clip, truth.frames).mean()),
        **perceived(clip, truth, unlike),
        "l1_person": float(np.nanmean(metrics.l1(clip, truth.frames, truth.mask))),
        "unsteady": float(np.nanmean(unsteady)) if np.isfinite(unsteady).any() else float("nan"),
        "colour": colour,
        "pattern": pattern,
        "colour_shown": colour_shown,
        "pattern_shown": pattern_shown,
        "face": float(np.mean(metrics.l1(clip[faces], truth.frames[faces], truth.face[faces]) if faces else np.nan)),
        "pose_px": pose_error(clip, scene),
    }


def perceived(clip: np.ndarray, truth: Truth, unlike: Distance | None) -> dict[str, float]:
    """LPIPS of the whole pictures and of the garment; nan without the network."""
    made, true, cloth = (stack[::LPIPS_EVERY] for stack in (clip, truth.frames, truth.texels[..., None] >= 0))
    pictures = {"lpips": made, "lpips_cloth": np.where(cloth, made, true)}
    return {name: float(unlike(look, true).mean()) if unlike else float("nan") for name, look in pictures.items()}


def enlarged(clip: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Frames (T, h, w, 3) uint8 at the size of the true ones, as a player shows them."""
    height, width = truth.shape[1:3]
    if clip.shape[1:3] == (height, width):
        return clip
    return np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC) for frame in clip])


def pose_error(clip: np.ndarray, scene: Scene) -> float:
    """Mean distance in pixels of the landmarks that are seen in the true frames; the mean over every few frames."""
    errors = []
    for true, frame in zip(scene.truth.landmarks, clip[::LANDMARKS_EVERY], strict=True):
        found = find_landmarks(frame)
        if true is not None and found is not None:
            seen = true.visibility > 0.5
            errors.append(np.linalg.norm(found.points - true.points, axis=1)[seen].mean())
    return float(np.mean(errors)) if errors else float("nan")


def run(
    maker: Maker, recipes: list[str], keep: Path | None = None, unlike: Distance | None = None
) -> tuple[dict, dict]:
    """{recipe: clip} and {recipe: figures} of one scene. keep: a folder of clips, from which they are taken again;
    unlike: see measure."""
    clips, figures, scene = {}, {}, maker.scene
    for name in recipes:
        recipe = RECIPES[name]
        if recipe.traced and scene.truth.moved is None:
            continue
        clips[name], frame, once = _kept(keep, f"{scene.name}-{name}", lambda recipe=recipe: _timed(recipe, maker))
        figures[name] = measure(clips[name], scene, unlike) | {
            "seconds_frame": frame + scene.seconds_carry * recipe.carries,
            "seconds_once": once + scene.seconds_once * recipe.carries,
        }
    return clips, figures


def _timed(recipe: Recipe, maker: Maker) -> tuple[np.ndarray, float, float]:
    """The clip, seconds a frame, and seconds of the finetune."""
    tuning = recipe.warm_up(maker)
    started = time.monotonic()
    clip = recipe.make(maker)
    return clip, (time.monotonic() - started) / len(clip), tuning


def _kept(folder: Path | None, name: str, make: Callable[[], tuple[np.ndarray, float, float]]):
    """What `make` gives, kept in the folder if there is one."""
    path = folder / f"{re.sub('[^a-z0-9_]+', '_', name.lower())}.npz" if folder else None
    if path and path.exists():
        with np.load(path) as saved:
            return saved["clip"], float(saved["frame"]), float(saved["once"])
    clip, frame, once = make()
    if path:
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, clip=clip, frame=frame, once=once)
    return clip, frame, once


def tabulate(each: dict[str, dict[str, dict[str, float]]], recipes: list[str]) -> dict:
    """{recipe: {measure: {mean, interval, over_paper, over_paper_interval, over_ours, …}}}; None stands for what is not
    known. each: {scene: {recipe: {measure: value}}}."""
    table: dict = {}
    for recipe in [name for name in recipes if all(name in scene for scene in each.values())]:
        for name in MEASURES:
            values = [scene[recipe][name] for scene in each.values()]
            cell = dict(zip(("mean", "interval"), interval(values), strict=True))
            for over, reference in REFERENCES.items():
                if reference in recipes and recipe != reference:
                    gains = [scene[recipe][name] - scene[reference][name] for scene in each.values()]
                    cell |= dict(zip((over, f"{over}_interval"), interval(gains), strict=True))
            table.setdefault(recipe, {})[name] = _plain(cell)
    return table


def _plain(values: dict[str, float]) -> dict[str, float | None]:
    return {name: round(value, 5) if np.isfinite(value) else None for name, value in values.items()}


def print_table(table: dict) -> None:
    print(f"{'':32s}" + "".join(f"{name:>17s}" for name in FIGURES))
    for recipe, row in table.items():
        cells = []
        for name in FIGURES:
            digits, mean, spread = MEASURES[name][0], row[name]["mean"], row[name]["interval"]
            text = "-" if mean is None else f"{mean:.{digits}f}" + ("" if spread is None else f" ± {spread:.{digits}f}")
            cells.append(f"{text:>17s}")
        print(f"{recipe:32s}" + "".join(cells), flush=True)


def contact(scene: Scene, clips: dict[str, np.ndarray]) -> np.ndarray:
    """Photo, then for a few frames the truth above every recipe's; one column a frame."""
    picks = np.linspace(0, len(scene.truth.frames) - 1, SHEET_COLUMNS).round().astype(int)
    photo = (scene.subject.fine or scene.subject).photo
    rows = [[photo, *(scene.truth.frames[i] for i in picks)]]
    rows += [[np.full_like(photo, 255), *enlarged(clip[picks], scene.truth.frames)] for clip in clips.values()]
    whole = np.concatenate([np.concatenate(row, 1) for row in rows])
    shrunk = SHEET_WIDTH / photo.shape[1]
    return cv2.resize(whole, None, fx=shrunk, fy=shrunk, interpolation=cv2.INTER_AREA)


def write_contact(path: Path, sheets: list[np.ndarray]) -> None:
    """Subjects beside each other, JPEG."""
    cv2.imwrite(str(path), np.concatenate(sheets, 1)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])


def named(text: str, known: Collection[str]) -> list[str]:
    """Names parted by commas, of which those that are known may have commas themselves."""
    names, parts = [], text.split(",")
    while parts:
        count = next((n for n in range(len(parts), 1, -1) if ",".join(parts[:n]) in known), 1)
        names.append(",".join(parts[:count]))
        parts = parts[count:]
    return names


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("people", type=Path, nargs="?")
    parser.add_argument("--video", type=Path, help="a real video; its figures and its pictures are not for others")
    parser.add_argument("--subjects", type=int, default=8)
    parser.add_argument("--frames", type=int, default=24, help="of each motion")
    parser.add_argument("--video-frames", type=int, default=84, help="of the video, 12 a second")
    parser.add_argument("--recipes", help="names parted by commas; default all, the paper's only with --paper")
    parser.add_argument("--paper", type=Path, metavar="MODEL", help="the paper's model, see above")
    parser.add_argument("--networks", type=Path, metavar="DIR", help="files of the judging networks, as for evaluate")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="of the clips: an interrupted run goes on there")
    parser.add_argument("--profile", default=DEFAULT_PROFILE)
    parser.add_argument("--finer", type=int, help="times the model's size of the people's pictures; default the film's")
    parser.add_argument("--name", default="quality", help="of the files in benchmarks/results")
    options = parser.parse_args(arguments)
    can = [name for name, recipe in RECIPES.items() if options.paper or not recipe.paper]
    recipes = named(options.recipes, can) if options.recipes else can
    if unknown := [name for name in recipes if name not in can]:
        parser.error(f"there is no recipe {unknown[0]!r} here; there are: {', '.join(can)}")
    profile = find_profile(options.profile)
    finer = options.finer or profile.finer
    networks = find_networks(options.networks)
    unlike = networks.distances.get(LPIPS)
    base, paper = load_model(profile.folder), load_model(options.paper) if options.paper else None
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    paths = sorted(options.people.glob("subject_*.npz"))[: options.subjects] if options.people else []
    each, real, sheets, missed, started = {}, {}, [], 0, time.monotonic()
    for path in paths:
        scene = rendered_scene(path, options.frames, finer)
        if scene is None:
            missed += 1
            continue
        clips, each[path.stem] = run(Maker(scene, profile, base, paper), recipes, options.keep, unlike)
        sheets.append(contact(scene, clips))
        print(f"{path.stem} done after {time.monotonic() - started:.0f} s", flush=True)
    about = {"recipes": recipes}
    about["lpips"] = networks.missing.get(LPIPS, f"of every {LPIPS_EVERY} frames")
    about["measures"] = {name: what for name, (_, what) in MEASURES.items()}
    if each:
        table = tabulate(each, recipes)
        about_people = {"subjects": len(each), "frames": options.frames, "nobody_found": missed}
        figures = about | about_people | {"seconds": round(time.monotonic() - started)}
        path = record.write(options.name, figures | {"table": table, "each": _rounded(each)})
        write_contact(path.with_suffix(".jpg"), sheets)
        print_table(table)
    if options.video:
        scene = real_scene(options.video, options.video_frames, profile.width, profile.height, finer)
        clips, real[options.video.stem] = run(Maker(scene, profile, base, paper), recipes, options.keep, unlike)
        table = tabulate(real, recipes)
        path = record.write(f"{options.name}_real", about | {"frames": options.video_frames, "table": table})
        # a real person's pictures stay out of the results
        write_contact(Path(tempfile.gettempdir()) / f"{options.name}_real.jpg", [contact(scene, clips)])
        print_table(table)


def _rounded(each: dict) -> dict:
    return {scene: {recipe: _plain(row) for recipe, row in rows.items()} for scene, rows in each.items()}


if __name__ == "__main__":
    main()
