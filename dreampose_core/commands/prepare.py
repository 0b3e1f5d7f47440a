"""`prepare`: a folder of videos (UBC Fashion, or any) becomes frames, DensePose charts and a manifest.

For `train` and `evaluate`. The same command goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dreampose_core.training.prepare_clips import FRAMINGS, KINDS, PrepareSettings, prepare_clips
from pose_tools.estimators.choose import NAMES

DEFAULT = PrepareSettings()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("videos", type=Path, metavar="VIDEOS", help="a folder with videos of one person each")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the prepared folder, new or begun")
    parser.add_argument("--fps", type=float, default=DEFAULT.fps, help="frames a second, default %(default)s")
    parser.add_argument("--height", type=int, default=DEFAULT.height, help="of the frames, default %(default)s")
    parser.add_argument("--width", type=int, default=DEFAULT.width, help="of the frames, default %(default)s")
    parser.add_argument("--estimator", choices=NAMES, default=DEFAULT.estimator, help="of the charts, default auto")
    parser.add_argument(
        "--framing", choices=FRAMINGS, default=DEFAULT.framing, help="window on the person, or the whole frame"
    )
    parser.add_argument("--kind", choices=KINDS, default=DEFAULT.kind, help="of the frames' files, default %(default)s")
    parser.add_argument("--device", default=DEFAULT.device, help="a torch device for DensePose, default %(default)s")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="videos at once, default %(default)s")


def run(options: argparse.Namespace) -> int:
    """Raises BadInput."""
    names = ("height", "width", "fps", "estimator", "framing", "kind", "device")
    settings = PrepareSettings(**{name: getattr(options, name) for name in names})
    failed = prepare_clips(options.videos, options.out, settings, _say, options.processes)
    if failed:
        print(f"{len(failed)} could not be used: {', '.join(failed)}", file=sys.stderr)
    print(f"{options.out / 'manifest.json'} is written.", file=sys.stderr)
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
