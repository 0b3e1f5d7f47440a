"""What the page does when somebody presses something: a visitor's wish in, the parts to change out.

Every answer is a dict from a part's name (parts.py) to its new value, or to a `Look` where more than the value
changes. Which toolkit draws the parts is not known here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dreampose_core.jobs import client
from dreampose_core.library.entries import ClipEntry
from dreampose_core.library.library import Library, shared_clip
from dreampose_core.page.composer import Composer
from dreampose_core.page.desks.advanced import AdvancedDesk
from dreampose_core.page.desks.compare import NOTHING, CompareDesk
from dreampose_core.page.desks.motion import READ, MotionDesk
from dreampose_core.page.handout import Handout
from dreampose_core.page.house import House
from dreampose_core.page.parts import HIDDEN, VISIBLE, Look, Parts, note
from dreampose_core.page.service import Service
from dreampose_core.page.views import clip_view, own_motions, progress_view, shelf, taken
from dreampose_core.page.window import Window
from dreampose_core.photo import open_photo
from dreampose_core.profiles import find_profile
from pose_tools.errors import BadInput

LIFETIME = 24 * 3600  # seconds that a visitor's library outlives the last visit, where the app is public
RECENT = 1800  # seconds for which a finished film is shown again after a reload

GO_NEW, GO_TUNED, GO_BUSY = "Make the film", "Make another film", "Making the film"
TRY_AGAIN, GO_ON = "Try again", "Go on"
READING = "Reading the poses"
SHARE, UNSHARE = "Share link", "Stop sharing"
TUNED = "Tuned already. Pick any motion: only the film is made anew."
NO_PHOTO = "Please choose a photo first, or take one of the examples."
NO_MOTION = "Please choose a motion first: one of the gallery, or a video of your own."


@dataclass(frozen=True)
class Desk:
    """The handlers of a page. All raise BadInput with one plain sentence where what is asked for is gone.

    examples: the photos to try. `browser` is the visitor's id that the browser kept, or None.
    """

    house: House
    examples: tuple[Path, ...]
    window: Window
    composer: Composer = field(default_factory=Composer)

    @property
    def motions(self) -> MotionDesk:
        return MotionDesk(self.house, self.window)

    @property
    def compare(self) -> CompareDesk:
        return CompareDesk(self.house, self.window, self.composer)

    @property
    def advanced(self) -> AdvancedDesk:
        return AdvancedDesk(self.house)

    @property
    def handout(self) -> Handout:
        return Handout(self.house, self.window)

    def enter(self, browser: str | None, token: str | None) -> Parts:
        """Find the visitor's library and what goes on there, or open the film shared under a token."""
        library = self.house.enter(browser)
        if self.house.public:
            client.sweep(self.house.root, LIFETIME)
            library.touch()
        known = {"visitor": library.visitor if self.house.public else None, "library": shelf(library)}
        known["motion"] = Look(own=own_motions(library))
        if token:
            try:
                return known | self._clip(shared_clip(self.house.root, token))
            except BadInput as error:
                return known | {"photo_note": note(error)}
        latest = next((job for job in client.jobs(library) if job.kind != "align"), None)
        if not latest or self._is_past(library, latest):
            return known
        if not latest.ended:
            self.house.see_to_worker()
        known["held"] = latest.id if latest.kind == "animate" else None
        if latest.subject:
            known["photo"] = self.window.show(library.subject(latest.subject).photo, "photo.png")
        elif latest.kind == "animate" and (photo := library.job_folder(latest.id) / "photo").exists():
            known["photo"] = open_photo(photo)  # nobody has looked for the person yet
        if latest.kind == "extract":
            known["motion"] = Look(own=own_motions(library), source="own")
        return known | self._job(library, latest, latest.id)

    def take_photo(self, browser: str | None, path: str | None) -> Parts:
        """A new photo: say at once if it cannot be read, and show formats that browsers do not know."""
        parts = self._choose(self.house.library(browser), None) | ({} if path else self.advanced.no_more())
        return parts | taken(path, "photo", "photo_note")

    def take_example(self, browser: str | None, index: str) -> Parts:
        parts = self._choose(self.house.library(browser), None) | self.advanced.no_more()
        return parts | {"photo": str(self.examples[int(index)])}

    def take_subject(self, browser: str | None, subject: str) -> Parts:
        library = self.house.library(browser)
        photo = self.window.show(library.subject(subject).photo, "photo.png")
        return self._choose(library, subject) | {"photo": photo}

    def take_profile(self, browser: str | None, name: str, subject: str | None) -> Parts:
        """Another model, with its own values; a subject that was not tuned for it is no longer chosen."""
        library = self.house.library(browser)
        new = self.advanced.values(find_profile(name))
        if subject and name not in library.subject(subject).tuned:
            return self._choose(library, None) | {"photo": None} | new
        return new

    def remove_subject(self, browser: str | None, subject: str, chosen: str | None, shown: str | None = None) -> Parts:
        """Delete a subject; shown: the film on show, which cannot be made anew if it was of this one."""
        library = self.house.library(browser)
        self.window.hide(library.subject(subject).photo)
        library.delete_subject(subject)
        client.drop_fittings(library)
        film = next((one for one in library.clips() if (one.id, one.subject) == (shown, subject)), None)
        changed = self.compare.offer(library, film) if film else {}
        if chosen == subject:
            return changed | self._choose(library, None) | {"photo": None}
        return changed | {"library": shelf(library, chosen)}

    def start(
        self,
        browser: str | None,
        path: str | None,
        subject: str | None,
        motion: str,
        chosen: Mapping[str, object],
    ) -> Parts:
        """Begin a film; chosen: further arguments of Service.animate by their names. What is wrong is said where it
        is."""
        if not subject and not path:
            return {"photo_note": note(NO_PHOTO)}
        if not motion:
            return {"go_note": note(NO_MOTION)}
        try:
            told = Service(self.house).animate(path, motion, subject=subject, visitor=browser, **chosen)
        except BadInput as error:
            return {"go_note": note(error)}
        begun = self.poll(browser, told["job"], told["job"])
        return begun | {"held": told["job"], "photo_note": None, "go_note": None}

    def read(self, browser: str | None, *wanted: object) -> Parts:
        """Begin to read the poses of a video; wanted: as MotionDesk.read takes it."""
        told = self.motions.read(browser, *wanted)
        if "job" not in told:
            return told
        return self.poll(browser, told["job"], None) | {"held": None, "read_note": None}

    def poll(
        self,
        browser: str | None,
        job: str,
        held: str | None,
        chosen: str | None = None,
        photo: str | None = None,
        fitting: str | None = None,
    ) -> Parts:
        """How a job stands. held: the job whose photo is still in the photo's place; chosen, photo: the subject or
        else the file there, onto which a motion is put once it is read; fitting: the look that this replaces."""
        library = self.house.library(browser)
        self.house.mind(library, job)
        now = client.status(library, job)
        parts = self._job(library, now, held, chosen)
        return parts | self.motions.fit(browser, photo, chosen, now.motion, fitting) if parts.get("own") else parts

    def stop(self, browser: str | None, job: str, held: str | None, chosen: str | None = None) -> Parts:
        """Cancel, and wait for the moment that it takes."""
        library = self.house.library(browser)
        client.cancel(library, job)
        until = time.monotonic() + 1.5
        while not (now := client.status(library, job)).ended and time.monotonic() < until:
            time.sleep(0.05)
        return self._job(library, now, held, chosen)

    def again(self, browser: str | None, job: str, held: str | None, chosen: str | None = None) -> Parts:
        self.house.again(self.house.library(browser), job)
        return self.poll(browser, job, held, chosen)

    def put_away(self, browser: str | None, job: str) -> Parts:
        """What was cancelled or failed is not to be seen any more, after a reload neither."""
        client.put_away(self.house.library(browser), job)
        return {"stage": HIDDEN}

    def make_to_compare(
        self, browser: str | None, switch: str, shown: str | None, held: str | None, chosen: str | None = None
    ) -> Parts:
        """Begin the film on show once more, with or without what a switch leaves out; both are shown once it is
        done."""
        return self.poll(browser, self.compare.make(browser, switch, shown), held, chosen)

    def open_clip(self, browser: str | None, clip: str) -> Parts:
        library = self.house.library(browser)
        return self._clip(library.clip(clip), library)

    def erase_clip(self, browser: str | None, clip: str, shown: str | None, chosen: str | None) -> Parts:
        library = self.house.library(browser)
        entry = library.clip(clip)
        for path in (entry.video, entry.side_by_side, entry.gif, entry.frames):
            self.window.hide(path)
        library.delete_clip(clip)
        self.compare.forget(library, clip)  # afterwards: a video of both that is done by then is taken away here
        left = {entry.id: entry for entry in library.clips()}
        if shown == clip:
            changed = NOTHING | {"show": HIDDEN, "clip": None, "compare": None}
        else:
            changed = self.compare.offer(library, left[shown]) if shown in left else {}
        return {"library": shelf(library, chosen)} | changed

    def toggle_share(self, browser: str | None, clip: str) -> Parts:
        library = self.house.library(browser)
        if library.clip(clip).share:
            library.unshare(clip)
            return {"link": None, "share": SHARE}
        return {"link": library.share(clip), "share": UNSHARE}

    def _choose(self, library: Library, subject: str | None) -> Parts:
        """What the next film will be of: a tuned subject of the library, or else the photo."""
        here = self.house.profiles()
        tuned = {entry.id for entry in library.subjects() if not here.keys().isdisjoint(entry.tuned)}
        subject = subject if subject in tuned else None
        return self.advanced.of_subject(library, subject) | {
            "held": None,
            "subject": subject,
            "photo_note": note(TUNED, "good") if subject else None,
            "go_note": None,
            "go": Look(value=GO_TUNED if subject else GO_NEW, interactive=True),
            "library": shelf(library, subject),
        }

    def _is_past(self, library: Library, job: client.Status) -> bool:
        """Whether a job is nothing to be shown to somebody who comes back."""
        if not job.ended:
            return False
        if time.time() - job.created > RECENT or job.state == "cancelled" or job.put_away:
            return True
        if job.state == "failed":
            return not job.subject
        made, kept = (job.motion, library.motions()) if job.kind == "extract" else (job.clip, library.clips())
        return made not in {entry.id for entry in kept}

    def _job(self, library: Library, now: client.Status, held: str | None, chosen: str | None = None) -> Parts:
        """Whatever a job's state asks for; a photo or subject that was taken meanwhile stays."""
        reading = now.kind == "extract"
        if not now.ended:
            return {
                "job": now.id,
                "stage": VISIBLE,
                "show": HIDDEN,
                "progress": progress_view(library, now),
                "cancel": VISIBLE,
                "ways": HIDDEN,
                "go": Look(value=READING if reading else GO_BUSY, interactive=False),
                "read": Look(value=READING if reading else READ, interactive=False),
                "timer": Look(active=True),
            }
        ended = {"job": now.id, "timer": Look(active=False), "read": Look(value=READ, interactive=True)}
        if reading:
            ended["go"] = Look(value=GO_TUNED if chosen else GO_NEW, interactive=True)
            if now.state != "cancelled":
                return ended | self.motions.ended(library, now)
            return ended | self._stopped(library, now, TRY_AGAIN)
        if held == now.id:
            ended |= self._choose(library, now.subject)
            ended["held"] = held  # a second try is of the same photo
        else:
            ended |= self._choose(library, chosen)
        if now.state == "done":
            return ended | self._clip(library.clip(now.clip), library, fresh=True)
        if now.state == "failed" and not now.subject:  # the photo is at fault, and told so where it is
            return ended | {"stage": HIDDEN, "photo_note": note(now.error)}
        return ended | self._stopped(library, now, GO_ON if now.state == "cancelled" else TRY_AGAIN)

    def _stopped(self, library: Library, now: client.Status, again: str) -> Parts:
        """A job that was cancelled or failed, with what can be done about it."""
        told = {"progress": progress_view(library, now), "cancel": HIDDEN, "ways": VISIBLE, "again": again}
        return {"stage": VISIBLE, "show": HIDDEN} | told

    def _clip(self, clip: ClipEntry, library: Library | None = None, fresh: bool = False) -> Parts:
        """A film on show. library: that of who looks at it, where it is the visitor's own; fresh: it was just made."""
        beside, alone, gif, frames = self.handout.film(clip)
        own = library is not None
        return {
            "stage": HIDDEN,
            "show": VISIBLE,
            "heading": clip_view(clip),
            "film": beside,
            "alone": alone,
            "take_video": alone,
            "take_beside": beside,
            "take_gif": gif,
            "take_frames": frames,
            "share": Look(value=UNSHARE if clip.share else SHARE, visible=own),
            "link": clip.share if own else None,
            "clip": clip.id if own else None,
        } | (self.compare.offer(library, clip, at_once=fresh) if own else NOTHING | {"compare": None})
