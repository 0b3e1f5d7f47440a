"""What the page's fold of further choices shows: only what has an effect for the model, the subject and the machine.

Handlers as those of desk.py: a visitor's wish in, the parts to change out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from dreampose_core.finetune.tuning import DEFAULT_TUNINGS, TUNINGS
from dreampose_core.library.entries import SubjectEntry
from dreampose_core.library.files import read_json
from dreampose_core.library.library import Library
from dreampose_core.more_photos import MOST_MORE, open_more
from dreampose_core.page.choices import SAMPLERS, WAYS
from dreampose_core.page.house import House
from dreampose_core.page.parts import HIDDEN, VISIBLE, Look, Parts, note
from dreampose_core.page.views import pixels_data, taken
from dreampose_core.profiles import Profile
from dreampose_core.schedulers import SCHEDULERS
from dreampose_core.weights.checkpoints import FINISHED
from pose_tools.errors import BadInput

THUMBNAIL = (96, 120)  # pixels (width, height)


@dataclass(frozen=True)
class AdvancedDesk:
    """The handlers of the fold."""

    house: House

    # further photos of the same person

    def take_more(
        self, browser: str | None, files: Sequence[str] | None, kept: list[str] | None, shown: list[dict] | None
    ) -> Parts:
        """Photos were added to those that are kept and shown: those that can be read stay, the first one that cannot
        is told."""
        kept, shown, wrong = list(kept or ()), list(shown or ()), None
        for file in files or ():
            try:
                if len(kept) == MOST_MORE:
                    raise BadInput(f"Up to {MOST_MORE} further photos can be learnt from.")
                picture = open_more(Path(file))
                kept.append(file)
                shown.append({"picture": _thumbnail(picture), "title": Path(file).name})
            except BadInput as error:
                wrong = wrong or error
        return {"more_photos": kept, "more_shown": shown, "more_note": note(wrong) if wrong else None}

    def drop_more(
        self, browser: str | None, index: str, kept: list[str] | None, shown: list[dict] | None
    ) -> Parts:
        """The photo of this index was taken away."""
        left, seen = ([one for i, one in enumerate(each or ()) if i != int(index)] for each in (kept, shown))
        return {"more_photos": left, "more_shown": seen, "more_note": None}

    def no_more(self) -> Parts:
        """Another person is chosen."""
        return {"more_photos": [], "more_shown": [], "more_note": None}

    # what is behind the person

    def take_backdrop(self, browser: str | None, path: str | None) -> Parts:
        """A picture for behind the person, or none: say at once if it cannot be read."""
        return {"behind_note": None, "go_note": None} | taken(path, "background_picture", "behind_note")

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
            "refined": Look(visible=(profile.folder / "refiner").is_dir()),
            "detailed": Look(visible=profile.finer > 1),
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
    steps = f"{had['steps']} step{'' if had['steps'] == 1 else 's'}"
    return (
        f"Tuned already{f' ({title})' if title else ''} by {steps} and {had['decoder_steps']} of the "
        f"decoder, {learnt}. Start from the photo to tune it anew."
    )


def _thumbnail(photo: np.ndarray) -> str:
    picture = Image.fromarray(photo)
    picture.thumbnail((2 * THUMBNAIL[0], 2 * THUMBNAIL[1]))
    return pixels_data(np.asarray(picture))
