"""The rules of the house: whose library is whose, which model works where, and who sees to the work."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from dreampose_core.jobs import client
from dreampose_core.jobs.inline import do_job, take_job
from dreampose_core.library.library import LOCAL, Library, new_visitor
from dreampose_core.profiles import DEFAULT_PROFILE, PROFILES, Profile, find_profile
from dreampose_core.settings import AnimateSettings
from pose_tools.errors import BadInput
from pose_tools.extract import Request

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

    @property
    def has_gpu(self) -> bool:
        return self.device.startswith("cuda")

    def profiles(self) -> dict[str, Profile]:
        """The models whose weights are here, the house's own first."""
        own = find_profile(self.profile)
        return {own.name: own} | {name: profile for name, profile in PROFILES.items() if profile.here}

    def profile_of(self, library: Library, subject: str | None, wanted: str | None) -> str:
        """The model for a film: the one that is wanted, or that a subject was tuned for, or the house's own.

        Raises BadInput where the weights of the one that is wanted are not here.
        """
        if wanted:
            if wanted not in self.profiles():
                raise BadInput(f"There is no model {wanted!r} here; there are: {', '.join(self.profiles())}.")
            return wanted
        tuned = library.subject(subject).tuned if subject else ()
        return next((name for name in self.profiles() if name in tuned), self.profile)

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

    def begin(
        self,
        library: Library,
        settings: AnimateSettings,
        photo: str | None,
        subject: str | None,
        backdrop: str | None = None,
        more: Sequence[str] = (),
        offload: bool = False,
        compile: bool = False,
    ) -> str:
        """Put a film of a subject, or else of a photo, in line, and return the job's id. Raises BadInput."""
        if (offload or compile) and not self.has_gpu:
            raise BadInput("Offloading and compiling are for a GPU, and this machine has none.")
        if not subject and not photo:
            raise BadInput("Please choose a photo first.")
        if subject:
            given = {"subject": subject}
        else:
            given = {"photo": Path(photo), "title": _title(photo)}
        given["backdrop"] = Path(backdrop) if backdrop else None
        given |= {"more": [Path(each) for each in more], "offload": offload, "compile": compile}
        job = client.submit_animate(library, settings, device=self.device, **given)
        self.see_to_worker()
        return job

    def read(self, library: Library, request: Request) -> str:
        """Put the reading of a driving video in line, and return the job's id. Raises BadInput."""
        job = client.submit_extract(library, request, title=_title(request.video), device=self.device)
        self.see_to_worker()
        return job

    def fit(
        self, library: Library, motion: str, photo: str | None, subject: str | None, before: str | None = None
    ) -> str:
        """Begin a look at how a motion lies on a subject, or else on a photo, in the place of the look before; return
        the job's id. Raises BadInput.

        It needs no accelerator, and so never waits for a film that is made on one.
        """
        given = {"subject": subject} if subject else {"photo": Path(photo)}
        job = client.submit_align(library, motion, **given, profile=self.profile, before=before)
        if self.worker:
            client.ensure_worker(self.root)
        else:
            threading.Thread(target=_do_waiting, args=(self.root,), daemon=True).start()
        return job

    def again(self, library: Library, job: str) -> None:
        """Let a failed or cancelled job go on from what it left. Raises BadInput."""
        client.retry(library, job)
        self.see_to_worker()

    def mind(self, library: Library, job: str) -> None:
        """See to it that somebody does a job. Raises BadInput if this visitor has no such job."""
        if self.worker:
            client.mind(library, job)

    def see_to_worker(self) -> None:
        if self.worker:
            client.ensure_worker(self.root, self.device)


def _title(path: str | Path) -> str:
    """What a photo or a video is called that was handed over."""
    return Path(path).stem.replace("_", " ")[:TITLE_LETTERS]


def _do_waiting(root: Path) -> None:
    """Do what waits for the CPU, in a thread of this process."""
    while job := take_job(root, "cpu"):
        do_job(root, job)
