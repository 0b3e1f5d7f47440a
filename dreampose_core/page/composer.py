"""The videos of two films, made in threads of their own, one after another, while the page goes on.

What is under way is known to this process alone: after a restart a video that is not there is begun anew.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from dreampose_core.library.entries import ClipEntry
from dreampose_core.library.library import Library
from dreampose_core.page.comparison import film_of_both, path_of_both
from dreampose_core.trouble import sentence_for
from pose_tools.errors import BadInput

AT_ONCE = 0.3  # seconds in which a short video may be done before anything is said
KEPT = 5.0  # seconds that an outcome waits to be asked for; whoever asks later begins anew


@dataclass
class _Making:
    done: float = 0.0  # share of the frames
    why_not: str = ""
    over: threading.Event = field(default_factory=threading.Event)
    ended: float = 0.0  # of the monotonic clock, once it is over

    def is_past(self, path: Path) -> bool:
        """Whether its outcome says nothing any more about the video at this path."""
        gone = not self.why_not and not path.exists()
        return self.over.is_set() and (gone or time.monotonic() - self.ended > KEPT)


class Composer:
    """Makes each video once, however many ask for it."""

    def __init__(self) -> None:
        self._makings: dict[Path, _Making] = {}
        self._lock, self._turn = threading.Lock(), threading.Lock()

    def ask(self, library: Library, left: ClipEntry, right: ClipEntry, wait: float = AT_ONCE) -> float | None:
        """Begin the video of two films unless it is there or under way; returns the share that is done, None once it
        is there. wait: seconds in which it may yet be done. Raises BadInput, once, where it could not be made."""
        path = path_of_both(library, left, right)
        with self._lock:
            making = self._makings.get(path)
            if making is None or making.is_past(path):
                self._makings.pop(path, None)
                if path.exists():
                    return None
                making = self._makings[path] = _Making()
                threading.Thread(target=self._make, args=(library, left, right, making), daemon=True).start()
        if not making.over.wait(wait):
            return making.done
        with self._lock:
            if self._makings.get(path) is making:
                del self._makings[path]
        if making.why_not:
            raise BadInput(making.why_not)
        return None

    def _make(self, library: Library, left: ClipEntry, right: ClipEntry, making: _Making) -> None:
        def report(done: float) -> None:
            making.done = done

        try:
            with self._turn:
                path = film_of_both(library, left, right, report)
            if not (left.video.exists() and right.video.exists()):  # one was deleted meanwhile
                path.unlink(missing_ok=True)
                making.why_not = "One of the two films was deleted."
        except Exception as error:  # in a thread nobody else would ever say what happened
            own = str(error) if isinstance(error, BadInput) else None
            making.why_not = sentence_for(error) or own or f"The two films could not be put into one video ({error})."
        finally:
            making.ended = time.monotonic()
            making.over.set()
