"""Plain sentences for what goes wrong on a machine and is nobody's input: no room on the disk, no memory."""

from __future__ import annotations

import errno

DISK_FULL = "The disk is full; make some room and try again, nothing that was finished is lost."
NO_MEMORY = "The machine ran out of memory; close other programs or choose a smaller profile."
_FULL_WORDS = ("no space left", "disk is full", "disk quota exceeded")  # of ffmpeg, sqlite and others
_MEMORY_WORDS = (  # of torch, its oneDNN, OpenCV, and what loads libraries
    *("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory", "insufficient memory"),
    *("could not create a primitive", "failed to map segment"),
)


def sentence_for(error: BaseException | None) -> str | None:
    """One sentence for a full disk or a lack of memory, also behind what it led to; None for every other error."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        words, number = str(error).lower(), getattr(error, "errno", None)
        if number in (errno.ENOSPC, errno.EDQUOT) or any(w in words for w in _FULL_WORDS):
            return DISK_FULL
        if isinstance(error, MemoryError) or number == errno.ENOMEM or any(w in words for w in _MEMORY_WORDS):
            return NO_MEMORY
        error = error.__cause__ or error.__context__
    return None
