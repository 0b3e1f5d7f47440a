"""What films are called: by their motion, by what was left out of them, and by what sets two of them apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict

from dreampose_core.film.background import KEEP, PLAIN
from dreampose_core.film.surroundings import PHOTO
from dreampose_core.settings import RULES, SWITCHES, AnimateSettings
from pose_tools.body.motion import list_motions

SWITCHED = {  # with a switch on, and off
    "finetuned": ("after the finetune", "before the finetune"),
    "refined": ("with the refiner", "without the refiner"),
    "detailed": ("with the detail", "without the detail"),
    "swinging": ("with swinging cloth", "with cloth that hangs still"),
}
MOST_WORDS = 3  # of the differences that a label names
LENGTH = ("frames", "fps")  # told where nothing else tells them apart
EVEN = 1  # points by which readouts differ and are as good as equal
SAID: dict[str, Callable[[AnimateSettings], str]] = {  # what else sets films apart, what is most to be seen first
    "background": lambda s: {KEEP: "the photo's background", PLAIN: "plain background"}.get(s.background, "a picture"),
    "background_colour": lambda s: s.background_colour,
    "framing": lambda s: "the whole photo" if s.framing == PHOTO else "the person alone",
    "profile": lambda s: f"model {s.profile}",
    "steps": lambda s: f"{s.steps} denoising steps" if s.steps else "the usual steps",
    "s1": lambda s: f"photo guidance {_number(s.s1)}",
    "s2": lambda s: f"pose guidance {_number(s.s2)}",
    "guidance_interval": lambda s: "guidance {:g} to {:g}".format(*s.guidance_interval or (0, 1)),
    "scheduler": lambda s: f"sampler {s.scheduler or 'of the model'}",
    "start_from": lambda s: f"started from {s.start_from or 'what is usual'}",
    "strength": lambda s: f"strength {_number(s.strength)}",
    "pull": lambda s: f"pull {_number(s.pull)}",
    "scale": lambda s: f"poses {s.scale:g} times as large",
    "shift_x": lambda s: f"poses {100 * s.shift_x:g} % to the right",
    "shift_y": lambda s: f"poses {100 * s.shift_y:g} % down",
    "seed": lambda s: f"seed {s.seed}",
    "frames": lambda s: f"{s.frames} frames",
    "fps": lambda s: f"{s.fps} frames a second",
}


def motion_title(name: str) -> str:
    """A preset's title, or the name itself for a file of poses."""
    return next((m.title for m in list_motions() if m.name == name), name)


def film_title(settings: Mapping) -> str:
    """A film's title by its settings: the motion, and what was left out."""
    said = [switched(name, False) for name in SWITCHES if not settings.get(name, True)]
    return ", ".join([motion_title(settings["motion"]), *said])


def switched(name: str, on: bool) -> str:
    """How a film is called by one of the settings' switches."""
    usual = f"with {RULES[name].words.lower()}", f"without {RULES[name].words.lower()}"
    return SWITCHED.get(name, usual)[0 if on else 1]


def same_motion(one: AnimateSettings, other: AnimateSettings) -> bool:
    """Whether both follow the same motion; of two that were read from videos the ids count and not the titles."""
    return (one.extraction, one.extraction or one.motion) == (other.extraction, other.extraction or other.motion)


def apart(one: AnimateSettings, other: AnimateSettings) -> list[str]:
    """The names of the settings that set two films of one subject apart: "motion", the switches, and those of SAID."""
    a, b = asdict(one), asdict(other)
    names = [] if same_motion(one, other) else ["motion"]
    names += [name for name in SWITCHES if a[name] != b[name]]
    names += [name for name in SAID if a[name] != b[name]]
    if "background_colour" in names and not one.background == other.background == PLAIN:
        names.remove("background_colour")
    return names


def labels(one: AnimateSettings, other: AnimateSettings) -> tuple[str, str] | None:
    """What tells two films of one subject apart in a few words for each, None where their settings are the same."""
    names = apart(one, other)
    names = ([name for name in names if name not in LENGTH] or names)[:MOST_WORDS]
    both = tuple(", ".join(_said(settings, name) for name in names) for settings in (one, other))
    return both if names else None


def compared(name: str, values: tuple[int, int], called: tuple[str, str]) -> str:
    """In one line how a readout of two films differs. name: likeness or steadiness; called: the films' labels."""
    by = abs(values[0] - values[1])
    if by <= EVEN:
        return f"{name.capitalize()} is as good as equal."
    better = {"likeness": "nearer to the photo", "steadiness": "steadier"}[name]
    best = called[0 if values[0] > values[1] else 1]
    return f"{best[0].upper()}{best[1:]}: {by} points {better}."


def _said(settings: AnimateSettings, name: str) -> str:
    if name == "motion":
        return motion_title(settings.motion)
    return switched(name, getattr(settings, name)) if name in SWITCHES else SAID[name](settings)


def _number(value: float | None) -> str:
    return "as usual" if value is None else f"{value:g}"
