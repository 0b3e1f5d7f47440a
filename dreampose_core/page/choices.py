"""What the page's fold of further choices holds: from where to where its sliders reach, and in which words."""

from __future__ import annotations

from dataclasses import dataclass

from dreampose_core.film.background import COLOUR, KEEP, PICTURE, PLAIN
from dreampose_core.film.surroundings import FILM, PHOTO
from dreampose_core.settings import SWITCHES

SAMPLER = "How frames are denoised."
SEED = "Another seed, another film."
SAMPLERS = {"pndm": "PNDM", "ddim": "DDIM", "dpm++": "DPM-Solver++", "unipc": "UniPC"}
WAYS = {  # of finetuning: the name on the page, and what it needs
    "lora": ("Low-rank", "Low-rank factors, with the first layer and the adapter in full: quick, and a small subject."),
    "small": ("For small cards", "Low-rank, one picture a step, computed twice to save memory: for cards with 12 GB."),
    "full": ("Every weight", "All weights of the model: four times its size in memory, and gigabytes for the subject."),
}
LEAST_FRAMES, MOST_FRAMES = 4, 120  # but for a film that follows a longer video
BEHIND = ("background", "background_colour", "background_picture")  # what is behind the person
HAND = ("scale", "shift_x", "shift_y")  # how poses without a body lie on the photo, corrected by hand
CHOSEN = (  # what the page hands to Service.animate beside photo, motion and subject, where it has it
    *("frames", "fps", "steps", "s1", "s2", "guidance_from", "guidance_to", "scheduler", "seed", "profile"),
    *("finetune_steps", "decoder_steps", "tuning", "more_photos", "offload", "compile"),
    *(*HAND, *BEHIND, "framing", *SWITCHES),
)


@dataclass(frozen=True)
class Range:
    """What a slider of the page reaches over: what makes sense for most, while the settings' rules allow more. meaning:
    what it does, in a line below its label."""

    label: str
    least: float
    most: float
    step: float = 1
    meaning: str | None = None


RANGES = {
    "frames": Range("Frames", LEAST_FRAMES, MOST_FRAMES, meaning="The film's length."),
    "fps": Range("Frames a second", 4, 30, meaning="The film's pace."),
    "steps": Range("Denoising steps", 1, 50, meaning="More take longer."),
    "s1": Range("Photo guidance s1", 0, 12, 0.5, "Higher: closer to the photo; 1 is off."),
    "s2": Range("Pose guidance s2", 0, 12, 0.5, "Higher: closer to the pose; 1 is off."),
    "guidance_from": Range("Guidance from", 0, 1, 0.05, "On from here: 0 is the first step."),
    "guidance_to": Range("Guidance to", 0, 1, 0.05, "Up to here: 1 is the last step."),
    "finetune_steps": Range("Finetune steps", 0, 1000, meaning="How long the person is learnt."),
    "decoder_steps": Range("Decoder steps", 0, 1000, meaning="Then colours and detail."),
    "scale": Range("Size", 0.5, 2.0, 0.01),
    "shift_x": Range("To the side", -0.5, 0.5, 0.01),
    "shift_y": Range("Up and down", -0.5, 0.5, 0.01),
}
SWITCHED = {  # off, each makes a film to compare with
    "finetuned": "Use what the finetune learnt",
    "refined": "Use the refiner",
    "detailed": "Use the photo's own detail",
    "swinging": "Let loose skirts swing",
}
MACHINE = {  # where there is a GPU
    "offload": "Small card: only what is at work lies on the GPU",
    "compile": "Compile: a minute for the first frames, then faster",
}
SHOWN = (("The person", FILM), ("The whole photo", PHOTO))
BACKDROPS = (("Keep the photo's", KEEP), ("Plain", PLAIN), ("A picture", PICTURE))
COLOURS = ("#ffffff", COLOUR, "#d8d2c8", "#8f8a84", "#2b2927", "#a9b7c4")  # to choose from behind the person
