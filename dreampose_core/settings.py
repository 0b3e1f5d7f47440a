"""What a person may choose for one clip, in one frozen dataclass that travels as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from dreampose_core.background import BACKGROUNDS, COLOUR, KEEP, parse_colour
from dreampose_core.schedulers import SCHEDULERS
from dreampose_core.tuning import tuning_of
from pose_tools.errors import BadInput

LIMITS = {  # field: (least, most), both allowed
    "frames": (1, 1800),
    "fps": (1, 60),
    "steps": (1, 1000),
    "s1": (0.0, 30.0),
    "s2": (0.0, 30.0),
    "finetune_steps": (0, 20000),
    "decoder_steps": (0, 20000),
    "seed": (0, 2**31 - 1),
    "scale": (0.3, 3.0),
    "shift_x": (-1.0, 1.0),
    "shift_y": (-1.0, 1.0),
}
WORDS = {
    "frames": "The number of frames",
    "fps": "The number of frames a second",
    "steps": "The number of denoising steps",
    "s1": "The guidance s1",
    "s2": "The guidance s2",
    "finetune_steps": "The number of finetune steps",
    "decoder_steps": "The number of decoder steps",
    "seed": "The seed",
    "scale": "The size of the poses",
    "shift_x": "The shift to the side",
    "shift_y": "The shift up or down",
}


@dataclass(frozen=True)
class AnimateSettings:
    """One clip's settings.

    motion: a preset's name, or the title of poses that are handed over beside the settings; extraction: the id
    in the library where they were read from a driving video. frames and fps (frames a second) are the clip's;
    one that follows a driving video keeps its time, and ends with it. steps (denoising steps a frame), s1 and s2
    (guidance of the image and of the pose, arXiv:2304.06025 section 3.4), finetune_steps and decoder_steps: None
    takes the profile's own; for a subject that was finetuned before, None takes it as it is. scale, shift_x,
    shift_y: what a hand corrects of how poses without a body lie on the photo, the shifts in widths and heights of
    the picture. scheduler (see schedulers) and guidance_interval (the part of the sampling in which the guidance is
    on, 0…1): None takes the profile's own. tuning: the way of finetuning (see tuning.TUNINGS), None as with steps.
    background: what is behind the person, one of background.BACKGROUNDS; background_colour: of a plain one, #rrggbb; a
    picture is handed over beside the settings. Raises BadInput outside of LIMITS.
    """

    motion: str
    frames: int = 36
    fps: int = 12
    steps: int | None = None
    s1: float | None = None
    s2: float | None = None
    finetune_steps: int | None = None
    decoder_steps: int | None = None
    seed: int = 0
    profile: str = "mini"
    extraction: str | None = None
    scale: float = 1.0
    shift_x: float = 0.0
    shift_y: float = 0.0
    scheduler: str | None = None
    guidance_interval: tuple[float, float] | None = None
    tuning: str | None = None
    background: str = KEEP
    background_colour: str = COLOUR

    def __post_init__(self) -> None:
        for name, (least, most) in LIMITS.items():
            value = getattr(self, name)
            if value is None:
                continue
            whole = isinstance(least, int)
            right_type = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
            if not right_type or not least <= value <= most:
                kind = "a whole number" if whole else "a number"
                raise BadInput(
                    f"{WORDS[name]} must be {kind} from {least:g} to {most:,}.".replace(".0.", ".")
                )

        tuning_of(self.profile, self.tuning)
        if self.background not in BACKGROUNDS:
            raise BadInput(f"The background must be one of {', '.join(BACKGROUNDS)}.")
        parse_colour(self.background_colour)
        if self.scheduler is not None and self.scheduler not in SCHEDULERS:
            raise BadInput(f"There is no scheduler named {self.scheduler}; there are {', '.join(SCHEDULERS)}.")
        if self.guidance_interval is not None:
            first, last = self.guidance_interval
            if not 0 <= first <= last <= 1:
                raise BadInput("The guidance's interval must be two numbers from 0 to 1, the smaller one first.")
            object.__setattr__(self, "guidance_interval", (float(first), float(last)))  # JSON made a list of it

    @property
    def hand(self) -> tuple[float, float, float]:
        """Scale and shifts by hand."""
        return self.scale, self.shift_x, self.shift_y

    def to_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping) -> AnimateSettings:
        return cls(**{f.name: values[f.name] for f in fields(cls) if f.name in values})
