"""python -m pose_tools: poses from videos, the gallery of motions, motions as pose sequences, sequences as videos.

Results go to files and standard output, progress to standard error; exit status 2 and one plain sentence where
something given cannot be used.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pose_tools.draw import colour_iuv, overlay
from pose_tools.errors import BadInput
from pose_tools.estimators.choose import AUTO, LITE, NAMES
from pose_tools.sequence import MAX_FRAMES, PoseSequence
from pose_tools.video import write_video

MAX_PIXELS = 60_000_000
FITTED_SIDE = 960  # the longest side in pixels at which a person is looked for


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pose_tools", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    motions = commands.add_parser("motions", help="list the gallery, or draw one of its motions")
    motions.add_argument("--export", metavar="NAME", help="the motion to draw as a pose sequence")
    motions.add_argument("--out", type=Path, help="the .npz to write")
    motions.add_argument("--photo", type=Path, help="draw it on the body of the person in this picture")
    motions.add_argument("--frames", type=int, help="how many frames (default: the motion's length at --fps)")
    motions.add_argument("--fps", type=float, default=12.0, help="frames a second (default 12)")
    motions.add_argument("--height", type=int, default=320, help="height of the frames (default 320)")
    view = commands.add_parser("view", help="draw a pose sequence as a video")
    view.add_argument("poses", type=Path, help="an .npz of poses, or a folder of frame_N_densepose.npy")
    view.add_argument("--out", type=Path, required=True, help="the .mp4 to write")
    view.add_argument("--photo", type=Path, help="draw the poses over this picture")
    extract = commands.add_parser("extract", help="read the poses of a person from a video")
    extract.add_argument("video", type=Path, help="any video that ffmpeg reads")
    extract.add_argument("--out", type=Path, required=True, help="the .npz of charts to write")
    extract.add_argument("--motion-out", type=Path, metavar="FILE", help="the .npz of joint rotations to write (lite)")
    extract.add_argument("--estimator", choices=NAMES, default=AUTO, help="default auto: the best that is there")
    extract.add_argument("--fps", type=float, default=12.0, help="poses a second (default 12)")
    extract.add_argument("--start", type=float, default=0.0, metavar="S", help="second of the video to begin at")
    extract.add_argument("--end", type=float, metavar="S", help="second of the video to end at")
    extract.add_argument(
        "--person", type=_point, metavar="X,Y", help="0 to 1: a point on the person to follow in the first frame"
    )
    extract.add_argument("--no-smooth", action="store_true", help="leave the poses as each frame gives them")
    extract.add_argument("--preview", type=Path, metavar="MP4", help="the poses over the frames, as a video to write")
    extract.add_argument("--device", default="cpu", help="a torch device, for the DensePose network (default cpu)")
    options = parser.parse_args(arguments)
    try:
        {"motions": _motions, "view": _view, "extract": _extract}[options.command](options)
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"A file could not be written or read: {error.strerror or error}.", file=sys.stderr)
        return 2
    return 0


def _motions(options: argparse.Namespace) -> None:
    from pose_tools.body.motion import draw_motion, find_motion, list_motions, template_body

    if options.export is None:
        if options.out or options.photo:
            raise BadInput("Name the motion to draw with --export.")
        for motion in list_motions():
            print(f"{motion.name:20} {motion.seconds:4.1f} s  {motion.title}: {motion.about}")
        return
    motion = find_motion(options.export)
    out = _target(options.out, ".npz")
    if not 0 < options.fps <= 240:
        raise BadInput("The frame rate must be above 0 and at most 240 frames a second.")
    frames = round(motion.seconds * options.fps) if options.frames is None else options.frames
    if not 1 <= frames <= MAX_FRAMES or not 16 <= options.height <= 2048:
        raise BadInput(f"Frames must be 1 to {MAX_FRAMES} and the height 16 to 2048 pixels.")
    if options.photo:
        body = _fit(_open(options.photo), options.photo.name)
        body = body.scaled(options.height / body.camera.height)
    else:
        body = template_body(round(options.height * 0.8), options.height)
    sequence = draw_motion(motion, body, frames, options.fps, _counter("frame"))
    sequence.save(out)
    print(f"{out}: {len(sequence)} frames of {sequence.width}x{sequence.height}", file=sys.stderr)


def _view(options: argparse.Namespace) -> None:
    sequence = PoseSequence.load(options.poses)
    out = _target(options.out, ".mp4")
    photo = None
    if options.photo:
        photo = _open(options.photo)
        wide, given = photo.shape[1] / photo.shape[0], sequence.width / sequence.height
        if abs(wide / given - 1) > 0.02:
            raise BadInput(f"{options.photo.name} is wider or narrower than the frames of the poses.")
    count = _counter("frame")

    def frames():
        for k, iuv in enumerate(sequence.iuv):
            count(k + 1, len(sequence))
            yield colour_iuv(iuv) if photo is None else overlay(photo, iuv)

    write_video(frames(), out, sequence.fps)


def _extract(options: argparse.Namespace) -> None:
    from pose_tools.extract import Request, extract_poses, write_preview

    out = _target(options.out, ".npz")
    preview = _target(options.preview, ".mp4") if options.preview else None
    motion_out = _target(options.motion_out, ".npz") if options.motion_out else None
    if motion_out and options.estimator not in (AUTO, LITE):
        raise BadInput(f"The estimator {options.estimator} gives charts only; take lite for joint rotations.")
    request = Request(
        options.video,
        options.fps,
        options.start,
        options.end,
        options.estimator,
        options.person,
        not options.no_smooth,
        options.device,
    )
    begun = time.monotonic()

    def report(done: int, total: int | None, _picture: np.ndarray | None) -> None:
        left = f", {(time.monotonic() - begun) * (total / done - 1):.0f} s left" if done and total else ""
        line = f"\rreading frame {done} of {total}{left}  " if total else "\rfetching the network's weights"
        print(line, end="\n" if done == total else "", file=sys.stderr, flush=True)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the landmark model's protobuf, of no use to a person
        extracted = extract_poses(request, report)
    for line in (extracted.why, *extracted.notes):
        print(line, file=sys.stderr)
    if preview:
        write_preview(extracted, request, preview)
    if motion_out and extracted.motion is None:
        print(f"{motion_out} is not written: {extracted.estimator} gives charts only.", file=sys.stderr)
    elif motion_out:
        replace(extracted.motion, name=motion_out.stem).save(motion_out.parent)
    extracted.poses.save(out)
    sequence = extracted.poses
    print(f"{out}: {len(sequence)} frames of {sequence.width}x{sequence.height}", file=sys.stderr)


def _point(text: str) -> tuple[float, float]:
    """X,Y with both in 0 to 1, as argparse wants it."""
    x, y = (float(part) for part in text.split(","))
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise ValueError(text)
    return x, y


def _open(path: Path) -> np.ndarray:
    """A picture as uint8 (H, W, 3), upright, at most FITTED_SIDE on its longer side."""
    if not path.is_file():
        raise BadInput(f"There is no picture named {path.name}.")
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise BadInput(f"{path.name} has more than {MAX_PIXELS // 1_000_000} million pixels.")
            picture.draft("RGB", (FITTED_SIDE, FITTED_SIDE))
            picture = ImageOps.exif_transpose(picture).convert("RGB")
    except BadInput:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        # what Pillow raises on damaged, foreign and oversized files
        raise BadInput(f"{path.name} is not a picture that can be read.") from error
    picture.thumbnail((FITTED_SIDE, FITTED_SIDE), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def _fit(picture: np.ndarray, name: str):
    from pose_tools.body.fit import fit_picture

    print("finding the person", file=sys.stderr)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the landmark model's protobuf, of no use to a person
        body = fit_picture(picture)
    if body is None:
        raise BadInput(f"No person was found in {name}.")
    return body


def _target(path: Path | None, ending: str) -> Path:
    if path is None or path.suffix.lower() != ending:
        raise BadInput(f"Name the file to write with an ending of {ending}.")
    if not path.resolve().parent.is_dir():
        raise BadInput(f"There is no folder {path.parent} to write {path.name} into.")
    return path


def _counter(what: str):
    """A report that rewrites one line of standard error."""

    def report(done: int, total: int) -> None:
        print(f"\r{what} {done} of {total}", end="\n" if done == total else "", file=sys.stderr, flush=True)

    return report


if __name__ == "__main__":
    sys.exit(main())
