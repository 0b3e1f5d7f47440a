"""Subjects, clips and own motions on disk: a library folder for each visitor, and nothing of one in another's.

    ROOT/visitors/VISITOR/subjects/SUBJECT/   subject.json thumbnail.jpg, the prepared subject, tuned/PROFILE/
    ROOT/visitors/VISITOR/clips/CLIP/         clip.json thumbnail.jpg video.mp4 side_by_side.mp4 clip.gif ...
    ROOT/visitors/VISITOR/comparisons/        videos of two clips beside each other
    ROOT/visitors/VISITOR/motions/MOTION/     motion.json thumbnail.webp, poses of a driving video, preview.mp4 ...
    ROOT/visitors/VISITOR/jobs/JOB/           what was handed in, and work that is not finished
    ROOT/shares/TOKEN.json                    clips that were shared on purpose

A folder belongs to the library once its JSON is there, which is written last. Ids are made here; an id that
comes from outside is checked for its letters before it touches a path. Nothing here knows of models or of
jobs.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dreampose_core.library.entries import ClipEntry, MotionEntry, SubjectEntry, clip_entry, motion_entry, subject_entry
from dreampose_core.library.files import read_json, write_json, write_thumbnail
from pose_tools.errors import BadInput

LOCAL = "local"  # the visitor of a single-user library on localhost, which never expires
LEFTOVER_AGE = 3600  # seconds after which hidden folders belong to no running process any more
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def new_visitor() -> str:
    """An unguessable id for a visitor of a public app."""
    return secrets.token_urlsafe(24)


def new_id() -> str:
    """An unguessable id for a subject, a clip or a job."""
    return secrets.token_hex(12)


def check_id(value: object, what: str) -> str:
    """The id itself if it can be one. BadInput("There is no such WHAT.") otherwise."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise BadInput(f"There is no such {what}.")
    return value


