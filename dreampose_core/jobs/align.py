"""The kind of job that puts a motion on a photo, to be looked at and corrected before a film is made of it."""

from __future__ import annotations

from dreampose_core.drive import load_drive
from dreampose_core.fitting import fit_motion
from dreampose_core.jobs.kinds import KINDS, Kind, Work
from dreampose_core.photo import open_photo
from dreampose_core.profiles import find_profile
from dreampose_core.progress import Progress
from dreampose_core.stopwatch import GUESSES
from dreampose_core.subject import Subject, prepare_subject

PHOTO, POSES = "photo", "poses.npz"  # names in the job's folder


def align(work: Work) -> dict:
    """Save the fitting in the job's folder; what was handed in is cleared away, also where it cannot be used."""
    try:
        return _align(work)
    finally:
        for name in (PHOTO, POSES):
            (work.folder / name).unlink(missing_ok=True)


def _align(work: Work) -> dict:
    asked = work.job.settings

    def say(step: int, message: str) -> None:
        work.report(Progress("fit", step, 3, message=message))

    say(0, "Finding the person and the pose")
    if asked["subject"]:
        subject = Subject.load(work.library.subject(asked["subject"]).folder)
    else:
        profile = find_profile(asked["profile"])
        subject = prepare_subject(open_photo(work.folder / PHOTO), profile.width, profile.height)
    say(1, "Putting the poses on the photo")
    fitting = fit_motion(load_drive(asked["motion"], work.folder / POSES), subject)
    say(2, "Keeping the pictures")
    fitting.save(work.folder)
    say(3, "Done")
    return {"motion": asked["motion"], "body": fitting.alignment is None}


KINDS["align"] = Kind(align, lambda work: {"fit": GUESSES["fit"]})
