"""Seconds and memory of `animate`, stage by stage: a first motion with its finetune, then a second one without.

    python -m benchmarks.stages PHOTO [--motion NAME] [--second NAME] [--name stages]

Both runs are new processes on an empty library, so their seconds include starting Python and loading the model;
memory is the largest resident size of the process, read ten times a second.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks import record


def timed_animate(arguments: list[str], folder: Path) -> dict:
    """Run `animate` and return its report, with seconds of the wall clock and the peak memory in MB."""
    report = folder / "report.json"
    command = [sys.executable, "-m", "dreampose_core", "animate", *arguments]
    command += ["--library", str(folder / "library"), "--out", str(folder / "out.mp4"), "--report", str(report)]
    started = time.monotonic()
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        try:
            peak = max(peak, process.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(0.1)
    if process.wait() != 0:
        raise SystemExit(f"animate ended with status {process.returncode}: {' '.join(command)}")
    wall = {"wall_seconds": round(time.monotonic() - started, 1), "peak_memory_mb": round(peak / 2**20)}
    return json.loads(report.read_text()) | wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("--motion", default="catwalk")
    parser.add_argument("--second", default="sway")
    parser.add_argument("--name", default="stages", help="of the file in benchmarks/results")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        first = timed_animate([str(options.photo), "--motion", options.motion], folder)
        subject = next((folder / "library").rglob("subject.json")).parent.name
        second = timed_animate(["--subject", subject, "--motion", options.second], folder)
    path = record.write(options.name, {"first_motion": first, "second_motion": second})
    for title, run in (("first motion, with finetune", first), ("second motion, same subject", second)):
        print(f"{title}: {run['wall_seconds']} s, {run['peak_memory_mb']} MB, stages {run['seconds']}")
    print(path)


if __name__ == "__main__":
    main()
