"""What programs ask of the page: films of a visitor's library, by the rules of the house."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dreampose_core.jobs import client
from dreampose_core.library.entries import MotionEntry
from dreampose_core.library.library import Library
from dreampose_core.page.house import House
from dreampose_core.profiles import find_profile
from dreampose_core.progress import TITLES
from dreampose_core.settings import AnimateSettings
from pose_tools.body.motion import find_motion
from pose_tools.errors import BadInput
from pose_tools.extract import Request


@dataclass(frozen=True)
class Service:
    """The named endpoints. All raise BadInput with one plain sentence."""

    house: House

    def animate(
        self,
        photo: str | None,
        motion: str,
        frames: int | None = None,
        fps: int | None = None,
        steps: int | None = None,
        s1: float | None = None,
        s2: float | None = None,
        seed: int | None = None,
        finetune_steps: int | None = None,
        decoder_steps: int | None = None,
        subject: str | None = None,
        visitor: str | None = None,
        scale: float | None = None,
        shift_x: float | None = None,
        shift_y: float | None = None,
        background: str | None = None,
        background_colour: str | None = None,
        background_picture: str | None = None,
        framing: str | None = None,
        more_photos: list[str] | None = None,
        scheduler: str | None = None,
        guidance_from: float | None = None,
        guidance_to: float | None = None,
        tuning: str | None = None,
        profile: str | None = None,
        start_from: str | None = None,
        strength: float | None = None,
        pull: float | None = None,
        finetuned: bool | None = None,
        refined: bool | None = None,
        detailed: bool | None = None,
        swinging: bool | None = None,
        offload: bool = False,
        compile: bool = False,
    ) -> dict:
        """Start a film of the person in a photo doing a motion; ask `status` until it is done.

        Args:
            photo: A picture of one person from head to feet. Not needed where a subject is given.
            motion: The name of one of the `motions`, or the id of a motion that `extract` read from a video.
            frames: How many frames the film has; one that follows a video keeps its speed, and ends where it ends.
            fps: Frames a second.
            steps: Denoising steps of each frame; left out, this and what follows is the model's own.
            s1: Strength of the guidance by the photo.
            s2: Strength of the guidance by the pose.
            seed: The seed of all that is random.
            finetune_steps: Steps of the finetune of UNet and adapter on this photo.
            decoder_steps: Steps of the finetune of the decoder on this photo.
            subject: A subject that an earlier answer named; it is taken as it was tuned.
            visitor: The visitor that an earlier answer named, to stay in the same library.
            scale: How many times larger the poses of a video are put on the photo; for poses without a body only.
            shift_x: By how many widths of the picture they are moved to the right.
            shift_y: By how many heights of the picture they are moved down.
            background: What is behind the person: keep (the photo's own), plain (a colour), or picture.
            background_colour: The colour of a plain background, as #rrggbb.
            background_picture: The picture to put behind the person.
            framing: What the film shows: film (the person as large as can be), or photo (the whole photo).
            more_photos: Up to 8 further photos of the same person, which a new subject learns from.
            scheduler: The sampler: pndm, ddim, dpm++ or unipc.
            guidance_from: Where in the sampling the guidance begins, 0 to 1.
            guidance_to: Where it ends.
            tuning: The way of finetuning: lora, small (for cards with 12 GB) or full.
            profile: The model, where the weights of several are here.
            start_from: What the sampling starts from: photo, noise, or carried (the photo carried to the pose).
            strength: With a start from a picture, the last part of the sampling that is run, up to 1.
            pull: How far frames are moved towards the carried photo where that is known, 0 to 1.
            finetuned: Whether the weights are used that learnt this subject.
            refined: Whether the refiner mends the frames with the photo's own pixels.
            detailed: Whether the film is larger than the model's frames, with the photo's own detail.
            swinging: Whether loose skirts lag behind the hips.
            offload: For small cards: only what is at work lies on the GPU.
            compile: Compile the networks, for many frames on a GPU.

        Returns:
            The job's id, the visitor's id, the state and the progress.
        """
        library = self.house.library(visitor) if visitor else self.house.enter(None)
        own = _own_motion(library, motion)
        model = self.house.profile_of(library, subject or None, profile or None)
        interval = None
        if guidance_from is not None or guidance_to is not None:
            usual = find_profile(model).guidance_interval
            interval = tuple(u if g is None else g for g, u in zip((guidance_from, guidance_to), usual, strict=True))
        asked = {
            "motion": own.title if own else motion,
            "extraction": own.id if own else None,
            "scale": scale,
            "shift_x": shift_x,
            "shift_y": shift_y,
            "frames": frames,
            "fps": fps,
            "steps": steps,
            "s1": s1,
            "s2": s2,
            "guidance_interval": interval,
            "scheduler": scheduler or None,
            "seed": seed,
            "finetune_steps": None if subject else finetune_steps,
            "decoder_steps": None if subject else decoder_steps,
            "tuning": None if subject else tuning or None,
            "profile": model,
            "background": background or None,
            "background_colour": background_colour or None,
            "framing": framing or None,
            "start_from": start_from or None,
            "strength": strength,
            "pull": pull,
            "finetuned": finetuned,
            "refined": refined,
            "detailed": detailed,
            "swinging": swinging,
        }
        settings = AnimateSettings(**{name: value for name, value in asked.items() if value is not None})
        begun = self.house.begin(
            library, settings, photo, subject or None, background_picture, more_photos or (), offload, compile
        )
        return self._tell(library, begun)

    def extract(
        self,
        video: str | None,
        start: float = 0.0,
        end: float = 0.0,
        fps: float = 12.0,
        person_x: float = -1.0,
        person_y: float = -1.0,
        estimator: str = "auto",
        smooth: bool = True,
        visitor: str = "",
    ) -> dict:
        """Start to read the poses of a person from a driving video; ask `status` until it is done.

        The answer's `motion` is then the id of a motion that `animate` takes, as often as you like, with the sound
        of the video; `poses` gives its files.

        Args:
            video: A video of one person who moves, seen from head to feet; up to 60 seconds are read.
            start: The second at which to begin.
            end: The second at which to end; 0 for the end of the video.
            fps: Poses a second.
            person_x: Where the person to follow stands in the first frame, 0 left to 1 right; -1 for the largest.
            person_y: The same from 0 at the top to 1 at the bottom.
            estimator: auto, lite, densepose or detectron2.
            smooth: Whether the poses are steadied over time.
            visitor: The visitor that an earlier answer named, to stay in the same library.

        Returns:
            The job's id, the visitor's id, the state and the progress.
        """
        if not video:
            raise BadInput("Please choose a video first.")
        library = self.house.library(visitor) if visitor else self.house.enter(None)
        x, y = (-1.0 if place is None else place for place in (person_x, person_y))  # as a program may leave them out
        picked = (x, y) if 0 <= x <= 1 and 0 <= y <= 1 else None
        request = Request(
            Path(video), fps or 12.0, start or 0.0, end or None, estimator, picked, smooth, self.house.device
        )
        return self._tell(library, self.house.read(library, request))

    def status(self, job: str, visitor: str = "") -> dict:
        """How a film or an extraction stands: queued, running, done, failed or cancelled; stage, step and seconds left.

        Args:
            job: The id that `animate` or `extract` returned.
            visitor: The visitor that `animate` or `extract` returned.
        """
        library = self.house.library(visitor)
        self.house.mind(library, job)
        return self._tell(library, job)

    def cancel(self, job: str, visitor: str = "") -> dict:
        """Stop a film or an extraction that waits or is at work.

        Args:
            job: The id that `animate` or `extract` returned.
            visitor: The visitor that `animate` or `extract` returned.
        """
        client.cancel(self.house.library(visitor), job)
        return self.status(job, visitor)

    def _tell(self, library: Library, job: str) -> dict:
        now = client.status(library, job)
        return {
            "job": now.id,
            "visitor": library.visitor if self.house.public else "",
            "state": now.state,
            "ahead": now.ahead,
            "stage": TITLES.get(now.stage, ""),
            "step": now.step,
            "total": now.total,
            "loss": now.loss,
            "seconds_left": now.seconds_left,
            "error": now.error,
            "subject": now.subject,
            "clip": now.clip,
            "motion": now.motion,
        }


def _own_motion(library: Library, motion: str) -> MotionEntry | None:
    """The visitor's own motion of an id, None for a name of the gallery. BadInput for what is neither."""
    try:
        return library.motion(motion)
    except BadInput:
        find_motion(motion)
        return None
