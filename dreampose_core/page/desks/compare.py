"""What the page does to show two films beside each other: offer them, open them, make the one that is missing.

Handlers as those of desk.py: a visitor's wish in, the parts to change out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dreampose_core.library.entries import ClipEntry
from dreampose_core.library.library import Library
from dreampose_core.page.comparison import (
    MOST_FRAMES,
    Wish,
    called,
    common_rate,
    films_of_both_with,
    in_order,
    is_pair,
    made_by,
    others,
    path_of_both,
    readouts,
    settings_of,
    wishes,
)
from dreampose_core.page.composer import AT_ONCE, Composer
from dreampose_core.page.house import House
from dreampose_core.page.parts import Look, Parts
from dreampose_core.page.views import MEANINGS, ago
from dreampose_core.page.window import Window
from dreampose_core.page.wording import compared, film_title, labels, same_motion, switched
from pose_tools.errors import BadInput
from pose_tools.video import VideoInfo, probe

QUIET: Parts = {"both": None, "both_timer": Look(active=False)}
NOTHING: Parts = QUIET | {"opening": None, "opened": None}  # is under way
NOT_ALIKE = "Their figures are of different motions, and do not compare."


@dataclass(frozen=True)
class CompareDesk:
    """The handlers of the comparison. All raise BadInput where what is asked for is gone or another visitor's."""

    house: House
    window: Window
    composer: Composer = field(default_factory=Composer)

    def offer(self, library: Library, clip: ClipEntry, at_once: bool = False) -> Parts:
        """What a film can be compared with, and what can be made for it.

        at_once: open the comparison where there is a film that is the same but for what was left out.
        """
        films = others(library, clip)
        closed = NOTHING | {"compare": self._view(library, clip, films)}
        if at_once and films and is_pair(clip, films[0]):
            return closed | self._open(library, clip, films[0])
        return closed

    def open(self, browser: str | None, other: str, shown: str | None) -> Parts:
        """Put the film on show beside another one of the library, at once or as soon as their video is made.

        The answer is marked `asked`: another film may be on show by the time that it comes.
        """
        library = self.house.library(browser)
        told = self._open(library, library.clip(shown), library.clip(other))
        return told | {"compare": told["compare"] | {"asked": True}} if "compare" in told else told

    def poll(
        self,
        browser: str | None,
        shown: str | None,
        opening: tuple[str, str] | None,
        opened: tuple[str, str] | None,
    ) -> Parts:
        """How the video of two films is coming along, as long as the first of them is on show.

        opening: what was asked for last; opened: of which video the outcome was told. Another may be asked for while
        this answer is on its way, so that it says nothing of what is asked for, and the page asks once more.
        """
        if not opening or opening[0] != shown or opening == opened:
            return QUIET
        library = self.house.library(browser)
        done, view = self._outcome(library, *map(library.clip, opening), wait=0.0)
        return {"both": {"fraction": done}} if view is None else {"compare": view | {"asked": True}, "opened": opening}

    def _open(self, library: Library, clip: ClipEntry, other: ClipEntry) -> Parts:
        done, view = self._outcome(library, clip, other, wait=AT_ONCE)
        if view is not None:
            return NOTHING | {"compare": view}
        under_way = {"opening": (clip.id, other.id), "opened": None, "both_timer": Look(active=True)}
        return under_way | {"both": {"fraction": done}}

    def _outcome(
        self, library: Library, clip: ClipEntry, other: ClipEntry, wait: float
    ) -> tuple[float, dict | None]:
        """The share of the video of two films that is done, and how the page then shows them, or why it cannot; None
        while it is being made. wait: as Composer.ask's."""
        both, films = in_order(clip, other), others(library, clip)
        try:
            done = self.composer.ask(library, *both, wait)
        except BadInput as error:
            return 1.0, self._view(library, clip, films) | {"wrong": str(error), "chosen": other.id}
        return (1.0, self._view(library, clip, films, other)) if done is None else (done, None)

    def make(self, browser: str | None, switch: str, shown: str | None) -> str:
        """Begin the film that differs from the one on show by a switch; returns the job's id."""
        library = self.house.library(browser)
        clip = library.clip(shown)
        wish = next((one for one in self._wishes(library, clip) if one.switch == switch), None)
        if wish is None:
            raise BadInput("There is such a film already, or it cannot be made.")
        backdrop = str(clip.backdrop) if clip.backdrop else None
        made = made_by(clip) if self.house.has_gpu else {}
        return self.house.begin(library, wish.settings, None, clip.subject, backdrop, **made)

    def forget(self, library: Library, clip: str) -> None:
        """Take away every comparison of a film that is deleted."""
        for path in films_of_both_with(library, clip):
            self.window.hide(path)
            path.unlink(missing_ok=True)

    def _wishes(self, library: Library, clip: ClipEntry) -> list[Wish]:
        return wishes(library, self.house.profiles(), clip, self.house.device)

    def _view(self, library: Library, clip: ClipEntry, films: list[ClipEntry], opened: ClipEntry | None = None) -> dict:
        try:
            wanted, why_not = self._wishes(library, clip), ""
        except BadInput as error:
            wanted, why_not = [], str(error)
        own = settings_of(clip)
        offered = []
        for film in films:
            its = settings_of(film)
            title = (labels(own, its) or ("", film_title(film.settings)))[1]
            title = title[0].upper() + title[1:]
            offered.append({"id": film.id, "title": f"{title}, {ago(film.created)}", "same": same_motion(own, its)})
        return {
            "film": clip.id,
            "others": offered,
            "chosen": opened.id if opened else films[0].id if films else "",
            "makes": [
                {"switch": wish.switch, "words": switched(wish.switch, getattr(wish.settings, wish.switch))}
                | {"seconds": wish.seconds}
                for wish in wanted
            ],
            "why_not": why_not,
            "wrong": "",
            "asked": False,
            "open": self._opened(library, clip, opened) if opened else None,
        }

    def _opened(self, library: Library, clip: ClipEntry, other: ClipEntry) -> dict:
        both = in_order(clip, other)
        names, shapes = called(*both), [probe(film.video) for film in both]
        figures = [readouts(film) for film in both]
        rows = [
            {"title": name.capitalize(), "meaning": meaning, "values": [each[name] for each in figures]}
            for name, meaning in MEANINGS.items()
            if all(name in each for each in figures)
        ]
        alike = same_motion(*map(settings_of, both))
        if alike:
            said = [compared(row["title"].lower(), row["values"], names) for row in rows]
        else:
            said = [NOT_ALIKE] if rows else []
        return {
            "address": self.window.address(path_of_both(library, *both), "comparison.mp4"),
            "fps": common_rate(*(film.settings["fps"] for film in both)),
            "shape": [max(shape.width for shape in shapes), max(shape.height for shape in shapes)],
            "films": [{"label": name[0].upper() + name[1:]} for name in names],
            "readouts": rows,
            "alike": alike,
            "said": said,
            "notes": _notes(names, shapes, [film.settings for film in both]),
        }


def _notes(names: tuple[str, str], shapes: list[VideoInfo], settings: list[dict]) -> list[str]:
    """How films of different shapes are shown beside each other, in plain sentences."""
    notes = []
    sizes = [(shape.width, shape.height) for shape in shapes]
    seconds = [one["frames"] / one["fps"] for one in settings]
    if sizes[0] != sizes[1]:
        told = " and ".join(f"{width}x{height}" for width, height in sizes)
        notes.append(f"They have {told} pixels; the smaller one is enlarged.")
    if settings[0]["fps"] != settings[1]["fps"]:
        notes.append(f"They have {settings[0]['fps']:g} and {settings[1]['fps']:g} frames a second.")
    if abs(seconds[0] - seconds[1]) >= 1 / max(one["fps"] for one in settings):
        shorter = min((0, 1), key=lambda index: seconds[index])
        notes.append(
            f"They last {seconds[0]:.1f} and {seconds[1]:.1f} s; the shorter one, {names[shorter]}, waits on its "
            "last frame."
        )
    if max(seconds) * common_rate(*(one["fps"] for one in settings)) > MOST_FRAMES:
        notes.append(f"Of long films the first {MOST_FRAMES} frames are compared.")
    return notes
