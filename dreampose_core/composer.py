"""The videos of two films, made in threads of their own, one after another, while the page goes on.

What is under way is known to this process alone: after a restart a video that is not there is begun anew.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from dreampose_core.comparison import film_of_both, path_of_both
from dreampose_core.library import ClipEntry, Library
from dreampose_core.trouble import sentence_for
from pose_tools.errors import BadInput

AT_ONCE = 0.3  # seconds in which a short video may be done before anything is said


@dataclass
class _Making:
    done: float = 0.0  # share of the frames
    why_not: str = ""
    over: threading.Event = field(default_factory=threading.Event)


class Composer:
    """Makes each video once, however many ask for it."""

    def __init__(self) -> None:
        self._makings: dict[Path, _Making] = {}
        self._lock, self._turn = threading.Lock(), threading.Lock()

    def ask(self, library: Library, left: ClipEntry, right: ClipEntry) -> float | None:
        """Begin the video of two films unless it is there or under way; returns the share that is done, None once it
        is there. Raises BadInput, once, where it could not be made."""
        path = path_of_both(library, left, right)
        with self._lock:
            making = self._makings.get(path)
            if making is None:
                if path.exists():
                    return None
                making = self._makings[path] = _Making()
                threading.Thread(target=self._make, args=(library, left, right, making), daemon=True).start()
        if not making.over.wait(AT_ONCE):
            return making.done
        with self._lock:
            self._makings.pop(path, None)
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
            making.why_not = sentence_for(error) or f"The two films could not be put into one video ({error})."
        finally:
            making.over.set()
