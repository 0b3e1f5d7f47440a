"""Two films of one subject beside each other: which ones, what could be made to compare with, and both as one video.

One video with a film in either half, because two players drift apart and one cannot. Knows no page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice, repeat
from pathlib import Path

import numpy as np
from PIL import Image

from dreampose_core.film.background import PICTURE
from dreampose_core.finetune.tuning import DEFAULT_TUNINGS
from dreampose_core.library.entries import ClipEntry
from dreampose_core.library.files import read_json
from dreampose_core.library.library import Library
from dreampose_core.page.wording import apart, labels, same_motion
from dreampose_core.profiles import Profile
from dreampose_core.settings import SWITCHES, AnimateSettings
from dreampose_core.stopwatch import expected_seconds, speeds_file
from dreampose_core.subject import FINE_FOLDER
from pose_tools.body.motion import find_motion
from pose_tools.errors import BadInput
from pose_tools.files import replacing
from pose_tools.video import PAPER, probe, read_frames, write_video

MOST_FRAMES = 600  # of a long film, its first ones, that are compared
MOST_HALF = 960  # pixels of the longer side of a half
LATER = ("detailed", "swinging")  # switches that films of earlier versions know nothing of
MOST_RATE = 60  # frames a second of the video of both
TUNING = ("finetune_steps", "decoder_steps", "tuning")  # which a subject has already that is tuned


@dataclass(frozen=True)
class Wish:
    """A film that can be made to compare with another: the same but for one switch.

    settings: of the new film; seconds: what it may take, None where nothing is known.
    """

    switch: str
    settings: AnimateSettings
    seconds: float | None


def settings_of(clip: ClipEntry) -> AnimateSettings:
    """A film's settings; one that was made before a switch was there is without what it switches."""
    return AnimateSettings.from_dict(dict.fromkeys(LATER, False) | clip.settings)


def others(library: Library, clip: ClipEntry) -> list[ClipEntry]:
    """The other films of a film's subject: those that differ by switches alone first, then those of the same motion,
    each with the fewest differences and the newest first."""
    own = settings_of(clip)

    def place(other: ClipEntry) -> tuple:
        its = settings_of(other)
        names = apart(own, its)
        switches = [SWITCHES.index(name) for name in names if name in SWITCHES]
        return not same_motion(own, its), len(names) - len(switches), not switches, len(switches), switches

    films = [other for other in library.clips(clip.subject) if other.id != clip.id]
    return sorted(films, key=place)  # the library has the newest first


def is_pair(one: ClipEntry, other: ClipEntry) -> bool:
    """Whether two films are the same but for what was left out of one of them."""
    names = apart(settings_of(one), settings_of(other))
    return bool(names) and set(names) <= set(SWITCHES)


def in_order(one: ClipEntry, other: ClipEntry) -> tuple[ClipEntry, ClipEntry]:
    """The two as they are shown, from left to right: what was left out of more before what was left out of less, and
    else the earlier one first. BadInput where they are not two films of one subject."""
    if one.subject != other.subject or one.id == other.id:
        raise BadInput("Only two films of the same subject can be compared.")

    def place(clip: ClipEntry) -> tuple:
        own = settings_of(clip)
        return sum(getattr(own, name) for name in SWITCHES), clip.created, clip.id

    left, right = sorted((one, other), key=place)
    return left, right


def called(left: ClipEntry, right: ClipEntry) -> tuple[str, str]:
    """What each of two films is called beside the other, in a few words."""
    return labels(settings_of(left), settings_of(right)) or ("the earlier film", "the later film")


def wishes(library: Library, profiles: Mapping[str, Profile], clip: ClipEntry, device: str = "cpu") -> list[Wish]:
    """The films that are worth making to compare a film with, and are not there yet: a whole one without each of what
    can be left out, one that lacks something with it. profiles: the models that are here; device: of the work.

    Raises BadInput, with a sentence that says why, where the film cannot be made anew.
    """
    own = settings_of(clip)
    _check_again(library, profiles, clip, own)
    known = library.subject(clip.subject)
    tuned = own.profile in known.tuned
    given = replace(own, **dict.fromkeys(TUNING)) if tuned else own
    lacking = [name for name in SWITCHES if not getattr(own, name)]
    there = [settings_of(other) for other in others(library, clip)]
    wanted = []
    for name in lacking or [name for name in SWITCHES if _has_effect(name, profiles[own.profile], library, clip)]:
        wish = replace(given, **{name: name in lacking})
        if any(not apart(wish, other) for other in there):
            continue
        seconds = _seconds(clip)
        if seconds and wish.finetuned and not tuned:  # the film on show did without a finetune
            seconds += _tuning_seconds(library, device, wish, profiles[own.profile])
        wanted.append(Wish(name, wish, seconds))
    return wanted


def readouts(clip: ClipEntry) -> dict[str, int]:
    """The figures of a film by their names; a film of an earlier version has none."""
    told = (read_json(clip.report) or {}).get("readouts", {})
    return {name: one["value"] for name, one in told.items()}


def made_by(clip: ClipEntry) -> dict[str, bool]:
    """How a film was made on a GPU: `offload` and `compile`, as Order's."""
    told = read_json(clip.report) or {}
    return {name: bool(told.get(name)) for name in ("offload", "compile")}


