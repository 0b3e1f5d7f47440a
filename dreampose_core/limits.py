"""How much memory a process may still take: what the machine has free, within the limits on the process and on the
container around it, of which the machine's own figures say nothing."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import psutil

CGROUPS = Path("/sys/fs/cgroup")
PROCESS = Path("/proc/self/cgroup")
_NAMES = {  # files of a control group by its version: the limit, what is taken, how what files take is called
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_active_file", "total_inactive_file")),
    2: ("memory.max", "memory.current", ("active_file", "inactive_file")),
}


def free_memory() -> int:
    """Bytes that this process can still take of the machine's memory."""
    free = [psutil.virtual_memory().available, *_free_in_groups()]
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY:
        free.append(most - psutil.Process().memory_info().vms)
    return max(0, min(free))


def _free_in_groups() -> Iterator[int]:
    """What each control group leaves that this process is in, files in memory counted as free (cgroups(7))."""
    try:
        lines = PROCESS.read_text().splitlines()
    except OSError:  # not on Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            version, root = 2, CGROUPS
        elif "memory" in controllers.split(","):
            version, root = 1, CGROUPS / "memory"
        else:
            continue
        inside = root / path.strip("/")
        for folder in (inside, *inside.parents):
            if folder.is_relative_to(root) and (left := _left(folder, version)) is not None:
                yield left


def _left(folder: Path, version: int) -> int | None:
    """Bytes that a group's limit leaves, None where it has none."""
    limit, taken, of_files = _NAMES[version]
    try:
        most, used = (int((folder / name).read_text()) for name in (limit, taken))
        facts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no such group here, or "max"
        return None
    return most - used + sum(int(facts.get(name, 0)) for name in of_files)
