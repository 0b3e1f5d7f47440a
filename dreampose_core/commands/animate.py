"""`animate`: a photo or a subject, and a motion, into a clip; the library keeps the subject."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from dreampose_core.commands.common import add_subject_arguments, alone, make_order, progress_lines
from dreampose_core.settings import AnimateSettings
from dreampose_core.studio import make_clip
from pose_tools.errors import BadInput

ENDINGS = (".mp4", ".gif")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_subject_arguments(parser)
    parser.add_argument(
        "--motion", required=True, metavar="NAME|FILE", help="of the gallery, or poses as .npz"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the clip, .mp4 or .gif")
    parser.add_argument(
        "--side-by-side", type=Path, metavar="FILE", help="photo, pose and clip beside each other"
    )
    parser.add_argument("--frames", type=int, default=36, metavar="N", help="default %(default)s")
    parser.add_argument(
        "--fps", type=int, default=12, metavar="N", help="frames a second, default %(default)s"
    )
    parser.add_argument("--steps", type=int, metavar="N", help="denoising steps a frame")
    parser.add_argument("--s1", type=float, metavar="X", help="strength of the guidance by the photo")
    parser.add_argument("--s2", type=float, metavar="X", help="strength of the guidance by the pose")
    parser.add_argument("--report", type=Path, metavar="FILE", help="seconds, memory and settings as JSON")


def run(options: argparse.Namespace) -> int:
    """Make the clip and copy it to where it is wanted. Raises BadInput."""
    copies = {"out": options.out, "side_by_side": options.side_by_side, "report": options.report}
    for path in filter(None, copies.values()):
        if not path.resolve().parent.is_dir():
            raise BadInput(f"There is no folder {path.parent} to write {path.name} into.")
    if options.out.suffix not in ENDINGS:
        raise BadInput(f"--out must end in {' or '.join(ENDINGS)}.")
    file = Path(options.motion) if options.motion.endswith(".npz") or Path(options.motion).exists() else None
    settings = AnimateSettings(
        motion=file.stem if file else options.motion,
        frames=options.frames,
        fps=options.fps,
        steps=options.steps,
        s1=options.s1,
        s2=options.s2,
        finetune_steps=options.finetune_steps,
        decoder_steps=options.decoder_steps,
        seed=options.seed,
        profile=options.profile,
    )
    if file is not None and not file.exists():
        raise BadInput(f"There is no pose file named {file}.")
    order = make_order(options, settings, file)
    with alone(order):
        clip = make_clip(order, progress_lines(order))
        order.library.delete_job_folder(order.clip)
    shutil.copyfile(clip.gif if options.out.suffix == ".gif" else clip.video, options.out)
    if options.side_by_side:
        shutil.copyfile(clip.side_by_side, options.side_by_side)
    if options.report:
        shutil.copyfile(clip.report, options.report)
    print(f"{options.out} is written; another motion: --subject {clip.subject}", file=sys.stderr)
    return 0
