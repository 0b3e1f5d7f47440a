"""What a person may choose for one clip, in one frozen dataclass that travels as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from dreampose_core.film.background import BACKGROUNDS, COLOUR, KEEP, parse_colour
from dreampose_core.film.surroundings import FILM, FRAMINGS
from dreampose_core.finetune.tuning import TUNINGS
from dreampose_core.profiles import Profile
from dreampose_core.rules import Choice, Number, Rule, Span, Switch, Text
from dreampose_core.schedulers import SCHEDULERS, STARTS

RULES: dict[str, Rule] = {  # by the field: what may be given, and what it is for
    "frames": Number("The number of frames", "of the film", 1, 1800),
    "fps": Number("The number of frames a second", "frames a second", 1, 60),
    "steps": Number("The number of denoising steps", "denoising steps a frame", 1, 1000),
    "s1": Number("The guidance s1", "strength of the guidance by the photo", 0.0, 30.0),
    "s2": Number("The guidance s2", "strength of the guidance by the pose", 0.0, 30.0),
    "guidance_interval": Span(
        "The guidance's interval", "the part of the sampling in which the guidance is on, 0 begin to 1 end", 0.0, 1.0
    ),
    "scheduler": Choice("The scheduler", "the sampler", tuple(SCHEDULERS)),
    "start_from": Choice("What the sampling starts from", "what the first latents are made of", STARTS),
    "strength": Number("The strength", "last part of the sampling to run, if it starts from a picture", 0.05, 1.0),
    "pull": Number("The pull", "how far frames are moved towards the carried photo where that is known", 0.0, 1.0),
    "seed": Number("The seed", "of all that is random", 0, 2**31 - 1),
    "finetune_steps": Number("The number of finetune steps", "of UNet and adapter on this subject", 0, 20000),
    "decoder_steps": Number("The number of decoder steps", "of the decoder on this subject", 0, 20000),
    "tuning": Choice("The tuning", "the way of finetuning; small is for cards with 12 GB", tuple(TUNINGS)),
    "scale": Number("The size of the poses", "size of poses without a body, times", 0.3, 3.0),
    "shift_x": Number("The shift to the side", "their shift to the right, in widths", -1.0, 1.0),
    "shift_y": Number("The shift up or down", "their shift down, in heights", -1.0, 1.0),
    "background": Choice("The background", "what is behind the person", BACKGROUNDS),
    "framing": Choice("The framing", "what the film shows: the person, or the whole photo", FRAMINGS),
    "background_colour": Text("of a plain background", parse_colour),
    "finetuned": Switch("Finetuned", "render with the weights that learnt this subject"),
    "refined": Switch("Refined", "let the refiner mend the frames with the photo's own pixels"),
    "detailed": Switch("Detailed", "make the film larger than the model's frames, with the photo's own detail"),
    "swinging": Switch("Swinging", "let loose skirts lag behind the hips"),
}
SWITCHES = tuple(name for name, rule in RULES.items() if isinstance(rule, Switch))  # what may be left out of a film


@dataclass(frozen=True)
class AnimateSettings:
    """One clip's settings; what each may be says RULES, and anything else raises BadInput.

    motion: a preset's name, or the title of poses that are handed over beside the settings; extraction: the id
    in the library where they were read from a driving video. frames and fps (frames a second) are the clip's;
    one that follows a driving video keeps its time, and ends with it. steps (denoising steps a frame), s1 and s2
    (guidance of the image and of the pose, arXiv:2304.06025 section 3.4), finetune_steps and decoder_steps: None
    takes the profile's own; for a subject that was finetuned before, None takes it as it is. scale, shift_x,
    shift_y: what a hand corrects of how poses without a body lie on the photo, the shifts in widths and heights of
    the picture. scheduler (see schedulers) and guidance_interval (the part of the sampling in which the guidance is
    on, 0…1): None takes the profile's own. tuning: the way of finetuning (see tuning.TUNINGS), None as with steps.
    background: what is behind the person, one of background.BACKGROUNDS; background_colour: of a plain one, #rrggbb; a
    picture is handed over beside the settings. framing: one of surroundings.FRAMINGS. start_from, strength, pull: as
    DreamPosePipeline.frames takes start, strength and pull, None the model's own. finetuned: with the subject's own
    weights or those of everybody;
    refined: with the model's refiner where it has one; detailed: at the size, and with the detail, of the finer photo
    where the profile has one; swinging: loose cloth lags behind the hips.
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
    framing: str = FILM
    start_from: str | None = None
    strength: float | None = None
    pull: float | None = None
    finetuned: bool = True
    refined: bool = True
    detailed: bool = True
    swinging: bool = True

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in RULES and not (value is None and field.default is None):
                object.__setattr__(self, field.name, RULES[field.name].checked(value))

    @property
    def hand(self) -> tuple[float, float, float]:
        """Scale and shifts by hand."""
        return self.scale, self.shift_x, self.shift_y

    def steps_of_finetune(self, profile: Profile) -> tuple[int, int]:
        """Steps of UNet and adapter, and of the decoder: as given, or else the profile's."""
        return (
            given(self.finetune_steps, profile.finetune_steps),
            given(self.decoder_steps, profile.decoder_steps),
        )

    def to_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping) -> AnimateSettings:
        return cls(**{f.name: values[f.name] for f in fields(cls) if f.name in values})


def given(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
