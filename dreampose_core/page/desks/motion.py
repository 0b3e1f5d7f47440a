"""What the page does about a driving video: look at it, read it, choose what was read, put it on the photo.

Handlers as those of desk.py: a visitor's wish in, the parts to change out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from dreampose_core.extraction import MAX_SECONDS
from dreampose_core.fitting import Fitting
from dreampose_core.jobs import client
from dreampose_core.library.library import Library
from dreampose_core.page.choices import LEAST_FRAMES, MOST_FRAMES
from dreampose_core.page.handout import Handout
from dreampose_core.page.house import House
from dreampose_core.page.parts import HIDDEN, VISIBLE, Look, Parts, note
from dreampose_core.page.service import Service
from dreampose_core.page.views import fitting_view, frame_view, motion_view, own_motions
from dreampose_core.page.window import Window
from dreampose_core.profiles import find_profile
from pose_tools.errors import BadInput
from pose_tools.extract import check_video, first_frame

NO_VIDEO = "Please choose a video first."
READ = "Read the poses"
FITTING = "Putting the motion on your photo"


@dataclass(frozen=True)
class MotionDesk:
    """The handlers of the page's second choice. All raise BadInput where what is asked for is gone."""

    house: House
    window: Window

    # the video, before it is read

    def take_video(self, browser: str | None, path: str | None) -> Parts:
        """A new video, or none any more: its first frame at once, or what is wrong with it."""
        gone = {"reading": HIDDEN, "drop": VISIBLE, "read_note": None}
        if not path:
            return gone
        try:
            info = check_video(path)
            picture = first_frame(path)
        except BadInput as error:
            return gone | {"video": None, "read_note": note(error)}
        seconds = math.floor(10 * info.seconds) / 10
        return {
            "reading": VISIBLE,
            "drop": HIDDEN,
            "read_note": None,
            "frame": Look(value=None, shown=frame_view(picture, path, info)),
            "start": 0.0,
            "end": min(seconds, MAX_SECONDS) if seconds else MAX_SECONDS,
            "read": Look(value=READ, interactive=True),
        }

    def leave_video(self, browser: str | None) -> Parts:
        return self.take_video(browser, None) | {"video": None}

    def look_at(self, browser: str | None, path: str | None, start: float | None) -> Parts:
        """The frame at which the part begins that will be read; who was clicked on may stand elsewhere there."""
        if not path:
            return {}
        try:
            info = check_video(path)
            picture = first_frame(path, max(0.0, min(start or 0.0, info.seconds - 1 / info.fps)))
        except BadInput as error:
            return {"read_note": note(error)}
        return {"frame": Look(value=None, shown=frame_view(picture, path, info)), "read_note": None}

    def read(
        self,
        browser: str | None,
        path: str | None,
        start: float | None,
        end: float | None,
        picked: list[float] | None,
        fps: float,
        smooth: bool,
    ) -> dict:
        """Begin to read the poses: what the service tells of the job, or the part that says what is wrong."""
        if not path:
            return {"read_note": note(NO_VIDEO)}
        x, y = picked or (-1.0, -1.0)
        try:
            return Service(self.house).extract(path, start, end, fps, x, y, "auto", smooth, browser or "")
        except BadInput as error:
            return {"read_note": note(error)}

    def ended(self, library: Library, now: client.Status) -> Parts:
        """What an extraction that ended leaves on the page."""
        if now.state == "failed":
            return {"stage": HIDDEN, "read_note": note(now.error)}
        return {"stage": HIDDEN} | self.leave_video(None) | self.show(library, now.motion)

    # motions that were read

    def choose(
        self,
        browser: str | None,
        motion: str,
        photo: str | None,
        subject: str | None,
        own: str | None,
        fitting: str | None = None,
    ) -> Parts:
        """A motion was picked: of the gallery, or one that was read from a video, which is put on the photo.

        own: the one that was shown; fitting: the look at it. The choice itself is left alone: by now another may be
        picked.
        """
        library = self.house.library(browser)
        if motion in {entry.id for entry in library.motions()}:
            chosen = self._shown(library, motion) | self.fit(browser, photo, subject, motion, fitting)
        else:
            chosen = self._none() if own else {}
        return chosen | {"go_note": None}

    def show(self, library: Library, motion: str) -> Parts:
        """Choose a motion of the library."""
        return {"motion": Look(value=motion, own=own_motions(library), source="own")} | self._shown(library, motion)

    def pace(self, browser: str | None, own: str | None, fps: float) -> Parts:
        """Other frames a second: a film that follows a video stays as long as that."""
        return {"frames": _frames(self.house.library(browser).motion(own).seconds * fps)} if own else {}

    def drop(self, browser: str | None, motion: str, own: str | None) -> Parts:
        """Delete a motion."""
        library = self.house.library(browser)
        entry = library.motion(motion)
        for path in (entry.preview, entry.poses):
            self.window.hide(path)
        library.delete_motion(motion)
        gone = self._none() if own == motion else {}
        look = {"own": own_motions(library)} | ({"value": ""} if own == motion else {})
        return gone | {"motion": Look(look)}

    # the motion on the photo

    def fit(
        self, browser: str | None, photo: str | None, subject: str | None, own: str | None, before: str | None = None
    ) -> Parts:
        """Begin to put the chosen motion on the photo in its place, where both are there.

        before: the look of this same tab that the new one takes the place of; other tabs keep theirs.
        """
        library = self.house.library(browser)
        wanted = _wanted(photo, subject, own)
        begun = {"fitting": None, "fitted": wanted, "fit": None, "hand": HIDDEN, "fit_timer": Look(active=True)}
        if not wanted:
            return begun
        try:
            job = self.house.fit(library, own, photo, subject, before)
        except BadInput as error:
            return begun | {"fit": note(error)}
        begun |= {"fitting": job, "fit": note(FITTING, "busy")}
        return begun | {"scale": 1.0, "shift_x": 0.0, "shift_y": 0.0}

    def poll_fitting(
        self,
        browser: str | None,
        photo: str | None,
        subject: str | None,
        own: str | None,
        fitting: str | None,
        fitted: tuple[str, ...],
    ) -> Parts:
        """Whether the motion is on the photo by now.

        fitted: what was put onto what, and the look at it once it is shown. A photo and a motion that were chosen in
        the same moment know nothing of each other, so that the look may be of an earlier choice: then it is begun
        anew. The page asks once more after all is shown, since answers may overtake each other.
        """
        if _wanted(photo, subject, own) != fitted[:2]:
            return self.fit(browser, photo, subject, own, fitting)
        if not fitting or fitting in fitted:
            return {"fit_timer": Look(active=False)}
        library = self.house.library(browser)
        self.house.mind(library, fitting)
        now = client.status(library, fitting)
        if not now.ended:
            return {}
        over = {"fitted": (*fitted[:2], fitting)}
        if now.state != "done":  # one that was cancelled has made room for another
            told = {"photo_note": note(now.error)} if now.error else {}
            return over | {"fitting": None, "fit": None} | told
        found = Fitting.load(library.job_folder(fitting))
        return over | {"fit": fitting_view(found), "hand": HIDDEN if found.alignment is None else VISIBLE}

    def correct(self, browser: str | None, fitting: str | None, scale: float, x: float, y: float) -> Parts:
        """The poses on the photo as a hand corrects them."""
        if not fitting or not (self.house.library(browser).job_folder(fitting) / "fitting.json").is_file():
            return {}
        found = Fitting.load(self.house.library(browser).job_folder(fitting))
        return {"fit": fitting_view(found, (scale, x, y))}

    def _shown(self, library: Library, motion: str) -> Parts:
        """The motion that is chosen with its preview, and a film as long as it is, with as many frames a second."""
        entry = library.motion(motion)
        preview, poses = Handout(self.house, self.window).motion(entry)
        return {
            "own": motion,
            "chosen": VISIBLE,
            "preview": preview,
            "about": motion_view(entry, self.house.has_gpu),
            "take_poses": poses,
            "frames": _frames(entry.seconds * entry.fps),
            "fps": entry.fps,
        }

    def _none(self) -> Parts:
        """No motion of one's own is chosen; the film is as long as the profile says."""
        profile = find_profile(self.house.profile)
        gone = {"own": None, "chosen": HIDDEN, "fitting": None, "fitted": (), "fit": None, "hand": HIDDEN}
        gone["preview"] = None
        return gone | {"frames": _frames(profile.frames), "fps": profile.fps}


def _wanted(photo: str | None, subject: str | None, own: str | None) -> tuple[str, ...]:
    """What is to be put onto what: a motion of one's own, and a subject or else a photo; () where one is missing."""
    onto = subject or photo
    return (own, onto) if own and onto else ()


def _frames(count: float) -> Look:
    """The slider of the frames, which reaches as far as a film needs it."""
    frames = max(LEAST_FRAMES, round(count))
    return Look(value=frames, maximum=max(frames, MOST_FRAMES))
