"""What of a library is given away: a film's and a motion's files under names that say what they are."""

from __future__ import annotations

from dataclasses import dataclass

from dreampose_core.library.entries import ClipEntry, MotionEntry
from dreampose_core.page.house import House
from dreampose_core.page.views import file_name
from dreampose_core.page.window import Window
from pose_tools.body.motion import list_motions


@dataclass(frozen=True)
class Handout:
    """result, poses and motions are named endpoints, and raise BadInput where what is asked for is not there."""

    house: House
    window: Window

    def result(self, job: str, visitor: str = "") -> tuple[str, str, str, str]:
        """The files of a finished film: beside photo and pose, alone, as a GIF, and its frames in a zip.

        Args:
            job: The id that `animate` returned.
            visitor: The visitor that `animate` returned.
        """
        return self.film(self.house.library(visitor).clip(job))

    def poses(self, job: str, visitor: str = "") -> tuple[str, str]:
        """The files of a motion that was read: a video of the poses over the frames, and the poses as .npz.

        Args:
            job: The id that `extract` returned.
            visitor: The visitor that `extract` returned.
        """
        return self.motion(self.house.library(visitor).motion(job))

    def motions(self) -> list[dict]:
        """The motions of the gallery, each with name, title, a line about it, and its seconds."""
        told = ("name", "title", "about", "seconds")
        return [{name: getattr(motion, name) for name in told} for motion in list_motions()]

    def film(self, clip: ClipEntry) -> tuple[str, str, str, str]:
        """A clip's film beside photo and pose, alone, as a GIF, and its frames."""
        name = f"dreampose-{file_name(clip.settings['motion'])}"
        return (
            self.window.show(clip.side_by_side, f"{name}-side-by-side.mp4"),
            self.window.show(clip.video, f"{name}.mp4"),
            self.window.show(clip.gif, f"{name}.gif"),
            self.window.show(clip.frames, f"{name}-frames.zip"),
        )

    def motion(self, entry: MotionEntry) -> tuple[str, str]:
        """A motion's preview, and its poses."""
        name = file_name(entry.title)
        shown = self.window.show(entry.preview, f"{name}-poses.mp4")
        return shown, self.window.show(entry.poses, f"{name}-poses.npz")
