"""Photo -> subject and sheet, and the model that they are for."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from dreampose_core.carry import Sheet, make_sheet
from dreampose_core.film.surroundings import PHOTO
from dreampose_core.guidance import Guidance
from dreampose_core.memory import check_room
from dreampose_core.photo import open_photo
from dreampose_core.pipeline import DreamPosePipeline
from dreampose_core.profiles import Profile
from dreampose_core.progress import Progress, Report
from dreampose_core.studio.order import Order
from dreampose_core.subject import FINE_FOLDER, Subject, prepare_subject
from dreampose_core.weights.checkpoints import FINISHED, load_model
from pose_tools.draw import overlay
from pose_tools.errors import BadInput
from pose_tools.files import replacing

SHEET = "sheet.npz"


def prepare(order: Order, report: Report) -> tuple[Subject, Sheet, DreamPosePipeline]:
    """The subject and its sheet, from the library or from the photo, and the model without a finetune."""

    def say(step: int, message: str, picture: np.ndarray | None = None) -> None:
        report(Progress("prepare", step, 4 + len(more), preview=picture, message=message))

    folder, profile = order.library.subject_folder(order.subject), order.profile
    unknown = order.settings.finetuned and not (order.tuned_folder / FINISHED).exists()  # to the model, until tuned
    more = order.more if unknown else ()
    if not (folder / "photo.png").exists():
        if order.photo is None:
            raise BadInput("There is no such subject.")
        say(0, "Reading the photo")
        image = open_photo(order.photo)
        say(1, "Finding the person and the pose")
        prepare_subject(image, profile.width, profile.height, profile.finer).save(folder)
    subject = Subject.load(folder)
    if subject.photo.shape[:2] != (profile.height, profile.width):
        raise BadInput(
            f"This subject was not made for the profile {profile.name}; please start from its photo."
        )
    if order.settings.framing == PHOTO and subject.around is None:
        raise BadInput("The whole photo of this subject was not kept; please start from the photo for its framing.")
    say(2, "Cutting the person out", overlay(subject.photo, subject.charts))
    _lay_sheet(folder, subject)
    if subject.fine is not None and order.settings.detailed:
        _lay_sheet(folder / FINE_FOLDER, subject.fine)
    sheet = Sheet.load(folder / SHEET)
    if not (folder / "subject.json").exists():
        order.library.add_subject(order.subject, order.title, subject.photo)
    for index, photo in enumerate(more, 1):
        say(2 + index, f"Finding the person in further photo {index} of {len(more)}")
        _prepare_more(folder / "more" / str(index), photo, profile)
    say(3 + len(more), "Loading the model")
    pipeline = load_pipeline(profile, order.device, order.offload)
    say(4 + len(more), "Putting the motion on the person" if order.clip and not unknown else "Ready")
    return subject, sheet, pipeline


def _prepare_more(folder: Path, photo: Path, profile: Profile) -> None:
    """A further photo, prepared as the main one is and kept beside it."""
    if not (folder / "photo.png").exists():
        try:
            subject = prepare_subject(open_photo(photo), profile.width, profile.height)
            replace(subject, around=None).save(folder)
        except BadInput as error:
            raise BadInput(f"Further photo {folder.name}: {error}") from error
    _lay_sheet(folder, Subject.load(folder))


def _lay_sheet(folder: Path, subject: Subject) -> None:
    """The sheet of a subject beside it, where it is not there yet or is one of an earlier version."""
    if not Sheet.is_whole(folder / SHEET):
        with replacing(folder / SHEET) as temporary:
            make_sheet(subject.photo, subject.mask, subject.body).save(temporary)


def more_photos(order: Order, all_kept: bool) -> list[tuple[Subject, Sheet]]:
    """The further photos, as prepare left them; all_kept: also those of an earlier order."""
    folder = order.library.subject_folder(order.subject) / "more"
    count = len(list(folder.glob(f"*/{SHEET}"))) if all_kept else len(order.more)
    folders = [folder / str(i) for i in range(1, count + 1)]
    photos = [Subject.load(folder) for folder in folders]
    for folder, photo in zip(folders, photos, strict=True):
        _lay_sheet(folder, photo)
    return [(photo, Sheet.load(folder / SHEET)) for folder, photo in zip(folders, photos, strict=True)]


def load_pipeline(profile: Profile, device: str, offload: bool = False) -> DreamPosePipeline:
    """A profile's pipeline on a device, kept between clips; nobody trains its parts in place.

    offload: for small cards, only what is at work is on the device. BadInput where the memory is too small for it.
    """
    conditions = Guidance(profile.s1, profile.s2).most_conditions
    size = (profile.height, profile.width)
    pipeline = _loaded(profile.folder, profile.dtype_on(device), device, offload, size, conditions)
    return pipeline.offload(device) if offload else pipeline.to(device)


@lru_cache(maxsize=1)
def _loaded(
    folder: Path, precision: torch.dtype, device: str, offload: bool, size: tuple[int, int], conditions: int
) -> DreamPosePipeline:
    check_room(folder, precision, torch.device(device), offload, size, conditions)
    return load_model(folder, precision)
