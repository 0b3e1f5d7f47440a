"""The kind of job that makes a clip the studio's way; its folder has what was handed in and is unfinished."""

from __future__ import annotations

import os
from pathlib import Path

from dreampose_core.jobs.client import MORE
from dreampose_core.jobs.kinds import KINDS, Kind, Work
from dreampose_core.settings import AnimateSettings
from dreampose_core.studio import Order, expected, make_clip

PHOTO, POSES, SOUND, BACKDROP = "photo", "poses.npz", "sound.m4a", "background"  # names in the job's folder


def _order(work: Work) -> Order:
    values = work.job.settings

    def handed_in(name: str) -> Path | None:
        return work.folder / name if (work.folder / name).exists() else None

    return Order(
        library=work.library,
        settings=AnimateSettings.from_dict(values["settings"]),
        folder=work.folder,
        subject=values["subject"],
        clip=work.job.id,
        photo=handed_in(PHOTO),
        poses=handed_in(POSES),
        sound=handed_in(SOUND),
        backdrop=handed_in(BACKDROP),
        more=tuple(sorted(work.folder.glob(f"{MORE}-*"))),
        title=values["title"],
        device=work.device,
        offload=values.get("offload", False),
        compile=values.get("compile", False),
    )


def animate(work: Work) -> dict:
    """Make the clip, then clear away what the library does not need of the job's folder, the photo first."""
    order = _order(work)
    clip = make_clip(order, work.report)
    if order.backdrop:  # without it the film could not be made anew, to compare with
        os.replace(order.backdrop, clip.folder / BACKDROP)
    work.library.delete_job_folder(work.job.id)
    return {"clip": clip.id, "subject": order.subject}


KINDS["animate"] = Kind(animate, lambda work: expected(_order(work)))
