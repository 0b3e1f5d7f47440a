"""What the page's fold of further choices shows: only what has an effect for the model, the subject and the machine.

Handlers as in desk.py: a visitor's wish in, the parts to change out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from dreampose_core.checkpoints import FINISHED
from dreampose_core.library import Library, SubjectEntry, read_json
from dreampose_core.more_photos import MOST_MORE, check_more
from dreampose_core.parts import HIDDEN, VISIBLE, Look, Parts, note
from dreampose_core.photo import open_photo
from dreampose_core.profiles import Profile
from dreampose_core.schedulers import SCHEDULERS
from dreampose_core.service import House
from dreampose_core.tuning import DEFAULT_TUNINGS, TUNINGS
from dreampose_core.views import pixels_data
from pose_tools.errors import BadInput

SAMPLERS = {"pndm": "PNDM", "ddim": "DDIM", "dpm++": "DPM-Solver++", "unipc": "UniPC"}
WAYS = {  # of finetuning: the name on the page, and what it needs
    "lora": ("Low-rank", "Low-rank factors, with the first layer and the adapter in full: quick, and a small subject."),
    "small": ("For small cards", "Low-rank, one picture a step, computed twice to save memory: for cards with 12 GB."),
    "full": ("Every weight", "All weights of the model: four times its size in memory, and gigabytes for the subject."),
}
THUMBNAIL = (96, 120)  # pixels (width, height)


@dataclass(frozen=True)
class Fold:
    """The handlers of the fold."""

    house: House

    # further photos of the same person

    def take_more(self, browser: str | None, files: Sequence[str] | None, kept: list[str] | None) -> Parts:
        """Photos were added: those that can be read stay, the first one that cannot is told."""
        kept, wrong = list(kept or ()), None
        for file in files or ():
            try:
                if len(kept) == MOST_MORE:
                    raise BadInput(f"Up to {MOST_MORE} further photos can be learnt from.")
                check_more([Path(file)])
                kept.append(file)
            except BadInput as error:
                wrong = wrong or error
        return self._more(kept) | {"more_note": note(wrong) if wrong else None}

    def drop_more(self, browser: str | None, index: str, kept: list[str] | None) -> Parts:
        """The photo of this index was taken away."""
        left = list(kept or ())
        del left[int(index) : int(index) + 1]
        return self._more(left) | {"more_note": None}

    def no_more(self) -> Parts:
        """Another person is chosen."""
        return self._more([]) | {"more_note": None}

    def _more(self, kept: list[str]) -> Parts:
        shown = [{"picture": _thumbnail(Path(file)), "title": Path(file).name} for file in kept]
        return {"more_photos": kept, "more_shown": shown}

    # the model, and who is tuned already

    def values(self, profile: Profile) -> Parts:
        """A model's own values."""
        first, last = profile.guidance_interval
        tuning = DEFAULT_TUNINGS.get(profile.name)
        return {
            "steps": profile.steps,
            "s1": profile.s1,
            "s2": profile.s2,
            "guidance_from": first,
            "guidance_to": last,
            "scheduler": Look(value="", choices=samplers(profile)),
            "finetune_steps": profile.finetune_steps,
            "decoder_steps": profile.decoder_steps,
            "tuning": Look(value=tuning, visible=tuning is not None, info=way(tuning)),
        }

    def of_subject(self, library: Library, subject: str | None) -> Parts:
        """The finetune's choices for a photo; for a tuned subject what it has instead."""
        if subject is None:
            return {"tune": VISIBLE, "tuned": None}
        entry = library.subject(subject)
        name = next((name for name in self.house.profiles() if name in entry.tuned), self.house.profile)
        return self.no_more() | {"profile": name, "tune": HIDDEN, "tuned": note(tuned_with(entry, name), "")}


def samplers(profile: Profile) -> list[tuple[str, str]]:
    """(title, name) of the samplers that can follow a model's schedule, its own first."""
    own = read_json(profile.folder / "scheduler" / "scheduler_config.json") or {}
    left_out = {"pndm", profile.scheduler} if own.get("rescale_betas_zero_snr") else {profile.scheduler}
    usual = f"{SAMPLERS[profile.scheduler]} (own)" if profile.scheduler else "The model's own"
    return [(usual, ""), *((SAMPLERS[name], name) for name in SCHEDULERS if name not in left_out)]


def way(tuning: str | None) -> str:
    """The line of a way of finetuning, "" of none."""
    return WAYS[tuning][1] if tuning in WAYS else ""


def tuned_with(entry: SubjectEntry, profile: str) -> str:
    """How a subject was finetuned for a model, in one sentence."""
    known = read_json(entry.folder / "tuned" / profile / FINISHED)
    if known is None:
        return "This subject is not tuned for this model."
    had = known["identity"]["settings"]
    other = {name: had[name] for name in ("steps", "decoder_steps", "seed")}
    title = next((WAYS[name][0].lower() for name, one in TUNINGS.items() if asdict(replace(one, **other)) == had), "")
    photos = 1 + len(list(entry.folder.glob("more/*/sheet.npz")))
    learnt = f"from {photos} photos" if photos > 1 else "from its photo"
    return (
        f"Tuned already{f' ({title})' if title else ''} by {had['steps']} steps and {had['decoder_steps']} of the "
        f"decoder, {learnt}. Start from the photo to tune it anew."
    )


def _thumbnail(file: Path) -> str:
    picture = Image.fromarray(open_photo(file))
    picture.thumbnail((2 * THUMBNAIL[0], 2 * THUMBNAIL[1]))
    return pixels_data(np.asarray(picture))
