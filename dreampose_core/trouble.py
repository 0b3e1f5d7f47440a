"""Plain sentences for what goes wrong on a machine and is nobody's input: no room on the disk, no memory."""

from __future__ import annotations

import errno

DISK_FULL = "The disk is full; make some room and try again, nothing that was finished is lost."
NO_MEMORY = "The machine ran out of memory; close other programs or choose a smaller profile."
_FULL_WORDS = ("no space left", "disk is full", "disk quota exceeded")  # of ffmpeg, sqlite and others


def sentence_for(error: BaseException) -> str | None:
    """One sentence for a full disk or a lack of memory, None for every other error."""
    words = str(error).lower()
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or any(w in words for w in _FULL_WORDS):
        return DISK_FULL
    if isinstance(error, MemoryError) or "out of memory" in words or "can't allocate memory" in words:
        return NO_MEMORY
    return None
