"""What the commands that need a subject share: arguments, ids that find unfinished work, progress lines."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import torch

from dreampose_core.jobs.lock import take
from dreampose_core.library.library import Library
from dreampose_core.more_photos import MOST_MORE, NO_MORE, check_more
from dreampose_core.photo import open_photo
from dreampose_core.profiles import DEFAULT_PROFILE
from dreampose_core.progress import TITLES, TRAINING, Progress, Report, SecondsLeft
from dreampose_core.rules import Number, Span, Switch
from dreampose_core.settings import RULES, AnimateSettings
from dreampose_core.studio import Order
from pose_tools.errors import BadInput

TUNING = ("finetune_steps", "decoder_steps", "tuning", "seed")  # settings of the finetune
LINE_EVERY = 2.0  # seconds between progress lines where nobody can overwrite them


def add_subject_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", type=Path, nargs="?", metavar="PHOTO", help="one person from head to feet")
    parser.add_argument("--subject", metavar="ID", help="in place of PHOTO: a subject of the library")
    parser.add_argument(
        "--profile", default=DEFAULT_PROFILE, help="the model (see profiles), default %(default)s"
    )
    add_settings(parser, TUNING)
    parser.add_argument(
        "--more-photos",
        type=Path,
        nargs="+",
        default=(),
        metavar="FILE",
        help=f"up to {MOST_MORE} of the same person, to learn from",
    )
    parser.add_argument(
        "--library", type=Path, default=Path("library"), metavar="DIR", help="default %(default)s"
    )
    parser.add_argument("--device", help="a torch device; default cuda where there is one, else cpu")
    parser.add_argument("--title", default="", help="the new subject's title in the library")


def add_settings(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """A flag for each of these settings, by its rule; the rule itself looks at what is given."""
    defaults = {field.name: field.default for field in fields(AnimateSettings)}
    for name in names:
        rule, default = RULES[name], defaults[name]
        usual = "the profile's" if default is None else "on" if default is True else "off" if not default else default
        if isinstance(rule, Number):
            kind = {"type": int, "metavar": "N"} if rule.whole else {"type": float, "metavar": "X"}
            usual = f"{default:g}" if default is not None else usual
        elif isinstance(rule, Span):
            kind = {"type": float, "nargs": 2, "metavar": ("FROM", "TO")}
        elif isinstance(rule, Switch):
            kind = {"action": argparse.BooleanOptionalAction}
        else:
            kind = {"choices": rule.choices}
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, default=default, help=f"{rule.about}; default {usual}", **kind)


def settings_in(options: argparse.Namespace, names: Iterable[str]) -> dict[str, object]:
    """What `add_settings` has read of these names."""
    return {name: getattr(options, name) for name in names}


def check_source(options: argparse.Namespace) -> None:
    """BadInput unless there is either a subject of the library, or photos that can be read."""
    if (options.photo is None) == (options.subject is None):
        raise BadInput("Please give either a photo or --subject with an id of the library.")
    if options.subject is not None:
        if options.more_photos:
            raise BadInput(NO_MORE)
        Library(options.library).subject(options.subject)
        return
    for photo in (options.photo, *options.more_photos):
        if not photo.is_file():
            raise BadInput(f"There is no photo named {photo}.")
    open_photo(options.photo)
    check_more(options.more_photos)


def make_order(
    options: argparse.Namespace,
    settings: AnimateSettings,
    poses: Path | None = None,
    sound: Path | None = None,
    backdrop: Path | None = None,
) -> Order:
    """The order of a command line. The same command gives the same ids, and so goes on with unfinished work.

    Raises BadInput unless there is either a photo or a subject, and where the backdrop is no picture.
    """
    check_source(options)
    behind = []
    if backdrop is not None:
        open_photo(backdrop)
        behind = [hash_of(backdrop, [])]
    library = Library(options.library)
    if options.subject is None:
        tuning = [settings.profile, settings.finetune_steps, settings.decoder_steps, settings.seed]
        tuning += [settings.tuning, *(hash_of(photo, []) for photo in options.more_photos)]
        subject, title = hash_of(options.photo, tuning), options.title or options.photo.stem
    else:
        subject, title = library.subject(options.subject).id, ""
    clip = hash_of(poses, [subject, settings.to_dict(), *behind])
    return Order(
        library=library,
        settings=settings,
        folder=library.job_folder(clip),
        subject=subject,
        clip=clip,
        photo=options.photo,
        more=tuple(options.more_photos),
        poses=poses,
        sound=sound,
        backdrop=backdrop,
        title=title,
        device=device_of(options),
    )


def device_of(options: argparse.Namespace) -> str:
    return options.device or ("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def alone(library: Library, what: str, name: str = "subject") -> Iterator[None]:
    """Keep a second process off the same subject, or what else has this id. BadInput if there is one."""
    file = take(library.folder / "locks" / what)
    if file is None:
        raise BadInput(f"Another process is at work for this {name}; please wait until it has ended.")
    try:
        yield
    finally:
        os.close(file)


def progress_lines(expected: Mapping[str, float]) -> Report:
    """A report that writes lines with the seconds left of the whole job to stderr, and once whatever a finetune says:
    what it will need, what it begins anew. expected: as SecondsLeft's."""
    stream = sys.stderr
    left, live = SecondsLeft(expected), stream.isatty()
    last = {"stage": "", "at": 0.0, "said": ""}

    def report(progress: Progress) -> None:
        seconds = left.update(progress)
        new = progress.stage != last["stage"]
        if progress.stage in TRAINING and progress.message not in ("", last["said"]):
            stream.write(f"\r\x1b[K{progress.message}\n" if live else f"{progress.message}\n")
            last["said"] = progress.message
        if not (live or new or progress.step == progress.total or time.monotonic() - last["at"] > LINE_EVERY):
            return
        loss = "" if progress.loss is None else f", loss {progress.loss:.4f}"
        line = f"{TITLES[progress.stage]} {progress.step}/{progress.total}{loss}, {_words(seconds)} left"
        if live:
            end = "\n" if progress.step == progress.total else ""
            stream.write(f"\r\x1b[K{line}{end}")
        else:
            stream.write(f"{line}\n")
        stream.flush()
        last.update(stage=progress.stage, at=time.monotonic())

    return report


def _words(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def hash_of(file: Path | None, values: list) -> str:
    """24 hexadecimal digits of a file's bytes and of JSON values."""
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    if file is not None:
        with file.open("rb") as opened:
            while part := opened.read(2**20):
                digest.update(part)
    return digest.hexdigest()[:24]
