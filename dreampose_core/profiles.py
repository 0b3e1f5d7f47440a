"""The model profiles: which networks, at which size, with which settings when nobody asks for others."""

from dataclasses import dataclass
from pathlib import Path

ASSETS = Path(__file__).resolve().parent.parent / "assets"


@dataclass(frozen=True)
class Profile:
    """One model and its defaults.

    Attributes:
        folder: a diffusers folder with the pipeline's parts.
        height, width: the pictures' size in pixels, multiples of 8.
        steps: sampling steps.  s1, s2: guidance by the photo and by the pose (1 = none).
        frames, fps: length and pace of a clip.
        finetune_steps, decoder_steps: steps of the two stages of the subject finetune.
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


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            name="mini",
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
        ),
    )
}
DEFAULT_PROFILE = "mini"


def find_profile(name: str) -> Profile:
    """Raises KeyError with the names there are."""
    if name not in PROFILES:
        raise KeyError(f"There is no profile {name!r}; there are: {', '.join(PROFILES)}.")
    return PROFILES[name]
