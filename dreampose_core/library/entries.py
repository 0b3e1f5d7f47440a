"""What a library has: a subject, a clip, a motion, each read from its folder, and where its files are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dreampose_core.library.files import read_json


@dataclass(frozen=True)
class SubjectEntry:
    """A subject of the library.

    tuned: names of the profiles it was finetuned for; created: seconds since 1970.
    """

    id: str
    folder: Path
    title: str
    created: float
    tuned: tuple[str, ...]

    @property
    def thumbnail(self) -> Path:
        return self.folder / "thumbnail.jpg"

    @property
    def photo(self) -> Path:
        """The framed photo at the profile's size, PNG."""
        return self.folder / "photo.png"


@dataclass(frozen=True)
class ClipEntry:
    """A finished clip.

    settings: as AnimateSettings.to_dict; share: its token where it was shared on purpose.
    """

    id: str
    folder: Path
    subject: str
    title: str
    created: float
    settings: dict
    share: str | None

    @property
    def thumbnail(self) -> Path:
        return self.folder / "thumbnail.jpg"

    @property
    def video(self) -> Path:
        return self.folder / "video.mp4"

    @property
    def side_by_side(self) -> Path:
        return self.folder / "side_by_side.mp4"

    @property
    def gif(self) -> Path:
        return self.folder / "clip.gif"

    @property
    def frames(self) -> Path:
        """Every frame as PNG, in a zip."""
        return self.folder / "frames.zip"

    @property
    def poses(self) -> Path:
        """The clip's PoseSequence, .npz."""
        return self.folder / "poses.npz"

    @property
    def report(self) -> Path:
        """Stage seconds, peak memory and settings, JSON."""
        return self.folder / "report.json"

    @property
    def backdrop(self) -> Path | None:
        """The picture behind the person, None where there is none, or where it was not kept."""
        backdrop = self.folder / "background"
        return backdrop if backdrop.exists() else None


@dataclass(frozen=True)
class MotionEntry:
    """Poses that were read from a driving video.

    seconds, fps: of the poses; body: whether they are joint rotations and not charts alone; why: one sentence about
    the estimator; notes: plain sentences about what happened on the way.
    """

    id: str
    folder: Path
    title: str
    created: float
    seconds: float
    fps: float
    body: bool
    why: str
    notes: tuple[str, ...]

    @property
    def thumbnail(self) -> Path:
        """A small moving picture, WebP."""
        return self.folder / "thumbnail.webp"

    @property
    def preview(self) -> Path:
        """The poses over the frames of the video."""
        return self.folder / "preview.mp4"

    @property
    def poses(self) -> Path:
        """The charts as a PoseSequence, .npz."""
        return self.folder / "poses.npz"

    @property
    def drive(self) -> Path:
        """What a clip is driven by: the joint rotations where there are any, or else the charts."""
        return self.folder / "motion.npz" if self.body else self.poses

    @property
    def sound(self) -> Path | None:
        """The sound of the same part of the video, None where there is none."""
        sound = self.folder / "sound.m4a"
        return sound if sound.exists() else None


def subject_entry(folder: Path) -> SubjectEntry | None:
    """The subject in a folder, None where there is none, or none any more."""
    values = read_json(folder / "subject.json")
    if values is None or folder.name.startswith("."):
        return None
    tuned = tuple(sorted(path.parent.name for path in folder.glob("tuned/*/finished.json")))
    return SubjectEntry(folder.name, folder, values["title"], values["created"], tuned)


def clip_entry(folder: Path) -> ClipEntry | None:
    """The same for a clip."""
    values = read_json(folder / "clip.json")
    if values is None or folder.name.startswith("."):
        return None
    share = (read_json(folder / "share.json") or {}).get("token")
    return ClipEntry(
        folder.name, folder, values["subject"], values["title"], values["created"], values["settings"], share
    )


def motion_entry(folder: Path) -> MotionEntry | None:
    """The same for a motion."""
    values = read_json(folder / "motion.json")
    if values is None or folder.name.startswith("."):
        return None
    return MotionEntry(folder.name, folder, **values | {"notes": tuple(values["notes"])})