def path_of_both(library: Library, left: ClipEntry, right: ClipEntry) -> Path:
    """Where the video of two films is, or will be."""
    return library.folder / "comparisons" / f"{left.id}+{right.id}.mp4"  # no id has a plus


def film_of_both(
    library: Library, left: ClipEntry, right: ClipEntry, report: Callable[[float], None] = lambda done: None
) -> Path:
    """The video with one film in its left half and the other in its right, which is made where it is not there yet.

    report: called with the share that is done, 0…1. Both halves have the larger size and one rate at which every frame
    of both has its time (up to MOST_RATE); the shorter film waits on its last frame for the end of the longer one, up
    to MOST_FRAMES.
    """
    path = path_of_both(library, left, right)
    if path.exists():
        return path
    films = [clip.video for clip in (left, right)]
    shapes = [probe(film) for film in films]
    size = max(shape.width for shape in shapes), max(shape.height for shape in shapes)
    shrunk = min(1.0, MOST_HALF / max(size))
    size = tuple(2 * round(side * shrunk / 2) for side in size)
    rate = common_rate(*(clip.settings["fps"] for clip in (left, right)))
    halves = [_frames(film, rate, size) for film in films]
    count = min(MOST_FRAMES, rate * max(clip.settings["frames"] / clip.settings["fps"] for clip in (left, right)))

    def counted() -> Iterator[np.ndarray]:
        for index, frame in enumerate(islice(_beside(*halves), MOST_FRAMES), 1):
            yield frame
            report(min(1.0, index / count))

    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        write_video(counted(), temporary, rate)
    return path


def films_of_both_with(library: Library, clip: str) -> list[Path]:
    """The videos that a clip is in one half of."""
    return [path for path in (library.folder / "comparisons").glob("*.mp4") if clip in path.stem.split("+")]


def common_rate(one: float, other: float) -> float:
    """The lowest rate that shows every frame of both, or else the higher one of the two."""
    if float(one).is_integer() and float(other).is_integer() and math.lcm(int(one), int(other)) <= MOST_RATE:
        return math.lcm(int(one), int(other))
    return max(one, other)


def _check_again(
    library: Library, profiles: Mapping[str, Profile], clip: ClipEntry, own: AnimateSettings
) -> None:
    """BadInput where what a film was made of is not here any more."""
    if clip.subject not in {entry.id for entry in library.subjects()}:
        raise BadInput("The subject of this film was deleted, so that it cannot be made anew.")
    if own.profile not in profiles:
        raise BadInput("The model of this film is not here, so that it cannot be made anew.")
    if own.background == PICTURE and clip.backdrop is None:
        raise BadInput("The picture behind this film was not kept, so that it cannot be made anew.")
    if own.extraction and not library.has_motion(own.extraction):
        raise BadInput("The motion of this film was deleted, so that it cannot be made anew.")
    if not own.extraction:
        find_motion(own.motion)


def _has_effect(switch: str, profile: Profile, library: Library, clip: ClipEntry) -> bool:
    """Whether leaving something out makes another film; not known of cloth before it is carried."""
    carried = (read_json(clip.report) or {}).get("carried", True)
    fine = (library.subject_folder(clip.subject) / FINE_FOLDER).is_dir()
    here = {
        "refined": carried and (profile.folder / "refiner").is_dir(),
        "detailed": carried and fine and profile.finer > 1,
        "swinging": False,
    }
    return here.get(switch, True)


def _seconds(clip: ClipEntry) -> float | None:
    """What rendering and writing a film took."""
    spent = (read_json(clip.report) or {}).get("seconds", {})
    known = [spent[stage] for stage in ("render", "write") if stage in spent]
    return sum(known) if known else None


def _tuning_seconds(library: Library, device: str, settings: AnimateSettings, profile: Profile) -> float:
    """What the finetune of a new subject may take."""
    steps = {"finetune": settings.finetune_steps, "decoder": settings.decoder_steps}
    usual = {"finetune": profile.finetune_steps, "decoder": profile.decoder_steps}
    units = {stage: usual[stage] if given is None else given for stage, given in steps.items()}
    ways = dict.fromkeys(units, settings.tuning or DEFAULT_TUNINGS.get(profile.name, ""))
    return sum(expected_seconds(speeds_file(library.root, device), profile.name, units, ways).values())


def _frames(film: Path, rate: float, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """A film's frames at a rate, each as large as fits the size, in the middle of it."""
    for frame in read_frames(film, rate):
        height, width = frame.shape[:2]
        if (width, height) == size:
            yield frame
            continue
        scale = min(size[0] / width, size[1] / height)
        picture = Image.fromarray(frame).resize((round(width * scale), round(height * scale)), Image.Resampling.BICUBIC)
        paper = Image.new("RGB", size, PAPER)
        paper.paste(picture, ((size[0] - picture.width) // 2, (size[1] - picture.height) // 2))
        yield np.asarray(paper)


def _beside(left: Iterator[np.ndarray], right: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """The frames of both halves, until the longer one ends."""
    ended, last = object(), [None, None]
    for pair in zip(chain(left, repeat(ended)), chain(right, repeat(ended)), strict=True):
        if pair[0] is ended and pair[1] is ended:
            return
        last = [kept if frame is ended else frame for frame, kept in zip(pair, last, strict=True)]
        yield np.concatenate(last, axis=1)
