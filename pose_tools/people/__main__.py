"""``python -m pose_tools.people --out DIR --subjects N --frames K --seed S``: makes a data set of rendered people."""

import argparse
import sys
import time
from functools import partial
from pathlib import Path

from ..errors import BadInput
from ..processes import in_processes
from .dataset import write_subject


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pose_tools.people", description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of subject_NNNNN.npz; existing ones stay"
    )
    parser.add_argument("--subjects", type=int, required=True)
    parser.add_argument("--frames", type=int, required=True, help="frames a subject, the photo included")
    parser.add_argument("--seed", type=int, required=True, help="subject i is drawn from seed + i")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--height", type=int, default=320)
    parser.add_argument(
        "--sequence",
        type=int,
        default=0,
        help="length of continuous motions after the photo; 0: single stances",
    )
    parser.add_argument(
        "--traced", action="store_true", help="also what each pixel shows and where it was one frame before"
    )
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    job = {
        "folder": given.out,
        "seed": given.seed,
        "frames": given.frames,
        "width": given.width,
        "height": given.height,
        "sequence": given.sequence,
        "traced": given.traced,
    }
    start, made = time.monotonic(), 0
    written = in_processes(partial(write_subject, **job), range(given.subjects), given.processes)
    try:
        for done, new in enumerate(written, 1):
            made += new
            rate = made * given.frames / (time.monotonic() - start)
            print(f"\r{done} of {given.subjects} subjects, {rate:.1f} frames/s", end="", file=sys.stderr, flush=True)
    except BadInput as error:
        print(f"\n{error}", file=sys.stderr)
        return 2
    print(file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
