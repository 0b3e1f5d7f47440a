"""The model profiles: which networks, at which size, with which settings when nobody asks for others."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # who only lists the profiles need not wait for it
    import torch

ASSETS = Path(__file__).resolve().parent.parent / "assets"
SD1 = "dreampose-sd1"


@dataclass(frozen=True)
class Profile:
    """One model and its defaults.

    Attributes:
        folder: a diffusers folder with the pipeline's parts.
        height, width: the pictures' size in pixels, multiples of 8.
        steps: sampling steps.  s1, s2: guidance by the photo and by the pose (1 = none).
        frames, fps: length and pace of a clip.
        finetune_steps, decoder_steps: steps of the two stages of the subject finetune.
        scheduler: name of the sampler (see schedulers), or None for the model's own.
        guidance_interval: first and last part of the sampling in which the guidance is on.
        precision: kind of device ("cuda", "mps") -> torch's name of the weights' type in sampling; float32 elsewhere.
        start, strength, pull: as DreamPosePipeline.frames takes them where the photo can be carried to the poses;
            None, None and 0 are the model's own.
        batch: frames rendered together, or None for as many as fit the memory.
        finer: times the model's size that a film has, where the photo's own detail is laid over what the model made.
        fetched: whether the weights are not part of the project, and have to be made by `download` or `import`.
    """

    name: str
    title: str
    folder: Path
    height: int
    width: int
    steps: int
    s1: float
    s2: float
    frames: int
    fps: float
    finetune_steps: int
    decoder_steps: int
    scheduler: str | None = None
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    precision: Mapping[str, str] = field(default_factory=dict)
    start: str | None = None
    strength: float | None = None
    pull: float = 0.0
    batch: int | None = 4
    finer: int = 1
    fetched: bool = False

    @property
    def here(self) -> bool:
        """Whether its weights are on this machine."""
        return (self.folder / "model_index.json").is_file()

    def dtype_on(self, device: str) -> torch.dtype:
        """Type of the weights in sampling on a device such as "cpu" or "cuda:1"."""
        import torch

        return getattr(torch, self.precision.get(device.split(":")[0], "float32"))

    @property
    def what_to_do(self) -> str:
        """One sentence for who chose a profile whose weights are missing."""
        return (
            f"The weights of the profile {self.name} are not on this machine: fetch them by `python -m "
            f"dreampose_core download --profile {self.name}`, take the authors' files by `python -m dreampose_core "
            f"import`, or use the profile {DEFAULT_PROFILE}."
        )


def cache_folder() -> Path:
    """Where weights that are not part of the project lie: DREAMPOSE_CACHE, or dreampose-studio in the user's cache."""
    if own := os.environ.get("DREAMPOSE_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dreampose-studio"


DEFAULT_PROFILE = "mini"
PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            name=DEFAULT_PROFILE,
            title="Mini: shipped with the project, runs on a CPU",
            folder=ASSETS / "models" / "mini",
            height=320,
            width=256,
            steps=4,
            s1=1.0,
            s2=1.0,
            frames=36,
            fps=12.0,
            finetune_steps=40,
            decoder_steps=20,
            finer=2,
        ),
        Profile(
            name=SD1,
            title="DreamPose: the paper's model on Stable Diffusion 1.4, for a GPU",
            folder=cache_folder() / SD1,
            height=640,
            width=512,
            steps=20,
            s1=8.0,  # the authors' own values for their released weights, as is s2
            s2=3.0,
            frames=36,
            fps=12.0,
            finetune_steps=250,  # of 2 and 4 pictures each: as many as in the authors' 500 and 1500 steps of one
            decoder_steps=375,
            scheduler="unipc",
            start="carried",  # the paper's model in small was far nearer to the photo so (benchmarks/results/quality)
            strength=0.4,
            pull=1.0,
            precision={"cuda": "bfloat16", "mps": "float16"},
            batch=None,
            fetched=True,
        ),
    )
}


def find_profile(name: str) -> Profile:
    """Raises KeyError with the names there are."""
    if name not in PROFILES:
        raise KeyError(f"There is no profile {name!r}; there are: {', '.join(PROFILES)}.")
    return PROFILES[name]
