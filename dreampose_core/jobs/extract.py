"""The kind of job that reads a driving video's poses into the library; its folder has the video until it ends."""

from __future__ import annotations

from pathlib import Path

from dreampose_core.extraction import expected_to_read, read_motion
from dreampose_core.jobs.kinds import KINDS, Kind, Work
from pose_tools.errors import BadInput
from pose_tools.extract import Request

VIDEO = "video"  # its name in the job's folder


def _request(work: Work) -> Request:
    wanted = dict(work.job.settings["request"])
    wanted["picked"] = tuple(wanted["picked"]) if wanted["picked"] else None
    video = work.folder / VIDEO
    if not video.exists():
        raise BadInput("The video is no longer here; please choose it again.")
    return Request(Path(video), device=work.device, **wanted)


def extract(work: Work) -> dict:
    """Read the poses, then clear the video away; one that cannot be used is cleared away as well."""
    if work.library.has_motion(work.job.id):  # a worker that was killed between the end of the work and its noting
        work.library.delete_job_folder(work.job.id)
        return {"motion": work.job.id}
    try:
        motion = read_motion(
            work.library, work.job.id, _request(work), work.job.settings["title"], work.folder, work.report
        )
    except BadInput:
        work.library.delete_job_folder(work.job.id)
        raise
    work.library.delete_job_folder(work.job.id)
    return {"motion": motion.id}


def _expected(work: Work) -> dict[str, float]:
    return {} if work.library.has_motion(work.job.id) else expected_to_read(work.library, _request(work))


KINDS["extract"] = Kind(extract, _expected)
