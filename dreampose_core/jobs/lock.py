"""One worker for each device of a library root, by a lock that the system frees when its holders are dead."""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path

from pose_tools.errors import BadInput


def lock_path(root: Path, device: str) -> Path:
    """The lock file of a device such as "cpu" or "cuda:0"."""
    if not re.fullmatch(r"[a-z]+(:\d+)?", device):
        raise BadInput(f"There is no such device as {device}; cpu, cuda and cuda:1 are devices.")
    return Path(root) / f"worker-{device.replace(':', '-')}.lock"


def take(path: Path) -> int | None:
    """Take the lock and return its open file, or None if another process has it.

    A child process that inherits the file holds the lock too: it is free only once both are gone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def is_held(path: Path) -> bool:
    """Whether some process has the lock."""
    file = take(path)
    if file is None:
        return True
    os.close(file)
    return False