@dataclass(frozen=True)
class Library:
    """One visitor's subjects, clips and motions under the root that all visitors share.

    A library of a visitor whose id cannot be one raises BadInput; one that does not exist yet is empty.
    """

    root: Path
    visitor: str = LOCAL

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(self.root))
        check_id(self.visitor, "visitor")

    @property
    def folder(self) -> Path:
        return self.root / "visitors" / self.visitor

    def touch(self) -> None:
        """Note that the visitor was here just now, which puts the expiry off."""
        self.folder.mkdir(parents=True, exist_ok=True)
        os.utime(self.folder)

    # subjects

    def subject_folder(self, subject: str) -> Path:
        """Where a subject of this id is, or will be."""
        return self.folder / "subjects" / check_id(subject, "subject")

    def subjects(self) -> list[SubjectEntry]:
        """All subjects, the newest first."""
        entries = [subject_entry(path.parent) for path in (self.folder / "subjects").glob("*/subject.json")]
        return sorted((e for e in entries if e), key=lambda e: (-e.created, e.id))

    def subject(self, subject: str) -> SubjectEntry:
        """One subject by its id. BadInput if this visitor has none of that id."""
        entry = subject_entry(self.subject_folder(subject))
        if entry is None:
            raise BadInput("There is no such subject.")
        return entry

    def add_subject(self, subject: str, title: str, thumbnail: np.ndarray) -> SubjectEntry:
        """Make the folder of a prepared subject part of the library. thumbnail: uint8 (H, W, 3)."""
        folder = self.subject_folder(subject)
        write_thumbnail(folder / "thumbnail.jpg", thumbnail)
        write_json(folder / "subject.json", {"title": title, "created": time.time()})
        return self.subject(subject)

    def delete_subject(self, subject: str) -> None:
        """Remove a subject with its photo and its finetuned weights; its clips stay."""
        _remove(self.subject(subject).folder)

    # clips

    def clip_folder(self, clip: str) -> Path:
        """Where a clip of this id is, or will be."""
        return self.folder / "clips" / check_id(clip, "clip")

    def clips(self, subject: str | None = None) -> list[ClipEntry]:
        """All clips, or those of one subject, the newest first."""
        entries = [clip_entry(path.parent) for path in (self.folder / "clips").glob("*/clip.json")]
        wanted = (e for e in entries if e and subject in (None, e.subject))
        return sorted(wanted, key=lambda e: (-e.created, e.id))

    def clip(self, clip: str) -> ClipEntry:
        """One clip by its id. BadInput if this visitor has none of that id."""
        entry = clip_entry(self.clip_folder(clip))
        if entry is None:
            raise BadInput("There is no such clip.")
        return entry

    def add_clip(self, clip: str, made: Path, subject: str, title: str, settings: Mapping) -> ClipEntry:
        """Move the folder `made`, on the same disk and with all of its files, into the library as a clip."""
        folder = self.clip_folder(clip)
        folder.parent.mkdir(parents=True, exist_ok=True)
        values = {"subject": subject, "title": title, "settings": dict(settings), "created": time.time()}
        write_json(made / "clip.json", values)
        os.replace(made, folder)
        return self.clip(clip)

    def delete_clip(self, clip: str) -> None:
        """Remove a clip, and the link by which it was shared."""
        entry = self.clip(clip)
        self.unshare(clip)
        _remove(entry.folder)

    def share(self, clip: str) -> str:
        """Share a clip on purpose: an unguessable token that opens this clip and nothing else to anybody."""
        entry = self.clip(clip)
        if entry.share:
            return entry.share
        token = secrets.token_urlsafe(24)
        (self.root / "shares").mkdir(parents=True, exist_ok=True)
        write_json(self.root / "shares" / f"{token}.json", {"visitor": self.visitor, "clip": clip})
        write_json(entry.folder / "share.json", {"token": token})
        return token

    def unshare(self, clip: str) -> None:
        """Take the link back; nothing happens if there was none."""
        entry = self.clip(clip)
        if entry.share:
            (self.root / "shares" / f"{check_id(entry.share, 'link')}.json").unlink(missing_ok=True)
            (entry.folder / "share.json").unlink(missing_ok=True)

    # motions

    def motion_folder(self, motion: str) -> Path:
        """Where a motion of this id is, or will be."""
        return self.folder / "motions" / check_id(motion, "motion")

    def motions(self) -> list[MotionEntry]:
        """All motions that were read from videos, the newest first."""
        entries = [motion_entry(path.parent) for path in (self.folder / "motions").glob("*/motion.json")]
        return sorted((e for e in entries if e), key=lambda e: (-e.created, e.id))

    def motion(self, motion: str) -> MotionEntry:
        """One motion by its id. BadInput if this visitor has none of that id."""
        entry = motion_entry(self.motion_folder(motion))
        if entry is None:
            raise BadInput("There is no such motion.")
        return entry

    def has_motion(self, motion: str) -> bool:
        """Whether a motion of this id is finished."""
        return (self.motion_folder(motion) / "motion.json").is_file()

    def add_motion(self, motion: str, made: Path, facts: Mapping) -> MotionEntry:
        """Move the folder `made`, on the same disk and with all of its files, into the library as a motion.

        facts: the fields of MotionEntry that say what it is, but for id, folder and created.
        """
        folder = self.motion_folder(motion)
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_json(made / "motion.json", {**facts, "created": time.time()})
        os.replace(made, folder)
        return self.motion(motion)

    def delete_motion(self, motion: str) -> None:
        """Remove a motion; clips that were made with it stay."""
        _remove(self.motion(motion).folder)

    # work in hand

    def job_folder(self, job: str) -> Path:
        """Where a job of this id keeps what it was given and what it has made so far."""
        return self.folder / "jobs" / check_id(job, "job")

    def delete_job_folder(self, job: str) -> None:
        _remove(self.job_folder(job))


def shared_clip(root: Path, token: str) -> ClipEntry:
    """The clip that was shared under a token. BadInput if there is none."""
    values = read_json(Path(root) / "shares" / f"{check_id(token, 'link')}.json")
    if values is None:
        raise BadInput("There is no such link; maybe the film is not shared any more.")
    return Library(root, values["visitor"]).clip(values["clip"])


def expired_visitors(
    root: Path, lifetime: float, keep: Collection[str] = (), now: float | None = None
) -> list[str]:
    """Visitors, but for LOCAL and those in `keep`, who were not here for `lifetime` seconds."""
    before = (time.time() if now is None else now) - lifetime
    visitors = Path(root) / "visitors"
    folders = [path for path in visitors.iterdir() if path.is_dir()] if visitors.is_dir() else []
    names = [path.name for path in folders if path.stat().st_mtime < before]
    return sorted(name for name in names if name != LOCAL and name not in keep and _ID.fullmatch(name))


def delete_visitor(root: Path, visitor: str) -> None:
    """Remove everything of a visitor, shared links included."""
    library = Library(root, visitor)
    for clip in library.clips():
        library.unshare(clip.id)
    _remove(library.folder)


def clear_leftovers(root: Path, age: float = LEFTOVER_AGE) -> None:
    """Delete what a killed process left half written or half deleted, if it is older than `age` seconds."""
    before = time.time() - age
    for path in Path(root).glob("visitors/*/*/.*"):
        if path.stat().st_mtime < before:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _remove(folder: Path) -> None:
    """Rename, then delete: a reader sees the whole folder or none. Nothing happens if it is not there."""
    hidden = folder.with_name(f".{secrets.token_hex(8)}")
    try:
        os.replace(folder, hidden)
    except FileNotFoundError:
        return
    shutil.rmtree(hidden)
