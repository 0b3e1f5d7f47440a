"""What a page and its API ask for: films of a visitor's library, by the rules of the house. Knows no page."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from dreampose_core.jobs import client
from dreampose_core.library import LOCAL, Library, new_visitor
from dreampose_core.profiles import DEFAULT_PROFILE
from dreampose_core.progress import TITLES
from dreampose_core.settings import AnimateSettings
from pose_tools.errors import BadInput

TITLE_LETTERS = 40
ZERO_GPU = bool(os.environ.get("SPACES_ZERO_GPU"))  # a Space that lends a GPU to single calls


def best_device() -> str:
    """The torch device for the work: a GPU where there is one."""
    return "cuda" if ZERO_GPU or torch.cuda.is_available() else "cpu"


@dataclass(frozen=True)
class House:
    """Where the libraries are, whose they are, and which model works on which device.

    public: everybody gets a library of their own; otherwise there is one, for whoever sits at this machine.
    worker: films are made by a worker process; otherwise whoever begins them sees to it (jobs/inline.py).
    """

    root: Path
    public: bool = False
    profile: str = DEFAULT_PROFILE
    device: str = "cpu"
    worker: bool = True

    def library(self, visitor: str | None) -> Library:
        """A visitor's library. Raises BadInput for a visitor that cannot be."""
        if not self.public:
            return Library(self.root)
        if not visitor or visitor == LOCAL:
            raise BadInput("This visit is not known here; please reload the page.")
        return Library(self.root, visitor)

    def enter(self, visitor: str | None) -> Library:
        """The library of a visitor who comes back, or a new one's."""
        try:
            return self.library(visitor)
        except BadInput:
            return self.library(new_visitor())

    def begin(self, library: Library, settings: AnimateSettings, photo: str | None, subject: str | None) -> str:
        """Put a film of a subject, or else of a photo, in line, and return the job's id. Raises BadInput."""
        if not subject and not photo:
            raise BadInput("Please choose a photo first.")
        if subject:
            given = {"subject": subject}
        else:
            given = {"photo": Path(photo), "title": Path(photo).stem.replace("_", " ")[:TITLE_LETTERS]}
        job = client.submit_animate(library, settings, device=self.device, **given)
        self.see_to_worker()
        return job

    def again(self, library: Library, job: str) -> None:
        """Let a failed or cancelled job go on from what it left. Raises BadInput."""
        client.retry(library, job)
        self.see_to_worker()

    def see_to_worker(self) -> None:
        if self.worker:
            client.ensure_worker(self.root, self.device)


@dataclass(frozen=True)
class Service:
    """The named endpoints. All raise BadInput with one plain sentence."""

    house: House

    def animate(
        self,
        photo: str | None,
        motion: str,
        frames: int,
        fps: int,
        steps: int,
        s1: float,
        s2: float,
        seed: int,
        finetune_steps: int,
        decoder_steps: int,
        subject: str = "",
        visitor: str = "",
    ) -> dict:
        """Start a film of the person in a photo doing a motion; ask `status` until it is done.

        Args:
            photo: A picture of one person from head to feet. Not needed where a subject is given.
            motion: The name of one of the `motions`.
            frames: How many frames the film has.
            fps: Frames a second.
            steps: Denoising steps of each frame.
            s1: Strength of the guidance by the photo.
            s2: Strength of the guidance by the pose.
            seed: The seed of all that is random.
            finetune_steps: Steps of the finetune of UNet and adapter on this photo.
            decoder_steps: Steps of the finetune of the decoder on this photo.
            subject: A subject that an earlier answer named; it is taken as it was tuned.
            visitor: The visitor that an earlier answer named, to stay in the same library.

        Returns:
            The job's id, the visitor's id, the state and the progress.
        """
        library = self.house.library(visitor) if visitor else self.house.enter(None)
        settings = AnimateSettings(
            motion=motion,
            frames=frames,
            fps=fps,
            steps=steps,
            s1=s1,
            s2=s2,
            seed=seed,
            finetune_steps=None if subject else finetune_steps,
            decoder_steps=None if subject else decoder_steps,
            profile=self.house.profile,
        )
        return self._tell(library, self.house.begin(library, settings, photo, subject or None))

    def status(self, job: str, visitor: str = "") -> dict:
        """How a film stands: queued, running, done, failed or cancelled; stage, step and seconds left.

        Args:
            job: The id that `animate` returned.
            visitor: The visitor that `animate` returned.
        """
        return self._tell(self.house.library(visitor), job)

    def cancel(self, job: str, visitor: str = "") -> dict:
        """Stop a film that waits or is being made.

        Args:
            job: The id that `animate` returned.
            visitor: The visitor that `animate` returned.
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
        }
